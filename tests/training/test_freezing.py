"""Which layers freezing reaches, in every network and whatever a backbone is called."""

import keras
import numpy as np
import pytest

import keras_openpose as ko
from keras_openpose.training.freezing import backbone_layers, frozen

# How the first layer with weights after the backbone is named.
FIRST_OF_THE_HEAD = {
    ko.body_25: "features_conv1",
    ko.compact_openpose: "stage1_block_conv1",
    ko.efficientnet_openpose: "features_coarse_conv",
    ko.hand_openpose: "features_conv",
    ko.lightweight_openpose: "features_align",
    ko.mobilenet_openpose: "stage1_",
    ko.openpose: "features_conv1",
}


@pytest.mark.parametrize("build", FIRST_OF_THE_HEAD, ids=lambda build: build.__name__)
def test_the_backbone_is_what_comes_before_the_head(build):
    model = build()
    names = [layer.name for layer in backbone_layers(model)]
    assert names[0] == "images"
    assert not [name for name in names if name.startswith(("features_", "stage"))]
    others = [layer for layer in model.layers if layer.weights and layer.name not in names]
    assert others[0].name.startswith(FIRST_OF_THE_HEAD[build])
    assert all(layer.name.startswith(("features_", "stage")) for layer in others)


def own_backbone(name):
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 8, 8, name="stage1_conv")(images)
    return keras.Model(images, keras.layers.BatchNormalization(name="features_norm")(x), name=name)


@pytest.mark.parametrize("feature_channels", [(), (8,)])
@pytest.mark.parametrize("name", ["stage_backbone", "stage1_backbone", "features", "features_conv"])
def test_a_backbone_is_frozen_whatever_its_name(name, feature_channels, arm):
    backbone = own_backbone(name)
    model = ko.openpose(backbone, skeleton=arm, num_stages=1, feature_channels=feature_channels)
    inside = model.get_layer(name)
    before = {v.path: np.asarray(v).copy() for v in model.weights}
    maps = np.ones((2, 4, 4, 4), "float32")
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    with frozen(backbone_layers(model)):
        model.compile(keras.optimizers.SGD(0.1), loss=ko.StageLoss())
        model.fit(images, {"heatmaps": maps, "pafs": maps}, verbose=0)
    moved = {v.path for v in model.weights if (np.asarray(v) != before[v.path]).any()}
    assert moved
    assert not moved & {v.path for v in inside.weights}
    assert len(inside.trainable_variables) == 4


class Pair(keras.layers.Layer):
    """Layers within a layer that is no model."""

    def __init__(self):
        super().__init__()
        self.first, self.second = keras.layers.Dense(2), keras.layers.Dense(2)

    def build(self, input_shape):
        self.first.build(input_shape)
        self.second.build(input_shape)


def test_what_was_frozen_before_stays_so():
    pair, backbone = Pair(), own_backbone("backbone")
    pair.build((None, 2))
    pair.first.trainable = backbone.get_layer("features_norm").trainable = False
    before = [v.path for layer in (pair, backbone) for v in layer.trainable_variables]
    with frozen([pair, backbone]):
        assert not pair.trainable_variables
        assert not backbone.trainable_variables
    assert [v.path for layer in (pair, backbone) for v in layer.trainable_variables] == before
    assert len(before) == 4
    assert not backbone.get_layer("features_norm").trainable
    assert backbone.get_layer("stage1_conv").trainable
