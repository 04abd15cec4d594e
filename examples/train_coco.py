"""
Title: Train a network on COCO
Author: The keras-openpose authors
Date created: 2026/11/24
Last modified: 2026/11/27
Description: The recipe: an ImageNet backbone, AdamW, and AP while it trains.
Accelerator: GPU
"""

"""
## Introduction

```
python examples/train_coco.py --coco coco --output run
python examples/train_coco.py --small --output run
```

`--small` needs no download: it trains a small network for two minutes on synthetic people, to show every
step. `keras-openpose train` is this script with flags.
"""

import argparse
from pathlib import Path

import keras_openpose as ko
import keras

parser = argparse.ArgumentParser(description="Train a network on COCO.")
parser.add_argument("--coco", type=Path, help="folder that holds train2017, val2017 and annotations")
parser.add_argument("--output", type=Path, required=True)
parser.add_argument("--small", action="store_true")
parser.add_argument("--steps", type=int)
arguments = parser.parse_args()
if not (arguments.small or arguments.coco):
    parser.error("--coco is needed, or --small")
keras.utils.set_random_seed(0)

"""
## Photographs and labels

Training and validation each have a folder of images and a file of keypoints.
"""

if arguments.small:
    data, splits, size = arguments.output / "scenes", ("train", "val"), (96, 96)
else:
    data, splits, size = arguments.coco, ("train2017", "val2017"), (368, 368)

train, val = ((data / split, data / f"annotations/person_keypoints_{split}.json") for split in splits)

if arguments.small and not val[1].exists():
    options = {"size": size, "people": (1, 2), "folder": data}
    ko.synthetic_people(400, seed=1, split="train", **options)
    ko.synthetic_people(20, seed=2, split="val", **options)

"""
## Batches

A batch holds crops around people, their targets, and a mask that is 0 where the loss is ignored. The crops
are scaled, rotated, shifted and mirrored as in CMU's training.
"""

dataset = ko.coco_dataset(*train, input_size=size, batch_size=8, seed=0)
images, targets, mask = next(iter(dataset))
for name, batch in {"images": images, **targets, "mask": mask}.items():
    print(f"{name:<9}{batch.dtype.name:<8}{batch.shape}")

"""
## Network

The backbone has ImageNet weights. Without them, training takes several times as long.
"""

model = ko.compact_openpose() if arguments.small else ko.openpose("vgg19", weights="imagenet")

"""
## Training

At first the backbone is frozen, while the stages learn. An epoch is 1,000 steps and ends with a backup. If
the script is killed and started again with the same command, it continues. Every tenth epoch measures AP.
"""

if arguments.small:
    steps = arguments.steps or 200
    recipe = {"learning_rate": 2e-3, "ema": 0.9, "freeze_backbone_steps": 0}
    evaluate_every = 1
else:
    steps = arguments.steps or 300_000
    recipe = {"learning_rate": 2e-4, "ema": 0.999, "freeze_backbone_steps": 5_000}
    evaluate_every = 10

ko.train(
    model,
    dataset,
    arguments.output,
    steps=steps,
    steps_per_epoch=min(1000, max(steps // 2, 1)),
    clipnorm=10.0,
    validation=val,
    validate={"every": evaluate_every, "input_size": size},
    **recipe,
)

"""
## Evaluation

At the best quality: several scales, the mirrored photograph and refinement.
"""

figures = ko.evaluate_coco(model, *val, input_size=size, quality="best")
print({name: round(value, 1) for name, value in figures.items()})

"""
## Next steps

`keras-openpose detect photo.jpg --model run/model.keras` finds people with the network. `list_backbones()`
names other backbones. `docs/devices.md` shows training on several devices.
"""
