"""OpenPose of 2017: any backbone, and stages that refine heatmaps and PAFs.

Cao, Simon, Wei, Sheikh: "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", figure 3;
layers as in CMU's released COCO model, models/pose/coco/pose_deploy_linevec.prototxt.
"""

import os
from collections.abc import Sequence
from functools import partial

import keras
from keras import layers

from keras_openpose.models.backbones import apply_backbone, load_imagenet_weights
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


def openpose(
    backbone: str | keras.Model = "vgg19",
    *,
    skeleton: Skeleton = COCO_18,
    num_stages: int = 6,
    feature_channels: Sequence[int] = (256, 128),
    weights: str | os.PathLike | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
) -> PoseEstimator:
    """Build OpenPose, 2017: heatmaps and PAFs, refined stage by stage.

    With the defaults it is CMU's network for COCO, 52,311,446 parameters. `openpose("resnet50")` is the
    other network of the comparison by Rim, Kim, Choi and Hong.

    Layers are named `features_conv1`, `stage2_pafs_conv3`, `stage2_heatmaps_conv3`; those of a named
    backbone as in keras.applications.

    Args:
        backbone: a name of `list_backbones()`, which normalizes inside; or a model with features of
            stride 8, which gets RGB from 0 to 255: a KerasCV or KerasHub backbone with a level P3, or
            any `keras.Model`, of which the last layer of stride 8 is taken.
        skeleton: the keypoints and limbs. Defaults to `COCO_18`.
        num_stages: how many stages, at least 1. Defaults to 6.
        feature_channels: channels of the 3×3 convolutions between backbone and stages; `()` feeds the
            backbone's features to the stages as they are. Defaults to `(256, 128)`.
        weights: None for random ones, `"imagenet"` for a named backbone trained on ImageNet, a name of
            `list_presets()` that is of this network, or a `.weights.h5` or `.keras` file of it. Weights for
            another skeleton give the features, and the channels of keypoints and limbs that both have.
        input_shape: height, width (multiples of 8, or None for any) and 3.

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
        from keras_openpose import openpose

        model = openpose("mobilenet", num_stages=2)
        maps = model(np.zeros((1, 64, 96, 3), "float32"))
        assert maps["heatmaps"].shape == (1, 2, 8, 12, 19)
        ```
    """
    if num_stages < 1:
        raise ValueError(f"`num_stages` must be at least 1. Received: {num_stages}.")
    check_input_shape(input_shape, multiple=8)
    images = keras.Input(input_shape, name="images")
    features = apply_backbone(backbone, images)
    for n, width in enumerate(feature_channels, 1):
        features = conv_relu(features, width, 3, f"features_conv{n}")

    channels = map_channels(skeleton)
    x = features
    maps: dict[str, list] = {kind: [] for kind in channels}
    for stage in range(1, num_stages + 1):
        branch = _first_branch if stage == 1 else _later_branch
        for kind, count in channels.items():
            maps[kind].append(branch(x, count, f"stage{stage}_{kind}"))
        if stage < num_stages:
            last = [stages[-1] for stages in maps.values()]
            x = layers.Concatenate(name=f"stage{stage + 1}_input")([*last, features])

    name = backbone.name if isinstance(backbone, keras.Model) else backbone
    model = PoseEstimator(images, stage_outputs(skeleton, maps), name=f"openpose_{name}")
    if weights == "imagenet":
        load_imagenet_weights(model, backbone)
    else:
        build = partial(
            openpose,
            backbone,
            num_stages=num_stages,
            feature_channels=feature_channels,
            input_shape=input_shape,
        )
        load_weights(model, weights, build)
    return model


def _first_branch(x, channels: int, name: str):
    for n in (1, 2, 3):
        x = conv_relu(x, 128, 3, f"{name}_conv{n}")
    x = conv_relu(x, 512, 1, f"{name}_conv4")
    return output_conv(x, channels, f"{name}_conv5", small=True)


def _later_branch(x, channels: int, name: str):
    for n in (1, 2, 3, 4, 5):
        x = conv_relu(x, 128, 7, f"{name}_conv{n}")
    x = conv_relu(x, 128, 1, f"{name}_conv6")
    return output_conv(x, channels, f"{name}_conv7", small=True)
