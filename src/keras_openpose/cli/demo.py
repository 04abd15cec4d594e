"""`keras-openpose demo`: draw people, find them with the network that comes along, without any download."""

import argparse
import tempfile
from pathlib import Path

import cv2
import keras
import numpy as np

from keras_openpose.cli.problems import Problems
from keras_openpose.evaluation import evaluate_coco
from keras_openpose.forward import forward_pass
from keras_openpose.images import read_image
from keras_openpose.inference import predict_poses
from keras_openpose.models import from_preset
from keras_openpose.skeletons import COCO_18
from keras_openpose.synthetic import synthetic_people
from keras_openpose.visualization import draw_heatmaps, draw_pafs, draw_poses
from keras_openpose.writing import write_image

_SIZE = (384, 384)  # of the scenes, as in the training
_LOOK = {"input_size": _SIZE, "flip": True, "refine": True, "heatmap_sigma": 0.5, "peak_weight": 0.75}
_PICTURES = 4
_TITLES = ("scene", "heatmaps", "PAFs", "found people")
_WHITE, _INK, _MARGIN, _HEADER = 255, (60, 60, 60), 8, 40

_WHAT_IT_SHOWS = """\
The network was trained on other scenes of this kind, and on nothing else: it does not know photographs.
To find people in yours, with published weights:
    keras-openpose detect PHOTO --preset mobilenet_v2_small_coco --output found"""


def run(options: argparse.Namespace) -> int:
    """Draw scenes, find the people in them, print AP, write pictures."""
    problems, folder = Problems(), Path(options.output)
    with problems.at(folder, fatal=True):
        folder.mkdir(parents=True, exist_ok=True)
    model = from_preset("demo_synthetic")
    with tempfile.TemporaryDirectory() as temporary:
        images, annotations = synthetic_people(
            options.scenes, size=_SIZE, seed=options.seed, folder=temporary
        )
        figures = evaluate_coco(model, images, annotations, verbose=False, **_LOOK)
        scenes = [read_image(path) for path in sorted(images.iterdir())[:_PICTURES]]
    print(f"In {options.scenes} scenes that the network has not seen: AP {figures['AP']:.1f} of 100.")
    print(_WHAT_IT_SHOWS)

    strips = [_strip(model, scene) for scene in scenes]
    overview = cv2.resize(_sheet(strips), None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    with problems.at(folder, fatal=True):
        for number, strip in enumerate(strips, 1):
            write_image(folder / f"scene_{number}.png", _sheet([strip]))
        write_image(folder / "overview.png", overview)
    print(f"Pictures: {folder / 'overview.png'} and {len(strips)} more beside it")
    return problems.exit_code


def _strip(model: keras.Model, scene: np.ndarray) -> np.ndarray:
    """A scene, what the network sees in it, and who was found."""
    heatmaps, pafs = (maps[0] for maps in forward_pass(model, COCO_18)(scene[None]))
    poses, faded = predict_poses(model, scene, **_LOOK), scene // 3
    panels = (
        scene,
        draw_heatmaps(faded, heatmaps),
        draw_pafs(faded, pafs),
        draw_poses(scene, poses, thickness=5),
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
