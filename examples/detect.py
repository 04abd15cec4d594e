"""
Title: People in photographs
Author: The keras-openpose authors
Date created: 2026/11/24
Last modified: 2026/11/27
Description: From image files to keypoints, JSON and pictures.
Accelerator: None
"""

"""
## Introduction

```
python examples/detect.py photo.jpg another.jpg --output found
```

`keras-openpose detect` does the same, for folders and videos too.
"""

import argparse
import json
from pathlib import Path

import keras_openpose as ko

parser = argparse.ArgumentParser(description="Find the people in photographs.")
parser.add_argument("photographs", nargs="+", type=Path)
parser.add_argument("--preset", default="efficientnet_lite0_coco", choices=ko.list_presets())
parser.add_argument("--file", type=Path, help="the published weights, if you have them")
parser.add_argument("--output", type=Path, required=True)
arguments = parser.parse_args()
arguments.output.mkdir(parents=True, exist_ok=True)

"""
## The network

The default preset comes with the package. Other presets are downloaded once, checked and converted.
"""

model = ko.from_preset(arguments.preset, file=arguments.file)

"""
## Prediction

Photographs may have any size; they run in batches of eight. At the best quality several scales find small
people, the mirrored photograph makes the maps more reliable, and the network runs once more on each person.
"""

images = [ko.read_image(path) for path in arguments.photographs]
found = ko.predict_poses(model, images, quality="best")

"""
## Keypoints

Coordinates are pixels of each photograph. `as_dict` has the keypoints of one person that were found.
"""

for path, poses in zip(arguments.photographs, found):
    print(f"{path.name}: {len(poses)} people")
    for person in poses:
        keypoints = person.as_dict()
        print(f"  score {person.pose_scores[0]:.1f}, {len(keypoints)} keypoints")
        if "nose" in keypoints:
            x, y = keypoints["nose"]
            print(f"  nose at {x:.1f}, {y:.1f}")

"""
## JSON and pictures

The JSON has the form that OpenPose writes.
"""

for path, image, poses in zip(arguments.photographs, images, found):
    people = ko.poses_to_openpose(poses)
    (arguments.output / f"{path.stem}.json").write_text(json.dumps(people))
    picture = ko.draw_poses(image, poses)
    ko.write_image(arguments.output / f"{path.stem}.png", picture)
