"""Reads a skeleton from a file: its own JSON, or COCO labels of any kind of body."""

import json
import os

from keras_openpose.skeletons import COCO_18, COCO_KEYPOINTS, Skeleton


def read_skeleton(path: str | os.PathLike) -> Skeleton:
    """Read keypoints and limbs from a file.

    Args:
        path: a JSON file with the arguments of `Skeleton`, such as `{"name": "lamp", "keypoints": ["base",
            "head"], "limbs": [["base", "head"]]}`; or a COCO keypoint file, whose category has `keypoints`
            and `skeleton`. Names that differ only in `left` and `right` change places in a mirrored image.
            Labels with the keypoints of COCO give `COCO_18`.

    Returns:
        The skeleton.

    Raises:
        ValueError: the file is neither, or its keypoints and limbs do not make a skeleton.

    Example:
        ```python
        from keras_openpose import COCO_18, read_skeleton

        assert read_skeleton(ANNOTATIONS) == COCO_18
        ```
    """
    with open(path, encoding="utf-8") as file:
        try:
            content = json.load(file, object_hook=_without_labels)
        except ValueError as error:
            raise ValueError(f"{path} is not a JSON file: {error}.") from error
    if isinstance(content, dict) and "categories" in content:
        return _from_category(content["categories"], path)
    if not isinstance(content, dict) or not {"name", "keypoints"} <= content.keys():
        raise ValueError(
            f"{path} must hold the `name`, `keypoints` and `limbs` of a skeleton, or COCO keypoint labels."
        )
    try:
        return Skeleton(**content)
    except TypeError as error:
        raise ValueError(f"{path} does not hold the arguments of a `Skeleton`: {error}.") from error


def _without_labels(record: dict) -> dict | None:
    """Drops images and people while the file is read: COCO's has a hundred thousand of each."""
    return None if "image_id" in record or "file_name" in record else record


def _from_category(categories: list[dict], path) -> Skeleton:
    labeled = [category for category in categories if category.get("keypoints")]
    if len(labeled) != 1:
        names = [category.get("name") for category in labeled]
        raise ValueError(f"{path} must have one category with keypoints. Has {len(labeled)}: {names}.")
    (category,) = labeled
    keypoints = tuple(category["keypoints"])
    if keypoints == COCO_KEYPOINTS:
        return COCO_18
    pairs = category.get("skeleton") or []
    if any(not 1 <= number <= len(keypoints) for pair in pairs for number in pair):
        raise ValueError(
            f"{path}: `skeleton` must hold pairs of numbers from 1 to {len(keypoints)}. Received: {pairs}."
        )
    return Skeleton(
        category.get("name") or "labels",
        keypoints=keypoints,
        limbs=[tuple(keypoints[number - 1] for number in pair) for pair in pairs],
        flips=[
            (name, name.replace("left", "right"))
            for name in keypoints
            if "left" in name and name.replace("left", "right") in keypoints
        ],
    )
