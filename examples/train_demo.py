"""
Title: Train the network of the demo
Author: The keras-openpose authors
Date created: 2026/11/24
Last modified: 2026/11/27
Description: From random weights and synthetic people to the weights of `keras-openpose demo`, in an hour.
Accelerator: None
"""

"""
## Introduction

This example draws scenes of people, trains `compact_openpose` on them from random weights, and measures it on
unseen scenes. It writes `demo_synthetic.weights.h5`, the file that comes with the package.

```
python examples/train_demo.py --folder demo_training
```

If it is interrupted, the same command continues the training.
"""

import argparse
import contextlib
import io
import json
from pathlib import Path

import keras_openpose as ko
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras_openpose.evaluation import coco_figures
from pycocotools.coco import COCO

parser = argparse.ArgumentParser(description="Train the network of the demo.")
parser.add_argument("--folder", type=Path, required=True, help="for scenes, backups and the result")
parser.add_argument("--scenes", type=int, default=40_000)
parser.add_argument("--steps", type=int, default=12_000)
parser.add_argument("--unseen", type=int, default=200, help="scenes to measure on")
arguments = parser.parse_args()
folder, size, steps = arguments.folder, (384, 384), arguments.steps
keras.utils.set_random_seed(0)

"""
## Synthetic people

There are 40,000 scenes with one to four people for training, and 200 of another seed for evaluation.
"""


def scenes(split: str, count: int, seed: int) -> tuple[Path, Path]:
    """Images and labels, drawn unless they exist."""
    images = folder / split
    labels = folder / "annotations" / f"person_keypoints_{split}.json"
    if labels.exists():
        return images, labels
    folder.mkdir(parents=True, exist_ok=True)
    return ko.synthetic_people(count, size=size, seed=seed, folder=folder, split=split)


train = scenes("train", arguments.scenes, seed=1)
unseen = scenes("unseen", arguments.unseen, seed=2)

"""
## Weights of the cells

Most cells of the maps show no keypoint and no limb. Those that do count up to nine and five times as much.
The network then stops predicting background everywhere sooner.
"""


def weigh(images, targets, mask):
    """Weights of the cells from what they show."""
    heatmaps = tf.reduce_max(targets["heatmaps"][..., :-1], axis=-1)
    pafs = tf.reduce_max(tf.abs(targets["pafs"]), axis=-1)
    weights = {"heatmaps": mask * (1 + 8 * heatmaps), "pafs": mask * (1 + 4 * pafs)}
    return images, targets, weights


dataset = ko.coco_dataset(
    *train,
    input_size=size,
    batch_size=16,
    augment=False,
    shuffle=True,
    seed=3,
    repeat=-1,
).map(weigh)

"""
## Network

`ConvMuon` learned more in 600 steps than AdamW in 1,000 here. The learning rate rises for 300 steps, then
falls to 0 along a cosine. CPUs that multiply in bfloat16 need two thirds of the time with it.
`jit_compile=False`, since XLA's convolutions are slow on CPUs.

`loss_weights` needs a loss for each output.
"""

keras.config.set_dtype_policy("mixed_bfloat16")
model = ko.compact_openpose()
learning_rate = keras.optimizers.schedules.CosineDecay(
    0.0, max(steps - 300, 1), warmup_target=3e-3, warmup_steps=300
)
model.compile(
    ko.ConvMuon(learning_rate, weight_decay=0.02, exclude=["heatmaps", "pafs"]),
    loss={"heatmaps": ko.StageLoss(), "pafs": ko.StageLoss()},
    loss_weights={"heatmaps": 2.0, "pafs": 1.0},
    jit_compile=False,
)

"""
## Training

The backup stays after the training, so the steps after it can be interrupted too.
"""

epochs = min(12, steps)
callbacks = [
    keras.callbacks.BackupAndRestore(folder / "backup", double_checkpoint=True, delete_checkpoint=False),
    ko.CocoEvaluation(*unseen, input_size=size),
    keras.callbacks.CSVLogger(folder / "log.csv", append=True),
]
model.fit(dataset, epochs=epochs, steps_per_epoch=steps // epochs, callbacks=callbacks)

"""
## Weights file

Half precision takes half the space. The figures below are of this file, so they include its cost.
"""

keras.config.set_dtype_policy("float16")
half = ko.compact_openpose()
half.set_weights(model.get_weights())
half.save_weights(folder / "demo_synthetic.weights.h5")

keras.config.set_dtype_policy("float32")
model = ko.compact_openpose(weights=folder / "demo_synthetic.weights.h5")

"""
## Evaluation

These are the settings of the demo.
"""

figures = ko.evaluate_coco(
    model,
    *unseen,
    input_size=size,
    flip=True,
    refine=True,
    heatmap_sigma=0.5,
    peak_weight=0.75,
)

"""
The targets themselves, decoded and scored, give the highest AP that a network can reach.
"""


def ideal_ap(images: Path, labels: Path) -> float:
    """AP of the maps that a perfect network would give."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(labels))
    found = []
    batches = ko.coco_dataset(images, labels, input_size=size, augment=False, batch_size=1)
    for image_id, (_, targets, _) in zip(truth.imgs, batches):
        heatmaps, pafs = np.asarray(targets["heatmaps"][0]), np.asarray(targets["pafs"][0])
        found += ko.poses_to_coco(ko.decode_poses(heatmaps, pafs), image_id)
    return coco_figures(truth, found, list(truth.imgs))["AP"]


ideal = ideal_ap(*unseen)
print(f"AP {figures['AP']:.1f}, of ideal maps {ideal:.1f}: {figures['AP'] / ideal:.2f}")
(folder / "figures.json").write_text(json.dumps({**figures, "ideal AP": ideal}, indent=2))

"""
## Loss and AP over the training
"""

log = np.atleast_1d(np.genfromtxt(folder / "log.csv", delimiter=",", names=True))
steps_done = steps // epochs * (log["epoch"] + 1)

_, left = plt.subplots(figsize=(6, 4))
left.semilogy(steps_done, log["loss"])
left.set(xlabel="steps", ylabel="training loss")

right = left.twinx()
right.plot(steps_done, log["val_AP"], "C1")
right.set(ylabel="AP on unseen scenes", ylim=(0, 100))
plt.tight_layout()
plt.savefig(folder / "curve.png", dpi=100)
