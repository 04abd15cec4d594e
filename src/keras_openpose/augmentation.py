"""Where training looks: one affine map from photograph to input, and the pixels it brings along."""

import math
from dataclasses import dataclass

import tensorflow as tf

from keras_openpose.geometry import mirror_x, resize_coordinates


@dataclass(frozen=True)
class Augmentation:
    """How a training crop is drawn around a person. The defaults are those of CMU's COCO network.

    Source: caffe_train of 2017, `TransformationParameter` in caffe.proto as set for training.

    Args:
        person_height: height of the person's box in the crop at scale 1, as a share of its height.
        scale: range of a factor on that.
        rotation: largest angle to either side, in degrees.
        shift: largest offset of the person from the middle, along x and y, as a share of the height.
        flip: probability of mirroring; left and right keypoints change places.
        color_jitter: largest change of brightness (as a share of 255), contrast and saturation (as
            factors). CMU's training had none.

    Raises:
        ValueError: a value is outside of its range.

    Example:
        ```python
        from keras_openpose import Augmentation

        upright = Augmentation(rotation=0, color_jitter=0.2)
        ```
    """

    person_height: float = 0.6
    scale: tuple[float, float] = (0.5, 1.1)
    rotation: float = 40.0
    shift: float = 40 / 368
    flip: float = 0.5
    color_jitter: float = 0.0

    def __post_init__(self):
        low, high = self.scale
        rules = {
            "person_height": (self.person_height > 0, "positive"),
            "scale": (0 < low <= high, "a positive range, low before high"),
            "rotation": (0 <= self.rotation <= 180, "between 0 and 180 degrees"),
            "shift": (self.shift >= 0, "at least 0"),
            "flip": (0 <= self.flip <= 1, "a probability"),
            "color_jitter": (0 <= self.color_jitter < 1, "at least 0 and below 1"),
        }
        for field, (kept, rule) in rules.items():
            if not kept:
                raise ValueError(f"`{field}` must be {rule}. Received: {getattr(self, field)}.")


def random_affine(seed, box, *, size: tuple[int, int], augmentation: Augmentation):
    """Scale, rotate, shift and flip about the middle of a person, at random.

    Args:
        seed: `(2,)` integers; equal seeds give equal results.
        box: `(4,)`, the person's x, y, width and height in pixels of the photograph.
        size: height and width of the input.
        augmentation: the ranges to draw from.

    Returns:
        `(2, 3)` affine map of pixels of the photograph to pixels of the input; its
        determinant is negative where it mirrors.
    """
    height, width = size
    angle, shift, flip = math.radians(augmentation.rotation), augmentation.shift * height, augmentation.flip
    ranges = [augmentation.scale, (-angle, angle), (-shift, shift), (-shift, shift), (flip - 1, flip)]
    low, high = zip(*ranges, strict=True)
    scale, angle, *shift, flip = tf.unstack(tf.random.stateless_uniform([5], seed, low, high))

    scale *= augmentation.person_height * height / tf.maximum(box[3], 1.0)
    cos, sin, side = scale * tf.cos(angle), scale * tf.sin(angle), tf.where(flip >= 0, -1.0, 1.0)
    linear = tf.reshape(tf.stack([side * cos, -side * sin, sin, cos]), [2, 2])
    middle = tf.constant([mirror_x(0, width) / 2, mirror_x(0, height) / 2])  # which mirroring leaves in place
    offset = middle + tf.stack(shift) - tf.linalg.matvec(linear, box[:2] + box[2:] / 2)
    return tf.concat([linear, offset[:, None]], axis=1)


def fit_affine(image_size: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Fit the photograph into the input as `predict_poses` does: aspect kept, anchored top-left.

    Args:
        image_size: `(2,)`, height and width of the photograph.
        size: height and width of the input.

    Returns:
        `(2, 3)` affine map of pixels of the photograph to pixels of the input.
    """
    lengths, limits = tf.cast(image_size, tf.float64), tf.constant(size, tf.float64)
    scale = tf.reduce_min(limits / lengths)
    fitted = tf.clip_by_value(tf.round(lengths * scale), 1, limits)  # geometry.fitted_size
    scales = tf.cast(fitted / lengths, tf.float32)[::-1]
    return tf.concat([tf.linalg.diag(scales), resize_coordinates(0.0, scales)[:, None]], axis=1)


def transform(affine: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Where an affine map takes points `(..., 2)`; NaN stays NaN."""
    return tf.matmul(points, affine[:, :2], transpose_b=True) + affine[:, 2]


def invert(affine: tf.Tensor) -> tf.Tensor:
    """The affine map that undoes one."""
    linear = tf.linalg.inv(affine[:, :2])
    return tf.concat([linear, -tf.linalg.matvec(linear, affine[:, 2])[:, None]], axis=1)


def warp(pixels: tf.Tensor, affine: tf.Tensor, *, size: tuple[int, int], border: int) -> tf.Tensor:
    """Pixels of the input, each read between four pixels of the photograph.

    Args:
        pixels: `(any height, any width, 3)`, `uint8`.
        affine: `(2, 3)` affine map of pixels of the input to those of `pixels`.
        size: height and width of the input.
        border: value outside of the photograph.

    Returns:
        `(height, width, 3)`, `uint8`.
    """
    shape, count = tf.shape(pixels), tf.size(pixels)
    # XLA compiles anew for every shape: few lengths, the powers of two, keep that to the first samples.
    length = tf.cast(2.0 ** tf.math.ceil(tf.math.log(tf.cast(count, tf.float64)) / math.log(2)), tf.int32)
    flat = tf.pad(tf.reshape(pixels, [-1]), [[0, tf.maximum(length - count, 0)]])
    return _bilinear(flat, shape, affine, size, border)


# Compiled, the arithmetic below is one loop over the pixels, without arrays in between: four times
# as fast as tf.raw_ops.ImageProjectiveTransformV3, which was two thirds of the time of a sample.
@tf.function(jit_compile=True)
def _bilinear(flat, shape, affine, size, border):
    limits = tf.cast(shape - 1, tf.float32)
    column, row = tf.meshgrid(tf.range(size[1], dtype=tf.float32), tf.range(size[0], dtype=tf.float32))
    x = affine[0, 0] * column + affine[0, 1] * row + affine[0, 2]
    y = affine[1, 0] * column + affine[1, 1] * row + affine[1, 2]
    inside = (x >= -0.5) & (x <= limits[1] + 0.5) & (y >= -0.5) & (y <= limits[0] + 0.5)
    x, y = tf.clip_by_value(x, 0.0, limits[1]), tf.clip_by_value(y, 0.0, limits[0])
    left, top = tf.floor(x), tf.floor(y)
    right, bottom = tf.minimum(left + 1, limits[1]), tf.minimum(top + 1, limits[0])

    def read(row, column):  # (height, width) -> (height, width, 3)
        first = 3 * (tf.cast(row, tf.int32) * shape[1] + tf.cast(column, tf.int32))
        return tf.cast(tf.gather(flat, first[..., None] + tf.range(3)), tf.float32)

    across, down = (x - left)[..., None], (y - top)[..., None]
    upper = read(top, left) * (1 - across) + read(top, right) * across
    lower = read(bottom, left) * (1 - across) + read(bottom, right) * across
    mixed = tf.cast(upper * (1 - down) + lower * down + 0.5, tf.uint8)
    return tf.where(inside[..., None], mixed, tf.constant(border, tf.uint8))


def jitter_color(image: tf.Tensor, seed, strength: float) -> tf.Tensor:
    """Change brightness, contrast and saturation at random, by at most `strength` each."""
    seeds = tf.unstack(tf.random.split(seed, 3))
    image = tf.image.stateless_random_brightness(image, strength, seeds[0])
    image = tf.image.stateless_random_contrast(image, 1 - strength, 1 + strength, seeds[1])
    return tf.image.stateless_random_saturation(image, 1 - strength, 1 + strength, seeds[2])
