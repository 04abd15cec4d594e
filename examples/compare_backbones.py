"""
Title: VGG-19 against ResNet-50
Author: The keras-openpose authors
Date created: 2026/11/24
Last modified: 2026/11/29
Description: The comparison of Rim, Kim, Choi and Hong: two backbones, one protocol, two tables.
Accelerator: GPU
"""

"""
## Introduction

```
python examples/compare_backbones.py --output comparison --coco coco
python examples/compare_backbones.py --output comparison --scale photographs \
    --train IMAGES LABELS --val IMAGES LABELS
python examples/compare_backbones.py --output comparison --scale small
```

`--scale paper` is the paper's protocol on COCO 2017. `--scale photographs` trains on a few thousand
photographs, in two hours on two CPU cores that have bfloat16, and adds a pretrained light backbone.
`--scale small` draws synthetic people. If it is interrupted, the same command continues.
"""

import argparse
import json
from pathlib import Path

import keras_openpose as ko
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras_openpose.data.coco import coco_samples

pair = {"nargs": 2, "metavar": ("IMAGES", "LABELS"), "type": Path}
parser = argparse.ArgumentParser(description="Compare two backbones.")
parser.add_argument("--scale", choices=("paper", "photographs", "small"), default="paper")
parser.add_argument("--coco", type=Path, help="folder that holds train2017, val2017 and annotations")
parser.add_argument("--train", action="append", help="of the scale photographs; repeatable", **pair)
parser.add_argument("--val", help="of the scale photographs", **pair)
parser.add_argument("--output", type=Path, required=True)
parser.add_argument("--pictures", nargs="*", type=Path, help="photographs to show both networks on")
parser.add_argument("--steps", type=int, help="of the training, in place of the protocol's")
parser.add_argument("--scenes", type=int, default=16_000, help="drawn for the small scale")
arguments = parser.parse_args()
scale, output = arguments.scale, arguments.output
if scale == "paper" and not arguments.coco:
    parser.error("--coco is needed, or another --scale")
if scale == "photographs" and not (arguments.train and arguments.val):
    parser.error("--train and --val are needed")

"""
## Protocol

VGG-19 and ResNet-50 start from random weights. The paper trains with SGD at a constant learning rate. At the
other scales the learning rate of `ConvMuon` rises, then falls along a cosine, and bfloat16 takes a third of
the time on new CPUs.
"""

backbones = ["vgg19", "resnet50"]
if scale == "paper":
    size, batch_size, num_stages = (368, 368), 4, 6
    steps, epochs = arguments.steps or 550_000, 550
    options = {"learning_rate": 4e-5, "weight_decay": 5e-4, "schedule": "constant", "warmup_steps": 0}
else:
    num_stages, options = 2, {}
    keras.config.set_dtype_policy("mixed_bfloat16")
if scale == "photographs":
    backbones.append("efficientnet_lite0")
    size, batch_size, learning_rate = (160, 160), 8, 1e-3
    steps, epochs = arguments.steps or 3000, 10
if scale == "small":
    size, batch_size, learning_rate = (128, 128), 16, 2e-3
    steps, epochs = arguments.steps or 800, 10

"""
The tables count whole epochs. They show each network after 40, 80 and 100 percent of them.
"""

steps_per_epoch = max(steps // epochs, 1)
epochs = steps // steps_per_epoch
steps = epochs * steps_per_epoch
checkpoints = [max(round(share * epochs), 1) for share in (0.4, 0.8, 1)]

"""
On photographs, at 2e-3, the loss of VGG-19 rises again after 400 steps, so the learning rate is half of that.
The pretrained backbone learns at a third of it.
"""


def make_optimizer(name: str):
    """An optimizer, or the name of one for `train`."""
    if scale == "paper":
        return "sgd"
    falling = keras.optimizers.schedules.CosineDecay(
        0.0, max(steps - 100, 1), warmup_target=learning_rate, warmup_steps=100
    )
    exclude, multipliers = ["stage1_.*_conv5", "stage2_.*_conv7"], {}
    if name == "efficientnet_lite0":
        exclude, multipliers = [*exclude, "^block"], {"^(stem|block)": 1 / 3}
    return ko.ConvMuon(falling, exclude=exclude, multipliers=multipliers)


"""
## Photographs and labels
"""

if scale == "photographs":
    train, val = arguments.train, arguments.val
else:
    data = output / "scenes" if scale == "small" else arguments.coco
    train, val = (
        (data / split, data / f"annotations/person_keypoints_{split}.json")
        for split in ("train2017", "val2017")
    )
if scale == "small":
    unseen = min(arguments.scenes, 100)
    for (images, labels), count, seed in ((train, arguments.scenes, 1), (val, unseen, 2)):
        if not labels.exists():
            ko.synthetic_people(count, size=size, people=(1, 2), seed=seed, folder=data, split=images.name)

"""
## Training

The paper's batches are CMU's crops around people. Synthetic scenes are shown whole. From photographs we cut
crops that people fill to 0.2 to 1.1. With a plain L2 loss, a few thousand steps mostly teach the background.
So cells that show a keypoint or a limb count up to nine and five times as much.
"""


def weigh(images, targets, mask):
    heatmaps = tf.reduce_max(targets["heatmaps"][..., :-1], axis=-1)
    pafs = tf.reduce_max(tf.abs(targets["pafs"]), axis=-1)
    return images, targets, {"heatmaps": mask * (1 + 8 * heatmaps), "pafs": mask * (1 + 4 * pafs)}


def training_batches():
    common = {"input_size": size, "batch_size": batch_size, "shuffle": True, "seed": 0}
    if scale != "photographs":
        return ko.coco_dataset(*train, augment=scale == "paper", **common)
    augmentation = ko.Augmentation(person_height=0.8, scale=(0.25, 1.35), rotation=30, color_jitter=0.25)
    samples = [sample for pair in train for sample in coco_samples(*pair)]
    return ko.pose_dataset(samples, augment=augmentation, cache=True, **common).map(weigh)


"""
A network that has been trained already is not trained again. A callback keeps the weights at the checkpoints.
"""


def train_backbone(name: str) -> keras.Model:
    """Build a network, and train it unless an earlier run did."""
    folder = output / name
    keras.utils.set_random_seed(0)
    weights = "imagenet" if name == "efficientnet_lite0" else None
    model = ko.openpose(name, num_stages=num_stages, weights=weights)

    def keep(epoch, logs):
        if epoch + 1 in checkpoints:
            model.save_weights(folder / f"epoch_{epoch + 1}.weights.h5")

    if not (folder / "model.keras").exists():
        ko.train(
            model,
            training_batches(),
            folder,
            steps=steps,
            steps_per_epoch=steps_per_epoch,
            optimizer=make_optimizer(name),
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=keep)],
            **options,
        )
    return model


"""
## Measurement

The loss of a checkpoint is the mean of the epoch that ends there. An interrupted training may write an epoch
twice into the log: the last row counts.
"""


def read_losses(name: str) -> dict[int, float]:
    """Training loss by the number of finished epochs."""
    log = np.atleast_1d(np.genfromtxt(output / name / "log.csv", delimiter=",", names=True))
    return {int(epoch) + 1: float(loss) for epoch, loss in zip(log["epoch"], log["loss"])}


"""
We evaluate the checkpoint of the lowest loss on the validation set at one scale. The detections are kept for
`benchmarks/bootstrap.py`, which says how sure the differences are.
"""

prediction_size = (368, 432) if scale == "photographs" else size


def measure(name: str, model: keras.Model) -> dict:
    losses = read_losses(name)
    best = min(checkpoints, key=losses.get)
    model.load_weights(output / name / f"epoch_{best}.weights.h5")
    return {
        "parameters": model.count_params(),
        "losses": [losses[epoch] for epoch in checkpoints],
        "best": best,
        "figures": ko.evaluate_coco(
            model, *val, input_size=prediction_size, results=output / name / "results.json"
        ),
    }


def draw_people(model: keras.Model) -> list[np.ndarray]:
    """The photographs with the people that the network finds."""
    paths = arguments.pictures or sorted(val[0].iterdir())[:8]
    images = [ko.read_image(path) for path in paths]
    found = ko.predict_poses(model, images, input_size=prediction_size)
    return [ko.draw_poses(image, poses) for image, poses in zip(images, found)]


found, pictures = {}, {}
for name in backbones:
    model = train_backbone(name)
    found[name] = measure(name, model)
    pictures[name] = draw_people(model)

"""
## Tables

Table 1 has the parameters and the loss at each checkpoint. The paper's figures stand beside ours.
"""

PUBLISHED = {
    "vgg19": ("~52M", "3.6237 / 1.1271 / 2.6123", "33.6 / 38.2 / 60.9 / 63.8"),
    "resnet50": ("~205M", "3.31 / 1.5517 / 3.3196", "28.9 / 33.8 / 56.3 / 59.4"),
    "efficientnet_lite0": ("", "", ""),
}
after = " / ".join(str(epoch * steps_per_epoch) for epoch in checkpoints)
table = [
    f"| backbone | parameters | published | loss after {after} | published |",
    "|---|---|---|---|---|",
]
for name, ours in found.items():
    parameters, published, _ = PUBLISHED[name]
    losses = " / ".join(f"{loss:.4f}" for loss in ours["losses"])
    table.append(f"| {name} | {ours['parameters']:,} | {parameters} | {losses} | {published} |")

"""
Table 2 has the evaluation.
"""

table += ["", "| backbone | AP | AR | AP50 | AR50 | published |", "|---|---|---|---|---|---|"]
for name, ours in found.items():
    scores = " | ".join(f"{ours['figures'][key]:.1f}" for key in ("AP", "AR", "AP50", "AR50"))
    table.append(f"| {name} | {scores} | {PUBLISHED[name][2]} |")

print("\n".join(table))
(output / "tables.md").write_text("\n".join([*table, ""]))
(output / "tables.json").write_text(json.dumps({**found, "published": PUBLISHED}, indent=2))

"""
## Curves
"""

for name in found:
    losses = read_losses(name)
    plt.semilogy([epoch * steps_per_epoch for epoch in losses], [*losses.values()], label=name)
plt.gca().set(xlabel="steps", ylabel="training loss")
plt.legend()
plt.savefig(output / "curves.png", dpi=100, bbox_inches="tight")

"""
## Pictures

The people found by each network, with VGG-19 on the left.
"""

for number, row in enumerate(zip(*pictures.values()), start=1):
    ko.write_image(output / f"side_by_side_{number}.png", np.concatenate(row, axis=1))
