"""`keras-openpose train`: flags, the folder it leaves, and bad input."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_openpose as ko
from keras_openpose.cli import main
from keras_openpose.inference.runtimes import ExportedNetwork

SIZE = (128, 128)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return ko.synthetic_people(4, size=SIZE, people=(1, 1), folder=tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A small network as a file."""
    path = tmp_path_factory.mktemp("network") / "untrained.keras"
    ko.compact_openpose(num_stages=1).save(path)
    return path


def run(capsys, *arguments):
    try:
        code = main(["train", *map(str, arguments)])
    except SystemExit as exit:
        code = exit.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err.splitlines()


def flags(folder, untrained):
    return ["--model", untrained, "--output", folder, "--input-size", *SIZE, "--batch-size", 2, "--steps", 2]


@pytest.mark.slow
def test_the_installed_command_trains_measures_and_leaves_a_network(people, untrained, tmp_path):
    command = Path(sys.executable).with_name("keras-openpose")
    arguments = [
        *people,
        *flags(tmp_path / "run", untrained),
        "--steps-per-epoch",
        1,
        "--validation",
        *people,
    ]
    done = subprocess.run([command, "train", *map(str, arguments)], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"Trained for 2 steps: {tmp_path}/run/model.keras"
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"best.weights.h5", "last.weights.h5", "log.csv", "model.keras"}
    assert keras.models.load_model(tmp_path / "run/model.keras").count_params() > 1e6


def test_a_run_that_goes_on_sees_other_crops_than_in_the_beginning(people, untrained, tmp_path, monkeypatch):
    seeds = []
    monkeypatch.setattr(
        "keras_openpose.cli.train.coco_dataset", lambda *_, seed, **options: seeds.append(seed) or 1 / 0
    )
    (tmp_path / "run").mkdir()
    for log in ("", "epoch,loss\n", "epoch,loss\n0,3.0\n1,2.5\n"):
        (tmp_path / "run/log.csv").write_text(log)
        with pytest.raises(ZeroDivisionError):
            main([str(word) for word in ("train", *people, *flags(tmp_path / "run", untrained), "--seed", 7)])
    assert seeds == [7, 7, 9]


def test_flags_reach_the_recipe(people, untrained, tmp_path, capsys, monkeypatch):
    seen = {}
    history = keras.callbacks.History()
    history.set_params({"epochs": 1, "steps": 2})
    monkeypatch.setattr(
        "keras_openpose.cli.train.train", lambda *args, **options: seen.update(options) or history
    )
    more = [
        "--optimizer",
        "sgd",
        "--learning-rate",
        1e-5,
        "--schedule",
        "step",
        "--ema",
        0.9,
    ]
    assert run(capsys, *people, *flags(tmp_path, untrained), *more)[0] == 0
    assert seen["optimizer"] == "sgd"
    assert (seen["learning_rate"], seen["schedule"], seen["ema"]) == (1e-5, "step", 0.9)
    assert "clipnorm" not in seen  # `make_optimizer` knows its defaults


def test_faulty_labels_are_one_line(people, untrained, tmp_path, capsys):
    labels = json.loads(people[1].read_text())
    labels["annotations"][0]["image_id"] = 99
    faulty = tmp_path / "faulty.json"
    faulty.write_text(json.dumps(labels))
    code, _, errors = run(capsys, people[0], faulty, *flags(tmp_path / "run", untrained))
    assert code == 2
    assert len(errors) == 1
    assert "annotation 1: its image (id 99) is not among the file's images" in errors[0]


def test_a_damaged_photograph_is_one_line_with_its_name(people, untrained, tmp_path, capfd):
    images = shutil.copytree(people[0], tmp_path / "images")
    for damaged in images.iterdir():
        damaged.write_bytes(damaged.read_bytes()[:2000])
    code, _, errors = run(capfd, images, people[1], *flags(tmp_path / "run", untrained))
    told = [line for line in errors if line.startswith("keras-openpose: ")]
    assert (code, len(told)) == (2, 1)
    assert re.search(r"Photograph cannot be read, .* say: .*images/\d+\.jpg \(id \d\)$", told[0])
    assert not any("Traceback" in line for line in errors)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["--model", "m.keras", "--dtype", "float32"], "--dtype has no effect with --model"),
        (["--model", "m.keras", "--stages", 3], "--stages has no effect with --model"),
        (["--preset", "p", "--stages", 6], "--stages has no effect with --preset"),
        (["--preset", "p", "--weights", "none"], "--weights has no effect with --preset"),
    ],
)
def test_flags_without_effect_are_refused(given, complaint, people, tmp_path, capsys):
    code, _, errors = run(capsys, *people, "--output", tmp_path, *given)
    assert code == 2
    assert errors[-1].endswith(complaint)


def test_an_exported_network_is_one_line(people, tmp_path, capsys, monkeypatch):
    exported = ExportedNetwork((None, None, None, 3), {"heatmaps": 19, "pafs": 38}, dict)
    monkeypatch.setattr("keras_openpose.cli.network.load_exported", lambda path: exported)
    (tmp_path / "network.onnx").touch()
    given = ["--model", tmp_path / "network.onnx", "--output", tmp_path / "run"]
    code, _, errors = run(capsys, *people, *given)
    assert (code, len(errors)) == (2, 1)
    assert "network.onnx: Only a network that this package built" in errors[0]


def test_the_steps_that_were_trained_are_told(people, untrained, tmp_path, capsys):
    more = ["--steps", 3, "--steps-per-epoch", 2]
    code, output, _ = run(capsys, *people, *flags(tmp_path / "run", untrained), *more)
    assert code == 0
    assert output.splitlines()[-1].startswith("Trained for 4 steps: ")


def test_a_finished_folder_is_one_line(people, untrained, tmp_path, capsys):
    (tmp_path / "model.keras").touch()
    code, _, errors = run(capsys, *people, *flags(tmp_path, untrained))
    assert (code, len(errors)) == (2, 1)
    assert "holds a finished training" in errors[0]


def test_an_unknown_backbone_is_one_line_with_the_choices(people, tmp_path, capsys):
    code, _, errors = run(capsys, *people, "--backbone", "vgg99", "--weights", "none", "--output", tmp_path)
    assert (code, len(errors)) == (2, 1)
    assert "resnet50" in errors[0]


def test_a_training_that_diverges_says_what_to_try(people, untrained, tmp_path, capsys):
    more = ["--optimizer", "sgd", "--learning-rate", 1e30, "--warmup-steps", 0, "--schedule", "constant"]
    code, _, errors = run(capsys, *people, *flags(tmp_path / "run", untrained), *more, "--steps", 4)
    assert code == 1
    assert "Training diverged" in errors[-1]
    assert "`learning_rate`" in errors[-1]
    assert np.all([not path.name.startswith("model") for path in (tmp_path / "run").iterdir()])
