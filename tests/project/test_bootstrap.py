"""benchmarks/bootstrap.py: its AP is that of the evaluation, its intervals those of chance."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import keras_openpose as ko
from keras_openpose.evaluation import coco_figures

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "bootstrap.py"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Labels of twelve scenes, and detections that are off by 1, by 1 again, and by 12 pixels."""
    folder = tmp_path_factory.mktemp("bootstrap")
    _, labels = ko.synthetic_people(12, size=(96, 96), seed=5, progress=False)
    (folder / "labels.json").write_text(json.dumps(labels))
    rng = np.random.default_rng(0)
    for name, offset in (("good", 1), ("equal", 1), ("bad", 12)):
        found = []
        for person in labels["annotations"]:
            keypoints = np.array(person["keypoints"], float).reshape(-1, 3)
            keypoints[:, :2] += offset * np.sign(rng.standard_normal((len(keypoints), 2)))
            row = {"image_id": person["image_id"], "category_id": 1, "score": rng.random()}
            found.append(row | {"keypoints": keypoints.ravel().tolist()})
        (folder / f"{name}.json").write_text(json.dumps(found))
    return folder


@pytest.fixture(scope="module")
def lines(files):
    command = [sys.executable, SCRIPT, "labels.json", "good.json", "equal.json", "bad.json", "--draws", "60"]
    done = subprocess.run(command, cwd=files, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_ap_without_drawing_is_that_of_the_evaluation(files, lines):
    from pycocotools.coco import COCO

    truth = COCO(str(files / "labels.json"))
    for name, line in zip(("good", "equal", "bad"), lines, strict=False):
        figures = coco_figures(truth, json.loads((files / f"{name}.json").read_text()), truth.getImgIds())
        assert line == f"{name}.json: AP {figures['AP']:.1f}"


@pytest.mark.slow
def test_equal_detections_differ_by_chance_and_others_for_sure(lines):
    def interval(line):
        low, high = line.split("between ")[1].split(",")[0].split(" and ")
        return float(low), float(high)

    equal, good_bad = interval(lines[3]), interval(lines[4])
    assert equal[0] <= 0 <= equal[1]
    assert good_bad[0] > 0
    assert "ahead in 100% of the draws" in lines[4]
