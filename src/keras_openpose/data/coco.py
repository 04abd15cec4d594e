"""Reads COCO keypoint labels into samples."""

import json
import math
import os
from collections.abc import Mapping, Sequence

import numpy as np

from keras_openpose.data.samples import PoseSample, report_problems
from keras_openpose.skeletons import COCO_18, Skeleton


def coco_samples(
    images: str | os.PathLike,
    annotations: str | os.PathLike,
    *,
    skeleton: Skeleton = COCO_18,
    on_error: str = "raise",
) -> list[PoseSample]:
    """Read a COCO keypoint file into one sample for each image, with or without people.

    Keypoints are matched by name. Derived ones that the file lacks, such as the neck, stay NaN. A keypoint
    outside of its image counts as unlabeled, as in CMU's training. Crowds and people without a labeled
    keypoint become regions where the loss is ignored.

    Args:
        images: folder of the photographs.
        annotations: COCO keypoint file, such as `person_keypoints_train2017.json`.
        skeleton: the keypoints to read, and their order.
        on_error: `"raise"`, or `"skip"` to leave out images with faulty labels, with a warning.

    Returns:
        Samples in the order of the file's images.

    Raises:
        ValueError: the file is no COCO keypoint file, the skeleton has keypoints that it lacks, or
            (unless skipped) labels are faulty: their image is not in the file, their keypoints are of
            another length, their box lies outside of the image.
    """
    labels = read_labels(annotations)
    for record in labels["images"]:
        if missing := {"width", "height"} - record.keys():
            raise ValueError(f"{annotations}: image {record} lacks {', '.join(sorted(missing))}.")
        for side in ("width", "height"):
            if not isinstance(record[side], (int, float)):
                raise ValueError(f"{annotations}: `{side}` must be a number. Received: image {record}.")
            record[side] = int(record[side])  # some tools write 640.0
    categories = _keypoint_categories(labels, annotations, skeleton)
    records = {record["id"]: record for record in labels["images"]}
    people, problems = sort_people(labels, annotations, categories)
    report_problems(list(problems.values()), on_error)

    orders = {category: _order(names, skeleton) for category, names in categories.items()}
    return [
        _sample(images, record, people[image_id], orders, skeleton)
        for image_id, record in records.items()
        if image_id not in problems
    ]


def read_labels(path: str | os.PathLike) -> dict:
    """Read a COCO file, with keypoints and outlines as arrays."""

    def shrink(record):  # arrays while the file is read: lists take ten times the memory
        if "image_id" in record:
            record["keypoints"] = np.array(record.get("keypoints") or (), np.float32)
            outline = record.get("segmentation")
            if isinstance(outline, list):
                polygons = outline if outline and isinstance(outline[0], list) else [outline]
                record["segmentation"] = [np.array(polygon, np.float32) for polygon in polygons]
        return record

    with open(path, encoding="utf-8") as file:
        try:
            labels = json.load(file, object_hook=shrink)
        except (ValueError, TypeError) as error:  # no JSON, no text, or words where numbers belong
            raise ValueError(f"{path} is not a COCO label file: {error}.") from error
    if not isinstance(labels, dict):
        raise ValueError(f"{path} is not a COCO label file: it holds one {type(labels).__name__}.")
    missing = [key for key in ("images", "annotations", "categories") if key not in labels]
    if missing:
        raise ValueError(f"{path} is not a COCO keypoint file: it lacks {', '.join(missing)}.")
    for record in labels["images"]:
        if missing := {"id", "file_name"} - record.keys():
            raise ValueError(f"{path}: image {record} lacks {', '.join(sorted(missing))}.")
    return labels


def sort_people(
    labels: dict, path: str | os.PathLike, categories: Mapping[int, Sequence[str]]
) -> tuple[dict[int, list[dict]], dict[int, str]]:
    """The valid labels of people by image, and for each faulty image its first problem."""
    records = {record["id"]: record for record in labels["images"]}
    people: dict[int, list[dict]] = {image_id: [] for image_id in records}
    problems: dict[int, str] = {}
    for person in labels["annotations"]:
        names, record = categories.get(person.get("category_id")), records.get(person.get("image_id"))
        if names is None and "category_id" in person:
            continue
        if problem := _problem(person, names, record):
            number = person.get("id", "without id")
            problems.setdefault(person.get("image_id"), f"{path}, annotation {number}: {problem}")
        else:
            people[person["image_id"]].append(person)
    return people, problems


def _keypoint_categories(labels: dict, path, skeleton: Skeleton) -> dict[int, list[str]]:
    """The keypoint names of every category that has keypoints."""
    categories = {row["id"]: row["keypoints"] for row in labels["categories"] if row.get("keypoints")}
    if not categories:
        names = [row.get("name") for row in labels["categories"]]
        raise ValueError(
            f"{path} has no category with keypoints; its categories are {names}. COCO's keypoints are in "
            "the files person_keypoints_*.json, not in instances_*.json."
        )
    wanted = set(skeleton.keypoints) - {name for name, _ in skeleton.derived}
    for number, names in categories.items():
        if lacking := wanted - set(names):
            raise ValueError(
                f"Every keypoint of skeleton {skeleton.name} must be labeled in {path} or derived. "
                f"Lacking: {', '.join(sorted(lacking))}. Labeled in category {number}: {', '.join(names)}."
            )
    return categories


def _problem(person: dict, names: Sequence[str] | None, record: dict | None) -> str | None:
    if record is None:
        return f"its image (id {person.get('image_id')}) is not among the file's images."
    image = f"{record['file_name']} (id {record['id']})"
    box: Sequence[float] = person.get("bbox") or ()
    if names is None:
        return f"`category_id` must be there. Lacking in image {image}."
    count = len(person["keypoints"])
    none_needed = person.get("iscrowd") or (not count and person.get("num_keypoints") == 0)
    if count != 3 * len(names) and not none_needed:
        return (
            f"`keypoints` must hold 3 numbers for each of the category's {len(names)} keypoints. "
            f"Received: {count} in image {image}."
        )
    if len(box) != 4 or not all(isinstance(number, (int, float)) for number in box):
        return f"`bbox` must hold x, y, width and height. Received: {list(box)} in image {image}."
    x, y, width, height = box
    # Evaluation needs no sizes of images.
    sides = record.get("width"), record.get("height")
    limits = [side if isinstance(side, (int, float)) else math.inf for side in sides]
    if x >= limits[0] or y >= limits[1] or x + width < 0 or y + height < 0:
        return (
            f"`bbox` must touch its image. Received: {box} in image {image} of width {limits[0]} "
            f"and height {limits[1]}."
        )
    outline = person.get("segmentation")
    if isinstance(outline, list) and any(np.size(polygon) % 2 for polygon in outline):
        return f"Polygons of `segmentation` must hold x and y of each corner. Odd in image {image}."
    return None


def _order(names: list[str], skeleton: Skeleton) -> list[int]:
    """The index of each keypoint of the skeleton in the labels; −1, the last row, if they lack it."""
    return [names.index(name) if name in names else -1 for name in skeleton.keypoints]


def _sample(folder, record: dict, people: list[dict], orders: dict, skeleton: Skeleton) -> PoseSample:
    keypoints, boxes, areas, ignore = [], [], [], []
    for person in people:
        crowd = person.get("iscrowd") or not len(person["keypoints"])
        points = None if crowd else _keypoints(person, orders[person["category_id"]], record)
        if points is None or np.isnan(points).all():
            ignore += _regions(person)
        else:
            keypoints.append(points)
            boxes.append(person["bbox"])
            areas.append(person.get("area") or person["bbox"][2] * person["bbox"][3])
    return PoseSample(
        os.path.join(folder, record["file_name"]),
        np.reshape(keypoints, (-1, skeleton.num_keypoints, 2)),
        boxes=np.reshape(boxes, (-1, 4)),
        areas=np.array(areas),
        ignore=ignore,
        image_id=record["id"],
        size=(record["height"], record["width"]),
    )


def _keypoints(person: dict, order: list[int], record: dict) -> np.ndarray:
    rows = person["keypoints"].reshape(-1, 3)
    places, limits = rows[:, :2], (record["width"], record["height"])
    # Visibility 1 (hidden but labeled) and 2 (visible) are trained alike, as in CMU's code and all others.
    labeled = (rows[:, 2] > 0) & ((places >= 0) & (places < limits)).all(axis=1)
    points = np.full((len(rows) + 1, 2), np.nan, np.float32)
    points[:-1][labeled] = places[labeled]
    return points[order]


def _regions(person: dict) -> list:
    """The outline of a person in the form of `PoseSample.ignore`, or the box if there is none."""
    outline = person.get("segmentation")
    if isinstance(outline, dict):
        return [outline]
    polygons = [polygon.reshape(-1, 2) for polygon in outline or () if len(polygon) >= 6]
    x, y, width, height = person["bbox"]
    return polygons or [np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])]
