"""Fits and pads photographs, runs the network at several sizes, and averages the maps."""

import functools
import itertools
import operator
from collections.abc import Sequence

import cv2
import numpy as np

from keras_openpose.geometry import fitted_size, resize_coordinates
from keras_openpose.inference.decoding import decode_poses
from keras_openpose.inference.forward import run_network
from keras_openpose.poses import Poses
from keras_openpose.skeletons import Skeleton

STRIDE = 8
# Multiples that all networks take: mobilenet_openpose has features of stride 16.
MULTIPLE = 16


def average_maps(
    forward, photographs, skeleton, size, scales=(1.0,), multiples=(MULTIPLE, MULTIPLE), flip=False
) -> tuple[np.ndarray, np.ndarray]:
    """Maps averaged over scales, on the grid of the largest.

    Returns:
        `(photographs, height, width, channels)`, heatmaps before PAFs; and `(photographs, 2)`,
        pixels of the photograph per pixel of that grid's input, along x and y.
    """
    looks = [letterbox(photographs, size, scale, multiples) for scale in scales]
    grid, grid_fitted = looks[int(np.argmax(scales))]
    cells = grid.shape[2] // STRIDE, grid.shape[1] // STRIDE

    def resized(canvases: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        maps = run_network(forward, canvases, skeleton, flip=flip)
        return np.stack([_resize_maps(*pair, cells) for pair in zip(maps, grid_fitted / fitted, strict=True)])

    total = functools.reduce(operator.add, itertools.starmap(resized, looks))
    shapes = np.array([photograph.shape[:2] for photograph in photographs])
    return total / len(scales), (shapes / grid_fitted)[:, ::-1]


def letterbox(
    photographs, size: tuple[int, int], scale: float, multiples: Sequence[int] = (MULTIPLE, MULTIPLE)
) -> tuple[np.ndarray, np.ndarray]:
    """Photographs fitted into `size * scale`, top-left, and the `(height, width)` that each fills."""
    box = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    padded = tuple(-(-length // multiple) * multiple for length, multiple in zip(box, multiples, strict=True))
    canvases = np.zeros((len(photographs), *padded, 3), np.float32)
    fitted = [fitted_size(photograph.shape[:2], box) for photograph in photographs]
    for canvas, photograph, (height, width) in zip(canvases, photographs, fitted, strict=True):
        canvas[:height, :width] = resize(photograph, (height, width))
    return canvases, np.array(fitted)


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image to `(height, width)`, without aliasing where it shrinks."""
    if image.shape[:2] == tuple(size):
        return image
    shrinks = size[0] < image.shape[0] or size[1] < image.shape[1]
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _resize_maps(maps: np.ndarray, ratio: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """Maps enlarged by the exact ratio, then cut or padded to `cells`, `(width, height)`."""
    if (ratio == 1).all() and maps.shape[1::-1] == cells:
        return maps
    # Given factors rather than a size, OpenCV maps coordinates by exactly these.
    resized = cv2.resize(maps, None, fx=ratio[1], fy=ratio[0], interpolation=cv2.INTER_CUBIC)
    resized = resized[: cells[1], : cells[0]]
    return np.pad(resized, [(0, cells[1] - resized.shape[0]), (0, cells[0] - resized.shape[1]), (0, 0)])


def decode_maps(maps: np.ndarray, skeleton: Skeleton, decode: dict, scale, offset=0.0) -> Poses:
    """People in the maps of one image; `scale` and `offset` map its pixels to the photograph's."""
    heatmaps, pafs = np.split(maps, [skeleton.num_keypoints + 1], axis=-1)
    found = decode_poses(heatmaps, pafs, skeleton=skeleton, stride=STRIDE, **decode)
    keypoints = resize_coordinates(found.keypoints, scale) + offset
    return Poses(keypoints, found.scores, found.pose_scores, skeleton)
