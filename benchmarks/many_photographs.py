"""`examples/many_photographs.py` on one machine, when a worker is killed and when it is interrupted.

    python benchmarks/many_photographs.py photographs --size 184 216

Of the first 2,000 photographs of a folder and five damaged files, two workers do a quarter, then one is
killed; at half, the run is interrupted and started again. Then the tables are checked, and one process
without Ray does some of the same photographs. Needs psutil.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pyarrow.dataset

EXAMPLE = Path(__file__).parents[1] / "examples" / "many_photographs.py"
ALONE = """
import json, sys, time
import cv2
import tensorflow as tf
import keras_openpose as ko
threads, size, paths = json.load(sys.stdin)
if threads:
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    cv2.setNumThreads(threads)
model = ko.from_preset()
ko.predict_poses(model, paths[:8], input_size=size)
wall, cpu = time.perf_counter(), time.process_time()
ko.predict_poses(model, paths, input_size=size)
print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]))
"""


def alone(photographs, threads, size):
    """Wall and CPU seconds of one process."""
    given = json.dumps([threads, size, [str(path) for path in photographs]])
    done = subprocess.run(
        [sys.executable, "-c", ALONE], input=given, text=True, capture_output=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def workers(driver):
    """The processes that hold a network, by id."""
    found = {}
    for process in psutil.Process(driver.pid).children(recursive=True):
        try:
            if "MapWorker" in " ".join(process.cmdline()) and process.memory_info().rss > 400e6:
                found[process.pid] = process
        except psutil.Error:  # it ended meanwhile
            continue
    return found


def run(command, target, *, kill_at=None, interrupt_at=None):
    """Run the example once. Returns samples: seconds, photographs done, MB and CPU seconds of each worker."""
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    begin, samples = time.perf_counter(), []
    while driver.poll() is None:
        done = 0
        if target.exists():
            done = pyarrow.dataset.dataset(list(map(str, target.glob("photographs/[!_]*")))).count_rows()
        try:
            running = workers(driver)
            state = {n: (p.memory_info().rss / 1e6, sum(p.cpu_times()[:2])) for n, p in running.items()}
        except psutil.Error:
            continue
        samples.append((time.perf_counter() - begin, done, state))
        print(
            f"{samples[-1][0]:5.0f} s {done:5} done",
            {n: round(rss) for n, (rss, _) in state.items()},
            flush=True,
        )
        if kill_at and done >= kill_at and running:
            victim, kill_at = next(iter(running.values())), None
            victim.kill()
            print(f"killed {victim.pid}", flush=True)
        if interrupt_at and done >= interrupt_at:
            driver.send_signal(signal.SIGINT)
            interrupt_at = None
            print("interrupted", flush=True)
        time.sleep(3)
    print(driver.stdout.read().strip().splitlines()[-1:], "rc", driver.returncode, flush=True)
    return samples


def check(target, source):
    """Count what was lost or doubled."""
    tables = {
        name: pyarrow.dataset.dataset(target / name, format="parquet").to_table().to_pylist()
        for name in ("people", "photographs", "unreadable")
    }
    paths = [row["path"] for name in ("photographs", "unreadable") for row in tables[name]]
    people = {(row["path"], row["person"]) for row in tables["people"]}
    expected = {(row["path"], n) for row in tables["photographs"] for n in range(row["people"])}
    files = {str(path) for path in source.iterdir()}
    print(
        f"rows: { ({name: len(rows) for name, rows in tables.items()}) }; files {len(files)}, lost "
        f"{len(files - set(paths))}, twice {len(paths) - len(set(paths))}; "
        f"people lost {len(expected - people)}, "
        f"twice {len(tables['people']) - len(people)}, without photograph {len(people - expected)}; "
        f"nobody in {sum(not row['people'] for row in tables['photographs'])}"
    )
    for row in tables["unreadable"]:
        print(f"unreadable {Path(row['path']).name}: {row['reason'][:60]}")


def rate(samples):
    """Photographs a wall second and CPU seconds a photograph while the same two workers run."""
    both = [sample for sample in samples if len(sample[2]) == 2 and sample[1]]
    both = [sample for sample in both if sample[2].keys() == both[0][2].keys()]
    (begin, first, before), (end, last, after) = both[0], both[-1]
    cpu = sum(after[n][1] - before[n][1] for n in before)
    return (last - first) / (end - begin), cpu / (last - first), last - first


def main():
    """Everything, line by line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--alone", type=int, default=300)
    parser.add_argument("--size", nargs=2, type=int, default=(184, 216))
    parser.add_argument("--block", type=int, default=32)
    arguments = parser.parse_args()
    photographs = sorted(arguments.photographs.resolve().iterdir())[: arguments.count]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "found")
        source.mkdir()
        for path in photographs:
            (source / path.name).symlink_to(path)
        for n, size in enumerate((0, 1, 100, 200, 300)):
            (source / f"damaged{n}.jpg").write_bytes(photographs[n].read_bytes()[:size])
        command = [sys.executable, EXAMPLE, source, target, "--workers", 2, "--block", arguments.block]
        command = [*map(str, command), "--size", *map(str, arguments.size)]
        count = len(photographs)
        runs = [run(command, target, kill_at=count // 4, interrupt_at=count // 2)]
        runs.append(run(command, target))
        check(target, source)
    for name, samples in zip(("first", "second"), runs, strict=True):
        wall, cpu, done = rate(samples)
        print(f"{name} run, two workers, {done} photographs: {wall:.2f}/s, {cpu * 1000:.0f} ms of CPU each")
    for threads in (1, None):
        wall, cpu = (
            seconds / arguments.alone
            for seconds in alone(photographs[: arguments.alone], threads, arguments.size)
        )
        print(f"one process, {threads or 'all'} threads: {1 / wall:.2f}/s, {cpu * 1000:.0f} ms of CPU each")


if __name__ == "__main__":
    main()
