"""Regions that training ignores: packed small once, looked up for every sample."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from pycocotools import mask as rle

from keras_openpose.geometry import pixel_to_cell

# Regions become bitmaps of a quarter of the photograph's size, finer than the cells of the maps even
# where a crop is enlarged. Only the places where a row enters or leaves a region are kept, as
# row * PITCH + column. The pitch exceeds any width, so all places beside the bitmap are outside.
_STRIDE = 4
_PITCH = 2**15


def pack_regions(regions: Sequence[np.ndarray | dict]) -> np.ndarray:
    """Pack the union of regions as the positions where its rows start and end, for `draw_mask`.

    Args:
        regions: polygons `(corners, 2)` in pixels and COCO RLEs, as in `PoseSample.ignore`.

    Returns:
        Sorted `int32` positions, an even number; empty without regions.
    """
    bitmaps = []
    polygons = [np.asarray(region, float) for region in regions if not isinstance(region, dict)]
    if polygons:
        width, height = (int(extent) // _STRIDE + 1 for extent in np.concatenate(polygons).max(axis=0))
        outlines = [(polygon / _STRIDE).ravel().tolist() for polygon in polygons]
        bitmaps.append(rle.decode(rle.merge(rle.frPyObjects(outlines, max(height, 1), max(width, 1)))))
    # A bitmap's cell stands for the pixel at its middle.
    middle = slice(_STRIDE // 2, None, _STRIDE)
    for region in regions:
        if isinstance(region, dict):
            packed = isinstance(region["counts"], (str, bytes))
            region = region if packed else rle.frPyObjects(region, *region["size"])
            bitmaps.append(rle.decode(region)[middle, middle])
    if not bitmaps:
        return np.zeros(0, np.int32)

    union = np.zeros(np.add(np.max([bitmap.shape for bitmap in bitmaps], axis=0), (0, 2)), np.int8)
    for bitmap in bitmaps:
        union[: bitmap.shape[0], 1 : bitmap.shape[1] + 1] |= bitmap.view(np.int8)
    rows, columns = np.nonzero(np.diff(union, axis=1))
    return (rows * _PITCH + columns).astype(np.int32)


def draw_mask(packed: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """0 where a point lies in a region, else 1; also 1 outside of the photograph.

    Args:
        packed: what `pack_regions` returned.
        points: `(points, 2)`, x and y in pixels of the photograph.

    Returns:
        `(points,)`, `float32`.
    """
    cells = tf.cast(tf.round(pixel_to_cell(points, _STRIDE)), tf.int32)
    column, row = tf.unstack(tf.clip_by_value(cells, -1, _PITCH - 2), axis=1)
    passed = tf.searchsorted(packed, row * _PITCH + column, side="right")
    return tf.cast(1 - passed % 2, tf.float32)
