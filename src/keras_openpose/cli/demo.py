"""`keras-openpose demo`: from drawn people to maps to people, without any download."""

import argparse
import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from pycocotools.coco import COCO

from keras_openpose import targets
from keras_openpose.cli.problems import Problems
from keras_openpose.coco import coco_samples
from keras_openpose.decoding import decode_poses
from keras_openpose.evaluation import coco_figures
from keras_openpose.images import read_image
from keras_openpose.people_json import poses_to_coco
from keras_openpose.poses import Poses
from keras_openpose.skeletons import COCO_18
from keras_openpose.synthetic import synthetic_people
from keras_openpose.visualization import draw_heatmaps, draw_pafs, draw_poses
from keras_openpose.writing import write_image

_SIZE, _CELLS = (368, 432), (46, 54)
_PICTURES = 4
_TITLES = ("scene", "heatmaps", "PAFs", "found people")
_WHITE, _INK, _MARGIN, _HEADER = 255, (60, 60, 60), 8, 40

_WHAT_IT_SHOWS = """\
This version comes without a trained network. The maps were drawn from the labels of the scenes, as a
perfect network would give them; so AP tells how well people are read from maps, not how well a network
sees. To find people in your own photographs, with published weights:
    keras-openpose detect PHOTO --preset mobilenet_v2_small_coco --output found"""


class _Looked(NamedTuple):
    """A scene, its maps and who was found in them."""

    image: np.ndarray  # (height, width, 3)
    heatmaps: np.ndarray  # (height / 8, width / 8, keypoints + 1)
    pafs: np.ndarray  # (height / 8, width / 8, 2 * limbs)
    poses: Poses


def run(options: argparse.Namespace) -> int:
    """Draw scenes, find the people in them, print AP, write pictures."""
    problems, folder = Problems(), Path(options.output)
    with problems.at(folder, fatal=True):
        folder.mkdir(parents=True, exist_ok=True)
    strips, found = [], []
    with tempfile.TemporaryDirectory() as temporary:
        images, annotations = synthetic_people(
            options.scenes, size=_SIZE, seed=options.seed, folder=temporary
        )
        for scene in _look(images, annotations):
            found.append(scene.poses)
            if len(strips) < _PICTURES:
                strips.append(_strip(scene))
        figures = _score(found, annotations)
    people = sum(map(len, found))
    print(f"Drew {options.scenes} scenes, found {people} people in them: AP {figures['AP']:.1f} of 100.")
    print(_WHAT_IT_SHOWS)

    overview = cv2.resize(_sheet(strips), None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    with problems.at(folder, fatal=True):
        for number, strip in enumerate(strips, 1):
            write_image(folder / f"scene_{number}.png", _sheet([strip]))
        write_image(folder / "overview.png", overview)
    print(f"Pictures: {folder / 'overview.png'} and {len(strips)} more beside it")
    return problems.exit_code


def _look(images: Path, annotations: Path) -> Iterator[_Looked]:
    for sample in coco_samples(images, annotations):
        heatmaps = targets.draw_heatmaps(sample.keypoints, size=_CELLS).numpy()
        pafs = targets.draw_pafs(sample.keypoints, skeleton=COCO_18, size=_CELLS).numpy()
        yield _Looked(read_image(sample.image), heatmaps, pafs, decode_poses(heatmaps, pafs))


def _score(found: list[Poses], annotations: Path) -> dict[str, float]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
    image_ids = list(truth.imgs)
    people = []
    for image_id, poses in zip(image_ids, found, strict=True):
        people += poses_to_coco(poses, image_id)
    return coco_figures(truth, people, image_ids)


def _strip(scene: _Looked) -> np.ndarray:
    faded = scene.image // 3
    panels = (
        scene.image,
        draw_heatmaps(faded, scene.heatmaps),
        draw_pafs(faded, scene.pafs),
        draw_poses(scene.image, scene.poses, thickness=5),
    )
    return np.concatenate([_framed(panel, bottom=_MARGIN, right=_MARGIN) for panel in panels], axis=1)


def _sheet(strips: list[np.ndarray]) -> np.ndarray:
    """Strips below each other, under the titles of their columns."""
    header = np.full((_HEADER, strips[0].shape[1], 3), _WHITE, np.uint8)
    for column, title in enumerate(_TITLES):
        left = column * (_SIZE[1] + _MARGIN)
        cv2.putText(header, title, (left, _HEADER - 12), cv2.FONT_HERSHEY_DUPLEX, 0.8, _INK, 1, cv2.LINE_AA)
    return _framed(np.concatenate([header, *strips]), left=_MARGIN)


def _framed(picture: np.ndarray, *, bottom: int = 0, left: int = 0, right: int = 0) -> np.ndarray:
    return np.pad(picture, [(0, bottom), (left, right), (0, 0)], constant_values=_WHITE)
