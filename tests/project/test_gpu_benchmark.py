"""`benchmarks/gpu.py` in its small form: rows come, a wrong network is refused, the card is for one alone."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import gpu
import gpu_measure

pytest.importorskip("torch")
pytestmark = pytest.mark.slow
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

CHANGED = """
import sys
import gpu_networks, gpu_plain
gpu_plain.ACTIVATIONS["relu"] = gpu_plain.ACTIVATIONS["linear"]
gpu_networks.measure_network("lightweight", "keras-torch", "float32", batches=[1], size=64, small=True)
"""


def run(arguments, results):
    environment = {
        **os.environ,
        "KERAS_BACKEND": "torch",
        "CUDA_VISIBLE_DEVICES": "",
        "GPU_RESULTS": str(results),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    assert rows == [json.loads(line) for line in done.stdout.splitlines()]
    return done, rows


def test_a_contender_is_checked_and_measured(tmp_path):
    network = ["network", "lightweight", "keras-torch", "float32", "--small", "--batches", "1"]
    done, rows = run([BENCHMARKS / "gpu.py", *network], tmp_path / "rows.jsonl")
    assert done.returncode == 0, done.stderr
    check, forward, step = rows
    assert check["difference"] < 1e-4
    assert (forward["kind"], step["kind"]) == ("forward", "step")
    assert step["ms"] > forward["ms"] > 0


def test_a_network_with_other_maps_is_not_measured(tmp_path):
    done, rows = run(["-c", CHANGED], tmp_path / "rows.jsonl")
    assert done.returncode != 0
    assert [row["kind"] for row in rows] == ["check"]
    assert "The maps differ" in done.stderr


def test_who_measures_has_the_card_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("GPU_RESULTS", str(tmp_path / "rows.jsonl"))
    events = []

    def enter(name, alone):
        with gpu_measure.card(alone=alone):
            events.append(name)

    with gpu_measure.card(alone=False):
        beside = threading.Thread(target=enter, args=("compiles", False))
        beside.start()
        beside.join(10)
        measuring = threading.Thread(target=enter, args=("measures", True))
        measuring.start()
        measuring.join(0.3)
        assert events == ["compiles"]
    measuring.join(10)
    assert events == ["compiles", "measures"]


def test_an_error_costs_one_row(capsys):
    with gpu_measure.lost_alone(batch=64):
        raise MemoryError("out of memory\nand more")
    assert json.loads(capsys.readouterr().out) == {"batch": 64, "error": "MemoryError: out of memory"}


def test_the_report_compares_with_plain_pytorch(capsys):
    row = {"part": "networks", "network": "own", "dtype": "float32", "kind": "step", "batch": 16, "gib": 1.0}
    rows = [
        {**row, "contender": "torch", "images_per_s": 100.0, "peak_share": 0.1},
        {**row, "contender": "keras-jax", "images_per_s": 125.0, "peak_share": None},
        {"part": "lost", "job": "own", "error": "exit 124"},
    ]
    gpu.print_report(rows)
    printed = capsys.readouterr().out
    assert "| keras-jax | 125.0 | 1.25 |  | 1.00 |" in printed
    assert "keras-jax: 1.25 of plain PyTorch, 1 of 1 at least 1.0" in printed
    assert "exit 124" in printed
