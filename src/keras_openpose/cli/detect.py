"""`keras-openpose detect`: people in images, folders and videos."""

import argparse
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from keras_openpose.cli.network import load_network, predict_options
from keras_openpose.cli.problems import Problems
from keras_openpose.cli.results import Results
from keras_openpose.images import read_image
from keras_openpose.inference import predict_poses
from keras_openpose.poses import Poses
from keras_openpose.video import VideoReader

IMAGE_SUFFIXES = frozenset((".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
VIDEO_SUFFIXES = frozenset(
    (".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv")
)

Find = Callable[[list[np.ndarray]], list[Poses]]


def run(options: argparse.Namespace) -> int:
    """Find the people of every file, print a line for each, write what was asked for."""
    problems = Problems()
    files = _list_files(options.paths, problems)
    if not files:
        return problems.exit_code
    results = None
    if options.output:
        with problems.at(options.output, fatal=True):
            results = Results(options.output, files, json_form=options.json, background=options.background)
    model, skeleton = load_network(options, problems)
    find = partial(predict_poses, model, skeleton=skeleton, **predict_options(options))
    try:
        for is_video, paths in itertools.groupby(files, _is_video):
            if not is_video:
                _detect_images(list(paths), find, results, problems, options.batch_size)
                continue
            for path in paths:
                with problems.at(path):
                    _detect_video(path, find, results, options.batch_size)
    finally:
        if results:
            with problems.at(options.output):
                results.finish()
    return problems.exit_code


def _list_files(paths: Iterable[str], problems: Problems) -> list[Path]:
    """The files that are named, and the images and videos in the folders that are."""
    files = []
    for path in map(Path, paths):
        with problems.at(path):
            if not path.is_dir():
                path.stat()  # or the reason why not
                files.append(path)
                continue
            inside = [file for file in sorted(path.iterdir()) if not file.name.startswith(".")]
            inside = [file for file in inside if file.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES]
            if not inside:
                raise ValueError("No images or videos in this folder")
            files += inside
    return list(dict.fromkeys(files))


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def _detect_images(
    paths: list[Path], find: Find, results: Results | None, problems: Problems, batch_size: int
):
    for group in _batches(paths, batch_size):
        start, images = time.perf_counter(), {}
        for path in group:
            with problems.at(path):
                images[path] = read_image(path)
        found = find(list(images.values()))
        seconds = (time.perf_counter() - start) / len(group)
        for (path, image), poses in zip(images.items(), found, strict=True):
            _say(path, _people(len(poses)), _best([poses]), f"{1000 * seconds:.0f} ms")
            if results:
                with problems.at(path):
                    results.write_image(path, image, poses)


def _detect_video(path: Path, find: Find, results: Results | None, batch_size: int):
    start, video, found = time.perf_counter(), VideoReader(path), []

    def frames() -> Iterator[tuple[np.ndarray, Poses]]:
        with tqdm(total=video.frame_count or None, desc=path.name, unit="frame", disable=None) as progress:
            for batch in _batches(video, batch_size):
                for frame, poses in zip(batch, find(batch), strict=True):
                    found.append(poses)
                    yield frame, poses
                    progress.update()

    try:
        if results:
            results.write_frames(path, frames(), video.fps)
        else:
            for _ in frames():
                pass
        video.check_complete()
    finally:
        if found:
            most, seconds = max(map(len, found)), time.perf_counter() - start
            _say(path, f"{len(found)} frames", f"at most {_people(most)}", _best(found), f"{seconds:.1f} s")


def _batches(items: Iterable, size: int) -> Iterator[list]:
    items = iter(items)
    while batch := list(itertools.islice(items, size)):
        yield batch


def _say(path: Path, *words: str):
    print(f"{path}: {', '.join(filter(None, words))}", flush=True)


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


def _best(found: list[Poses]) -> str:
    scores = [poses.pose_scores[0] for poses in found if len(poses)]
    return f"best score {max(scores):.1f}" if scores else ""
