"""Title: A backbone of your own
Description: Any Keras model with features of stride 8 carries OpenPose's stages.

    python examples/custom_backbone.py
"""

import keras
import numpy as np

import keras_openpose as ko

# ## By name
#
# These are cut at stride 8 and normalise inside.

print("Named backbones:", ", ".join(ko.list_backbones()))

# ## A model from keras.applications
#
# It is handed in whole, or cut; the last layer of stride 8 is taken. It gets RGB from 0 to 255 and has to
# normalise itself, which a `Rescaling` at its head does.

images = keras.Input((None, None, 3))
scaled = keras.layers.Rescaling(1 / 127.5, -1)(images)
xception = keras.applications.Xception(include_top=False, weights=None, input_tensor=scaled)
cut = keras.Model(images, xception.get_layer("block4_sepconv1_act").output, name="xception")
model = ko.openpose(cut, num_stages=2)
print(f"On Xception: {model.count_params():,} parameters")

# ## A model written by hand

images = keras.Input((None, None, 3))
x = keras.layers.Rescaling(1 / 255)(images)
for filters in (16, 32, 64):
    x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
model = ko.openpose(keras.Model(images, x, name="tiny"), num_stages=3, feature_channels=())

# ## All of them are plain Keras models

maps = model(np.zeros((1, 64, 96, 3), "float32"))
for name, tensor in maps.items():
    print(f"{name:<9}{tuple(tensor.shape)}  (batch, stages, height / 8, width / 8, channels)")
model.compile("adam", loss=ko.StageLoss())

# A backbone without such a level is refused:

try:
    ko.openpose(keras.Model(images, keras.layers.Conv2D(8, 3, strides=4)(images), name="coarse"))
except ValueError as error:
    print(error)
