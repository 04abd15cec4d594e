"""`examples/many_photographs.py`: killed workers and restarts lose and double nothing."""

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import keras_openpose as ko

pytest.importorskip("ray.data", reason='needs the extra "ray"')
psutil = pytest.importorskip("psutil")
pq = pytest.importorskip("pyarrow.parquet")

EXAMPLE = Path(__file__).parents[2] / "examples" / "many_photographs.py"
OPTIONS = ["--preset", "demo_synthetic", "--size", "96", "128", "--block", "4"]


@pytest.fixture
def source(tmp_path, coco_folder):
    """200 names of four drawn photographs, and a file that is none."""
    folder = tmp_path / "many photographs"
    folder.mkdir()
    drawn = sorted(Path(coco_folder[0]).iterdir())
    for n in range(200):
        (folder / f"{n:03}{drawn[n % 4].suffix}").symlink_to(drawn[n % 4])
    (folder / "no_image.jpg").write_text("no")
    return folder


def start(source, target):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, EXAMPLE, source, target, *OPTIONS], env=environment)


def check(source, target):
    rows = {
        name: pq.read_table(target / name).to_pylist() for name in ("people", "photographs", "unreadable")
    }
    looked_at = [row["path"] for row in rows["photographs"] + rows["unreadable"]]
    assert sorted(looked_at) == sorted(map(str, source.iterdir()))
    assert [Path(row["path"]).name for row in rows["unreadable"]] == ["no_image.jpg"]
    paths = sorted(row["path"] for row in rows["photographs"])[:4]  # the others are the same pictures
    model = ko.from_preset("demo_synthetic")
    expected = [len(poses) for poses in ko.predict_poses(model, paths, input_size=(96, 128))]
    assert sum(expected) > 0
    numbers = [(row["path"], row["person"]) for row in rows["people"]]
    everyone = {(row["path"], n) for row in rows["photographs"] for n in range(row["people"])}
    assert len(numbers) == len(set(numbers)) == sum(expected) * 50
    assert set(numbers) == everyone


@pytest.mark.slow
def test_a_killed_worker_and_a_restart_lose_and_double_nothing(source, tmp_path):
    target = tmp_path / "found"
    driver = start(source, target)
    while not list(target.glob("photographs/[!_]*")):
        assert driver.poll() is None
        time.sleep(0.01)
    family = psutil.Process(driver.pid).children(recursive=True)
    (worker,) = (process for process in family if "MapWorker" in " ".join(process.cmdline()))
    worker.kill()
    assert len(list(target.glob("photographs/[!_]*"))) < 51
    assert driver.wait() == 0
    check(source, target)

    # As a run leaves it that is killed before the last file of a block is written, and in the midst of one.
    unfinished = next(target.glob("photographs/*"))
    unfinished.unlink()
    unfinished.with_name(f"_{unfinished.name}").write_bytes(b"PAR1")
    assert start(source, target).wait() == 0
    check(source, target)


def test_a_photograph_is_missing_until_its_block_is_finished(source, tmp_path):
    specification = importlib.util.spec_from_file_location("many_photographs", EXAMPLE)
    example = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(example)
    target = tmp_path / "found"
    assert len(example.missing(str(source), str(target))) == 201
    paths = example.pa.table({"path": example.missing(str(source), str(target))[:2]})
    worker = example.FindPeople(str(source), str(target), "demo_synthetic", [96, 128], 1)
    worker(paths)
    worker(paths)  # the same files again
    assert len(example.missing(str(source), str(target))) == 199
    assert len(list(target.glob("people/*"))) == 1
    next(target.glob("photographs/*")).unlink()
    assert len(example.missing(str(source), str(target))) == 201
    assert not list(target.glob("people/*"))
