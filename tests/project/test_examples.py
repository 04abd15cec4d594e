"""The examples and the notebook run, in a small form."""

import json
import runpy
import sys
from pathlib import Path

import keras
import matplotlib
import pytest

import keras_openpose as ko

EXAMPLES = Path(__file__).parents[2] / "examples"
# What makes each short. Those that need real photographs or weights have the folder beside the checkout.
SMALL = {
    "compare_backbones.py": ["--scale", "small", "--steps", "1", "--scenes", "16", "--output", "out"],
    "custom_backbone.py": [],
    "custom_skeleton.py": ["--steps", "2", "--output", "out"],
    "fine_tune.py": ["--small"],
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
# Run by test_export.py, test_many_photographs.py and test_devices.py, in processes of their own.
ELSEWHERE = {"export_onnx.py", "many_photographs.py", "multi_device.py", "multi_host_jax.py", "torch_ddp.py"}
FIELDS = ["Title", "Author", "Date created", "Last modified", "Description", "Accelerator"]


@pytest.fixture
def run_example(tmp_path, monkeypatch, capsys):
    """Runs an example here, as its command would in a folder of its own, and returns what it prints."""
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    policy = keras.config.dtype_policy()

    def run(name, arguments):
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    yield run
    keras.config.set_dtype_policy(policy)


def test_every_example_is_run():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*SMALL, *REAL, *ELSEWHERE}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_the_example_runs(name, run_example):
    assert run_example(name, SMALL[name])


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("name", REAL)
def test_the_example_runs_on_real_photographs(name, run_example, tmp_path, shared):
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
    assert run_example(name, [argument.format(**places) for argument in REAL[name]])


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
