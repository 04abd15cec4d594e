"""Training samples: a photograph and the people labeled in it."""

import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from keras_openpose.images import channel_advice
from keras_openpose.skeletons import Skeleton

MIN_KEYPOINTS = 5  # or half of them, where that is fewer; genJSON.m, `num_keypoints`
MIN_AREA = 32**2  # pixels of the photograph; genJSON.m, `area`
MIN_DISTANCE = 0.3  # between middles of boxes, as a share of the earlier one's longer side; genJSON.m


@dataclass(frozen=True, eq=False, init=False)
class PoseSample:
    """A photograph and its people. All coordinates are pixels of the photograph, `(x, y)`.

    Args:
        image: path of a JPEG, PNG, GIF or BMP file, or a `uint8` RGB array `(height, width, 3)`.
            TensorFlow reads BMP files with a palette as gray: do not use them. A file is turned upright
            as its EXIF tag says; coordinates and size are those of the upright photograph.
        keypoints: `(people, keypoints, 2)`, in the order of the skeleton; NaN where unlabeled.
            Derived keypoints, such as the neck, may stay NaN: `pose_dataset` fills them in.
        boxes: `(people, 4)`: x, y, width, height. Defaults to the box around each person's
            keypoints. Training crops are scaled by its height and centered on it. Give a box for a
            person with one keypoint, or with all keypoints in a row: a box without area gives no crop.
        areas: `(people,)`, square pixels that each person covers. Defaults to the area of the box.
        ignore: regions where the loss is ignored, such as people without keypoints: polygons
            `(corners, 2)` of at least three corners, or masks as COCO RLE
            (`pycocotools.mask.encode`, or the numbers of COCO's crowds).
        image_id: id of the image in the labels; shown in messages.
        size: height and width of the image. By default, `pose_dataset` reads them from the file.

    Raises:
        ValueError: the shapes do not fit each other, or a person has no labeled keypoint.

    Example:
        ```python
        import numpy as np
        from keras_openpose import PoseSample

        photograph = np.zeros((100, 200, 3), "uint8")
        sample = PoseSample(photograph, keypoints=[[(20, 30), (50, 70), (np.nan, np.nan)]])
        assert sample.boxes.tolist() == [[20, 30, 30, 40]] and sample.areas.tolist() == [1200]
        ```
    """

    image: str | os.PathLike | np.ndarray
    keypoints: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    ignore: Sequence[np.ndarray | dict]
    image_id: int | str | None
    size: tuple[int, int] | None

    def __init__(
        self,
        image: str | os.PathLike | np.ndarray,
        keypoints: ArrayLike,
        boxes: ArrayLike | None = None,
        areas: ArrayLike | None = None,
        ignore: Sequence[np.ndarray | dict] = (),
        image_id: int | str | None = None,
        size: tuple[int, int] | None = None,
    ):
        # The way to fill a frozen dataclass. Messages need these fields first.
        vars(self).update(image=image, image_id=image_id, ignore=ignore)
        keypoints = np.asarray(keypoints, np.float32)
        if keypoints.ndim != 3 or keypoints.shape[-1] != 2:
            raise ValueError(
                f"`keypoints` of {self} must have shape (people, keypoints, 2). Received: {keypoints.shape}."
            )
        if np.isinf(keypoints).any():
            raise ValueError(f"`keypoints` of {self} must be finite, NaN where unlabeled. Received: inf.")
        unlabeled = np.isnan(keypoints).any(-1)
        if unlabeled.all(-1).any():
            raise ValueError(
                f"Every person of {self} must have a labeled keypoint; put outlines of others into `ignore`. "
                f"Without: {np.flatnonzero(unlabeled.all(-1)).tolist()}."
            )
        for region in ignore:
            if not isinstance(region, dict) and (np.shape(region)[1:] != (2,) or len(region) < 3):
                raise ValueError(
                    f"Polygons in `ignore` of {self} must have shape (corners, 2), three at least. "
                    f"Received: {np.shape(region)}."
                )
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                raise ValueError(
                    "An image array must be `uint8` RGB of shape (height, width, 3). "
                    f"Received: {image.dtype} of shape {image.shape}.{channel_advice(image)}"
                )
            size = image.shape[:2]
        boxes = _around(keypoints) if boxes is None else np.asarray(boxes, np.float32)
        areas = boxes[..., 2:].prod(-1) if areas is None else np.asarray(areas, np.float32)
        for field, array, shape in (
            ("boxes", boxes, (len(keypoints), 4)),
            ("areas", areas, (len(keypoints),)),
        ):
            if array.shape != shape:
                raise ValueError(
                    f"`{field}` of {self} with {len(keypoints)} people must have shape {shape}. "
                    f"Received: {array.shape}."
                )
        vars(self).update(keypoints=keypoints, boxes=boxes, areas=areas, size=size)

    def __str__(self):
        name = "an image array" if isinstance(self.image, np.ndarray) else os.fspath(self.image)
        return name if self.image_id is None else f"{name} (id {self.image_id})"


def _around(keypoints: np.ndarray) -> np.ndarray:
    low = np.nanmin(keypoints, axis=1) if len(keypoints) else np.zeros((0, 2), np.float32)
    high = np.nanmax(keypoints, axis=1) if len(keypoints) else np.zeros((0, 2), np.float32)
    return np.concatenate([low, high - low], axis=1)


def fewest_keypoints(skeleton: Skeleton) -> int:
    """The default of `min_keypoints`: labeled keypoints that a person needs for a crop."""
    return min(MIN_KEYPOINTS, math.ceil((skeleton.num_keypoints - len(skeleton.derived)) / 2))


def people_to_center(
    sample: PoseSample, skeleton: Skeleton, *, min_keypoints: int, min_area: float
) -> list[int]:
    """Choose the people who get a training crop, as CMU did (genJSON.m of 2017).

    They have enough labeled keypoints (without derived ones), are large enough, and are not too close to
    people chosen before. The others are in the targets of every crop that shows them.

    Args:
        sample: a photograph and its people.
        skeleton: names the derived keypoints.
        min_keypoints: people with fewer labeled keypoints are not chosen.
        min_area: people who cover fewer square pixels are not chosen.

    Returns:
        Numbers of people of the sample.
    """
    labeled = ~np.isnan(sample.keypoints).any(-1)
    labeled[:, skeleton.derived_indices[:, 0]] = False
    enough = labeled.sum(axis=1) >= min_keypoints
    middles = sample.boxes[:, :2] + sample.boxes[:, 2:] / 2
    reaches = MIN_DISTANCE * sample.boxes[:, 2:].max(axis=1)
    chosen: list[int] = []
    for person in np.flatnonzero(enough & (sample.areas >= min_area)):
        distances = np.linalg.norm(middles[chosen] - middles[person], axis=1)
        if (distances >= reaches[chosen]).all():
            chosen.append(int(person))
    return chosen


def fill_derived(keypoints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Put each missing derived keypoint midway between its two sources, where both are labeled.

    CMU's training code does the same for the neck (caffe_train, cpm_data_transformer.cpp,
    `TransformMetaJoints`).

    Args:
        keypoints: `(people, keypoints, 2)`, NaN where unlabeled.
        skeleton: names the derived keypoints.

    Returns:
        A filled copy, with NaN where a source is unlabeled.
    """
    filled = np.array(keypoints, np.float32)
    for derived, one, other in skeleton.derived_indices:
        middle = (filled[:, one] + filled[:, other]) / 2
        filled[:, derived] = np.where(np.isnan(filled[:, derived]), middle, filled[:, derived])
    return filled


def report_problems(problems: Sequence[str], on_error: str):
    """Raise or warn about images that cannot be used.

    Args:
        problems: a message for each unusable image.
        on_error: `"raise"` or `"skip"`.

    Raises:
        ValueError: there are problems and `on_error` is `"raise"`, or `on_error` is neither.
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f'`on_error` must be "raise" or "skip". Received: {on_error!r}.')
    if not problems:
        return
    shown = "\n".join(f"  {problem}" for problem in problems[:5])
    more = f"\n  ... and {len(problems) - 5} more" if len(problems) > 5 else ""
    if on_error == "raise":
        raise ValueError(
            f'{len(problems)} image(s) cannot be used (on_error="skip" leaves them out):\n{shown}{more}'
        )
    warnings.warn(f"{len(problems)} image(s) left out:\n{shown}{more}", stacklevel=3)
