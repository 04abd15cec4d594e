"""`keras-openpose detect`: people in images, folders, videos, cameras and streams."""

import argparse
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from keras_openpose.cli.network import load_network, load_parts, load_skeleton, predict_options
from keras_openpose.cli.problems import Problems
from keras_openpose.cli.results import Results
from keras_openpose.cli.window import Window
from keras_openpose.images import read_image
from keras_openpose.inference.predict import predict_poses
from keras_openpose.inference.video import VideoReader, is_live, predict_video
from keras_openpose.inference.whole_body import predict_whole_body
from keras_openpose.poses import Poses, WholeBody

IMAGE_SUFFIXES = frozenset((
    ".avif", ".bmp", ".gif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff",
    ".webp",
))  # fmt: skip
# OpenCV does not read these. They are reported rather than passed over.
_PHONE_SUFFIXES = frozenset((".heic", ".heif"))
VIDEO_SUFFIXES = frozenset((
    ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts",
    ".webm", ".wmv",
))  # fmt: skip
_LISTED = IMAGE_SUFFIXES | _PHONE_SUFFIXES | VIDEO_SUFFIXES

People = Poses | WholeBody
Find = Callable[[list[np.ndarray]], Sequence[People]]


def run(options: argparse.Namespace) -> int:
    """Find the people of every file, print a line for each, write and show what was asked for."""
    problems = Problems()
    with problems.at("--show", fatal=True):
        window = Window(options.background) if options.show else None
    sources = {_live_name(path): _live(path) for path in options.paths if _live(path) is not None}
    files = _list_files([path for path in options.paths if _live(path) is None], problems)
    files |= dict.fromkeys(sources, "")
    if not files:
        return problems.exit_code
    results = None
    if options.output:
        with problems.at(options.output, fatal=True):
            results = Results(options.output, files, json_form=options.json, background=options.background)
    model = load_network(options, problems)
    predict = {"skeleton": load_skeleton(options, problems), **predict_options(options)}
    parts = load_parts(options, problems)
    hands, face = parts.get("hands"), parts.get("face")

    def find(images: list[np.ndarray]) -> Sequence[People]:
        if parts:
            return predict_whole_body(images, body=model, hands=hands, face=face, **predict)
        return predict_poses(model, images, **predict)

    with problems.at(options.model or options.preset or "network", fatal=True):
        find([np.zeros((16, 16, 3), np.uint8)])  # compiles for all sizes, lest the first photograph seem slow
    asked = dict(predict)
    if sources:
        asked.pop("batch_size", None)  # a camera gives one frame at a time
    find_video = partial(predict_video, model, hands=hands, face=face, smooth=options.smooth, **asked)
    try:
        for is_video, paths in itertools.groupby(files, lambda path: path in sources or _is_video(path)):
            if not is_video:
                _detect_images(list(paths), find, results, problems, options.batch_size, window)
                continue
            for path in paths:
                with problems.at(path):
                    _detect_video(path, sources.get(path, path), find_video, results, window)
    finally:
        if results:
            with problems.at(options.output):
                results.finish()
    return problems.exit_code


def _live(path: str) -> int | str | None:
    """The camera or stream that a path means, if it is not a file's."""
    if path.isdecimal() and not Path(path).exists():
        return int(path)
    return path if is_live(path) else None


def _live_name(path: str) -> Path:
    """What results of a camera or stream are called."""
    word = "".join(letter if letter.isalnum() else "_" for letter in path.split("://")[-1])
    return Path(f"camera_{word}" if path.isdecimal() else word)


def _list_files(paths: list[str], problems: Problems) -> dict[Path, str]:
    """The files that are named, and the images and videos in the folders that are.

    Each has the folder below `--output` for its results: files of several folders may have equal names.
    """
    files: dict[Path, str] = {}
    several = sum(Path(path).is_dir() for path in paths) > 1
    for path in map(Path, paths):
        with problems.at(path):
            if not path.is_dir():
                path.stat()  # or the reason why not
                files.setdefault(path, "")
                continue
            inside = [file for file in sorted(path.iterdir()) if not file.name.startswith(".")]
            inside = [file for file in inside if file.suffix.lower() in _LISTED]
            if not inside:
                raise ValueError("No images or videos in this folder")
            for file in inside:
                files.setdefault(file, path.resolve().name if several else "")
    return files


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def _detect_images(
    paths: list[Path],
    find: Find,
    results: Results | None,
    problems: Problems,
    batch_size: int,
    window: Window | None,
):
    for group in _batches(paths, batch_size):
        start, images = time.perf_counter(), {}
        for path in group:
            with problems.at(path):
                images[path] = read_image(path)
        found: Sequence[People] = []
        with problems.at(", ".join(map(str, images))):
            found = find(list(images.values()))
        seconds = (time.perf_counter() - start) / len(group)
        for (path, image), poses in zip(images.items(), found, strict=False):  # no one after a problem
            _say(path, _people(len(poses)), _best(poses), f"{1000 * seconds:.0f} ms")
            if results:
                with problems.at(path):
                    results.write_image(path, image, poses)
            if window:
                window.show(image, poses, wait=True)


def _detect_video(path: Path, source, find, results: Results | None, window: Window | None):
    start, video = time.perf_counter(), VideoReader(source)
    count = most = best = 0  # and no list of all: a stream may have no end
    found = find(video)

    def frames() -> Iterator[tuple[np.ndarray, People]]:
        nonlocal count, most, best
        with tqdm(total=video.frame_count or None, desc=path.name, unit="frame", disable=None) as progress:
            for frame, poses in found:
                count, most = count + 1, max(most, len(poses))
                best = max([best, *poses.body.pose_scores])
                yield frame, poses
                progress.update()
                if window and not window.show(frame, poses):
                    return

    try:
        if results:
            results.write_frames(path, frames(), video.fps, live=video.live)
        else:
            for _ in frames():
                pass
        if not (window and window.closed):
            video.check_complete()
    finally:
        found.close()  # and its threads: after Ctrl-C, they must not outlive Python, which would abort
        if count:
            words = f"best score {best:.1f}" if most else ""
            seconds = time.perf_counter() - start
            _say(path, f"{count} frames", f"at most {_people(most)}", words, f"{seconds:.1f} s")


def _batches(items: Iterable, size: int) -> Iterator[list]:
    items = iter(items)
    while batch := list(itertools.islice(items, size)):
        yield batch


def _say(path: Path, *words: str):
    print(f"{path}: {', '.join(filter(None, words))}", flush=True)


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


def _best(people: People) -> str:
    return f"best score {people.body.pose_scores[0]:.1f}" if len(people) else ""
