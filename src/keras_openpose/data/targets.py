"""Draws the targets of the network, heatmaps and PAFs, from keypoints, as TensorFlow ops."""

import math

import tensorflow as tf

from keras_openpose.geometry import cell_to_pixel, pixel_to_cell
from keras_openpose.skeletons import Skeleton

# Where implementations differ, these follow CMU's newer training code (openpose_caffe_train, of the
# BODY_25 network), which corrected the one of 2017 (caffe_train, cpm_data_transformer.cpp):
#   people meet: the larger Gaussian counts, and the mean of the PAF vectors. (2017: Gaussians were
#     summed and cut at 1, and of several PAF vectors the last drawn won.)
#   a limb without length draws nothing. (2017: NaN.)
# Two things are this package's own:
#   PAFs have the half cell of the heatmaps: a cell's vector belongs to the pixel at its center. (All
#     of CMU's code divides pixels by 8 there, which shifts the PAFs by 3.5 pixels from the heatmaps.)
#   the band of a limb ends exactly one cell beyond its box on all sides. (CMU rounds the ends to whole
#     cells and leaves the last out, so that bands reach further up and left than down and right.)
SIGMA = 7.0  # pixels of the input image; caffe_train, `sigma`
# Exponent beyond which a Gaussian (here below 0.01) is 0; caffe_train, putGaussianMaps.
GAUSSIAN_CUTOFF = 4.6052
LIMB_HALF_WIDTH = 1.0  # cells; caffe_train, putVecMaps


def heatmap_targets(keypoints: tf.Tensor, *, size: tuple[int, int], stride: int = 8) -> tf.Tensor:
    """Draw a Gaussian around every keypoint, the largest where people meet, and the background.

    Args:
        keypoints: `(people, keypoints, 2)`, x and y in pixels of the input image; NaN where absent.
        size: height and width of the maps, in cells.
        stride: pixels per cell.

    Returns:
        `(height, width, keypoints + 1)`; the last channel is 1 − the largest of the others.
    """

    def falloff(pixels, cells):  # (people, keypoints) -> (people, cells, keypoints)
        distance = cell_to_pixel(tf.range(cells, dtype=tf.float32), stride)[:, None] - pixels[:, None]
        gaussian = tf.exp(tf.square(distance) / (-2 * SIGMA**2))
        return tf.where(tf.math.is_nan(gaussian), 0.0, gaussian)

    # A Gaussian of x and y is the product of one of x and one of y.
    rows, columns = falloff(keypoints[..., 1], size[0]), falloff(keypoints[..., 0], size[1])
    gaussians = rows[:, :, None] * columns[:, None]
    heatmaps = tf.maximum(tf.reduce_max(gaussians, axis=0), 0.0)  # without people, the maximum is −inf
    heatmaps = tf.where(heatmaps > math.exp(-GAUSSIAN_CUTOFF), heatmaps, 0.0)
    background = 1 - tf.reduce_max(heatmaps, axis=-1, keepdims=True)
    return tf.concat([heatmaps, background], axis=-1)


def paf_targets(
    keypoints: tf.Tensor, *, skeleton: Skeleton, size: tuple[int, int], stride: int = 8
) -> tf.Tensor:
    """Draw unit vectors along every limb, in a band around it, the mean where people meet.

    Args:
        keypoints: `(people, keypoints, 2)`, x and y in pixels of the input image; NaN where absent.
        skeleton: names the limbs.
        size: height and width of the maps, in cells.
        stride: pixels per cell.

    Returns:
        `(height, width, 2 * limbs)`, limb n in channels 2n (x) and 2n + 1 (y).
    """
    ends = tf.gather(pixel_to_cell(keypoints, stride), skeleton.limb_indices, axis=1)
    first, last = tf.reduce_min(ends, axis=2), tf.reduce_max(ends, axis=2)  # (people, limbs, xy)
    limits = tf.constant([size[1] - 1, size[0] - 1], tf.float32)
    in_sight = (first <= limits + LIMB_HALF_WIDTH) & (last >= -LIMB_HALF_WIDTH)  # False for NaN
    drawn = tf.where(tf.reduce_all(in_sight, axis=2) & tf.reduce_any(first < last, axis=2))
    ends = tf.gather_nd(ends, drawn)  # (drawn limbs, 2, xy)
    vectors = tf.math.l2_normalize(ends[:, 1] - ends[:, 0], axis=1)

    inside = _limb_bands(ends, vectors, size)  # (drawn limbs, cells)
    # Sums over the limbs of a kind that meet in a cell, as products with a matrix that picks the kind.
    kind = tf.repeat(tf.one_hot(drawn[:, 1], skeleton.num_limbs), 2, axis=1)  # (drawn limbs, channels)
    sums = tf.matmul(inside, kind * tf.tile(vectors, [1, skeleton.num_limbs]), transpose_a=True)
    counts = tf.matmul(inside, kind, transpose_a=True)
    return tf.reshape(sums / tf.maximum(counts, 1.0), [*size, 2 * skeleton.num_limbs])


def _limb_bands(ends, vectors, size):
    """1 in cells that belong to a limb: `(limbs, 2, xy)` in cells -> `(limbs, height * width)`."""
    low, high = tf.reduce_min(ends, 1) - LIMB_HALF_WIDTH, tf.reduce_max(ends, 1) + LIMB_HALF_WIDTH

    def along(axis, cells):  # (limbs, cells): a share of the distance, and whether within the box
        cell = tf.range(cells, dtype=tf.float32)
        share = (cell - ends[:, 0, axis, None]) * vectors[:, 1 - axis, None]
        return share, (cell >= low[:, axis, None]) & (cell <= high[:, axis, None])

    (across, in_columns), (down, in_rows) = along(0, size[1]), along(1, size[0])
    # The distance from the line is |across − down|. Outside of the box it is made infinite here, on
    # rows and columns, which is far cheaper than on all cells.
    across = tf.where(in_columns, across, 1e9)
    down = tf.where(in_rows, down, -1e9)
    inside = tf.abs(across[:, None, :] - down[:, :, None]) <= LIMB_HALF_WIDTH
    return tf.reshape(tf.cast(inside, tf.float32), [-1, size[0] * size[1]])
