"""Title: People in photographs
Description: From files to arrays, JSON and pictures.

    python examples/detect.py photo.jpg another.jpg --output found

`keras-openpose detect` does the same, for folders and videos, too.
"""

import argparse
import json
from pathlib import Path

import keras_openpose as ko

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("photographs", nargs="+", type=Path)
parser.add_argument("--preset", default="efficientnet_lite0_coco", choices=ko.list_presets())
parser.add_argument("--file", type=Path, help="the published weights, if you have them")
parser.add_argument("--output", type=Path, required=True)
arguments = parser.parse_args()
arguments.output.mkdir(parents=True, exist_ok=True)

# ## The network
#
# The published file is downloaded once, checked and converted.

model = ko.from_preset(arguments.preset, file=arguments.file)

# ## People
#
# Photographs of any size, eight at a time. Two scales find small people, the mirrored photograph steadies the
# maps, and everyone found is looked at once more.

images = [ko.read_image(path) for path in arguments.photographs]
found = ko.predict_poses(model, images, scales=(1, 2), flip=True, refine=True)

# ## Numbers, JSON, pictures
#
# Coordinates are pixels of each photograph; a keypoint that is not seen is NaN.

for path, image, poses in zip(arguments.photographs, images, found, strict=True):
    print(f"{path.name}: {len(poses)} people")
    for person in poses:
        keypoints = person.as_dict()
        nose = "nose at {:.1f}, {:.1f}".format(*keypoints["nose"]) if "nose" in keypoints else "nose not seen"
        print(f"  score {person.pose_scores[0]:.1f}, {len(keypoints)} keypoints, {nose}")
    (arguments.output / f"{path.stem}.json").write_text(json.dumps(ko.poses_to_openpose(poses)))
    picture = ko.draw_poses(image, poses)
    ko.write_image(arguments.output / f"{path.stem}.png", picture)
