"""
Title: Tracking people in a video
Author: The keras-openpose authors
Date created: 2026/11/25
Last modified: 2026/11/27
Description: From frames to a drawn video in which people keep their ids.
Accelerator: None
"""

"""
## Introduction

This example makes its own video: two synthetic people who walk past each other. A file, a camera or a stream
works the same way: `ko.predict_video(ko.from_preset(), "clip.mp4")`.

```
python examples/video.py --output crossing.mp4
```
"""

import argparse
from collections import Counter
from pathlib import Path

import cv2
import keras_openpose as ko
import numpy as np

parser = argparse.ArgumentParser(description="Track two people in a video.")
parser.add_argument("--frames", type=int, default=60)
parser.add_argument("--output", type=Path, default=Path("crossing.mp4"))
arguments = parser.parse_args()
height, width, fps = 192, 320, 20

"""
## Two people

We draw scenes of one person and keep the people who stand upright with most keypoints in sight.
"""

images, labels = ko.synthetic_people(60, size=(height, height), people=(1, 1), seed=3, progress=False)


def is_upright(person: dict) -> bool:
    _, _, box_width, box_height = person["bbox"]
    tall = 0.6 < round(box_height) / height < 0.85
    return person["num_keypoints"] >= 14 and tall and round(box_height) > 2 * round(box_width)


"""
The outline of the label cuts a person out.
"""


def cut_out(person: dict) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of the person's box, and which of them show the person."""
    outline = [np.reshape(ring, (-1, 2)).astype(int) for ring in person["segmentation"]]
    mask = cv2.fillPoly(np.zeros((height, height), np.uint8), outline, 1).astype(bool)
    left, top, box_width, box_height = (round(number) for number in person["bbox"])
    box = slice(top, top + box_height), slice(left, left + box_width)
    return images[person["image_id"] - 1][box], mask[box]


upright = [cut_out(person) for person in labels["annotations"] if is_upright(person)]
cast = sorted(upright, key=lambda cut: -len(cut[0]))[:2]

"""
## The video

The scene has a wall and a floor. The taller person walks to the right. The other passes in front, to the
left.
"""

stage = np.full((height, width, 3), (150, 160, 170), np.uint8)
stage[150:] = (110, 100, 90)
noise = np.random.default_rng(0).normal(0, 4, stage.shape)
stage = np.clip(stage + noise, 0, 255).astype(np.uint8)


def film():
    """The frames of the video."""
    for time in np.linspace(0, 1, arguments.frames):
        frame = stage.copy()
        step = round(3 * np.sin(40 * time))
        for way, (picture, mask) in zip((time, 1 - time), cast):
            tall, wide = mask.shape
            left = round(way * (width - wide))
            top = height - tall - 8 + step
            frame[top : top + tall, left : left + wide][mask] = picture[mask]
        yield frame


"""
## Prediction

`ids` stay with people while they cross. Reading, the network, and drawing run at the same time.
"""

model = ko.from_preset("demo_synthetic")
people = ko.predict_video(model, film(), fps=fps, smooth=True, flip=True, min_score=0.4, min_keypoints=8)

writer = cv2.VideoWriter(str(arguments.output), cv2.VideoWriter_fourcc(*"mp4v"), fps, (width, height))
frames_with = Counter()
for frame, poses in people:
    writer.write(ko.draw_poses(frame, poses)[..., ::-1])
    frames_with.update(poses.ids.tolist())
writer.release()

"""
## Result

Two people, two ids. Where one person hides the other, either may be missed for some frames.
"""

for number, count in sorted(frames_with.items()):
    print(f"person {number}: in {count} of {arguments.frames} frames")
print(f"{len(cast)} people were drawn. Video: {arguments.output}")
