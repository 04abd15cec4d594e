"""The README's commands and its first Python, in an empty environment, on a copy of the project."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEMO, DETECT, DEVELOP = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
PYTHON = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
# The suite runs elsewhere. Here the command has to find it and what it needs: one file takes seconds.
NARROWED = "tests/test_geometry.py"
# Set for the tests or by who runs them. A reader of the README has none of it.
OURS = ("PYTHON", "PYTEST", "TF_", "KERAS_", "VIRTUAL_ENV", "COVERAGE")
TENSORFLOW = re.compile(r"tensorflow|cuda|onednn|absl|xla|cpu_feature|^[IWE]0000|Warning:", re.IGNORECASE)
PHOTOGRAPH = "src/keras_openpose/photographs/astronaut.jpg"
NOSE = (167, 92)  # by eye

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Runs a command in the copy, in the environment: what it printed, and its standard error."""
    folder = tmp_path_factory.mktemp("readme")
    copy, environment = folder / "keras-openpose", folder / "environment"
    junk = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "build", "dist", "site")
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*junk))
    shutil.copy(ROOT / PHOTOGRAPH, copy / "photo.jpg")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    variables["PATH"] = f"{environment / 'bin'}{os.pathsep}{variables['PATH']}"
    variables["PIP_QUIET"] = "2"  # what pip warns of depends on the machine

    def run(command, **more):
        done = subprocess.run(
            ["bash", "-ec", command], cwd=copy, env=variables | more, text=True, capture_output=True
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout, done.stderr

    run.folder = copy
    return run


@pytest.fixture(scope="module")
def demo(shell):
    return shell(DEMO)


def tensorflow_lines(error):
    return [line for line in error.splitlines() if TENSORFLOW.search(line)]


def test_the_demo_does_what_the_readme_says(shell, demo):
    """It finds people in two photographs and in synthetic scenes, prints AP, and writes pictures."""
    printed, error = demo
    assert re.findall(r"(\w+): people found: 1\n", printed) == ["astronaut", "photographer"]
    assert float(re.search(r"synthetic scenes .* AP (\d+\.\d)", printed)[1]) > 70
    pictures = {path.stem: cv2.imread(str(path)) for path in (shell.folder / "keras-openpose-demo").iterdir()}
    assert pictures.keys() == {"astronaut", "overview", "photographer", "scene_1", "scene_2", "scene_3"}
    assert all(picture.shape[1] > 1000 for picture in pictures.values())
    assert tensorflow_lines(error) == []


@pytest.mark.usefixtures("demo")
def test_people_are_found_in_a_photograph_of_ones_own(shell):
    _, error = shell(DETECT)
    assert cv2.imread(str(shell.folder / "found/photo.jpg")) is not None
    assert tensorflow_lines(error) == []


@pytest.mark.usefixtures("demo")
def test_the_python_prints_a_score_and_a_dict_of_everybody(shell):
    (shell.folder / "first.py").write_text(PYTHON)
    printed, error = shell("python first.py")
    people = [re.fullmatch(r"(\d+\.\d) (\{.*\})", line) for line in printed.splitlines()]
    assert float(people[0][1]) > 10
    assert ast.literal_eval(people[0][2])["nose"] == pytest.approx(NOSE, abs=20)
    assert cv2.imread(str(shell.folder / "people.jpg")).shape == (384, 384, 3)
    assert error == ""


@pytest.mark.usefixtures("demo")
def test_the_suite_starts(shell):
    printed, _ = shell(DEVELOP, PYTEST_ADDOPTS=NARROWED)
    assert re.search(r"\d+ passed", printed)
    assert "failed" not in printed


def test_a_line_of_tensorflow_is_seen():
    line = "2026-11-29 19:00: I tensorflow/core/platform/cpu_feature_guard.cc:210] This TensorFlow binary is"
    assert tensorflow_lines(f"photographs: 100%\n{line}") == [line]
