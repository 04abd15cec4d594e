"""How fast training batches are made, beside only decoding the same files, and where the time goes.

    python benchmarks/loader.py [--shared ../shared]
    python benchmarks/loader.py --many 118000
    python benchmarks/loader.py --memory 10

The first measures 368×368 crops with full augmentation, all targets and masks, from COCO photographs, and
in turns with it a plain loop that decodes those files whole in two threads. The second times the reading of
a generated label file of that many images, and its memory. The third runs so many thousand samples and
prints how memory grows.
"""

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_openpose import COCO_18, Augmentation, coco_dataset
from keras_openpose import data as loader
from keras_openpose.skeletons import COCO_KEYPOINTS

SIZE = (368, 368)
COUNT = 800  # samples in a run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    parser.add_argument("--many", type=int, metavar="IMAGES")
    parser.add_argument("--memory", type=int, metavar="THOUSANDS")
    arguments = parser.parse_args()
    coco = arguments.shared / "data" / "coco"
    photographs = coco / "train2017"
    labels = coco / "annotations" / "person_keypoints_train2017.json"
    if arguments.many:
        time_labels(arguments.many)
    elif arguments.memory:
        watch_memory(photographs, labels, arguments.memory)
    else:
        compare_with_decoding(photographs, labels)
        print()
        time_parts(photographs, labels)


def compare_with_decoding(photographs, labels, runs: int = 7):
    """Samples a second of the loader and of the plain loop, in turns."""
    paths = [os.fspath(path) for path in sorted(photographs.glob("*.jpg"))]

    def decode(path):
        return tf.io.decode_jpeg(tf.io.read_file(path), channels=3).shape

    dataset = coco_dataset(photographs, labels, input_size=SIZE, batch_size=10, repeat=-1, seed=0)
    batches, pool = iter(dataset), ThreadPoolExecutor(2)
    rates = {"loader": [], "decoding alone": []}
    for _ in range(runs):
        for name, run in (
            ("loader", lambda: [next(batches) for _ in range(COUNT // 10)]),
            ("decoding alone", lambda: list(pool.map(decode, paths * 4))),
        ):
            start = time.perf_counter()
            count = len(run()) * (10 if name == "loader" else 1)
            rates[name].append(count / (time.perf_counter() - start))
    for name, values in rates.items():
        values = values[1:]
        print(f"{name}: {statistics.median(values):.0f} a second (median), {max(values):.0f} (best)")
    ratios = [a / b for a, b in zip(*rates.values(), strict=True)][1:]
    print(f"loader / decoding alone: {statistics.median(ratios):.2f}")


def time_parts(photographs, labels):
    """Milliseconds a sample of each part, run alone, one after the other on one thread of tf.data."""
    samples = loader.coco_samples(photographs, labels)
    augmentation = Augmentation()
    table = loader._tabulate(samples, COCO_18, SIZE, augmentation, cache=False)
    count = min(256, len(table.photographs))
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1

    numbers = tf.data.Dataset.zip(tf.data.Dataset.range(count), tf.data.Dataset.random(0))
    aimed = (
        numbers.batch(64)
        .map(lambda n, d: loader._aim(table, n, d, size=SIZE, augmentation=augmentation))
        .unbatch()
    )
    crops = aimed.cache()
    read = loader._read(crops, table, "raise").cache()
    cells = tuple(length // 8 for length in SIZE)

    def keypoints(crop):
        return loader.transform(crop["to_input"], table.keypoints[crop["photograph"]])

    middles = tf.random.uniform((cells[0] * cells[1], 2), 0, 368)
    parts = {
        "lay out crops": aimed,
        "read and decode": loader._read(crops, table, "raise"),
        "warp": read.map(lambda c: loader.warp(c["pixels"], c["to_pixels"], size=SIZE, border=128)),
        "heatmaps": crops.map(lambda c: loader.draw_heatmaps(keypoints(c), size=cells)),
        "PAFs": crops.map(lambda c: loader.draw_pafs(keypoints(c), skeleton=COCO_18, size=cells)),
        "mask": crops.map(lambda c: loader.draw_mask(table.regions[c["photograph"]], middles)),
    }
    print("| part | ms a sample |\n|---|---|")
    for name, part in parts.items():
        part = part.map(lambda *x: 0).with_options(options)  # nothing to copy to Python
        times = []
        for _ in range(6):
            start = time.perf_counter()
            for _ in part.batch(count):
                pass
            times.append(1e3 * (time.perf_counter() - start) / count)
        print(f"| {name} | {statistics.median(times[1:]):.2f} |")


def time_labels(images: int):
    """Seconds and memory to read a label file of that many images and to lay it out as tensors."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.json"
        people = write_labels(path, images)
        print(f"{images} images, {people} people, {path.stat().st_size / 1e6:.0f} MB")
        before, start = resident_mb(), time.perf_counter()
        samples = loader.coco_samples(folder, path)
        read = time.perf_counter()
        loader._tabulate(samples, COCO_18, SIZE, Augmentation(), cache=False)
        done = time.perf_counter()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"read {read - start:.1f} s, laid out {done - read:.1f} s, together {done - start:.1f} s")
        print(f"memory: at most {peak:.0f} MB, of which {before:.0f} MB before it began")


def write_labels(path: Path, images: int, seed: int = 0) -> int:
    """COCO's train2017 has 118,287 images with 262,465 people, 149,813 of them with keypoints."""
    rng = np.random.default_rng(seed)
    rows, number = {"images": [], "annotations": []}, 0
    for image in range(images):
        rows["images"].append({"id": image, "file_name": f"{image:012d}.jpg", "height": 480, "width": 640})
        for _ in range(rng.poisson(2.2)):
            number += 1
            x, y = rng.uniform(0, 500, 2).round(2).tolist()
            labelled = rng.random() < 0.57
            keypoints = np.zeros((len(COCO_KEYPOINTS), 3), int)
            if labelled:
                keypoints[:] = [*(int(v) for v in (x + 50, y + 50)), 2]
            crowd = rng.random() < 0.04
            outline = rng.uniform((x, y), (x + 100, y + 100), (25, 2)).round(2).ravel().tolist()
            runs = rng.multinomial(480 * 640, np.full(120, 1 / 120)).tolist()
            row = {
                "id": number, "image_id": image, "category_id": 1, "iscrowd": int(crowd),
                "bbox": [x, y, 100, 100], "area": 7000.5, "num_keypoints": len(keypoints) * labelled,
                "keypoints": keypoints.ravel().tolist(),
                "segmentation": {"counts": runs, "size": [480, 640]} if crowd else [outline],
            }  # fmt: skip
            rows["annotations"].append(row)
    rows["categories"] = [{"id": 1, "name": "person", "keypoints": list(COCO_KEYPOINTS)}]
    path.write_text(json.dumps(rows))
    return number


def watch_memory(photographs, labels, thousands: int):
    """Resident memory after every thousand samples."""
    dataset = coco_dataset(photographs, labels, input_size=SIZE, batch_size=10, repeat=-1, seed=0)
    batches = iter(dataset)
    for thousand in range(thousands + 1):
        print(f"after {1000 * thousand} samples: {resident_mb():.0f} MB", flush=True)
        for _ in range(100):
            next(batches)


def resident_mb() -> float:
    """Memory of this process now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
