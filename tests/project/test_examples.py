"""The examples and the notebook run, in a small form."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import keras_openpose as ko

EXAMPLES = Path(__file__).parents[2] / "examples"
# What makes each short. Those that need real photographs or weights have the folder beside the checkout.
SMALL = {
    "compare_backbones.py": ["--scale", "small", "--steps", "3", "--scenes", "16", "--output", "out"],
    "custom_backbone.py": [],
    "custom_skeleton.py": ["--steps", "2", "--output", "out"],
    "fine_tune.py": ["--small"],
    "multi_device.py": ["--cpus", "2", "--steps", "2", "--batch-size", "4"],
    "train_coco.py": ["--small", "--steps", "4", "--output", "out"],
    "train_demo.py": ["--scenes", "20", "--steps", "2", "--unseen", "4", "--folder", "out"],
    "video.py": ["--frames", "10", "--output", "crossing.mp4"],
}
REAL = {
    "overfit.py": [
        "--images", "{val}", "--labels", "{labels}", "--weights", "{weights}",
        "--photographs", "2", "--size", "96", "112", "--steps", "4",
    ],
    "train_photographs.py": [
        "--train", "{val}", "{few}", "--held-back", "{val}", "{few}",
        "--steps", "1", "1", "--synthetic", "8", "--folder", "out",
    ],
    "detect.py": ["{val}/000000000139.jpg", "--output", "out"],
}  # fmt: skip
# Run by test_export.py and test_many_photographs.py; the others need several processes.
ELSEWHERE = {"export_onnx.py", "many_photographs.py", "multi_host_jax.py", "torch_ddp.py"}
FIELDS = ["Title", "Author", "Date created", "Last modified", "Description", "Accelerator"]


def run(name, arguments, folder):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MPLBACKEND": "agg"}
    command = [sys.executable, EXAMPLES / name, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_every_example_is_run():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*SMALL, *REAL, *ELSEWHERE}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_the_example_runs(name, tmp_path):
    assert run(name, SMALL[name], tmp_path)


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("name", REAL)
def test_the_example_runs_on_real_photographs(name, tmp_path, shared):
    labels = shared / "data/coco/annotations/person_keypoints_val2017.json"
    people = json.loads(labels.read_text())
    people["images"] = people["images"][:4]
    kept = {image["id"] for image in people["images"]}
    people["annotations"] = [person for person in people["annotations"] if person["image_id"] in kept]
    (tmp_path / "few.json").write_text(json.dumps(people))
    places = {
        "val": shared / "data/coco/val2017",
        "labels": labels,
        "few": tmp_path / "few.json",
        "weights": shared / "weights/mobilenet_v2_small_graph_opt.pb",
    }
    assert run(name, [argument.format(**places) for argument in REAL[name]], tmp_path)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_a_story_in_short_cells(path):
    """In the form of keras.io: a header of fields, then prose in strings of their own between the code."""
    lines = path.read_text().splitlines()
    assert [line.partition(":")[0] for line in lines[:8]] == ['"""', *FIELDS, '"""']
    prose = [n for n, line in enumerate(lines) if line == '"""'][2:]  # quotes on a line of their own
    starts, ends = prose[::2], prose[1::2]
    assert lines[starts[0] + 1] == "## Introduction"
    cells = [start - end for end, start in zip(ends, [*starts[1:], len(lines)], strict=True)]
    assert max(cells) <= 45
    assert max(map(len, lines)) <= 110


def test_the_notebook_runs_and_has_no_outputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    cells = json.loads((EXAMPLES / "quickstart.ipynb").read_text())["cells"]
    cells = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    names = {}
    for cell in cells:
        source = "".join(line for line in cell["source"] if not line.startswith("%"))
        exec(compile(source, "quickstart.ipynb", "exec"), names)
    assert names["figures"]["AP"] > 50
    assert isinstance(names["poses"], ko.Poses)
