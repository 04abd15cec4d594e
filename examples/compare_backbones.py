"""Title: VGG-19 against ResNet-50
Description: The comparison of Rim, Kim, Choi and Hong: two backbones, one protocol, two tables.

    python examples/compare_backbones.py --coco coco --output comparison
    python examples/compare_backbones.py --scale small --output comparison

`--scale paper` is the paper's protocol: COCO 2017, both networks from random weights, SGD at 4e-5 with
momentum 0.9 and weight decay 5e-4, batches of 4, looked at after 220,000, 440,000 and 550,000 steps.
`--scale small` runs the whole of it within an hour on two CPU cores: drawn people, low resolution, two
stages, AdamW.
Interrupted, and started again with the same command, it goes on where it was.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import cv2
import keras
import numpy as np

import keras_openpose as ko

BACKBONES = {"vgg19": "VGG-19", "resnet50": "ResNet-50"}
# The paper's tables 1 and 2.
PUBLISHED = {
    "vgg19": {"parameters": "~52M", "losses": (3.6237, 1.1271, 2.6123), "figures": (33.6, 38.2, 60.9, 63.8)},
    "resnet50": {
        "parameters": "~205M",
        "losses": (3.3100, 1.5517, 3.3196),
        "figures": (28.9, 33.8, 56.3, 59.4),
    },
}
FIGURES = ("AP", "AR", "AP50", "AR50")


class Protocol(NamedTuple):
    """What both networks share."""

    size: tuple[int, int]
    batch_size: int
    num_stages: int
    steps: int
    checkpoints: tuple[int, ...]  # multiples of steps_per_epoch
    steps_per_epoch: int
    recipe: dict


PROTOCOLS = {
    "paper": Protocol(
        size=(368, 368),
        batch_size=4,
        num_stages=6,
        steps=550_000,
        checkpoints=(220_000, 440_000, 550_000),
        steps_per_epoch=1000,
        recipe={"optimizer": "sgd", "learning_rate": 4e-5, "weight_decay": 5e-4, "schedule": "constant"},
    ),
    "small": Protocol(
        size=(96, 96),
        batch_size=8,
        num_stages=2,
        steps=660,
        checkpoints=(264, 528, 660),
        steps_per_epoch=66,
        recipe={"optimizer": "adamw", "learning_rate": 1e-3, "warmup_steps": 100, "clipnorm": 10.0},
    ),
}

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--scale", choices=PROTOCOLS, default="paper")
parser.add_argument("--coco", type=Path, help="folder that holds train2017, val2017 and annotations")
parser.add_argument("--output", type=Path, required=True)
parser.add_argument("--pictures", nargs="*", type=Path, help="photographs to show both networks on")
parser.add_argument("--steps", type=int, help="fewer, to try it")
parser.add_argument("--scenes", type=int, default=8000, help="drawn for the small scale")
arguments = parser.parse_args()
protocol, output = PROTOCOLS[arguments.scale], arguments.output
if arguments.steps:
    third = max(arguments.steps // 3, 1)
    protocol = protocol._replace(
        steps=3 * third, checkpoints=(third, 2 * third, 3 * third), steps_per_epoch=third
    )

# ## Photographs
#
# COCO, or drawn people in the same form.

if arguments.scale == "small":
    scenes = output / "scenes"
    for split, count, seed in (("train2017", arguments.scenes, 1), ("val2017", 100, 2)):
        if not (scenes / f"annotations/person_keypoints_{split}.json").exists():
            ko.synthetic_people(
                count, size=protocol.size, people=(1, 2), seed=seed, folder=scenes, split=split
            )
else:
    scenes = arguments.coco
train, val = (
    (scenes / split, scenes / f"annotations/person_keypoints_{split}.json")
    for split in ("train2017", "val2017")
)

# ## Training
#
# Whole scenes where they are drawn; CMU's crops around people on COCO.


class Checkpoints(keras.callbacks.Callback):
    """Keeps the weights after some numbers of steps."""

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        step = int(self.model.optimizer.iterations)
        if step in protocol.checkpoints:
            self.model.save_weights(self.folder / f"step_{step}.weights.h5")


def train_backbone(name: str) -> keras.Model:
    """The trained network, as it is in the folder or after training it."""
    folder = output / name
    keras.utils.set_random_seed(0)
    model = ko.openpose(name, num_stages=protocol.num_stages)
    if not (folder / "model.keras").exists():
        augment = arguments.scale == "paper"
        dataset = ko.coco_dataset(
            *train,
            input_size=protocol.size,
            batch_size=protocol.batch_size,
            augment=augment,
            shuffle=True,
            seed=0,
        )
        ko.train(
            model,
            dataset,
            folder,
            steps=protocol.steps,
            steps_per_epoch=protocol.steps_per_epoch,
            callbacks=[Checkpoints(folder)],
            **protocol.recipe,
        )
    return model


# ## Tables
#
# Table 1: parameters, and the loss at each checkpoint (mean of the epoch that ends there). Table 2: the
# checkpoint of the lowest loss on the validation set, one scale.


def measure(name: str) -> dict:
    """Figures of one backbone."""
    model, folder = train_backbone(name), output / name
    log = np.genfromtxt(folder / "log.csv", delimiter=",", names=True)
    losses = [float(log["loss"][step // protocol.steps_per_epoch - 1]) for step in protocol.checkpoints]
    best = protocol.checkpoints[int(np.argmin(losses))]
    model.load_weights(folder / f"step_{best}.weights.h5")
    figures = ko.evaluate_coco(model, *val, input_size=protocol.size)
    draw(name, model)
    return {"parameters": model.count_params(), "losses": losses, "best": best, "figures": figures}


def draw(name: str, model: keras.Model):
    """The skeletons that it finds, for a picture of both."""
    paths = arguments.pictures or sorted(val[0].iterdir())[:6]
    for path in paths:
        image = ko.read_image(path)
        drawn = ko.draw_poses(image, ko.predict_poses(model, image, input_size=protocol.size))
        cv2.imwrite(str(output / name / f"{path.stem}.png"), drawn[..., ::-1])


found = {name: measure(name) for name in BACKBONES}

lines = ["| backbone | parameters | published | steps | loss | published |", "|---|---|---|---|---|---|"]
for name, title in BACKBONES.items():
    mine, theirs = found[name], PUBLISHED[name]
    steps, losses = (" / ".join(map(str, v)) for v in (protocol.checkpoints, np.round(mine["losses"], 4)))
    published = " / ".join(map(str, theirs["losses"]))
    lines.append(
        f"| {title} | {mine['parameters']:,} | {theirs['parameters']} | {steps} | {losses} | {published} |"
    )
lines += ["", f"| backbone | {' | '.join(FIGURES)} | published |", "|---|---|---|---|---|---|"]
for name, title in BACKBONES.items():
    figures = " | ".join(f"{found[name]['figures'][key]:.1f}" for key in FIGURES)
    lines.append(f"| {title} | {figures} | {' / '.join(map(str, PUBLISHED[name]['figures']))} |")
print("\n".join(lines))
(output / "tables.md").write_text("\n".join(lines) + "\n")
(output / "tables.json").write_text(json.dumps(found, indent=2))

# ## Pictures
#
# The curves, and both networks' people side by side, VGG-19 on the left.

import matplotlib.pyplot as plt  # noqa: E402

for name, title in BACKBONES.items():
    log = np.genfromtxt(output / name / "log.csv", delimiter=",", names=True)
    plt.semilogy((log["epoch"] + 1) * protocol.steps_per_epoch, log["loss"], label=title)
plt.xlabel("steps")
plt.ylabel("training loss")
plt.legend()
plt.tight_layout()
plt.savefig(output / "curves.png", dpi=100)

for left in sorted((output / "vgg19").glob("*.png")):
    pair = [cv2.imread(str(left)), cv2.imread(str(output / "resnet50" / left.name))]
    cv2.imwrite(str(output / f"{left.stem}_side_by_side.png"), np.concatenate(pair, axis=1))
