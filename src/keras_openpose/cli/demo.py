"""`keras-openpose demo`: find people in photographs and in drawn scenes, without any download."""

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np

from keras_openpose.cli.problems import Problems
from keras_openpose.evaluation import evaluate_coco
from keras_openpose.images import read_image
from keras_openpose.inference.forward import forward_pass
from keras_openpose.models import from_preset
from keras_openpose.models.estimator import PoseEstimator
from keras_openpose.output.visualization import draw_heatmaps, draw_pafs, draw_poses
from keras_openpose.poses import Poses
from keras_openpose.synthetic import synthetic_people
from keras_openpose.writing import write_image

_SIZE = (384, 384)  # of the photographs and the scenes
# People who fill the photograph are found best at a smaller size; people of the scenes are of all sizes.
_PHOTOGRAPH_SIZE = (272, 272)
_PHOTOGRAPHS = Path(__file__).parents[1] / "photographs"  # SOURCES.txt there says where they come from
_SEED = 3  # of scenes that their network has not seen
_SCENES_SHOWN = 3
_TITLES = ("image", "heatmaps", "PAFs", "found people")
_WHITE, _INK, _MARGIN, _HEADER = 255, (60, 60, 60), 8, 40


def run(options: argparse.Namespace) -> int:
    """Find people in photographs and in synthetic scenes, print AP, write pictures."""
    problems, folder = Problems(), Path(options.output)
    with problems.at(folder, fatal=True):
        folder.mkdir(parents=True, exist_ok=True)
    strips, model = {}, from_preset()
    for path in sorted(_PHOTOGRAPHS.glob("*.jpg")):
        photograph = read_image(path)
        poses = model.detect(photograph, input_size=_PHOTOGRAPH_SIZE, flip=True, refine=True)
        print(f"{path.stem}: people found: {len(poses)}")
        strips[path.stem] = _strip(model, photograph, poses)

    model = from_preset("demo_synthetic")
    with tempfile.TemporaryDirectory() as temporary:
        images, annotations = synthetic_people(options.scenes, size=_SIZE, seed=_SEED, folder=temporary)
        figures = evaluate_coco(model, images, annotations, verbose=False, flip=True, refine=True)
        for number, path in enumerate(sorted(images.iterdir())[:_SCENES_SHOWN], 1):
            scene = read_image(path)
            strips[f"scene_{number}"] = _strip(model, scene, model.detect(scene, flip=True, refine=True))
    print(
        f"{options.scenes} synthetic scenes that their network has not seen: AP {figures['AP']:.1f} of 100."
    )

    overview = cv2.resize(_sheet([*strips.values()]), None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    with problems.at(folder, fatal=True):
        for name, strip in strips.items():
            write_image(folder / f"{name}.png", _sheet([strip]))
        write_image(folder / "overview.png", overview)
    print(f"Pictures: {folder / 'overview.png'} and {len(strips)} more beside it")
    print("To find people in yours: keras-openpose detect PHOTO --output found")
    return problems.exit_code


def _strip(model: PoseEstimator, image: np.ndarray, poses: Poses) -> np.ndarray:
    """An image, what the network sees in it, and who was found."""
    heatmaps, pafs = (maps[0] for maps in forward_pass(model, model.skeleton)(image[None]))
    faded = image // 3
    panels = (
        image,
        draw_heatmaps(faded, heatmaps),
        draw_pafs(faded, pafs),
        draw_poses(image, poses, thickness=5),
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
