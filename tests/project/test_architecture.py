"""What the rooms may import, what `import keras_openpose` costs, and where the numbers stand."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "keras_openpose"

# Not by `import keras_openpose`: few have them all, and each costs seconds.
AT_USE_ONLY = {"keras_cv", "keras_hub", "onnx", "onnxruntime", "tf2onnx", "tensorboard", "pycocotools"}
AT_USE_ONLY |= {"ai_edge_litert", "openvino"}
# Counts of keypoints, limbs and channels of one skeleton, which only that skeleton may hold ...
COUNTS = {17, 18, 19, 38, 57, 70, 71}
# ... beside tables of colors and of angles in degrees.
COLORS_AND_ANGLES = {"synthetic/people.py", "synthetic/poses.py"}


def counts(package):
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package).as_posix()
        if place == "skeletons.py" or place in COLORS_AND_ANGLES:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and type(node.value) is int and node.value in COUNTS:
                yield f"{place}:{node.lineno} holds {node.value}: ask the skeleton for its count"


def test_only_skeletons_hold_their_counts():
    assert list(counts(PACKAGE)) == []


def test_a_count_elsewhere_is_seen(tmp_path):
    (tmp_path / "decoding.py").write_text("\nx = [0] * 19\n")
    assert list(counts(tmp_path)) == ["decoding.py:2 holds 19: ask the skeleton for its count"]


def test_rooms_import_only_from_rooms_below(monkeypatch):
    monkeypatch.chdir(ROOT)  # import-linter reads pyproject.toml
    assert lint_imports() == 0


def test_the_documentation_shows_the_same_rooms():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = config["tool"]["importlinter"]["contracts"][0]["layers"]
    rows = [
        line.split("|")[2]
        for line in (ROOT / "docs/architecture.md").read_text().splitlines()
        if line[:3].strip("| ").isdigit()
    ]
    shown = [{name.strip(" `/") for name in row.split(",")} for row in rows]
    assert shown == [set(layer.split(" | ")) for layer in reversed(layers)]


def test_the_oldest_versions_that_are_tested_are_those_that_are_promised():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = dict(line.split(">=") for line in project["dependencies"])
    lines = (ROOT / "tests/oldest.txt").read_text().splitlines()
    tested = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert promised.keys() == tested.keys()
    assert all(f"{tested[name]}.".startswith(f"{floor}.") for name, floor in promised.items())


# In a fresh interpreter


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_importing_the_package_loads_only_what_all_need(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"needs {backend}")
    code = "import json, sys; before = set(sys.modules); import keras_openpose\n"
    code += "print(json.dumps(sorted(set(sys.modules) - before)))\n"
    code += "keras_openpose.coco_dataset; print(json.dumps(sorted(set(sys.modules) - before)))"
    at_once, at_first_use = (
        {name.split(".")[0] for name in json.loads(line)}
        for line in run(code, KERAS_BACKEND=backend).stdout.splitlines()[-2:]
    )
    other_backends = {"tensorflow", "torch"} - {backend}  # Keras itself looks for JAX
    assert not at_once & (AT_USE_ONLY | other_backends)
    assert {"keras", "tensorflow", "pycocotools"} <= at_first_use  # so the names would have been seen


QUIET = ("-c", "import keras_openpose as ko; import keras; keras.ops.ones(3) + 1")
LOUD = ("-c", "import keras; import keras_openpose as ko; keras.ops.ones(3) + 1")


@pytest.mark.slow
def test_importing_the_package_prints_nothing():
    without = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    outputs = [
        subprocess.run([sys.executable, *code], env=without, capture_output=True, text=True, check=True)
        for code in (QUIET, LOUD)
    ]
    assert outputs[0].stderr == ""
    assert "oneDNN" in outputs[1].stderr  # so the lines would have been seen


@pytest.mark.slow
def test_an_import_that_fails_shows_what_was_held_back():
    code = "import os; from keras_openpose.startup import _standard_error_held_back as held_back\n"
    code += "with held_back():\n    os.write(2, b'no such driver\\n'); raise OSError('failed')"
    with pytest.raises(subprocess.CalledProcessError) as raised:
        run(code)
    assert "no such driver\nTraceback" in raised.value.stderr


def test_every_public_name_can_be_had():
    import keras_openpose

    assert len(set(keras_openpose.__all__)) == len(keras_openpose.__all__)
    for name in keras_openpose.__all__:
        assert getattr(keras_openpose, name) is not None
        assert name in dir(keras_openpose)
    with pytest.raises(AttributeError, match="module 'keras_openpose' has no attribute 'openpoes'"):
        keras_openpose.openpoes  # noqa: B018


@pytest.mark.slow
def test_the_package_can_be_imported_without_standard_error():
    without = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    code = "import os; os.close(2); import keras_openpose; print('imported')"
    done = subprocess.run([sys.executable, "-c", code], env=without, stdout=subprocess.PIPE, text=True)
    assert done.stdout == "imported\n"


@pytest.mark.slow
def test_importing_the_package_costs_less_than_0_3_seconds_beyond_keras():
    code = "import time, cv2, keras; start = time.perf_counter()\n"
    code += "import keras_openpose; print(time.perf_counter() - start)"
    # The first run may read from a cold disk, any run may wait for a busy machine.
    assert any(float(run(code).stdout.splitlines()[-1]) < 0.3 for _ in range(3))
