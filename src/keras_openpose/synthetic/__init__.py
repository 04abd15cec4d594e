"""Synthetic people with labels, to try and test without a download.

Read in this order: `poses` (bones), `people` (bodies on them), `drawing`, `scenes`, `labels`.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import overload

import cv2
import numpy as np
from tqdm import tqdm

from keras_openpose.synthetic.labels import annotate, person_category
from keras_openpose.synthetic.scenes import sample_scene

__all__ = ["synthetic_people"]

_LEAST_SIDE = 64  # pixels; in smaller images people would be less than 27 tall


@overload
def synthetic_people(
    count: int,
    *,
    size: tuple[int, int] = ...,
    people: tuple[int, int] = ...,
    seed: int = ...,
    folder: None = ...,
    split: str = ...,
    progress: bool = ...,
) -> tuple[np.ndarray, dict]: ...
@overload
def synthetic_people(
    count: int,
    *,
    size: tuple[int, int] = ...,
    people: tuple[int, int] = ...,
    seed: int = ...,
    folder: str | os.PathLike,
    split: str = ...,
    progress: bool = ...,
) -> tuple[Path, Path]: ...
def synthetic_people(
    count: int,
    *,
    size: tuple[int, int] = (192, 192),
    people: tuple[int, int] = (1, 4),
    seed: int = 0,
    folder: str | os.PathLike | None = None,
    split: str = "train",
    progress: bool = True,
) -> tuple[np.ndarray, dict] | tuple[Path, Path]:
    """Draw scenes of synthetic people, with labels in COCO's form.

    People differ in pose, girth, skin, hair and the colors of their clothes. They hide each other and reach
    over the border of the image. Keypoints are COCO's, with its visibility: 2 is visible; 1 is hidden by
    another body or behind the person's own; 0 is outside of the image or on the far side of the head. Area,
    box and segmentation are those of the pixels that show the person. Keypoints have (0, 0) at the center of
    the top-left pixel.

    Args:
        count: number of scenes.
        size: height and width of the images in pixels, at least 64 each. Defaults to (192, 192).
        people: fewest and most people of a scene. A person who would be hidden too much is left out, so
            crowded scenes may have fewer. Defaults to (1, 4).
        seed: scene n depends only on `seed` and n. The first scenes of a longer set are therefore the same.
        folder: where to write the scenes, in COCO's folder layout. Defaults to None, which returns them.
        split: name of the set in the folder. Defaults to "train".
        progress: whether to show a progress bar if it takes more than a second.

    Returns:
        Without `folder`, the images, `(count, height, width, 3)` uint8 RGB, and the labels, a dict in COCO's
        form with image ids from 1 on. With `folder`, the paths of the images, `<folder>/<split>`, and of the
        labels, `<folder>/annotations/person_keypoints_<split>.json`, for `coco_dataset` and `evaluate_coco`.

    Raises:
        ValueError: an argument is out of range.
        FileExistsError: the folder already has a set of this name.

    Example:
        ```python
        from keras_openpose import synthetic_people

        images, labels = synthetic_people(3, seed=7)
        assert images.shape == (3, 192, 192, 3)
        assert len(labels["images"]) == 3 and labels["annotations"][0]["num_keypoints"] > 0
        ```
    """
    _check(count, size, people, seed, split)
    labels = {
        "info": {"description": f"keras-openpose, synthetic people, seed {seed}"},
        "licenses": [],
        "images": [],
        "annotations": [],
        "categories": [person_category()],
    }
    scenes = _scenes(count, size, people, seed, labels, progress)
    if folder is not None:
        return _write(scenes, labels, Path(folder), split)
    return np.stack([*scenes]), labels


def _scenes(count, size, people, seed, labels: dict, progress: bool):
    """Yield one image after the other, and add its labels to `labels`."""
    for n in tqdm(range(count), desc="synthetic people", unit=" scenes", delay=1, disable=not progress):
        scene = sample_scene(np.random.default_rng((seed, n)), size, people)
        name, (height, width) = f"{n + 1:012d}.jpg", size
        labels["images"].append({"id": n + 1, "file_name": name, "height": height, "width": width})
        labels["annotations"] += annotate(scene, n + 1, len(labels["annotations"]) + 1)
        yield scene.image


def _write(scenes, labels: dict, folder: Path, split: str) -> tuple[Path, Path]:
    """Write to a temporary folder, then rename: an interruption leaves nothing half-written."""
    images, annotations = folder / split, folder / "annotations" / f"person_keypoints_{split}.json"
    for path in (images, annotations):
        if path.exists():
            raise FileExistsError(f"{path} exists. Remove it, or choose another `folder` or `split`.")
    annotations.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{split}-", dir=folder) as temporary:
        unfinished = Path(temporary) / split
        unfinished.mkdir()
        for n, image in enumerate(scenes):
            _, data = cv2.imencode(".jpg", image[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, 95))
            (unfinished / labels["images"][n]["file_name"]).write_bytes(data)
        listing = Path(temporary) / annotations.name
        listing.write_text(json.dumps(labels))
        unfinished.rename(images)
        listing.rename(annotations)
    return images, annotations


def _check(count, size, people, seed, split):
    if count < 1:
        raise ValueError(f"`count` must be at least 1. Received: {count}.")
    if len(size) != 2 or min(size) < _LEAST_SIDE:
        raise ValueError(
            f"`size` must be (height, width), each at least {_LEAST_SIDE} pixels, so that "
            f"people can be seen. Received: {size}."
        )
    if len(people) != 2 or not 1 <= people[0] <= people[1]:
        raise ValueError(f"`people` must be (fewest, most) with 1 <= fewest <= most. Received: {people}.")
    if seed < 0:
        raise ValueError(f"`seed` must not be negative. Received: {seed}.")
    if not split or Path(split).name != split:
        raise ValueError(f"`split` must be a plain name, without a folder. Received: {split!r}.")
