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
from keras_openpose.data import dataset as loader
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
        "heatmaps": crops.map(lambda c: loader.heatmap_targets(keypoints(c), size=cells)),
        "PAFs": crops.map(lambda c: loader.paf_targets(keypoints(c), skeleton=COCO_18, size=cells)),
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
        before, start, busy = resident_mb(), time.perf_counter(), time.process_time()
        samples = loader.coco_samples(folder, path)
        read = time.perf_counter()
        loader._tabulate(samples, COCO_18, SIZE, Augmentation(), cache=False)
        done, busy = time.perf_counter(), time.process_time() - busy
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"read {read - start:.1f} s, laid out {done - read:.1f} s, together {done - start:.1f} s")
        print(f"of which on a processor {busy:.1f} s")
        print(f"memory: at most {peak:.0f} MB, of which {before:.0f} MB before it began")


def write_labels(path: Path, images: int, seed: int = 0) -> int:
    """Like COCO's train2017: 2.2 people an image, 57% of them with keypoints, outlines of 25 corners.

    Written row by row, so that the memory measured later is not that of these rows.
    """
    rng, number = np.random.default_rng(seed), 0
    category = {"id": 1, "name": "person", "keypoints": list(COCO_KEYPOINTS)}
    with path.open("w") as file:
        file.write(json.dumps({"categories": [category]})[:-1] + ', "images": [')
        for image in range(images):
            row = {"id": image, "file_name": f"{image:012d}.jpg", "height": 480, "width": 640}
            file.write(", " * (image > 0) + json.dumps(row))
        file.write('], "annotations": [')
        for image in np.repeat(np.arange(images), rng.poisson(2.2, images)).tolist():
            number += 1
            file.write(", " * (number > 1) + json.dumps(person(rng, number, image)))
        file.write("]}")
    return number


def person(rng: np.random.Generator, number: int, image: int) -> dict:
    x, y = rng.uniform(0, 380, 2).round(2).tolist()
    labeled, crowd = rng.random() < 0.57, rng.random() < 0.04
    keypoints = np.zeros((len(COCO_KEYPOINTS), 3), int)
    if labeled:
        keypoints[:, :2], keypoints[:, 2] = rng.uniform((x, y), (x + 100, y + 100), (len(keypoints), 2)), 2
    angles = np.sort(rng.uniform(0, 2 * np.pi, 25))
    outline = np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng.uniform(30, 50, (25, 1)) + (
        x + 50,
        y + 50,
    )
    column = [100, 380]  # of a square of 100 pixels, and of what lies between it and the next column
    outline = outline.round(2).ravel().tolist()
    runs = [480 * int(x) + int(y), *column * 99, 100, 480 * (640 - int(x) - 99) - int(y) - 100]
    return {
        "id": number, "image_id": image, "category_id": 1, "iscrowd": int(crowd), "bbox": [x, y, 100, 100],
        "area": 7000.5, "num_keypoints": len(keypoints) * labeled, "keypoints": keypoints.ravel().tolist(),
        "segmentation": {"counts": runs, "size": [480, 640]} if crowd else [outline],
    }  # fmt: skip


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
