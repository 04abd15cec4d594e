"""Lightweight OpenPose: MobileNetV1 with dilation, a first stage and a few refinement stages.

Osokin: "Real-time 2D Multi-Person Pose Estimation on CPU: Lightweight OpenPose"; layers as in
models/with_mobilenet.py and modules/conv.py of Daniil-Osokin/lightweight-human-pose-estimation.pytorch.
"""

import os
from functools import partial

import keras
from keras import layers

from keras_openpose.models.estimator import PoseEstimator
from keras_openpose.models.stages import (
    check_input_shape,
    conv_relu,
    map_channels,
    output_conv,
    stage_outputs,
)
from keras_openpose.models.weights import load_weights
from keras_openpose.skeletons import COCO_18, Skeleton

# Channels, stride and dilation of the separable convolutions.
_BACKBONE = (
    (64, 1, 1),
    (128, 2, 1),
    (128, 1, 1),
    (256, 2, 1),
    (256, 1, 1),
    (512, 1, 1),
    (512, 1, 2),
    *((512, 1, 1),) * 4,
)
_CHANNELS = 128  # of the features and stages
_EPSILON = 1e-5  # PyTorch's, of the batch normalization
_MOMENTUM = 0.9  # PyTorch's 0.1


def lightweight_openpose(
    num_refinement_stages: int = 1,
    *,
    skeleton: Skeleton = COCO_18,
    weights: str | os.PathLike | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
) -> PoseEstimator:
    """Build Lightweight OpenPose: a first stage and refinement stages on a dilated MobileNetV1.

    Layers are named `conv0`, `conv3_depthwise`, `stage1_trunk_conv2`, `stage2_block3_conv1`,
    `stage2_pafs_conv2`; their batch normalization likewise, `conv0_norm`.

    Args:
        num_refinement_stages: stages after the first, at least 0. Defaults to 1: 4,108,978 parameters,
            or 4,091,698 without the averages of batch normalization. The paper's figures are of 1; its
            checkpoint has 3.
        skeleton: the keypoints and limbs. Defaults to `COCO_18`.
        weights: None for random ones, a name of `list_presets()` that is of this network, or a `.weights.h5`
            or `.keras` file of it. Weights for another skeleton give the features, and the channels of
            keypoints and limbs that both have.
        input_shape: height, width (multiples of 8, or None for any) and 3.

    Returns:
        A functional model from `(batch, height, width, 3)`, RGB from 0 to 255, to a dict of
        `heatmaps`, `(batch, stages, height / 8, width / 8, keypoints + 1)`, the background last, and
        `pafs`, `(batch, stages, height / 8, width / 8, 2 * limbs)`, float32 under any dtype policy.

    Raises:
        ValueError: an argument is none of the above, or the file is not of such a network.
        FileNotFoundError: there is no such file.
        ConnectionError: the published weights could not be downloaded.

    Example:
        ```python
        import numpy as np
        from keras_openpose import lightweight_openpose

        model = lightweight_openpose()
        maps = model(np.zeros((1, 64, 96, 3), "float32"))
        assert maps["heatmaps"].shape == (1, 2, 8, 12, 19)
        ```
    """
    if num_refinement_stages < 0:
        raise ValueError(f"`num_refinement_stages` must be at least 0. Received: {num_refinement_stages}.")
    check_input_shape(input_shape, multiple=8)
    channels = dict(sorted(map_channels(skeleton).items()))  # heatmaps before PAFs, as in the original
    images = keras.Input(input_shape, name="images")
    features = _features(_backbone(images))
    last = _first_stage(features, channels)
    maps = {kind: [last[kind]] for kind in channels}
    for stage in range(2, num_refinement_stages + 2):
        x = layers.Concatenate(name=f"stage{stage}_input")([features, *last.values()])
        last = _refinement_stage(x, channels, f"stage{stage}")
        for kind in channels:
            maps[kind].append(last[kind])
    model = PoseEstimator(images, stage_outputs(skeleton, maps), name="lightweight_openpose")
    build = partial(lightweight_openpose, num_refinement_stages, input_shape=input_shape)
    load_weights(model, weights, build)
    return model


def _backbone(images):
    # CMU's normalization. The zeros with which convolutions pad then mean gray; the padding of
    # `predict_poses` is black.
    x = layers.Rescaling(1 / 256, -0.5, name="normalization", dtype="float32")(images)
    # PyTorch pads both sides of a map that it halves; "same" pads only the end.
    x = layers.ZeroPadding2D(1, name="conv0_pad")(x)
    x = layers.Conv2D(32, 3, 2, use_bias=False, name="conv0")(x)
    x = _norm_relu(x, "conv0")
    for n, (channels, stride, dilation) in enumerate(_BACKBONE, 1):
        padding = "same"
        if stride == 2:
            x, padding = layers.ZeroPadding2D(1, name=f"conv{n}_pad")(x), "valid"
        x = layers.DepthwiseConv2D(
            3, stride, padding, dilation_rate=dilation, use_bias=False, name=f"conv{n}_depthwise"
        )(x)
        x = _norm_relu(x, f"conv{n}_depthwise")
        x = layers.Conv2D(channels, 1, use_bias=False, name=f"conv{n}_pointwise")(x)
        x = _norm_relu(x, f"conv{n}_pointwise")
    return x


def _features(x):
    x = start = conv_relu(x, _CHANNELS, 1, "features_align")
    for n in (1, 2, 3):
        name = f"features_conv{n}"
        x = layers.DepthwiseConv2D(
            3, padding="same", use_bias=False, activation="elu", name=f"{name}_depthwise"
        )(x)
        x = layers.Conv2D(_CHANNELS, 1, use_bias=False, activation="elu", name=f"{name}_pointwise")(x)
    x = layers.Add(name="features_add")([start, x])
    return conv_relu(x, _CHANNELS, 3, "features_conv4")


def _first_stage(x, channels: dict[str, int]):
    for n in (1, 2, 3):
        x = conv_relu(x, _CHANNELS, 3, f"stage1_trunk_conv{n}")
    return _heads(x, 512, channels, "stage1")


def _refinement_stage(x, channels: dict[str, int], name: str):
    for n in range(1, 6):
        x = start = conv_relu(x, _CHANNELS, 1, f"{name}_block{n}_conv1")
        for m, dilation in ((2, 1), (3, 2)):
            x = layers.Conv2D(
                _CHANNELS, 3, padding="same", dilation_rate=dilation, name=f"{name}_block{n}_conv{m}"
            )(x)
            x = _norm_relu(x, f"{name}_block{n}_conv{m}")
        x = layers.Add(name=f"{name}_block{n}_add")([start, x])
    return _heads(x, _CHANNELS, channels, name)


def _heads(x, width: int, channels: dict[str, int], name: str):
    maps = {}
    for kind, count in channels.items():
        y = conv_relu(x, width, 1, f"{name}_{kind}_conv1")
        maps[kind] = output_conv(y, count, f"{name}_{kind}_conv2")
    return maps


def _norm_relu(x, name: str):
    x = layers.BatchNormalization(momentum=_MOMENTUM, epsilon=_EPSILON, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
