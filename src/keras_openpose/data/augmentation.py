"""Training crops: an affine map from photograph to input, and the pixels under it.

An affine map is a matrix `(2, 3)` that takes pixel `(x, y)` to `matrix @ (x, y, 1)`.
"""

import math
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_openpose.geometry import fitted_size, mirror_x, resize_coordinates


@dataclass(frozen=True)
class Augmentation:
    """How to crop around a person for training. The defaults are those of CMU's COCO network.

    Args:
        person_height: height of the person's box in the crop at scale 1, as a share of its height.
        scale: range of a random factor on that height.
        rotation: largest angle to either side, in degrees.
        shift: largest distance of the person from the middle, along x and y, as a share of the height.
        flip: probability of mirroring; left and right keypoints change places.
        color_jitter: largest change of brightness (as a share of 255), contrast and saturation (as
            factors). CMU's training had none.
        longer_side: whether `person_height` applies to the longer side of the box, not to its height:
            for bodies that lie, such as fish and cars.

    Raises:
        ValueError: a value is out of range.

    Example:
        ```python
        from keras_openpose import Augmentation

        upright = Augmentation(rotation=0, color_jitter=0.2)
        ```
    """

    # caffe_train of 2017, cpm_data_transformer.cpp, with the parameters of the COCO network's
    # pose_train_test.prototxt; there the shift is 40 pixels of 368.
    person_height: float = 0.6
    scale: tuple[float, float] = (0.5, 1.1)
    rotation: float = 40.0
    shift: float = 40 / 368
    flip: float = 0.5
    color_jitter: float = 0.0
    longer_side: bool = False

    def __post_init__(self):
        low, high = self.scale if np.shape(self.scale) == (2,) else (0, 0)
        rules = {
            "person_height": (self.person_height > 0, "positive"),
            "scale": (0 < low <= high, "a range of positive factors, the smaller first"),
            "rotation": (0 <= self.rotation <= 180, "between 0 and 180 degrees"),
            "shift": (self.shift >= 0, "at least 0"),
            "flip": (0 <= self.flip <= 1, "a probability"),
            "color_jitter": (0 <= self.color_jitter < 1, "at least 0 and below 1"),
        }
        for field, (kept, rule) in rules.items():
            if not kept:
                raise ValueError(f"`{field}` must be {rule}. Received: {getattr(self, field)}.")


def random_affines(seed, boxes, *, size: tuple[int, int], augmentation: Augmentation) -> tf.Tensor:
    """Scale, rotate, shift and mirror about the middle of a person, at random.

    Args:
        seed: `(2,)` integers; equal seeds give equal results.
        boxes: `(crops, 4)`, x, y, width and height of the person in the middle of each crop.
        size: height and width of the input.
        augmentation: the ranges to draw from.

    Returns:
        `(crops, 2, 3)` affine maps of pixels of the photograph to pixels of the input; the
        determinant is negative where they mirror.
    """
    height, width = size
    angle, shift, flip = math.radians(augmentation.rotation), augmentation.shift * height, augmentation.flip
    ranges = [augmentation.scale, (-angle, angle), (-shift, shift), (-shift, shift), (flip - 1, flip)]
    low, high = zip(*ranges, strict=True)
    random = tf.random.stateless_uniform([tf.shape(boxes)[0], len(ranges)], seed, low, high)
    scale, angle, shift_x, shift_y, flip = tf.unstack(random, axis=1)

    length = tf.reduce_max(boxes[:, 2:], axis=1) if augmentation.longer_side else boxes[:, 3]
    scale *= augmentation.person_height * height / tf.maximum(length, 1.0)
    cos, sin, side = scale * tf.cos(angle), scale * tf.sin(angle), tf.where(flip >= 0, -1.0, 1.0)
    linear = tf.reshape(tf.stack([side * cos, -side * sin, sin, cos], axis=1), [-1, 2, 2])
    middle = tf.constant([mirror_x(0, width) / 2, mirror_x(0, height) / 2])  # stays in place in the mirror
    person = tf.linalg.matvec(linear, boxes[:, :2] + boxes[:, 2:] / 2)
    offset = middle + tf.stack([shift_x, shift_y], axis=1) - person
    return tf.concat([linear, offset[..., None]], axis=2)


def fit_affine(image_size: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Fit a photograph into the input as `predict_poses` does: aspect kept, anchored top-left.

    Args:
        image_size: height and width of the photograph.
        size: height and width of the input.

    Returns:
        `(2, 3)` affine map of pixels of the photograph to pixels of the input.
    """
    scale_y, scale_x = np.divide(fitted_size(image_size, size), image_size)
    x, y = resize_coordinates(0, scale_x), resize_coordinates(0, scale_y)
    return np.array([[scale_x, 0, x], [0, scale_y, y]], np.float32)


def fit(pixels: tf.Tensor, fitted: tf.Tensor, *, size: tuple[int, int]) -> tf.Tensor:
    """Fit a whole photograph into the input, with the same pixels as in `predict_poses`.

    A network that overfits a few photographs notices other ways of shrinking.

    Args:
        pixels: `(any height, any width, 3)`, `uint8`.
        fitted: `(2,)`, its height and width in the input, as in `fit_affine`.
        size: height and width of the input, black beyond.

    Returns:
        `(height, width, 3)`, `uint8`.
    """
    whole = tf.shape(pixels)[:2]

    def resized(method: str) -> tf.Tensor:
        exact = tf.image.resize(pixels, fitted, method=method)
        return tf.cast(tf.clip_by_value(tf.round(exact), 0, 255), tf.uint8)

    # These match OpenCV's INTER_AREA and, except for the slope of the cubic, INTER_CUBIC. Resizing to the
    # same size would change nothing and take twice as long as decoding.
    in_size = tf.case(
        [
            (tf.reduce_all(fitted == whole), lambda: pixels),
            (tf.reduce_any(fitted < whole), lambda: resized("area")),
        ],
        default=lambda: resized("bicubic"),
    )
    return tf.image.pad_to_bounding_box(in_size, 0, 0, *size)


def transform(affine: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Apply affine maps `(..., 2, 3)` to points `(..., points, 2)`; NaN stays NaN."""
    # Written out, since products of matrices this small cost many times as much.
    x_axis, y_axis, offset = tf.unstack(affine[..., None, :, :], axis=-1)
    return points[..., :1] * x_axis + points[..., 1:] * y_axis + offset


def invert(affine: tf.Tensor) -> tf.Tensor:
    """Invert affine maps `(..., 2, 3)`."""
    linear = tf.linalg.inv(affine[..., :2])
    return tf.concat([linear, -tf.matmul(linear, affine[..., 2:])], axis=-1)


def warp(pixels: tf.Tensor, affine: tf.Tensor, *, size: tuple[int, int], border: int) -> tf.Tensor:
    """Interpolate the pixels of the input, each from four pixels of the photograph.

    Args:
        pixels: `(any height, any width, 3)`, `uint8`.
        affine: `(2, 3)` affine map of pixels of the input to those of `pixels`.
        size: height and width of the input.
        border: value outside of the photograph.

    Returns:
        `(height, width, 3)`, `uint8`.
    """
    shape, count = tf.shape(pixels), tf.size(pixels)
    # XLA compiles anew for every shape. Powers of two as lengths keep the shapes few.
    length = tf.cast(2.0 ** tf.math.ceil(tf.math.log(tf.cast(count, tf.float64)) / math.log(2)), tf.int32)
    flat = tf.pad(tf.reshape(pixels, [-1]), [[0, tf.maximum(length - count, 0)]])
    return _mix(flat, shape, affine, size, border)


# Compiled, the arithmetic below becomes one loop without arrays in between, and takes a fifth of the
# time of tf.raw_ops.ImageProjectiveTransformV3, which alone took more than all the rest of a sample.
@tf.function(jit_compile=True)
def _mix(flat, shape, affine, size, border):
    bottom, right = tf.cast(shape[0] - 1, tf.float32), tf.cast(shape[1] - 1, tf.float32)
    column, row = tf.meshgrid(tf.range(size[1], dtype=tf.float32), tf.range(size[0], dtype=tf.float32))
    x = affine[0, 0] * column + affine[0, 1] * row + affine[0, 2]
    y = affine[1, 0] * column + affine[1, 1] * row + affine[1, 2]
    inside = (x >= -0.5) & (x <= right + 0.5) & (y >= -0.5) & (y <= bottom + 0.5)
    x, y = tf.clip_by_value(x, 0.0, right), tf.clip_by_value(y, 0.0, bottom)
    x0, y0 = tf.floor(x), tf.floor(y)
    x1, y1 = tf.minimum(x0 + 1, right), tf.minimum(y0 + 1, bottom)

    def read(y, x):  # (height, width) -> (height, width, 3)
        first = 3 * (tf.cast(y, tf.int32) * shape[1] + tf.cast(x, tf.int32))
        return tf.cast(tf.gather(flat, first[..., None] + tf.range(3)), tf.float32)

    across, down = (x - x0)[..., None], (y - y0)[..., None]
    upper = read(y0, x0) * (1 - across) + read(y0, x1) * across
    lower = read(y1, x0) * (1 - across) + read(y1, x1) * across
    mixed = tf.cast(upper * (1 - down) + lower * down + 0.5, tf.uint8)
    return tf.where(inside[..., None], mixed, tf.constant(border, tf.uint8))


def jitter_color(image: tf.Tensor, seed, strength: float) -> tf.Tensor:
    """Change brightness, contrast and saturation at random, by at most `strength` each."""
    seeds = tf.unstack(tf.random.split(seed, 3))
    image = tf.image.stateless_random_brightness(image, strength, seeds[0])
    image = tf.image.stateless_random_contrast(image, 1 - strength, 1 + strength, seeds[1])
    return tf.image.stateless_random_saturation(image, 1 - strength, 1 + strength, seeds[2])
