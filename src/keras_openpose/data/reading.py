"""Reads the pixels of a file that the input shows, as TensorFlow ops."""

import os
from functools import partial

import tensorflow as tf

from keras_openpose.data.augmentation import transform
from keras_openpose.data.exif import HEAD, read_orientation
from keras_openpose.geometry import resize_coordinates

# libjpeg decodes to 1/2, 1/4 or 1/8 of the size. Without that, the warp would skip pixels of photographs
# that shrink more: it mixes only four pixels for each of its own.
_RATIOS = (1, 2, 4, 8)
# What JPEG, PNG, GIF and BMP files begin with.
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")
# How to turn a photograph upright, for EXIF orientations 1 to 8: whether to exchange rows and columns, and
# then the steps along rows and columns, -1 to read them backwards.
_TURNS = ((0, 1, 1), (0, 1, -1), (0, -1, -1), (0, -1, 1), (1, 1, 1), (1, 1, -1), (1, -1, -1), (1, -1, 1))


def find_orientation(path: str | os.PathLike) -> int:
    """EXIF orientation of an image file, 1 to 8; only its head is read.

    Raises:
        tf.errors.OpError: the file cannot be read, or is no image that TensorFlow reads.
    """
    with tf.io.gfile.GFile(os.fspath(path), "rb") as file:
        head = file.read(HEAD)
    if not head.startswith(_BEGINNINGS):
        try:
            tf.io.decode_image(tf.io.read_file(os.fspath(path)))  # newer versions read WebP
        except tf.errors.InvalidArgumentError as error:
            message = "TensorFlow does not read this kind of file. Save it as JPEG or PNG."
            raise tf.errors.InvalidArgumentError(None, None, message) from error
    return read_orientation(head)


def read_size(path: str | os.PathLike, orientation: int = 1) -> tuple[int, int]:
    """Height and width of an image file, upright. Only the header of a JPEG is decoded.

    Raises:
        tf.errors.InvalidArgumentError: the file is no JPEG, PNG, BMP or GIF image.
    """
    contents = tf.io.read_file(os.fspath(path))
    if tf.io.is_jpeg(contents):
        shape = tf.io.extract_jpeg_shape(contents)
    else:
        shape = tf.shape(tf.io.decode_image(contents, expand_animations=False))
    height, width = shape[:2].numpy().tolist()
    exchanged, _, _ = _TURNS[orientation - 1]
    return (width, height) if exchanged else (height, width)


def plan_reading(
    from_input: tf.Tensor, image_size: tf.Tensor, *, size: tuple[int, int]
) -> dict[str, tf.Tensor]:
    """Choose the size and the part of each photograph to decode for an input.

    Args:
        from_input: `(crops, 2, 3)` affine maps of pixels of the input to those of the photograph.
        image_size: `(crops, 2)`, height and width of the photographs.
        size: height and width of the input.

    Returns:
        `"reduction"` `(crops,)` and `"window"` `(crops, 4)`: y, x, height and width, for
        `read_pixels`; `"to_pixels"` `(crops, 2, 3)`, affine maps of pixels of the input to those that
        it reads.
    """
    step = tf.sqrt(tf.abs(tf.linalg.det(from_input[..., :2])))  # pixels of the photograph to one of the input
    reduction = tf.reduce_sum(tf.cast(step[:, None] >= _RATIOS[1:], tf.int32), axis=1)
    ratio = tf.gather(_RATIOS, reduction)[:, None]
    scale = tf.cast(1 / ratio, tf.float32)[:, None]
    offset = resize_coordinates(from_input[..., 2:], scale)
    to_reduced = tf.concat([from_input[..., :2] * scale, offset], axis=2)

    bottom, right = float(size[0] - 1), float(size[1] - 1)
    corners = tf.constant([(0, 0), (right, 0), (0, bottom), (right, bottom)])
    corners = transform(to_reduced, corners)[..., ::-1]
    last = -(-image_size // ratio) - 1
    low = tf.clip_by_value(tf.cast(tf.floor(tf.reduce_min(corners, axis=1)), tf.int32), 0, last)
    high = tf.clip_by_value(tf.cast(tf.floor(tf.reduce_max(corners, axis=1)), tf.int32) + 1, low, last)
    corner = tf.cast(low[:, ::-1, None], tf.float32)
    return {
        "reduction": reduction,
        "window": tf.concat([low, high - low + 1], axis=1),
        "to_pixels": tf.concat([to_reduced[..., :2], offset - corner], axis=2),
    }


def read_pixels(
    source: tf.Tensor,
    on_disk: tf.Tensor,
    image_size: tf.Tensor,
    orientation: tf.Tensor,
    reduction: tf.Tensor,
    window: tf.Tensor,
) -> tf.Tensor:
    """Decode part of a photograph, upright, at 1, 1/2, 1/4 or 1/8 of its size.

    Args:
        source: path of an image file, or its contents.
        on_disk: whether it is a path.
        image_size: `(2,)`, height and width that it must have, upright.
        orientation: of EXIF, 1 to 8.
        reduction: 0, 1, 2 or 3.
        window: `(4,)`, y, x, height and width in pixels of the reduced photograph.

    Returns:
        `(height, width, 3)`, `uint8`.

    Raises:
        tf.errors.OpError: there is no such file, or it is damaged, or it is of another size.
    """
    contents = tf.cond(on_disk, lambda: tf.io.read_file(source), lambda: source)

    def check(size):  # labels of a larger or a turned photograph would be learned in the wrong places
        message = "The photograph is not of the size that its labels say."
        return tf.debugging.assert_equal(size[:2], image_size, message=message)

    def decode_jpeg(ratio):
        check(tf.io.extract_jpeg_shape(contents))
        # libjpeg's faster ways differ from the exact ones by a few gray levels.
        return tf.io.decode_and_crop_jpeg(
            contents, window, channels=3, ratio=ratio, fancy_upscaling=False, dct_method="INTEGER_FAST"
        )

    def decode_other():
        image = _upright(tf.io.decode_image(contents, channels=3, expand_animations=False), orientation)
        check(tf.shape(image))
        ratio = tf.gather(_RATIOS, reduction)
        reduced_size = -(-image_size // ratio)
        for axis in (0, 1):  # as libjpeg: the last pixels are repeated where the ratio leaves a rest
            places = tf.minimum(tf.range(reduced_size[axis] * ratio), image_size[axis] - 1)
            image = tf.gather(image, places, axis=axis)
        reduced = tf.cast(tf.round(tf.image.resize(image, reduced_size, method="area")), tf.uint8)
        return reduced[window[0] : window[0] + window[2], window[1] : window[1] + window[3]]

    jpegs = [partial(decode_jpeg, ratio) for ratio in _RATIOS]
    # libjpeg's windows and reductions apply to the photograph as stored.
    quick = tf.io.is_jpeg(contents) & (orientation == 1)
    return tf.switch_case(tf.where(quick, reduction, len(jpegs)), [*jpegs, decode_other])


def _upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    exchanged, row_step, column_step = tf.unstack(tf.gather(_TURNS, orientation - 1))
    image = tf.transpose(image, tf.gather([(0, 1, 2), (1, 0, 2)], exchanged))
    return tf.ensure_shape(image[::row_step, ::column_step], (None, None, 3))
