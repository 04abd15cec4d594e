"""What the networks here have in common: the size of their images, layers, the form of their outputs."""

from collections.abc import Mapping, Sequence

import keras
from keras import layers

from keras_openpose.models.estimator import StageMaps
from keras_openpose.skeletons import Skeleton


def check_input_shape(input_shape: Sequence[int | None], *, multiple: int):
    """Refuse an input shape that is not (height, width, 3) in multiples of a number of pixels."""
    fits = len(input_shape) == 3 and input_shape[2] == 3
    if not fits or any(side is not None and (side < 1 or side % multiple) for side in input_shape[:2]):
        raise ValueError(
            f"`input_shape` must be (height, width, 3), height and width multiples of {multiple} or None. "
            f"Received: {input_shape}."
        )
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            "The networks here need `keras.config.image_data_format()` to be 'channels_last'. "
            f"Received: {keras.config.image_data_format()!r}."
        )


def conv_relu(x, channels: int, kernel_size: int, name: str):
    """A convolution and its ReLU."""
    return layers.Conv2D(channels, kernel_size, padding="same", activation="relu", name=name)(x)


def residual_block(inputs, name: str, dilation: int = 1):
    """Two convolutions whose result is added to the input."""
    x = he_conv(inputs, inputs.shape[-1], 3, dilation=dilation, name=f"{name}_conv1")
    # From 0, so that every block begins as if it were not there: deep networks then learn without
    # normalization (Zhang et al., "Fixup Initialization").
    x = layers.Conv2D(
        x.shape[-1],
        3,
        padding="same",
        dilation_rate=dilation,
        kernel_initializer="zeros",
        name=f"{name}_conv2",
    )(x)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([inputs, x]))


def he_conv(x, channels: int, kernel_size: int, *, name: str, stride: int = 1, dilation: int = 1):
    """A convolution and its ReLU, with initial weights that suit it."""
    return layers.Conv2D(
        channels,
        kernel_size,
        stride,
        padding="same",
        dilation_rate=dilation,
        activation="relu",
        kernel_initializer="he_normal",
        name=name,
    )(x)


def output_conv(x, channels: int, name: str, *, small: bool = False):
    """The last layer of a stage; with `small`, its initial weights give small maps.

    In float32 under any policy: OpenCV, which reads the maps, takes nothing narrower.
    """
    # Small as in CMU's training (pose_train_test.prototxt, `weight_filler`).
    initializer = keras.initializers.RandomNormal(stddev=0.01) if small else "glorot_uniform"
    return layers.Conv2D(channels, 1, kernel_initializer=initializer, name=name, dtype="float32")(x)


def map_channels(skeleton: Skeleton) -> dict[str, int]:
    """Channels of each kind of map: no PAFs for a skeleton without limbs."""
    channels = {"pafs": 2 * skeleton.num_limbs, "heatmaps": skeleton.num_keypoints + 1}
    return {kind: count for kind, count in channels.items() if count}


def stage_outputs(skeleton: Skeleton, maps: Mapping[str, list]) -> dict:
    """Outputs of a network from the maps of its stages, a list for each kind: tensors with a stage axis."""
    # In logs, the layers' names are the outputs' names.
    return {
        kind: StageMaps(skeleton, name=kind, dtype="float32")(stages) for kind, stages in sorted(maps.items())
    }
