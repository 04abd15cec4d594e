"""Title: A network trained from nothing within an hour
Description: How the network of `keras-openpose demo` came to be: drawn people, a small network, plain Keras.

    python examples/train_demo.py --folder demo_training

Draws scenes of people, trains `compact_openpose` on them from random weights, measures it on scenes that it
has not seen, and writes `demo_synthetic.weights.h5`, the file that the package ships. Interrupted, and
started again with the same command, it goes on where it was.
"""

import argparse
import contextlib
import io
import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from pycocotools.coco import COCO

import keras_openpose as ko
from keras_openpose.evaluation import coco_figures

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--folder", type=Path, required=True, help="for scenes, backups and the result")
parser.add_argument("--scenes", type=int, default=40_000)
parser.add_argument("--steps", type=int, default=12_000)
parser.add_argument("--unseen", type=int, default=200, help="scenes to measure on")
arguments = parser.parse_args()
folder, size, steps = arguments.folder, (384, 384), arguments.steps
keras.utils.set_random_seed(0)

# ## Drawn people
#
# 40,000 scenes of the default kind, one to four people, and 200 more of another seed for the end.


def scenes(split: str, count: int, seed: int) -> tuple[Path, Path]:
    """Images and labels, drawn unless they are there."""
    images, labels = folder / split, folder / "annotations" / f"person_keypoints_{split}.json"
    if labels.exists():
        return images, labels
    folder.mkdir(parents=True, exist_ok=True)
    return ko.synthetic_people(count, size=size, seed=seed, folder=folder, split=split)


train = scenes("train", arguments.scenes, seed=1)
unseen = scenes("unseen", arguments.unseen, seed=2)

# Most cells of the maps show no keypoint and no limb. Those that do count up to nine and five times as
# much: the sooner the network leaves "nobody, nowhere" behind.


def weigh(images, targets, mask):
    """Weights of the cells from what they show."""
    heatmaps = tf.reduce_max(targets["heatmaps"][..., :-1], axis=-1)
    pafs = tf.reduce_max(tf.abs(targets["pafs"]), axis=-1)
    return images, targets, {"heatmaps": mask * (1 + 8 * heatmaps), "pafs": mask * (1 + 4 * pafs)}


dataset = ko.coco_dataset(
    *train, input_size=size, batch_size=16, augment=False, shuffle=True, seed=3, repeat=-1
).map(weigh)

# ## Training
#
# `ConvMuon` learned in 600 steps more than AdamW in 1,000 here. The learning rate rises for 300 steps, then
# falls to 0 along a cosine. Where the processor multiplies in bfloat16, that takes two thirds of the time.

keras.config.set_dtype_policy("mixed_bfloat16")
model = ko.compact_openpose()
schedule = keras.optimizers.schedules.CosineDecay(
    0.0, max(steps - 300, 1), warmup_target=3e-3, warmup_steps=300
)
model.compile(
    ko.ConvMuon(schedule, weight_decay=0.02, exclude=["heatmaps", "pafs"]),
    loss={"heatmaps": ko.StageLoss(), "pafs": ko.StageLoss()},
    loss_weights={"heatmaps": 2.0, "pafs": 1.0},
    jit_compile=False,  # XLA's convolutions are slow on CPUs
)
epochs = min(12, steps)
model.fit(
    dataset,
    epochs=epochs,
    steps_per_epoch=steps // epochs,
    callbacks=[
        # Kept, so that what comes after the training can be interrupted, too.
        keras.callbacks.BackupAndRestore(folder / "backup", double_checkpoint=True, delete_checkpoint=False),
        ko.CocoEvaluation(*unseen, input_size=size),
        keras.callbacks.CSVLogger(folder / "log.csv", append=True),
    ],
)

# ## The file
#
# Half precision takes half the space. What that costs is in the figures below: they are of the file.

keras.config.set_dtype_policy("float16")
half = ko.compact_openpose()
half.set_weights(model.get_weights())
half.save_weights(folder / "demo_synthetic.weights.h5")
keras.config.set_dtype_policy("float32")
model = ko.compact_openpose(weights=folder / "demo_synthetic.weights.h5")

# ## How good is it?
#
# The targets themselves, decoded and scored, are the most that a network can reach.


def ideal_ap(images: Path, labels: Path) -> float:
    """AP of the maps that a perfect network would give."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(labels))
    found = []
    batches = ko.coco_dataset(images, labels, input_size=size, augment=False, batch_size=1)
    for image_id, (_, targets, _) in zip(truth.imgs, batches, strict=True):
        poses = ko.decode_poses(np.asarray(targets["heatmaps"][0]), np.asarray(targets["pafs"][0]))
        found += ko.poses_to_coco(poses, image_id)
    return coco_figures(truth, found, list(truth.imgs))["AP"]


# That of the demo.
look = {"input_size": size, "flip": True, "refine": True, "heatmap_sigma": 0.5, "peak_weight": 0.75}
figures, ideal = ko.evaluate_coco(model, *unseen, **look), ideal_ap(*unseen)
print(f"AP {figures['AP']:.1f}, of ideal maps {ideal:.1f}: {figures['AP'] / ideal:.2f}")
(folder / "figures.json").write_text(json.dumps({**figures, "ideal AP": ideal}, indent=2))

# ## The curve

import matplotlib.pyplot as plt  # noqa: E402

log = np.atleast_1d(np.genfromtxt(folder / "log.csv", delimiter=",", names=True))
_, left = plt.subplots(figsize=(6, 4))
left.semilogy(steps // epochs * (log["epoch"] + 1), log["loss"])
left.set(xlabel="steps", ylabel="training loss")
right = left.twinx()
right.plot(steps // epochs * (log["epoch"] + 1), log["val_AP"], "C1")
right.set(ylabel="AP on unseen scenes", ylim=(0, 100))
plt.tight_layout()
plt.savefig(folder / "curve.png", dpi=100)
