"""Keypoints of one's own, from labels to people, on the command line."""

import functools
import json
import re
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

import keras_openpose as ko
from keras_openpose.cli import main

SIZE = (96, 96)
KEYPOINTS = {
    "lamp": ("base", "joint", "head", "tip", "switch"),
    "feet": tuple(f"{side}_{part}" for side in ("port", "starboard") for part in ("ankle", "heel", "toe")),
}
# A chain each; the feet are two trees, which no limb joins.
LIMBS = {
    "lamp": [(0, 1), (1, 2), (2, 3), (0, 4)],
    "feet": [(0, 1), (0, 2), (3, 4), (3, 5)],
}
SHAPES = {
    "lamp": [(0, 40), (6, 16), (30, 0), (40, 12), (-14, 34)],
    "feet": [(0, 0), (-4, 28), (14, 44), (34, 0), (30, 28), (48, 44)],
}
PALETTE = [(255, 60, 60), (60, 255, 60), (60, 60, 255), (255, 255, 60), (60, 255, 255), (255, 60, 255)]


def draw(kind, seed):
    """A picture of one body: a dot of a color for each keypoint, on dark gray."""
    rng = np.random.default_rng(seed)
    shape = np.array(SHAPES[kind]) - np.min(SHAPES[kind], axis=0)
    points = shape + rng.integers(12, np.array(SIZE)[::-1] - shape.max(axis=0) - 12)
    image = np.full((*SIZE, 3), 40, np.uint8)
    for (x, y), color in zip(points.tolist(), PALETTE, strict=False):
        cv2.circle(image, (x, y), 5, color, -1, cv2.LINE_AA)
    return image, points


def write_coco(kind, folder, number, first=0):
    """Pictures and labels in COCO's form, whose category says the keypoints and the limbs."""
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for n in range(number):
        image, points = draw(kind, first + n)
        ko.write_image(folder / f"images/{n}.png", image)
        images.append({"id": n, "file_name": f"{n}.png", "height": SIZE[0], "width": SIZE[1]})
        (x, y), (width, height) = points.min(axis=0).tolist(), np.ptp(points, axis=0).tolist()
        keypoints = [value for point in points.tolist() for value in (*point, 2)]
        annotations.append({
            "id": n, "image_id": n, "category_id": 1, "keypoints": keypoints, "num_keypoints": len(points),
            "bbox": [x, y, width, height], "area": width * height, "iscrowd": 0,
        })  # fmt: skip
    limbs = [[start + 1, end + 1] for start, end in LIMBS[kind]]
    category = {"id": 1, "name": kind, "keypoints": KEYPOINTS[kind], "skeleton": limbs}
    labels = {"images": images, "annotations": annotations, "categories": [category]}
    (folder / "labels.json").write_text(json.dumps(labels))
    return folder / "images", folder / "labels.json"


def run(*words):
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def train_once(tmp_path_factory):
    """Of a kind of body: a network that the command line trained from its labels, and unseen labels."""
    return functools.cache(lambda kind: train_network(kind, tmp_path_factory.mktemp(kind)))


def train_network(kind, folder):
    train, unseen = write_coco(kind, folder / "train", 48), write_coco(kind, folder / "unseen", 6, first=1000)
    start = folder / "start.keras"
    keras.utils.set_random_seed(0)
    small_network(ko.read_skeleton(train[1])).save(start)
    command = ("train", *train, "--output", folder / "run", "--model", start, "--input-size", *SIZE)
    assert run(*command, "--steps", 300, "--batch-size", 8, "--learning-rate", "3e-3") == 0
    return folder / "run/model.keras", unseen


def small_network(skeleton):
    images = keras.Input((None, None, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(16, 4, 4, padding="same", activation="relu", name="fine")(x)
    x = keras.layers.Conv2D(32, 4, 2, padding="same", activation="relu", name="coarse")(x)
    x = keras.layers.Conv2D(32, 5, padding="same", activation="relu", name="around")(x)
    backbone = keras.Model(images, x, name="small")
    return ko.openpose(backbone, skeleton=skeleton, num_stages=1, feature_channels=())


@pytest.mark.slow
@pytest.mark.parametrize("kind", KEYPOINTS)
def test_the_network_finds_them_in_python_and_on_the_command_line(kind, train_once, tmp_path, capsys):
    path, (images, labels) = train_once(kind)
    model = keras.models.load_model(path)
    assert model.skeleton.keypoints == KEYPOINTS[kind]
    assert model.skeleton.name == kind
    figures = ko.evaluate_coco(model, images, labels, input_size=SIZE, verbose=False)
    assert figures["AP50"] > 60

    capsys.readouterr()
    options = ("--model", path, "--input-size", *SIZE)
    assert run("evaluate", images, labels, *options) == 0
    said = capsys.readouterr().out
    assert float(re.search(r"AP50 +([\d.]+)", said)[1]) == pytest.approx(figures["AP50"], abs=0.06)
    assert run("detect", images / "0.png", *options, "--output", tmp_path, "--json", "coco") == 0
    rows = [person["keypoints"] for person in json.loads((tmp_path / "results.json").read_text())]
    seen = np.max(np.reshape(rows, (len(rows), -1, 3)), axis=0)  # of two trees, perhaps, each on its own
    _, points = draw(kind, 1000)
    assert np.median(np.linalg.norm(seen[:, :2] - points, axis=1)) < 4  # half a cell


# Every format takes the skeleton along in its own way, whatever it is: two trees in one format suffice.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("lamp", ".onnx"), ("lamp", ".tflite"), ("lamp", ".xml"), ("lamp", ""), ("feet", "")],
)
def test_an_export_finds_the_same_without_naming_the_skeleton(kind, suffix, train_once, tmp_path):
    pytest.importorskip(
        {".onnx": "onnxruntime", ".tflite": "ai_edge_litert", ".xml": "openvino", "": "keras"}[suffix]
    )
    path, (images, _) = train_once(kind)
    exported = tmp_path / f"network{suffix}"
    assert run("export", exported, "--model", path, "--size", *SIZE) == 0
    model, network = keras.models.load_model(path), ko.load_exported(exported)
    photographs = sorted(Path(images).iterdir())
    for expected, found in zip(
        ko.predict_poses(model, photographs, input_size=SIZE),
        ko.predict_poses(network, photographs),
        strict=True,
    ):
        assert found.skeleton == expected.skeleton
        np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=0.01)


@pytest.mark.slow
def test_a_new_network_takes_the_skeleton_of_the_labels_or_of_the_flag(tmp_path, capsys):
    images, labels = write_coco("lamp", tmp_path / "train", 2)
    more = write_coco("lamp", tmp_path / "more", 3, first=100)
    new = ("--backbone", "mobilenet", "--weights", "none", "--stages", 1, "--input-size", 64, 64)
    recipe = ("--steps", 1, "--batch-size", 1)
    assert run("train", images, labels, "--also", *more, "--output", tmp_path / "own", *new, *recipe) == 0
    assert "Skeleton: lamp, 5 keypoints, 4 limbs" in capsys.readouterr().out
    assert keras.models.load_model(tmp_path / "own/model.keras").skeleton.keypoints == KEYPOINTS["lamp"]

    rod = ko.Skeleton("rod", keypoints=("base", "head"), limbs=(("base", "head"),))
    (tmp_path / "rod.json").write_text(json.dumps(rod.as_dict()))
    command = ("train", images, labels, "--skeleton", tmp_path / "rod.json", "--output", tmp_path / "rod")
    assert run(*command, "--preset", "demo_synthetic", "--input-size", 64, 64, *recipe) == 0
    assert keras.models.load_model(tmp_path / "rod/model.keras").skeleton == rod
