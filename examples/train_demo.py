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
from pycocotools.coco import COCO

import keras_openpose as ko
from keras_openpose.evaluation import coco_figures

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--folder", type=Path, required=True, help="for scenes, backups and the result")
parser.add_argument("--scenes", type=int, default=40_000)
parser.add_argument("--steps", type=int, default=7_000)
parser.add_argument("--unseen", type=int, default=200, help="scenes to measure on")
arguments = parser.parse_args()
folder, size, batch_size, steps_per_epoch = arguments.folder, (192, 192), 16, 700
keras.utils.set_random_seed(0)

# ## Drawn people
#
# 40,000 scenes, so that none is seen more than three times, and 200 more of another seed for the end.


def scenes(split: str, count: int, seed: int) -> tuple[Path, Path]:
    """Images and labels, drawn unless they are there."""
    images, labels = folder / split, folder / "annotations" / f"person_keypoints_{split}.json"
    if labels.exists():
        return images, labels
    folder.mkdir(parents=True, exist_ok=True)
    return ko.synthetic_people(count, size=size, seed=seed, folder=folder, split=split)


train = scenes("train", arguments.scenes, seed=1)
unseen = scenes("unseen", arguments.unseen, seed=2)

# ## The network
#
# Whole scenes, as they are: what the network is to see later looks just like them.

dataset = ko.coco_dataset(
    *train, input_size=size, batch_size=batch_size, augment=False, shuffle=True, seed=3, repeat=-1
)
model = ko.compact_openpose()

# ## Training, twice
#
# Each time the learning rate rises for 300 steps and then falls to 0 along a cosine. The second time, the
# heatmaps count more: by then most people are found, and AP asks how exactly.


def fit(steps: int, learning_rate: float, heatmaps_weight: float, name: str):
    """Train along one cosine, unless that has been done."""
    end = folder / f"{name}.weights.h5"
    if end.exists():
        model.load_weights(end)
        return
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(steps - 300, 1), warmup_target=learning_rate, warmup_steps=300
    )
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=1e-4, global_clipnorm=10.0),
        loss={"heatmaps": ko.StageLoss(), "pafs": ko.StageLoss()},
        loss_weights={"heatmaps": heatmaps_weight, "pafs": 1.0},
        jit_compile=False,  # XLA's convolutions are slow on CPUs
    )
    model.fit(
        dataset,
        epochs=-(-steps // steps_per_epoch),
        steps_per_epoch=min(steps, steps_per_epoch),
        callbacks=[
            keras.callbacks.BackupAndRestore(folder / f"backup_{name}", double_checkpoint=True),
            ko.CocoEvaluation(*unseen, input_size=size),
            keras.callbacks.CSVLogger(folder / f"{name}.csv", append=True),
        ],
    )
    model.save_weights(end)


fit(arguments.steps, 2e-3, 1.0, "first")
fit(arguments.steps, 1.5e-3, 3.0, "second")

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


figures, ideal = ko.evaluate_coco(model, *unseen, input_size=size), ideal_ap(*unseen)
print(f"AP {figures['AP']:.1f}, of ideal maps {ideal:.1f}: {figures['AP'] / ideal:.2f}")
(folder / "figures.json").write_text(json.dumps({**figures, "ideal AP": ideal}, indent=2))

# ## The file
#
# Half precision takes half the space. What it costs is measured, on weights read back from the file.

keras.config.set_dtype_policy("float16")
half = ko.compact_openpose()
half.set_weights(model.get_weights())
half.save_weights(folder / "demo_synthetic.weights.h5")
keras.config.set_dtype_policy("float32")
model = ko.compact_openpose(weights=folder / "demo_synthetic.weights.h5")
print(f"In half precision: AP {ko.evaluate_coco(model, *unseen, input_size=size)['AP']:.1f}")

# ## The curve

import matplotlib.pyplot as plt  # noqa: E402

logs = [np.genfromtxt(folder / f"{name}.csv", delimiter=",", names=True) for name in ("first", "second")]
loss = np.concatenate([np.atleast_1d(log["heatmaps_loss"] + log["pafs_loss"]) for log in logs])
ap = np.concatenate([np.atleast_1d(log["val_AP"]) for log in logs])
steps = steps_per_epoch * np.arange(1, len(loss) + 1)
_, left = plt.subplots(figsize=(6, 4))
left.semilogy(steps, loss)
left.set(xlabel="steps", ylabel="training loss")
right = left.twinx()
right.plot(steps, ap, "C1")
right.set(ylabel="AP on unseen scenes", ylim=(0, 100))
plt.tight_layout()
plt.savefig(folder / "curve.png", dpi=100)
