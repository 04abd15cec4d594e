"""
Title: Keypoints of your own
Author: The keras-openpose authors
Date created: 2026/11/24
Last modified: 2026/11/27
Description: From a new skeleton to a trained network, with desk lamps of five keypoints.
Accelerator: None
"""

"""
## Introduction

The package does not know lamps. One `Skeleton` describes them, and targets, network, decoding, drawing and
evaluation follow it. The example trains for some minutes on a CPU. Put your photographs in place of the
drawings.

```
python examples/custom_skeleton.py --output lamps
```
"""

import argparse
import itertools
from pathlib import Path

import cv2
import keras_openpose as ko
import keras
import numpy as np

parser = argparse.ArgumentParser(description="Train a network on lamps.")
parser.add_argument("--output", type=Path, required=True)
parser.add_argument("--steps", type=int, default=400)
arguments = parser.parse_args()
keras.utils.set_random_seed(0)

"""
## Skeleton

A skeleton has keypoints by name and the limbs that join them. A lamp has no left and right, so there are no
flips. The sigmas say how exactly people can place each keypoint; OKS needs them.
"""

LAMP = ko.Skeleton(
    "lamp",
    keypoints=("foot", "hinge", "elbow", "head", "bulb"),
    limbs=(("foot", "hinge"), ("hinge", "elbow"), ("elbow", "head"), ("head", "bulb")),
    sigmas=(0.05, 0.05, 0.05, 0.05, 0.05),
)
SIZE = (128, 128)

"""
## Labeled pictures

This example draws them. First the keypoints of a lamp: a foot, three arms with random bends, and a bulb.
"""


def random_lamp(rng: np.random.Generator) -> np.ndarray:
    """The five keypoints of a lamp, in pixels."""
    length = rng.uniform(18, 30)
    foot = rng.uniform((20, 80), (SIZE[1] - 20, SIZE[0] - 8))
    points = [foot, foot - (0, 0.3 * length)]
    bends = np.cumsum(rng.uniform(-0.7, 0.7, 3))
    for bend, reach in zip(bends, (1, 1, 0.5)):
        direction = np.array([np.sin(bend), -np.cos(bend)])
        points.append(points[-1] + reach * length * direction)
    return np.array(points)


def draw_lamp(image: np.ndarray, points: np.ndarray, color: tuple[int, int, int]):
    """Draw the foot, the arms and the bulb."""
    corners = [tuple(point) for point in np.rint(points).astype(int).tolist()]
    cv2.ellipse(image, corners[0], (12, 4), 0, 0, 360, color, cv2.FILLED, cv2.LINE_AA)
    for start, end in itertools.pairwise(corners):
        cv2.line(image, start, end, color, 4, cv2.LINE_AA)
    cv2.circle(image, corners[4], 6, (255, 255, 200), cv2.FILLED, cv2.LINE_AA)


"""
A `PoseSample` is a picture and the keypoints in it. Yours would have the path of a file and the keypoints
that someone has clicked, NaN where a keypoint is not labeled.
"""


def draw_sample(seed: int) -> ko.PoseSample:
    """A table with one or two lamps."""
    rng = np.random.default_rng(seed)
    image = np.empty((*SIZE, 3), np.uint8)
    image[:] = rng.integers(0, 120, 3)
    image[100:] //= 2
    lamps = []
    for _ in range(rng.integers(1, 3)):
        lamps.append(random_lamp(rng))
        draw_lamp(image, lamps[-1], tuple(rng.integers(60, 256, 3).tolist()))
    return ko.PoseSample(image, keypoints=lamps, image_id=seed)


samples = [draw_sample(seed) for seed in range(1000)]

"""
`pose_dataset` makes training batches of the samples.
"""

dataset = ko.pose_dataset(
    samples,
    skeleton=LAMP,
    input_size=SIZE,
    batch_size=8,
    augment=False,
    shuffle=True,
)

"""
## Training

Every network function takes the skeleton. `compact_openpose` is small enough for a CPU. From random weights,
`ConvMuon` needs fewer steps than AdamW; its learning rate falls to 0.
"""

model = ko.compact_openpose(skeleton=LAMP)
learning_rate = keras.optimizers.schedules.CosineDecay(4e-3, arguments.steps)
ko.train(
    model,
    dataset,
    arguments.output,
    steps=arguments.steps,
    steps_per_epoch=min(100, arguments.steps),
    optimizer=ko.ConvMuon(learning_rate, exclude=["heatmaps", "pafs"]),
)

"""
## Results on unseen pictures

For each drawn lamp, we take the closest lamp found, and the mean distance of its keypoints.
"""

unseen = [draw_sample(seed) for seed in range(10_000, 10_020)]
drawn, found, errors = 0, 0, []
for sample in unseen:
    poses = model.detect(sample.image, input_size=SIZE)
    drawn += len(sample.keypoints)
    found += len(poses)
    for lamp in sample.keypoints:
        if len(poses) > 0:
            distances = np.linalg.norm(poses.keypoints - lamp, axis=-1)
            errors.append(np.nanmean(distances, axis=1).min())
    picture = ko.draw_poses(sample.image, poses)
    ko.write_image(arguments.output / f"found_{sample.image_id}.png", picture)

print(f"Found {found} lamps of {drawn}.")
if errors:
    print(f"The median error is {np.median(errors):.1f} pixels.")

"""
## Next steps

With labels in COCO's form, whose category names these keypoints, `coco_dataset(..., skeleton=LAMP)` reads
them, and `evaluate_coco` and `CocoEvaluation` measure AP.
"""
