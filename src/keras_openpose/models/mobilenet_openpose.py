"""The light networks of tf-pose-estimation: MobileNetV2 and separable stages."""

from typing import NamedTuple

import keras
from keras import layers, ops

from keras_openpose.skeletons import COCO_18, Skeleton

EPSILON = 1e-3


class Variant(NamedTuple):
    stem: int
    groups: tuple[tuple[int, int, int, int], ...]
    head: int
    stage1: int


VARIANTS = {
    "v2_small": Variant(
        16, ((1, 8, 1, 1), (6, 16, 2, 2), (6, 16, 3, 2), (6, 32, 4, 2), (6, 48, 3, 1)), 64, 256
    ),
}


def mobilenet_openpose(
    variant="v2_small", *, skeleton: Skeleton = COCO_18, weights=None, input_shape=(None, None, 3)
):
    """Build."""
    row = VARIANTS[variant]
    images = keras.Input(input_shape, name="images")
    features = _features(images, row)
    x, stages = features, []
    for stage in range(1, 7):
        pafs = _branch(x, 2 * skeleton.num_limbs, f"stage{stage}_pafs", row, stage)
        heatmaps = _branch(x, skeleton.num_keypoints + 1, f"stage{stage}_heatmaps", row, stage)
        stages.append((heatmaps, pafs))
        x = layers.Concatenate(name=f"stage{stage}_output")([pafs, heatmaps, features])
    heatmaps, pafs = zip(*stages, strict=True)
    outputs = {"heatmaps": _stack(heatmaps), "pafs": _stack(pafs)}
    return keras.Model(images, outputs, name=f"mobilenet_openpose_{variant}")


def _stack(maps):
    return ops.concatenate([ops.expand_dims(ops.cast(m, "float32"), 1) for m in maps], axis=1)


def _features(x, row):
    x = ops.relu6(_normalized(_conv(row.stem, 3, 2, name="stem_conv")(x), "stem_norm"))
    block, levels = 0, []
    for expansion, filters, repeats, stride in row.groups:
        for repeat in range(repeats):
            x = _block(x, expansion, filters, 1 if repeat else stride, f"block{block}")
            block += 1
        levels.append(x)
    fine, coarse = levels[2], levels[4]
    coarse = layers.UpSampling2D(2, name="upsample")(coarse)
    coarse = layers.AveragePooling2D(2, 1, padding="same", name="upsample_smooth")(coarse)
    return layers.Concatenate(name="features")([fine, coarse])


def _conv(filters, kernel_size, strides=1, *, name):
    return layers.Conv2D(filters, kernel_size, strides, padding="same", use_bias=False, name=name)


def _block(x, expansion, filters, stride, name):
    inputs = x
    if expansion > 1:
        x = _conv(expansion * x.shape[-1], 1, name=f"{name}_expand_conv")(x)
        x = ops.relu6(_normalized(x, f"{name}_expand_norm"))
    x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv")(x)
    x = ops.relu6(_normalized(x, f"{name}_depthwise_norm"))
    x = _normalized(_conv(filters, 1, name=f"{name}_project_conv")(x), f"{name}_project_norm")
    return layers.Add(name=f"{name}_add")([x, inputs]) if stride == 1 and filters == inputs.shape[-1] else x


def _normalized(x, name):
    mean = ops.mean(x, axis=(1, 2), keepdims=True)
    x = x - mean
    scale = ops.rsqrt(ops.mean(x * x, axis=(1, 2), keepdims=True) + EPSILON)
    return layers.BatchNormalization(epsilon=0, name=name)(x * scale, training=False)


def _branch(x, channels, name, row, stage):
    last = row.stage1 if stage == 1 else row.head
    units = ((row.head, 3), (row.head, 3), (row.head, 3), (last, 1))
    for n, (filters, kernel_size) in enumerate(units, 1):
        x = layers.SeparableConv2D(
            filters, kernel_size, padding="same", activation="relu", name=f"{name}_conv{n}"
        )(x)
    return layers.SeparableConv2D(channels, 1, padding="same", name=f"{name}_conv5")(x)
