"""From a file to the pixels that the input will show, as TensorFlow ops."""

from collections.abc import Callable

import tensorflow as tf

from keras_openpose.augmentation import invert, transform
from keras_openpose.geometry import resize_coordinates

# libjpeg decodes to 1/2, 1/4 and 1/8 of the size at little cost. Shrinking by that much beforehand is
# also what keeps the warp, which reads four pixels for each of its own, from skipping pixels.
_RATIOS = (1, 2, 4, 8)


def read_pixels(
    source: tf.Tensor,
    on_disk: tf.Tensor,
    *,
    place: Callable[[tf.Tensor], tf.Tensor],
    size: tuple[int, int],
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Decode what an input shows of a photograph, shrunk by 2, 4 or 8 where the input shrinks more.

    Args:
        source: path of an image file, or its contents.
        on_disk: whether it is a path.
        place: maps `(2,)`, height and width of the photograph, to the `(2, 3)` affine map of its
            pixels to those of the input.
        size: height and width of the input.

    Returns:
        Pixels `(any height, any width, 3)`, `uint8`; the affine map of pixels of the input to these;
        and the one that `place` gave.
    """
    contents = tf.cond(on_disk, lambda: tf.io.read_file(source), lambda: source)
    return tf.cond(
        tf.io.is_jpeg(contents),
        lambda: _read_jpeg(contents, place, size),
        lambda: _read_other(contents, place),
    )


def _read_jpeg(contents, place, size):
    image_size = tf.io.extract_jpeg_shape(contents)[:2]
    to_input = place(image_size)
    choice = _choose_ratio(to_input)
    ratio = tf.gather(_RATIOS, choice)
    to_pixels = _resized(invert(to_input), tf.cast(1 / ratio, tf.float32))
    corner, extent = _window(to_pixels, size, -(-image_size // ratio))
    window = tf.concat([corner, extent], axis=0)

    def decode(ratio):
        # libjpeg's faster ways, which differ from the exact ones by a few grey levels.
        return lambda: tf.io.decode_and_crop_jpeg(
            contents, window, channels=3, ratio=ratio, fancy_upscaling=False, dct_method="INTEGER_FAST"
        )

    pixels = tf.switch_case(choice, [decode(ratio) for ratio in _RATIOS])
    return pixels, _moved(to_pixels, -tf.cast(corner[::-1], tf.float32)), to_input


def _read_other(contents, place):
    image = tf.io.decode_image(contents, channels=3, expand_animations=False)
    image_size = tf.shape(image)[:2]
    to_input = place(image_size)
    pixels_size = -(-image_size // tf.gather(_RATIOS, _choose_ratio(to_input)))
    pixels = tf.image.resize(image, pixels_size, method="area")
    scales = tf.cast(pixels_size / image_size, tf.float32)[::-1]
    return tf.cast(tf.round(pixels), tf.uint8), _resized(invert(to_input), scales[:, None]), to_input


def _choose_ratio(to_input: tf.Tensor) -> tf.Tensor:
    """Index of the largest of the ratios after which the input still shrinks, or shows all there is."""
    scale = tf.sqrt(tf.abs(tf.linalg.det(to_input[:, :2])))
    return tf.reduce_sum(tf.cast(scale * _RATIOS[1:] <= 1, tf.int32))


def _resized(affine: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """An affine map to an image, when that image is resized."""
    return tf.concat([affine[:, :2] * scale, resize_coordinates(affine[:, 2:], scale)], axis=1)


def _moved(affine: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
    return tf.concat([affine[:, :2], affine[:, 2:] + offset[:, None]], axis=1)


def _window(to_pixels: tf.Tensor, size: tuple[int, int], limits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Corner and extent, `(y, x)` and `(height, width)`, of the pixels that the input can show."""
    bottom, right = float(size[0] - 1), float(size[1] - 1)
    corners = transform(to_pixels, tf.constant([(0, 0), (right, 0), (0, bottom), (right, bottom)]))[:, ::-1]
    first = tf.clip_by_value(tf.cast(tf.floor(tf.reduce_min(corners, axis=0)), tf.int32), 0, limits - 1)
    last = tf.clip_by_value(
        tf.cast(tf.floor(tf.reduce_max(corners, axis=0)), tf.int32) + 1, first, limits - 1
    )
    return first, last - first + 1
