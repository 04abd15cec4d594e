"""
Title: A backbone of your own
Author: The keras-openpose authors
Date created: 2026/11/24
Last modified: 2026/11/27
Description: Any Keras model with features of stride 8 carries OpenPose's stages.
Accelerator: None
"""

"""
## Introduction

`openpose` puts its stages on any backbone whose features have stride 8. This example takes a backbone by
name, one from `keras.applications` and one written by hand. It needs no download:

```
python examples/custom_backbone.py
```
"""

import keras_openpose as ko
import keras
import numpy as np

"""
## By name

These backbones are cut at stride 8 and normalize inside.
"""

print("Named backbones:", ", ".join(ko.list_backbones()))

"""
## A model from `keras.applications`

Pass the model whole or cut. `openpose` takes the last layer of stride 8. The model gets RGB from 0 to 255 and
must normalize itself: a `Rescaling` layer at its start does that.
"""

images = keras.Input((None, None, 3))
scaled = keras.layers.Rescaling(1 / 127.5, -1)(images)
xception = keras.applications.Xception(include_top=False, weights=None, input_tensor=scaled)

features = xception.get_layer("block4_sepconv1_act").output
backbone = keras.Model(images, features, name="xception")
model = ko.openpose(backbone, num_stages=2)
print(f"On Xception: {model.count_params():,} parameters")

"""
## A model written by hand

Three convolutions of stride 2 give stride 8. `feature_channels=()` passes the features to the stages as they
are.
"""

images = keras.Input((None, None, 3))
x = keras.layers.Rescaling(1 / 255)(images)
for filters in (16, 32, 64):
    x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)

backbone = keras.Model(images, x, name="tiny")
model = ko.openpose(backbone, num_stages=3, feature_channels=())

"""
## The result is a plain Keras model

Both maps have the shape `(batch, stages, height / 8, width / 8, channels)`.
"""

maps = model(np.zeros((1, 64, 96, 3), "float32"))
for name, tensor in maps.items():
    print(f"{name:<9}{tuple(tensor.shape)}")
model.compile("adam", loss=ko.StageLoss())

"""
## A backbone without stride 8

`openpose` refuses it, and the error says why.
"""

coarse = keras.layers.Conv2D(8, 3, strides=4)(images)
try:
    ko.openpose(keras.Model(images, coarse, name="coarse"))
except ValueError as error:
    print(error)
