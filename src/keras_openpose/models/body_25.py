"""OpenPose's default network: PAFs first, dense blocks, PReLU.

Cao, Hidalgo, Simon, Wei, Sheikh: "OpenPose: Realtime Multi-Person 2D Pose Estimation using Part Affinity
Fields", figure 3; layers as in models/pose/body_25/pose_deploy.prototxt of CMU OpenPose.
"""

import os
from functools import partial

import keras
from keras import layers

from keras_openpose.models.estimator import PoseEstimator
from keras_openpose.models.stages import check_input_shape, map_channels, output_conv, stage_outputs
from keras_openpose.models.vgg import vgg_features
from keras_openpose.models.weights import load_weights
from keras_openpose.skeletons import BODY_25, Skeleton

_NUM_STAGES = {"pafs": 4, "heatmaps": 2}
_NUM_BLOCKS = 5
# Channels of the blocks' convolutions and of the 1×1 convolution after them, in the first stage of each
# kind and in the later ones.
_FIRST, _LATER = (96, 256), (128, 512)


def body_25(
    *,
    skeleton: Skeleton = BODY_25,
    weights: str | os.PathLike | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
) -> PoseEstimator:
    """Build OpenPose's default network: four stages of PAFs, then two of heatmaps, in dense blocks.

    With `BODY_25` it has 26,166,084 parameters. Layers are named `block4_conv1`, `features_conv2`,
    `stage1_pafs_block5_conv3`, `stage2_heatmaps_conv7`, and the PReLU after each with `prelu` for `conv`.

    Args:
        skeleton: the keypoints and limbs. Defaults to `BODY_25`.
        weights: None for random ones, a name of `list_presets()` that is of this network, or a `.weights.h5`
            or `.keras` file of it. Weights for another skeleton give the features, and the channels of
            keypoints and limbs that both have.
        input_shape: height, width (multiples of 8, or None for any) and 3.

    Returns:
        A functional model from `(batch, height, width, 3)`, RGB from 0 to 255, to a dict of
        `heatmaps`, `(batch, 2, height / 8, width / 8, keypoints + 1)`, the background last, and
        `pafs`, `(batch, 4, height / 8, width / 8, 2 * limbs)`, float32 under any dtype policy.

    Raises:
        ValueError: an argument is none of the above, or the file is not of such a network.
        FileNotFoundError: there is no such file.
        ConnectionError: the published weights could not be downloaded.

    Example:
        ```python
        import numpy as np
        from keras_openpose import body_25

        model = body_25()
        maps = model(np.zeros((1, 64, 96, 3), "float32"))
        assert maps["heatmaps"].shape == (1, 2, 8, 12, 26)
        assert maps["pafs"].shape == (1, 4, 8, 12, 52)
        ```
    """
    check_input_shape(input_shape, multiple=8)
    images = keras.Input(input_shape, name="images")
    x = vgg_features(images, (2, 2, 4, 1))
    x = _conv(x, 512, 3, "block4_{}2")
    x = _conv(x, 256, 3, "features_{}1")
    features = _conv(x, 128, 3, "features_{}2")

    channels = map_channels(skeleton)
    seen: list = []
    maps: dict[str, list] = {kind: [] for kind in channels}
    for kind, count in channels.items():
        for stage in range(1, _NUM_STAGES[kind] + 1):
            x = _join([features, *maps[kind][-1:], *seen], f"stage{stage}_{kind}_input")
            maps[kind].append(_stage(x, count, stage, kind))
        seen = maps[kind][-1:]

    model = PoseEstimator(images, stage_outputs(skeleton, maps), name="body_25")
    load_weights(model, weights, partial(body_25, input_shape=input_shape))
    return model


def _join(parts: list, name: str):
    return layers.Concatenate(name=name)(parts) if len(parts) > 1 else parts[0]


def _stage(x, channels: int, stage: int, kind: str):
    name = f"stage{stage}_{kind}"
    width, last_width = _FIRST if stage == 1 else _LATER
    for block in range(1, _NUM_BLOCKS + 1):
        parts = []
        for n in (1, 2, 3):
            x = _conv(x, width, 3, f"{name}_block{block}_{{}}{n}")
            parts.append(x)
        x = layers.Concatenate(name=f"{name}_block{block}")(parts)
    x = _conv(x, last_width, 1, f"{name}_{{}}6")
    return output_conv(x, channels, f"{name}_conv7")


def _conv(x, channels: int, kernel_size: int, name: str):
    """A convolution and its PReLU, named with `conv` and `prelu` in the place of {}."""
    x = layers.Conv2D(channels, kernel_size, padding="same", name=name.format("conv"))(x)
    slope = keras.initializers.Constant(0.25)  # Caffe's
    return layers.PReLU(slope, shared_axes=[1, 2], name=name.format("prelu"))(x)
