"""Speed on one GPU: networks, `predict_poses` end to end, and both beside plain PyTorch.

    python benchmarks/gpu.py network NETWORK CONTENDER DTYPE [--small]
    python benchmarks/gpu.py photographs FOLDER [DTYPE] [--small]
    python benchmarks/gpu.py report RESULTS

One process for each contender; `gpu.sh` runs them all and sets KERAS_BACKEND. Rows are JSON, printed as they
are measured and appended to the file that GPU_RESULTS names. `--small` takes the same way on a CPU, with
less of everything. FOLDER is one that `gpu_pack.py` filled.
"""

import argparse
import json
import os
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import keras
from gpu_contenders import CONTENDERS
from gpu_measure import POLICIES, card, device_name, lost_alone, record, seconds_of, wait
from gpu_networks import NETWORKS, measure_network

import keras_openpose as ko
from keras_openpose.inference.decoding import decode_poses
from keras_openpose.inference.forward import forward_pass
from keras_openpose.inference.looks import letterbox
from keras_openpose.inference.predict import load_photograph

BATCHES, SIZE = (1, 16, 64), 368
SMALL_BATCHES, SMALL_SIZE = (2,), 64
PHOTOGRAPHS, INPUT_SIZE = 512, (368, 432)
SMALL_PHOTOGRAPHS, SMALL_INPUT_SIZE = 8, (96, 128)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(dest="part", required=True)
    network = parts.add_parser("network", help="forward passes and steps of a network")
    network.add_argument("network", choices=NETWORKS)
    network.add_argument("contender", choices=CONTENDERS)
    network.add_argument("dtype", choices=POLICIES)
    network.add_argument("--batches", type=int, nargs="+")
    photographs = parts.add_parser("photographs", help="predict_poses on a list of photographs")
    photographs.add_argument("folder", type=Path)
    photographs.add_argument("dtype", nargs="?", choices=POLICIES, default="float32")
    for part in (network, photographs):
        part.add_argument("--small", action="store_true", help="for a CPU")
    report = parts.add_parser("report", help="a table of what was measured")
    report.add_argument("results", type=Path)
    arguments = parser.parse_args()
    if arguments.part == "network":
        batches = arguments.batches or (SMALL_BATCHES if arguments.small else BATCHES)
        measure_network(
            arguments.network,
            arguments.contender,
            arguments.dtype,
            batches=batches,
            size=SMALL_SIZE if arguments.small else SIZE,
            small=arguments.small,
        )
    elif arguments.part == "photographs":
        measure_photographs(arguments.folder, arguments.dtype, small=arguments.small)
    else:
        print_report([json.loads(line) for line in arguments.results.read_text().splitlines()])


def measure_photographs(folder: Path, dtype: str, *, small: bool):
    """`predict_poses` of photographs on a disk, and each of its parts alone: a row for each batch size."""
    keras.config.set_dtype_policy(POLICIES[dtype])
    model = ko.from_preset()
    paths = sorted((folder / "photographs").glob("*.jpg"))[: SMALL_PHOTOGRAPHS if small else PHOTOGRAPHS]
    size = SMALL_INPUT_SIZE if small else INPUT_SIZE
    for batch in (2,) if small else (8, 32):
        paths = paths[: len(paths) // batch * batch]  # whole batches: another size is another compilation
        row = {"part": "photographs", "backend": keras.backend.backend(), "dtype": dtype, "batch": batch}
        with lost_alone(**row), card(alone=True):
            options = {"input_size": size, "batch_size": batch}
            ko.predict_poses(model, paths[:batch], **options)  # compiles
            whole = seconds_of(lambda: ko.predict_poses(model, paths, **options), groups=3)[0]  # noqa: B023
            parts = seconds_of_parts(model, paths, size, batch)
            record(
                **row,
                photographs=len(paths),
                photographs_per_s=len(paths) / whole,
                ms={"whole": _ms(whole, paths), **{name: _ms(parts[name], paths) for name in parts}},
                cores=os.cpu_count(),
                device=device_name(),
            )


def _ms(seconds: float, paths: list) -> float:
    return round(1000 * seconds / len(paths), 3)


def seconds_of_parts(model, paths, size, batch: int) -> dict[str, float]:
    """Seconds that all photographs take in each part of `predict_poses`, one part after another.

    Those that end in `threads` are of as many photographs at once as there are cores: what a host could do.
    """
    forward = forward_pass(model, ko.COCO_18)
    groups = range(0, len(paths), batch)
    photographs = [load_photograph(path) for path in paths]
    canvases = [letterbox(photographs[n : n + batch], size, 1.0)[0] for n in groups]
    maps = [forward(canvas) for canvas in canvases]
    # A network's maps of photographs, so that there are people to put together.
    pairs = [pair for heatmaps, pafs in maps for pair in zip(heatmaps, pafs, strict=True)]
    decode = {name: value for name, value in model.predict_options.items() if name != "input_size"}

    def fit(photograph):
        return letterbox([photograph], size, 1.0)

    def put_together(pair):
        return decode_poses(*pair, skeleton=ko.COCO_18, stride=8, **decode)

    def send():
        return [keras.ops.convert_to_tensor(canvas) for canvas in canvases]

    def fetch():
        # Of sums, since JAX keeps what it has fetched.
        return [keras.ops.convert_to_numpy(values + 0.0) for pair in on_card for values in pair]

    on_card = [[keras.ops.convert_to_tensor(values) for values in pair] for pair in maps]
    runs = {
        "read": lambda: [load_photograph(path) for path in paths],
        "fit": lambda: [letterbox(photographs[n : n + batch], size, 1.0) for n in groups],
        "send": send,
        "send, network, fetch": lambda: [forward(canvas) for canvas in canvases],
        "fetch": fetch,
        "decode": lambda: [put_together(pair) for pair in pairs],
    }
    seconds = {name: _host_seconds(run) for name, run in runs.items()}
    seconds["network"] = max(0.0, seconds["send, network, fetch"] - seconds["send"] - seconds["fetch"])
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, function, given in (
            ("read", load_photograph, paths),
            ("fit", fit, photographs),
            ("decode", put_together, pairs),
        ):
            seconds[f"{name}, threads"] = _host_seconds(lambda f=function, g=given: list(pool.map(f, g)))
    cv2.setNumThreads(threads)
    return seconds


def _host_seconds(run) -> float:
    wait(run())
    return seconds_of(run, groups=3, least=0.0)[0]


def print_report(rows: list[dict]):
    """Images a second of each contender, beside plain PyTorch's; what failed; where time goes."""
    measured = [row for row in rows if row["part"] == "networks" and "images_per_s" in row]
    keys = ("network", "dtype", "kind", "batch")
    rates = {(*(row[key] for key in keys), row["contender"]): row for row in measured}
    print(f"\n| {' | '.join(keys)} | contender | images/s | of plain PyTorch | of the peak | GiB |")
    print("|---" * 9 + "|")
    ratios = {}
    for row in sorted(measured, key=lambda row: [row[key] for key in keys]):
        key = tuple(row[name] for name in keys)
        plain = rates.get((*key, "torch"))
        ratio = row["images_per_s"] / plain["images_per_s"] if plain else None
        if ratio and plain is not row:
            ratios.setdefault(row["contender"], []).append(ratio)
        cells = (
            *key,
            row["contender"],
            f"{row['images_per_s']:,.1f}",
            f"{ratio:.2f}" if ratio else "",
            f"{row['peak_share']:.1%}" if row["peak_share"] else "",
            f"{row['gib']:.2f}" if row["gib"] else "",
        )
        print(f"| {' | '.join(map(str, cells))} |")
    for contender, of_contender in ratios.items():
        middle, reached = statistics.median(of_contender), sum(ratio >= 1 for ratio in of_contender)
        print(f"{contender}: {middle:.2f} of plain PyTorch, {reached} of {len(of_contender)} at least 1.0")
    for row in rows:
        if row["part"] == "photographs" and "ms" in row:
            print_photographs(row)
        if "error" in row:
            print("lost:", json.dumps(row))


def print_photographs(row: dict):
    """Where the time of `predict_poses` goes, and what it could be."""
    ms = row["ms"]
    host = ms["read"] + ms["fit"] + ms["decode"]
    threads = sum(ms[f"{name}, threads"] for name in ("read", "fit", "decode"))
    with_card = ms["send, network, fetch"]
    print(
        f"predict_poses, {row['backend']}, {row['dtype']}, batch {row['batch']}: "
        f"{row['photographs_per_s']:.0f} photographs/s. Of {ms['whole']} ms, host {host:.2f} "
        f"(read {ms['read']}, fit {ms['fit']}, decode {ms['decode']}), sent {ms['send']}, "
        f"network {ms['network']}, fetched {ms['fetch']}. Host beside card, one thread: "
        f"{1000 / max(host, with_card):.0f}/s; {row['cores']} threads: {1000 / max(threads, with_card):.0f}/s"
    )


if __name__ == "__main__":
    main()
