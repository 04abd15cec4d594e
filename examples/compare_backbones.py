"""Title: VGG-19 against ResNet-50
Description: The comparison of Rim, Kim, Choi and Hong: two backbones, one protocol, two tables.

    python examples/compare_backbones.py --coco coco --output comparison
    python examples/compare_backbones.py --scale small --output comparison

`--scale paper` is the paper's protocol on COCO 2017; `--scale small` runs all of it with drawn people in
under an hour on two CPU cores that have bfloat16. Stopped, and started again, it goes on where it was.
"""

import argparse
import json
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_openpose as ko

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--scale", choices=("paper", "small"), default="paper")
parser.add_argument("--coco", type=Path, help="folder that holds train2017, val2017 and annotations")
parser.add_argument("--output", type=Path, required=True)
parser.add_argument("--pictures", nargs="*", type=Path, help="photographs to show both networks on")
parser.add_argument("--steps", type=int, help="of the training, in place of the protocol's")
parser.add_argument("--scenes", type=int, default=16_000, help="drawn for the small scale")
arguments = parser.parse_args()
small, output = arguments.scale == "small", arguments.output

# ## The protocol
#
# Both networks begin from random weights and are looked at after 40, 80 and 100 percent of the training.

size, batch_size, num_stages = ((128, 128), 16, 2) if small else ((368, 368), 4, 6)
crops = {"input_size": size, "batch_size": batch_size, "augment": not small, "shuffle": True, "seed": 0}
steps = arguments.steps or (800 if small else 550_000)
steps_per_epoch = max(steps // (10 if small else 550), 1)
steps -= steps % steps_per_epoch  # whole epochs, of which the tables count their steps
checkpoints = [max(round(share * steps / steps_per_epoch), 1) for share in (0.4, 0.8, 1)]  # in epochs
# Of the small scale: the learning rate rises, then falls along a cosine.
rate = keras.optimizers.schedules.CosineDecay(0.0, max(steps - 100, 1), warmup_target=2e-3, warmup_steps=100)
protocol = {"learning_rate": 4e-5, "weight_decay": 5e-4, "schedule": "constant", "warmup_steps": 0}
recipe = {"steps": steps, "steps_per_epoch": steps_per_epoch, **({} if small else protocol)}
keras.config.set_dtype_policy("mixed_bfloat16" if small else "float32")  # a third of the time on new CPUs

scenes = output / "scenes" if small else arguments.coco or parser.error("--coco is needed, or --scale small")
splits = ("train2017", "val2017")
train, val = ((scenes / split, scenes / f"annotations/person_keypoints_{split}.json") for split in splits)
for (images, labels), count, seed in ((train, arguments.scenes, 1), (val, 100, 2)):
    if small and not labels.exists():
        ko.synthetic_people(count, size=size, people=(1, 2), seed=seed, folder=scenes, split=images.name)

# ## Training
#
# Whole scenes where they are drawn; CMU's crops around people on COCO.


def train_backbone(name: str) -> keras.Model:
    """Trains a network, or reads it if it has been trained, and keeps its weights at the checkpoints."""
    folder = output / name
    keras.utils.set_random_seed(0)
    model = ko.openpose(name, num_stages=num_stages)

    def keep(epoch, logs):
        if epoch + 1 in checkpoints:
            model.save_weights(folder / f"epoch_{epoch + 1}.weights.h5")

    keeper = keras.callbacks.LambdaCallback(on_epoch_end=keep)
    if not (folder / "model.keras").exists():
        optimizer = ko.ConvMuon(rate, exclude=["stage1_.*_conv5", "stage2_.*_conv7"]) if small else "sgd"
        dataset = ko.coco_dataset(*train, **crops)
        ko.train(model, dataset, folder, optimizer=optimizer, callbacks=[keeper], **recipe)
    return model


# ## Tables
#
# Table 1: parameters, and the loss at each checkpoint (mean of the epoch that ends there). Table 2: the
# checkpoint of the lowest loss on the validation set, one scale. The paper's figures stand beside ours.

PUBLISHED = {
    "vgg19": ("~52M", "3.6237 / 1.1271 / 2.6123", "33.6 / 38.2 / 60.9 / 63.8"),
    "resnet50": ("~205M", "3.31 / 1.5517 / 3.3196", "28.9 / 33.8 / 56.3 / 59.4"),
}
at = " / ".join(str(epoch * steps_per_epoch) for epoch in checkpoints)
first = [f"| backbone | parameters | published | loss after {at} | published |", "|---|---|---|---|---|"]
second = ["", "| backbone | AP | AR | AP50 | AR50 | published |", "|---|---|---|---|---|---|"]
found, pictures = {}, {}
for name, (parameters, losses, figures) in PUBLISHED.items():
    model = train_backbone(name)
    log = np.genfromtxt(output / name / "log.csv", delimiter=",", names=True)
    loss = dict(zip(log["epoch"], log["loss"], strict=True))  # rows may come twice: of these, the last
    ours = [float(loss[epoch - 1]) for epoch in checkpoints]
    best = checkpoints[int(np.argmin(ours))]
    model.load_weights(output / name / f"epoch_{best}.weights.h5")
    measured = ko.evaluate_coco(model, *val, input_size=size)
    found[name] = {"parameters": model.count_params(), "losses": ours, "best": best, "figures": measured}
    ours = " / ".join(f"{value:.4f}" for value in ours)
    first.append(f"| {name} | {model.count_params():,} | {parameters} | {ours} | {losses} |")
    scores = " | ".join(f"{measured[key]:.1f}" for key in ("AP", "AR", "AP50", "AR50"))
    second.append(f"| {name} | {scores} | {figures} |")
    plt.semilogy((np.array([*loss]) + 1) * steps_per_epoch, [*loss.values()], label=name)
    images = [ko.read_image(path) for path in arguments.pictures or sorted(val[0].iterdir())[:6]]
    pictures[name] = list(map(ko.draw_poses, images, ko.predict_poses(model, images, input_size=size)))
print("\n".join(first + second))
(output / "tables.md").write_text("\n".join([*first, *second, ""]))
(output / "tables.json").write_text(json.dumps({**found, "published": PUBLISHED}, indent=2))

# ## Pictures
#
# The curves, and both networks' people side by side, VGG-19 on the left.

plt.gca().set(xlabel="steps", ylabel="training loss")
plt.legend()
plt.savefig(output / "curves.png", dpi=100, bbox_inches="tight")
for number, pair in enumerate(zip(*pictures.values(), strict=True), 1):
    ko.write_image(output / f"side_by_side_{number}.png", np.concatenate(pair, axis=1))
