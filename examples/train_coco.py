"""Title: Train a network on COCO
Description: The recipe: a backbone trained on ImageNet, AdamW, evaluation while it trains.

    python examples/train_coco.py --coco coco --output run
    python examples/train_coco.py --small --output run

With `--small` it needs no download: it trains a small network for two minutes on drawn people, just to show
every step. `keras-openpose train` is this script with flags.
"""

import argparse
from pathlib import Path

import keras

import keras_openpose as ko

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--coco", type=Path, help="folder that holds train2017, val2017 and annotations")
parser.add_argument("--output", type=Path, required=True)
parser.add_argument("--small", action="store_true")
parser.add_argument("--steps", type=int)
arguments = parser.parse_args()
if not (arguments.small or arguments.coco):
    parser.error("--coco is needed, or --small")
keras.utils.set_random_seed(0)

# ## Photographs and labels
#
# A folder of images and a file of keypoints, for training and for validation.

if arguments.small:
    scenes, size, batch_size = arguments.output / "scenes", (96, 96), 8
    train, val = (
        (scenes / name, scenes / f"annotations/person_keypoints_{name}.json") for name in ("train", "val")
    )
    if not val[1].exists():
        ko.synthetic_people(400, size=size, people=(1, 2), seed=1, folder=scenes, split="train")
        ko.synthetic_people(50, size=size, people=(1, 2), seed=2, folder=scenes, split="val")
else:
    train, val = (
        (arguments.coco / name, arguments.coco / f"annotations/person_keypoints_{name}.json")
        for name in ("train2017", "val2017")
    )
    size, batch_size = (368, 368), 8

# ## Batches
#
# Crops around people, scaled, rotated, shifted and mirrored as CMU's training did, with their targets and a
# mask of what does not count, made while the network computes.

dataset = ko.coco_dataset(*train, input_size=size, batch_size=batch_size, seed=0)
images, targets, mask = next(iter(dataset))
for name, batch in {"images": images, **targets, "mask": mask}.items():
    print(f"{name:<9}{batch.dtype.name:<8}{batch.shape}")

# ## The network
#
# Its backbone knows ImageNet already. Without, training takes several times as long.

model = ko.compact_openpose() if arguments.small else ko.openpose("vgg19", weights="imagenet")

# ## Training
#
# The backbone keeps its weights until the rest has found its bearings. Every 1,000 steps the state is backed
# up: killed, and started again with the same command, the script goes on. Every 10,000 it is measured.

steps = arguments.steps or (200 if arguments.small else 300_000)
ko.train(
    model,
    dataset,
    arguments.output,
    steps=steps,
    steps_per_epoch=min(1000, max(steps // 2, 1)),
    freeze_backbone_steps=0 if arguments.small else 5_000,
    learning_rate=2e-3 if arguments.small else 2e-4,
    clipnorm=10.0,
    ema=0.9 if arguments.small else 0.999,
    validation=val,
    validate={"every": 1 if arguments.small else 10, "input_size": size},
)

# ## How good is it?
#
# Two scales, the mirrored photograph, and a second look at every person, as the benchmarks have it.

figures = ko.evaluate_coco(model, *val, input_size=size, scales=(1, 2), flip=True, refine=True)
print({name: round(value, 1) for name, value in figures.items()})

# ## Going further
#
# `keras-openpose detect photo.jpg --model run/model.keras` finds people with it. Other backbones: any name of
# `list_backbones()`, or a model of your own. More than one device: `docs/devices.md`.
