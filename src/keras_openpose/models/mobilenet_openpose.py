"""The light networks of tf-pose-estimation: separable stages on a MobileNet.

Layers as in the published graphs and in tf_pose/network_mobilenet_v2.py and network_mobilenet_thin.py of
ildoonet/tf-pose-estimation.
"""

import os
from functools import partial
from typing import NamedTuple

import keras
from keras import layers, ops

from keras_openpose.models.estimator import PoseEstimator
from keras_openpose.models.layers import ImageNormalization
from keras_openpose.models.stages import check_input_shape, map_channels, output_conv, stage_outputs
from keras_openpose.models.weights import load_weights
from keras_openpose.skeletons import COCO_18, Skeleton

_NUM_STAGES = 6


class _Blocks(NamedTuple):
    """Inverted residual blocks in a row, as table 2 of the MobileNetV2 paper lists them."""

    expansion: int
    channels: int
    repeats: int
    stride: int  # of the first; the others have 1


class _MobileNetV2(NamedTuple):
    """Each image is normalized by its own mean and variance; features of strides 8 and 16."""

    stem_channels: int
    fine: tuple[_Blocks, ...]  # to stride 8
    coarse: tuple[_Blocks, ...]  # on to stride 16

    def features(self, images):
        x = _conv(images, self.stem_channels, 3, 2, "stem_conv")
        x = ops.relu6(_normalize(x, "stem_norm"))
        fine = _blocks(x, self.fine, first=0)
        coarse = _blocks(fine, self.coarse, first=sum(blocks.repeats for blocks in self.fine))
        # The graphs enlarge by TensorFlow's first bilinear rule, which leaves every other cell as it is and
        # puts the mean of two neighbors between: so do these two layers, on any backend.
        coarse = layers.UpSampling2D(2, name="enlarge")(coarse)
        coarse = layers.AveragePooling2D(2, 1, padding="same", name="enlarge_between")(coarse)
        return layers.Concatenate(name="features")([fine, coarse])


class _MobileNetV1(NamedTuple):
    """Batch normalization is folded into the convolutions; features of three depths, all of stride 8."""

    stem_channels: int
    blocks: tuple[tuple[int, int], ...]  # channels and stride
    tapped: tuple[int, ...]  # blocks whose outputs are features, the first of them pooled to stride 8

    def features(self, images):
        same = {"padding": "same", "activation": "relu"}
        x = layers.Conv2D(self.stem_channels, 3, 2, name="stem_conv", **same)(images)
        outputs = []
        for n, (channels, stride) in enumerate(self.blocks, 1):
            x = layers.SeparableConv2D(channels, 3, stride, name=f"block{n}_conv", **same)(x)
            outputs.append(x)
        pooled, *others = (outputs[n - 1] for n in self.tapped)
        return layers.Concatenate(name="features")([layers.MaxPooling2D(2, name="pool")(pooled), *others])


class _Variant(NamedTuple):
    backbone: _MobileNetV2 | _MobileNetV1
    stage_channels: int
    first_stage_channels: int  # of the 1×1 convolution that ends the first stage


_VARIANTS = {
    "thin": _Variant(
        _MobileNetV1(
            stem_channels=24,
            blocks=((48, 1), (96, 2), (96, 1), (192, 2), (192, 1), *((384, 1),) * 6),
            tapped=(3, 7, 11),
        ),
        stage_channels=64,
        first_stage_channels=256,
    ),
    "v2_large": _Variant(
        _MobileNetV2(
            stem_channels=48,
            fine=(_Blocks(1, 24, 1, 1), _Blocks(6, 32, 2, 2), _Blocks(6, 48, 3, 2)),
            coarse=(_Blocks(6, 88, 4, 2), _Blocks(6, 136, 3, 1)),
        ),
        stage_channels=128,
        first_stage_channels=512,
    ),
    "v2_small": _Variant(
        _MobileNetV2(
            stem_channels=16,
            fine=(_Blocks(1, 8, 1, 1), _Blocks(6, 16, 2, 2), _Blocks(6, 16, 3, 2)),
            coarse=(_Blocks(6, 32, 4, 2), _Blocks(6, 48, 3, 1)),
        ),
        stage_channels=64,
        first_stage_channels=256,
    ),
}


def mobilenet_openpose(
    variant: str = "v2_small",
    *,
    skeleton: Skeleton = COCO_18,
    weights: str | os.PathLike | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
) -> PoseEstimator:
    """Build a light network of tf-pose-estimation: six separable stages on a MobileNet.

    The backbones of the v2 variants normalize each image by its own mean and variance, in training too, so
    a batch gives what its images give one by one. The published graph does the same: it was made for one
    image at a time, and its batch normalization never left training mode. All other batch normalization is
    folded into the convolutions, and so are the 1×1 depthwise convolutions.

    Layers are named `stem_conv`, `stem_norm`, `block3_expand_conv`, `stage2_pafs_conv3`,
    `stage2_heatmaps_conv3`.

    Args:
        variant: `"v2_small"`, 471,552 parameters; `"v2_large"`, 2,212,240; or `"thin"`, 1,928,952, a
            MobileNetV1 of width 0.75.
        skeleton: the keypoints and limbs. Defaults to `COCO_18`.
        weights: None for random ones, a name of `list_presets()` that is of this network, or a `.weights.h5`
            or `.keras` file of it. Weights for another skeleton give the features, and the channels of
            keypoints and limbs that both have.
        input_shape: height, width (multiples of 16, or None for any) and 3.

    Returns:
        A functional model from `(batch, height, width, 3)`, RGB from 0 to 255, to a dict of
        `heatmaps`, `(batch, 6, height / 8, width / 8, keypoints + 1)`, the background last, and
        `pafs`, `(batch, 6, height / 8, width / 8, 2 * limbs)`, float32 under any dtype policy.

    Raises:
        ValueError: an argument is none of the above, or the file is not of such a network.
        FileNotFoundError: there is no such file.
        ConnectionError: the published weights could not be downloaded.

    Example:
        ```python
        import numpy as np
        from keras_openpose import mobilenet_openpose

        model = mobilenet_openpose("v2_small")
        maps = model(np.zeros((1, 64, 96, 3), "float32"))
        assert maps["pafs"].shape == (1, 6, 8, 12, 38)
        ```
    """
    if variant not in _VARIANTS:
        raise ValueError(f"`variant` must be one of: {', '.join(_VARIANTS)}. Received: {variant!r}.")
    check_input_shape(input_shape, multiple=16)
    network = _VARIANTS[variant]

    images = keras.Input(input_shape, name="images")
    features = network.backbone.features(images)
    channels = map_channels(skeleton)
    x = features
    maps: dict[str, list] = {kind: [] for kind in channels}
    for stage in range(1, _NUM_STAGES + 1):
        width = network.first_stage_channels if stage == 1 else network.stage_channels
        for kind, count in channels.items():
            widths = (*(network.stage_channels,) * 3, width, count)
            maps[kind].append(_branch(x, widths, f"stage{stage}_{kind}"))
        if stage < _NUM_STAGES:
            last = [stages[-1] for stages in maps.values()]
            x = layers.Concatenate(name=f"stage{stage + 1}_input")([*last, features])

    model = PoseEstimator(images, stage_outputs(skeleton, maps), name=f"mobilenet_openpose_{variant}")
    load_weights(model, weights, partial(mobilenet_openpose, variant, input_shape=input_shape))
    return model


def _branch(x, channels: tuple[int, ...], name: str):
    for n, filters in enumerate(channels[:3], 1):
        x = layers.SeparableConv2D(filters, 3, padding="same", activation="relu", name=f"{name}_conv{n}")(x)
    x = layers.Conv2D(channels[3], 1, activation="relu", name=f"{name}_conv4")(x)
    return output_conv(x, channels[4], f"{name}_conv5")


def _blocks(x, groups: tuple[_Blocks, ...], first: int):
    number = first
    for blocks in groups:
        for n in range(blocks.repeats):
            stride = 1 if n else blocks.stride
            x = _block(x, blocks.expansion, blocks.channels, stride, f"block{number}")
            number += 1
    return x


def _block(inputs, expansion: int, channels: int, stride: int, name: str):
    x = inputs
    if expansion > 1:
        x = _conv(x, expansion * x.shape[-1], 1, 1, f"{name}_expand_conv")
        x = ops.relu6(_normalize(x, f"{name}_expand_norm"))
    x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv")(x)
    x = ops.relu6(_normalize(x, f"{name}_depthwise_norm"))
    x = _normalize(_conv(x, channels, 1, 1, f"{name}_project_conv"), f"{name}_project_norm")
    if stride == 1 and channels == inputs.shape[-1]:
        x = layers.Add(name=f"{name}_add")([x, inputs])
    return x


def _conv(x, channels: int, kernel_size: int, stride: int, name: str):
    return layers.Conv2D(channels, kernel_size, stride, padding="same", use_bias=False, name=name)(x)


def _normalize(x, name: str):
    return ImageNormalization(name=name, dtype="float32")(x)
