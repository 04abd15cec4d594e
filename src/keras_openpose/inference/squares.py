"""Where the hands and faces of people are: squares around them, from the keypoints of their bodies.

CMU OpenPose, src/openpose/hand/handDetector.cpp and src/openpose/face/faceDetector.cpp. Boxes are those of
`Poses`, `(people, 4)`: x, y, width, height in pixels; here squares, NaN where there is no crop.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from keras_openpose.poses import Poses

# Scores above which a keypoint of the body counts (handDetector.cpp and faceDetector.cpp, `threshold`).
_SEEN_FOR_HANDS, _SEEN_FOR_FACES = 0.03, 0.25
# Squares of this many pixels, or fewer, are left out (handExtractorCaffe.cpp and faceExtractorCaffe.cpp).
_TOO_SMALL_HAND, _TOO_SMALL_FACE = 1, 40
# A hand of the frame before counts if it was seen clearly (handDetector.cpp, updateTracker).
_CLEAR_HAND, _CLEAR_KEYPOINT = 2 / 3, 0.25
_HEAD = ("neck", "nose", "right_eye", "left_eye", "right_ear", "left_ear")


def hand_boxes(poses: Poses, side: str) -> np.ndarray:
    """Squares around the hands of one side, beyond the wrist in the direction of the forearm.

    Args:
        poses: the people.
        side: `"left"` or `"right"`.

    Raises:
        ValueError: the skeleton lacks a joint of the arm.
    """
    names = [f"{side}_{joint}" for joint in ("wrist", "elbow", "shoulder")]
    if missing := _missing(poses, names):
        raise ValueError(
            f"`hands` needs a body with shoulders, elbows and wrists. {poses.skeleton.name} lacks: {missing}."
        )
    wrist, elbow, shoulder = _seen(poses, names, _SEEN_FOR_HANDS)
    side_length = 1.5 * np.maximum(_distance(wrist, elbow), 0.9 * _distance(elbow, shoulder))
    return _squares(wrist + 0.33 * (wrist - elbow), side_length, _TOO_SMALL_HAND)


def face_boxes(poses: Poses) -> np.ndarray:
    """Squares around the faces.

    Raises:
        ValueError: the skeleton has neither neck, nose, eyes and ears nor neck and head.
    """
    missing = _missing(poses, _HEAD)
    if not missing:
        centers, sides = _face_of_many_points(*_seen(poses, _HEAD, _SEEN_FOR_FACES))
        return _squares(centers, sides, _TOO_SMALL_FACE)
    if _missing(poses, ("neck", "head")):
        raise ValueError(
            "`face` needs a body with neck, nose, eyes and ears, or with neck and head. "
            f"{poses.skeleton.name} lacks: {missing}."
        )
    neck, head = _seen(poses, ("neck", "head"), _SEEN_FOR_FACES)
    return _squares(head, 1.33 * _distance(neck, head), _TOO_SMALL_FACE)


def _face_of_many_points(neck, nose, right_eye, left_eye, right_ear, left_ear):
    """Centers and sides, each the mean of up to three estimates: neck and nose, the eyes, the ears."""
    to_neck = _distance(neck, nose)
    first = np.column_stack([(neck + nose) / 2, 2 * to_neck])
    for eye, ear, other_eye, other_ear in (
        (right_eye, right_ear, left_eye, left_ear),
        (left_eye, left_ear, right_eye, right_ear),
    ):
        side = 0.85 * (_distance(nose, eye) + _distance(nose, ear) + to_neck)
        seen_from_the_side = ~np.isnan(side) & np.isnan(other_eye[:, 0]) & np.isnan(other_ear[:, 0])
        profile = np.column_stack([(eye + ear + nose) / 3, side])
        first = np.where(seen_from_the_side[:, None], profile, first)
    estimates = np.stack([
        first,
        np.column_stack([(right_eye + left_eye) / 2, 3 * _distance(right_eye, left_eye)]),
        np.column_stack([(right_ear + left_ear) / 2, 2 * _distance(right_ear, left_ear)]),
    ])  # fmt: skip
    count = (~np.isnan(estimates)).sum(axis=0)
    mean = np.where(count > 0, np.nansum(estimates, axis=0) / np.maximum(count, 1), np.nan)
    return mean[:, :2], mean[:, 2]


def steadied(boxes: np.ndarray, before: Poses) -> np.ndarray:
    """Squares of hands, moved towards the hands that the frame before shows in the same place.

    The center lies midway between the square's own and that of the box around the earlier keypoints. Half
    the longer side of that box is added to the square's side (handDetector.cpp, trackHand).

    Args:
        boxes: `(people, 4)`, the squares.
        before: the hands of the same side in the frame before.
    """
    before = before[before.scores.mean(axis=1) > _CLEAR_HAND]
    if not len(before):
        return boxes
    clear = before.scores[..., None] > _CLEAR_KEYPOINT
    previous = replace(before, keypoints=np.where(clear, before.keypoints, np.nan)).boxes
    overlap = _overlap(boxes, previous)  # (people, previous)
    nearest = previous[overlap.argmax(axis=1)]
    centers = (boxes[:, :2] + boxes[:, 2:] / 2 + nearest[:, :2] + nearest[:, 2:] / 2) / 2
    moved = _squares(centers, boxes[:, 2] + nearest[:, 2:].max(axis=1) / 2, _TOO_SMALL_HAND)
    return np.where((overlap.max(axis=1) > 0)[:, None], moved, boxes)


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The overlap of each box with each other one, as a share of the smaller; 0 for boxes of NaN."""
    low = np.maximum(boxes[:, None, :2], others[:, :2])
    high = np.minimum((boxes[:, :2] + boxes[:, 2:])[:, None], others[:, :2] + others[:, 2:])
    smaller = np.minimum(boxes[:, 2:].prod(axis=1)[:, None], others[:, 2:].prod(axis=1))
    return np.nan_to_num(np.maximum(high - low, 0).prod(axis=-1) / np.maximum(smaller, 1e-6))


def _missing(poses: Poses, names: Sequence[str]) -> str:
    return ", ".join(name for name in names if name not in poses.skeleton.keypoints)


def _seen(poses: Poses, names: Sequence[str], threshold: float) -> list[np.ndarray]:
    """Places of keypoints, `(people, 2)` each, NaN where the score is not above the threshold."""
    indices = [poses.skeleton.keypoints.index(name) for name in names]
    seen = np.where(poses.scores[..., None] > threshold, poses.keypoints, np.nan)
    return [seen[:, index] for index in indices]


def _distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.hypot(*(one - other).T)


def _squares(centers: np.ndarray, sides: np.ndarray, too_small: float) -> np.ndarray:
    boxes = np.column_stack([centers - sides[:, None] / 2, sides, sides])
    return np.where((sides > too_small)[:, None], boxes, np.nan)
