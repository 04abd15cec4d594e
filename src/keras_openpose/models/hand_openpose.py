"""CMU's hand network: the heatmaps of one hand, without PAFs.

Simon, Joo, Matthews, Sheikh: "Hand Keypoint Detection in Single Images using Multiview Bootstrapping";
layers as in models/hand/pose_deploy.prototxt of CMU OpenPose.
"""

import os

import keras
from keras import layers

from keras_openpose.models.stages import check_input_shape, conv_relu, output_conv, stage_outputs
from keras_openpose.models.vgg import vgg_features
from keras_openpose.models.weights import load_weights
from keras_openpose.skeletons import HAND_21, Skeleton

_NUM_STAGES = 6


def hand_openpose(
    *,
    skeleton: Skeleton = HAND_21,
    weights: str | os.PathLike | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
) -> keras.Model:
    """Build CMU's hand network: six stages of heatmaps, no PAFs.

    It looks at a crop around one right hand, 368×368 in CMU's code; mirror a left one. With `HAND_21` it
    has 36,832,324 parameters. Layers are named `block5_conv2`, `features_conv`,
    `stage2_heatmaps_conv3`.

    Args:
        skeleton: the keypoints; its limbs only serve drawing. Defaults to `HAND_21`.
        weights: None for random ones, `"hand_21"` for the published ones (see `from_preset`), or a
            `.weights.h5` or `.keras` file of such a network.
        input_shape: height, width (multiples of 8, or None for any) and 3.

    Returns:
        A functional model, `(batch, height, width, 3)` of RGB from 0 to 255 to a dict of `heatmaps`
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
        assert hand.keypoints.shape[1:] == (21, 2)
        ```
    """
    check_input_shape(input_shape, multiple=8)
    images = keras.Input(input_shape, name="images")
    features = conv_relu(vgg_features(images, (2, 2, 4, 4, 2)), 128, 3, "features_conv")
    channels = skeleton.num_keypoints + 1
    heatmaps = []
    for stage in range(1, _NUM_STAGES + 1):
        name = f"stage{stage}_heatmaps"
        if stage == 1:
            x, last = conv_relu(features, 512, 1, f"{name}_conv1"), 2
        else:
            x, last = layers.Concatenate(name=f"stage{stage}_input")([heatmaps[-1], features]), 7
            for n in (1, 2, 3, 4, 5):
                x = conv_relu(x, 128, 7, f"{name}_conv{n}")
            x = conv_relu(x, 128, 1, f"{name}_conv6")
        heatmaps.append(output_conv(x, channels, f"{name}_conv{last}"))
    model = keras.Model(images, stage_outputs(heatmaps), name="hand_openpose")
    load_weights(model, weights, published="hand_21", preset="hand_21")
    return model
