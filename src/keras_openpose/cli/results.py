"""What `keras-openpose detect` writes to a folder: pictures, videos and JSON."""

import itertools
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from keras_openpose.inference.video import write_video
from keras_openpose.output.people_json import poses_to_coco, poses_to_openpose
from keras_openpose.output.visualization import draw_poses
from keras_openpose.poses import Poses, WholeBody
from keras_openpose.writing import write_image, write_whole

# Other kinds of images, which hold no colors or which OpenCV only reads, become PNG.
_PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class Results:
    """Writes pictures under the names of the images, and JSON; never over an input or another result.

    Args:
        folder: where to write; made if it is missing.
        inputs: all files that are looked at, each with the subfolder for its results, or "".
        json_form: `"openpose"`, `"coco"` or None.
        background: what people are drawn on, `"image"` or `"black"`.

    Raises:
        OSError: the folder cannot be made.
    """

    def __init__(self, folder: str | os.PathLike, inputs: Mapping[Path, str], *, json_form, background: str):
        self._folder, self._json_form, self._background = Path(folder), json_form, background
        self._inputs = inputs
        for below in {"", *inputs.values()}:
            (self._folder / below).mkdir(parents=True, exist_ok=True)
        self._owners = {path.resolve(): path for path in inputs}
        stems = frozenset(int(path.stem) for path in inputs if path.stem.isdecimal())
        self._unused_stems, self._running = set(stems), (n for n in itertools.count(1) if n not in stems)
        self._coco: list[dict] = []

    def write_image(self, path: Path, image: np.ndarray, poses: Poses | WholeBody):
        """Write the picture of an image, and its people if JSON is wanted.

        Raises:
            OSError: a file cannot be written.
            ValueError: it would overwrite an input or another result.
        """
        suffix = path.suffix if path.suffix.lower() in _PICTURE_SUFFIXES else ".png"
        target = self._claim(path.stem + suffix, path)  # before anything is written
        self._write_people(path, poses)
        write_image(target, draw_on(self._background, image, poses))

    def write_frames(
        self,
        path: Path,
        frames: Iterable[tuple[np.ndarray, Poses | WholeBody]],
        fps: float,
        *,
        live: bool = False,
    ):
        """Write a video of frames and their people, and the people of each if JSON is wanted.

        From a camera or stream (`live`), frames may be missing: the one before stands in for them.

        Raises:
            OSError: a file cannot be written.
            ValueError: it would overwrite an input or another result.
        """
        target = self._claim(f"{path.stem}.mp4", path)

        def drawn() -> Iterator[np.ndarray]:
            start, written = time.monotonic(), 0
            for number, (frame, poses) in enumerate(frames):
                self._write_people(path, poses, frame=number)
                due = round((time.monotonic() - start) * fps) if live else 0
                count = max(1, due - written)
                yield from itertools.repeat(draw_on(self._background, frame, poses), count)
                written += count

        write_video(target, drawn(), fps=fps)

    def finish(self):
        """Write what belongs into one file for all images.

        Raises:
            OSError: the file cannot be written.
        """
        if self._json_form == "coco":
            _write_json(self._folder / "results.json", self._coco)

    def _write_people(self, path: Path, poses: Poses | WholeBody, *, frame: int | None = None):
        if self._json_form == "openpose":
            # As OpenPose names them.
            name = path.stem if frame is None else f"{path.stem}_{frame:012d}"
            _write_json(self._claim(f"{name}_keypoints.json", path), poses_to_openpose(poses))
        elif self._json_form == "coco":
            name = (Path(self._inputs[path]) / path.name).as_posix()
            origin = {"file_name": name} | ({} if frame is None else {"frame": frame})
            people = poses_to_coco(poses.body, self._image_id(path))
            self._coco += [person | origin for person in people]

    def _image_id(self, path: Path) -> int:
        """The number that COCO's images have for a name; other images, and frames, are numbered."""
        if path.stem.isdecimal() and int(path.stem) in self._unused_stems:
            self._unused_stems.remove(int(path.stem))
            return int(path.stem)
        return next(self._running)

    def _claim(self, name: str, path: Path) -> Path:
        """The file of a name in the folder, unless it is an input or belongs to another input."""
        target = self._folder / self._inputs[path] / name
        owner = self._owners.setdefault(target.resolve(), path)
        if target.resolve() == owner.resolve():
            raise ValueError(f"Its results would overwrite the input {owner}; choose another --output")
        if owner != path:
            raise ValueError(f"Its results would overwrite {target}, which belongs to {owner}")
        return target


def draw_on(background: str, image: np.ndarray, poses: Poses | WholeBody) -> np.ndarray:
    """People on their image, or on black."""
    return draw_poses(np.zeros_like(image) if background == "black" else image, poses)


def _write_json(path: Path, content):
    with write_whole(path) as temporary:
        temporary.write_text(json.dumps(content))
