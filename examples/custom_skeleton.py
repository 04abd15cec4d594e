"""Title: Keypoints of your own
Description: From a new kind of body to a trained network: desk lamps with five keypoints, in minutes.

    python examples/custom_skeleton.py --output lamps

Nothing of this package knows of lamps: one `Skeleton` says what they are, and targets, network, decoding,
drawing and evaluation follow it. Put your photographs in the place of the drawings.
"""

import argparse
import itertools
from pathlib import Path

import cv2
import keras
import numpy as np

import keras_openpose as ko

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--output", type=Path, required=True)
parser.add_argument("--steps", type=int, default=400)
arguments = parser.parse_args()
keras.utils.set_random_seed(0)

# ## What a lamp is
#
# Keypoints by name, and the limbs that join them. A lamp has no left and right, so mirroring exchanges
# nothing. The sigmas say how exactly each keypoint can be told at all, as OKS needs it.

LAMP = ko.Skeleton(
    "lamp",
    keypoints=("foot", "hinge", "elbow", "head", "bulb"),
    limbs=(("foot", "hinge"), ("hinge", "elbow"), ("elbow", "head"), ("head", "bulb")),
    sigmas=(0.05, 0.05, 0.05, 0.05, 0.05),
)
SIZE = (128, 128)

# ## Labelled pictures
#
# Here they are drawn. Yours would be paths of files, with the keypoints that someone has clicked; NaN where a
# keypoint is not to be seen.


def draw_lamp(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a lamp somewhere; its five keypoints, in pixels."""
    length = rng.uniform(18, 30)
    foot = rng.uniform((20, 80), (SIZE[1] - 20, SIZE[0] - 8))
    points = [foot, foot - (0, 0.3 * length)]
    for bend, reach in zip(np.cumsum(rng.uniform(-0.7, 0.7, 3)), (1, 1, 0.5), strict=True):
        points.append(points[-1] + reach * length * np.array([np.sin(bend), -np.cos(bend)]))
    color = tuple(rng.integers(60, 256, 3).tolist())
    corners = [tuple(np.rint(point).astype(int).tolist()) for point in points]
    cv2.ellipse(image, corners[0], (12, 4), 0, 0, 360, color, cv2.FILLED, cv2.LINE_AA)
    for start, end in itertools.pairwise(corners):
        cv2.line(image, start, end, color, 4, cv2.LINE_AA)
    cv2.circle(image, corners[4], 6, (255, 255, 200), cv2.FILLED, cv2.LINE_AA)
    return np.array(points)


def draw_sample(seed: int) -> ko.PoseSample:
    """A table with one or two lamps."""
    rng = np.random.default_rng(seed)
    image = np.empty((*SIZE, 3), np.uint8)
    image[:] = rng.integers(0, 120, 3)
    image[100:] //= 2
    lamps = [draw_lamp(image, rng) for _ in range(rng.integers(1, 3))]
    return ko.PoseSample(image, keypoints=lamps, image_id=seed)


samples = [draw_sample(seed) for seed in range(1000)]
dataset = ko.pose_dataset(samples, skeleton=LAMP, input_size=SIZE, batch_size=8, augment=False, shuffle=True)

# ## Training
#
# Any network takes the skeleton. This one is small enough for a CPU, and `ConvMuon` trains it from random
# weights in fewer steps than AdamW, its learning rate falling to 0.

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

# ## Lamps in pictures that the network has not seen

error, found = [], 0
unseen = [draw_sample(seed) for seed in range(10_000, 10_020)]
for sample in unseen:
    poses = model.detect(sample.image, input_size=SIZE)
    found += len(poses)
    for lamp in sample.keypoints:
        if len(poses):
            distances = np.linalg.norm(poses.keypoints - lamp, axis=-1)
            error.append(np.nanmean(distances, axis=1).min())
    picture = ko.draw_poses(sample.image, poses)
    ko.write_image(arguments.output / f"found_{sample.image_id}.png", picture)
lamps = sum(len(sample.keypoints) for sample in unseen)
if error:
    print(f"Found {found} lamps of {lamps}; the middle one is {np.median(error):.1f} pixels off.")

# ## Going further
#
# With labels in a file of COCO's form, whose category names these keypoints, `coco_dataset(...,
# skeleton=LAMP)` reads them, and `evaluate_coco` and `CocoEvaluation` measure AP.
