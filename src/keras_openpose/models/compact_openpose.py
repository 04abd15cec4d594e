"""A small network of this package: residual blocks at two strides, and few, light stages.

The parts are old: residual blocks (He et al., "Deep Residual Learning for Image Recognition"), a coarser
level that is added to the finer one (Lin et al., "Feature Pyramid Networks"), and OpenPose's stages, which
see the maps of the stage before. It is made to be trained from random weights within an hour on two CPU
cores: plain convolutions with batch normalisation soon learn what separable ones take hours for.
"""

import os

import keras
from keras import layers

from keras_openpose.models.stages import check_input_shape, stage_outputs
from keras_openpose.models.weights import load_weights
from keras_openpose.skeletons import COCO_18, Skeleton

_STEM_CHANNELS = (24, 48)  # at strides 2 and 4
_FINE_CHANNELS = 80  # at stride 8, that of the maps
_COARSE_CHANNELS = 128  # at stride 16, where a whole person is within reach


def compact_openpose(
    *,
    skeleton: Skeleton = COCO_18,
    num_stages: int = 2,
    weights: str | os.PathLike | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
) -> keras.Model:
    """Build a small network, 1.3 million parameters, that trains on a CPU.

    Layers are named `stem1_conv`, `block2_1_conv`, `block2_1_norm`, `stage2_pafs`, `stage2_heatmaps`.

    Args:
        skeleton: who a person is. Defaults to `COCO_18`.
        num_stages: how many stages, at least 1. Defaults to 2.
        weights: None for random ones, or a `.weights.h5` or `.keras` file of such a network. Those of
            `from_preset("demo_synthetic")` were trained on drawn people.
        input_shape: height, width (multiples of 16, or None for any) and 3.

    Returns:
        A functional model, `(batch, height, width, 3)` of RGB from 0 to 255 to a dict of
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

    x, stages = _block(features, "stage1_block1"), []
    for stage in range(1, num_stages + 1):
        pafs = _output(x, 2 * skeleton.num_limbs, f"stage{stage}_pafs")
        heatmaps = _output(x, skeleton.num_keypoints + 1, f"stage{stage}_heatmaps")
        stages.append((heatmaps, pafs))
        if stage < num_stages:
            x = layers.Concatenate(name=f"stage{stage + 1}_input")([pafs, heatmaps, features])
            x = _conv(x, _FINE_CHANNELS, 1, 1, f"stage{stage + 1}_mix")
            x = _block(_block(x, f"stage{stage + 1}_block1"), f"stage{stage + 1}_block2")

    model = keras.Model(images, stage_outputs(*zip(*stages, strict=True)), name="compact_openpose")
    load_weights(model, weights, preset="compact_openpose_coco")
    return model


def _features(images):
    x = layers.Rescaling(1 / 127.5, -1, name="normalization", dtype="float32")(images)
    x = _conv(x, _STEM_CHANNELS[0], 3, 2, "stem1")
    x = _block(_conv(x, _STEM_CHANNELS[1], 3, 2, "stem2"), "block1")
    fine = _block(_conv(x, _FINE_CHANNELS, 3, 2, "fine"), "block2")
    coarse = _conv(fine, _COARSE_CHANNELS, 3, 2, "coarse")
    coarse = _block(_block(coarse, "block3"), "block4")
    coarse = _conv(coarse, _FINE_CHANNELS, 1, 1, "lateral")
    # Repeated, then averaged with the neighbours: near to bilinear, and of layers that every backend has.
    coarse = layers.UpSampling2D(2, name="enlarge")(coarse)
    coarse = layers.AveragePooling2D(3, 1, padding="same", name="enlarge_between")(coarse)
    return layers.Add(name="features")([fine, coarse])


def _block(inputs, name: str):
    """Two convolutions whose result is added to what came in."""
    x = _conv(inputs, inputs.shape[-1], 3, 1, f"{name}_1")
    x = layers.Conv2D(
        x.shape[-1], 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_2_conv"
    )(x)
    # From 0, so that every block begins as if it were not there (Goyal et al., "Accurate, Large Minibatch
    # SGD", section 5.1): without, the first thousand steps go into taming what the blocks add up to.
    x = layers.BatchNormalization(gamma_initializer="zeros", name=f"{name}_2_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([inputs, x]))


def _conv(x, channels: int, kernel_size: int, stride: int, name: str):
    x = layers.Conv2D(
        channels,
        kernel_size,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return layers.ReLU(name=f"{name}_relu")(layers.BatchNormalization(name=f"{name}_norm")(x))


def _output(x, channels: int, name: str):
    # Small at first, as in CMU's training (pose_train_test.prototxt, `weight_filler`). In float32 under any
    # policy: OpenCV, which reads the maps, takes nothing narrower.
    initializer = keras.initializers.RandomNormal(stddev=0.01)
    return layers.Conv2D(channels, 1, kernel_initializer=initializer, name=name, dtype="float32")(x)
