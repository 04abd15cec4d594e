"""A small network of this package: residual blocks at two strides, and few, light stages.

The parts are old: residual blocks (He et al., "Deep Residual Learning for Image Recognition"), a coarser
level that is added to the finer one (Lin et al., "Feature Pyramid Networks"), dilated kernels that see a
whole person (Yu and Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions"), and OpenPose's
stages, which see the maps of the stage before. It is made to be trained from random weights within an hour
on two CPU cores: plain convolutions soon learn what separable ones take hours for, and batch normalization
would take as long as all of them together.
"""

import os
from functools import partial

import keras
from keras import layers

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

_STEM_CHANNELS = 32  # at stride 4
_FINE_CHANNELS = 64  # at stride 8, that of the maps
_COARSE_CHANNELS = 128  # at stride 16
_COARSE_DILATIONS = (1, 2, 4)  # together they see 500 pixels: which leg is the left one is told by the head


def compact_openpose(
    *,
    skeleton: Skeleton = COCO_18,
    num_stages: int = 2,
    weights: str | os.PathLike | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
) -> PoseEstimator:
    """Build a small network, 1.2 million parameters, that trains on a CPU.

    Layers are named `stem_conv`, `fine_block_conv1`, `coarse_block2_conv1`, `stage2_pafs`, `stage2_heatmaps`.

    Args:
        skeleton: the keypoints and limbs. Defaults to `COCO_18`.
        num_stages: how many stages, at least 1. Defaults to 2.
        weights: None for random ones, a name of `list_presets()` that is of this network, or a `.weights.h5`
            or `.keras` file of it. Weights for another skeleton give the features, and the channels of
            keypoints and limbs that both have.
        input_shape: height, width (multiples of 16, or None for any) and 3.

    Returns:
        A functional model from `(batch, height, width, 3)`, RGB from 0 to 255, to a dict of
        `heatmaps`, `(batch, stages, height / 8, width / 8, keypoints + 1)`, the background last, and
        `pafs`, `(batch, stages, height / 8, width / 8, 2 * limbs)`, float32 under any dtype policy.

    Raises:
        ValueError: an argument is none of the above, or the file is not of such a network.
        FileNotFoundError: there is no such file.

    Example:
        ```python
        import numpy as np
        from keras_openpose import compact_openpose

        model = compact_openpose()
        maps = model(np.zeros((1, 64, 96, 3), "float32"))
        assert maps["heatmaps"].shape == (1, 2, 8, 12, 19)
        ```
    """
    if num_stages < 1:
        raise ValueError(f"`num_stages` must be at least 1. Received: {num_stages}.")
    check_input_shape(input_shape, multiple=16)
    images = keras.Input(input_shape, name="images")
    features = _features(images)

    channels = map_channels(skeleton)
    x = features
    maps: dict[str, list] = {kind: [] for kind in channels}
    for stage in range(1, num_stages + 1):
        x = residual_block(x, f"stage{stage}_block")
        for kind, count in channels.items():
            maps[kind].append(output_conv(x, count, f"stage{stage}_{kind}", small=True))
        if stage < num_stages:
            last = [stages[-1] for stages in maps.values()]
            x = layers.Concatenate(name=f"stage{stage + 1}_input")([*last, x])
            x = he_conv(x, _FINE_CHANNELS, 1, name=f"stage{stage + 1}_mix_conv")

    model = PoseEstimator(images, stage_outputs(skeleton, maps), name="compact_openpose")
    build = partial(compact_openpose, num_stages=num_stages, input_shape=input_shape)
    load_weights(model, weights, build)
    return model


def _features(images):
    x = layers.Rescaling(1 / 127.5, -1, name="normalization", dtype="float32")(images)
    x = he_conv(x, _STEM_CHANNELS, 5, stride=4, name="stem_conv")
    fine = residual_block(he_conv(x, _FINE_CHANNELS, 3, stride=2, name="fine_conv"), "fine_block")
    coarse = he_conv(fine, _COARSE_CHANNELS, 3, stride=2, name="coarse_conv")
    for n, dilation in enumerate(_COARSE_DILATIONS, 1):
        coarse = residual_block(coarse, f"coarse_block{n}", dilation)
    coarse = he_conv(coarse, _FINE_CHANNELS, 1, name="lateral_conv")
    # Repeated, then averaged with the neighbors: near to bilinear, and of layers that every backend has.
    coarse = layers.UpSampling2D(2, name="enlarge")(coarse)
    coarse = layers.AveragePooling2D(3, 1, padding="same", name="enlarge_between")(coarse)
    return layers.Add(name="features")([fine, coarse])
