"""VGG-19's first layers, as CMU's networks cut them."""

from collections.abc import Sequence

from keras import layers

_CHANNELS = (64, 128, 256, 512, 512)
_POOLED_BLOCKS = 3


def vgg_features(images, lengths: Sequence[int]):
    """Features of RGB images from 0 to 255, of stride 8 from the fourth block on.

    Layers are named as in keras.applications, `block4_conv2`.

    Args:
        images: `(batch, height, width, 3)`, symbolic.
        lengths: how many convolutions of each block are taken.
    """
    # CMU OpenPose, caffe_train, cpm_data_transformer.cpp: x / 256 - 0.5; in float32 under any policy.
    x = layers.Rescaling(1 / 256, -0.5, name="normalization", dtype="float32")(images)
    for block, (length, channels) in enumerate(zip(lengths, _CHANNELS, strict=False), 1):
        for n in range(1, length + 1):
            name = f"block{block}_conv{n}"
            x = layers.Conv2D(channels, 3, padding="same", activation="relu", name=name)(x)
        if block <= _POOLED_BLOCKS:
            x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    return x
