"""CMU's networks of one hand and of one face: heatmaps without PAFs.

Simon, Joo, Matthews, Sheikh: "Hand Keypoint Detection in Single Images using Multiview Bootstrapping";
layers as in models/hand/pose_deploy.prototxt and models/face/pose_deploy.prototxt of CMU OpenPose, which
differ only in the number of heatmaps.
"""

import os
from functools import partial

import keras
from keras import layers

from keras_openpose.models.estimator import PoseEstimator
from keras_openpose.models.stages import check_input_shape, conv_relu, output_conv, stage_outputs
from keras_openpose.models.vgg import vgg_features
from keras_openpose.models.weights import load_weights
from keras_openpose.skeletons import FACE_70, HAND_21, Skeleton

_NUM_STAGES = 6


def hand_openpose(
    *,
    skeleton: Skeleton = HAND_21,
    weights: str | os.PathLike | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
) -> PoseEstimator:
    """Build CMU's hand network: six stages of heatmaps, no PAFs.

    It looks at a crop around one right hand, 368×368 in CMU's code; mirror a left one, or let
    `predict_whole_body` do both. With `HAND_21` it has 36,832,324 parameters. Layers are named
    `block5_conv2`, `features_conv`, `stage2_heatmaps_conv3`.

    Args:
        skeleton: the keypoints; its limbs only serve drawing. Defaults to `HAND_21`.
        weights: None for random ones, a name of `list_presets()` that is of this network, or a `.weights.h5`
            or `.keras` file of it. Weights for another skeleton give the features, and the channels of
            keypoints and limbs that both have.
        input_shape: height, width (multiples of 8, or None for any) and 3.

    Returns:
        A functional model from `(batch, height, width, 3)`, RGB from 0 to 255, to a dict of `heatmaps`
        alone, `(batch, 6, height / 8, width / 8, keypoints + 1)`, the background last, float32 under
        any dtype policy.

    Raises:
        ValueError: an argument is none of the above, or the file is not of such a network.
        FileNotFoundError: there is no such file.
        ConnectionError: the published weights could not be downloaded.

    Example:
        ```python
        import numpy as np
        from keras_openpose import HAND_21, hand_openpose, predict_poses

        model = hand_openpose(input_shape=(64, 64, 3))
        hand = predict_poses(model, np.zeros((64, 64, 3), "uint8"), skeleton=HAND_21)
        assert hand.keypoints.shape[1:] == (HAND_21.num_keypoints, 2)
        ```
    """
    model = _build("hand_openpose", skeleton, input_shape)
    load_weights(model, weights, partial(hand_openpose, input_shape=input_shape))
    return model


def face_openpose(
    *,
    skeleton: Skeleton = FACE_70,
    weights: str | os.PathLike | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
) -> PoseEstimator:
    """Build CMU's face network: six stages of heatmaps, no PAFs.

    It looks at a crop around one face, 368×368 in CMU's code; `predict_whole_body` cuts it out. With
    `FACE_70` it has 38,425,706 parameters. Layers have the names of `hand_openpose`.

    Args:
        skeleton: the keypoints; its limbs only serve drawing. Defaults to `FACE_70`.
        weights: None for random ones, a name of `list_presets()` that is of this network, or a `.weights.h5`
            or `.keras` file of it. Weights for another skeleton give the features, and the channels of
            keypoints and limbs that both have.
        input_shape: height, width (multiples of 8, or None for any) and 3.

    Returns:
        A functional model like that of `hand_openpose`.

    Raises:
        ValueError: an argument is none of the above, or the file is not of such a network.
        FileNotFoundError: there is no such file.
        ConnectionError: the published weights could not be downloaded.

    Example:
        ```python
        import numpy as np
        from keras_openpose import FACE_70, face_openpose, predict_poses

        model = face_openpose(input_shape=(64, 64, 3))
        face = predict_poses(model, np.zeros((64, 64, 3), "uint8"), skeleton=FACE_70)
        assert face.keypoints.shape[1:] == (FACE_70.num_keypoints, 2)
        ```
    """
    model = _build("face_openpose", skeleton, input_shape)
    load_weights(model, weights, partial(face_openpose, input_shape=input_shape))
    return model


def _build(name: str, skeleton: Skeleton, input_shape: tuple[int | None, int | None, int]) -> PoseEstimator:
    check_input_shape(input_shape, multiple=8)
    images = keras.Input(input_shape, name="images")
    features = conv_relu(vgg_features(images, (2, 2, 4, 4, 2)), 128, 3, "features_conv")
    channels = skeleton.num_keypoints + 1
    heatmaps: list = []
    for stage in range(1, _NUM_STAGES + 1):
        prefix = f"stage{stage}_heatmaps"
        if stage == 1:
            x, last = conv_relu(features, 512, 1, f"{prefix}_conv1"), 2
        else:
            x, last = layers.Concatenate(name=f"stage{stage}_input")([heatmaps[-1], features]), 7
            for n in (1, 2, 3, 4, 5):
                x = conv_relu(x, 128, 7, f"{prefix}_conv{n}")
            x = conv_relu(x, 128, 1, f"{prefix}_conv6")
        heatmaps.append(output_conv(x, channels, f"{prefix}_conv{last}"))
    return PoseEstimator(images, stage_outputs(skeleton, {"heatmaps": heatmaps}), name=name)
