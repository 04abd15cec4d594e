"""Fills a folder for `gpu.sh`: scripts, wheels, photographs and labels, small enough to travel.

    python benchmarks/gpu_pack.py FOLDER IMAGES LABELS [--length 384] [--mebibytes 40] [--python 3.12]

IMAGES and LABELS are a folder and its COCO keypoint file. Runs where TensorFlow is, which the regions that
training ignores need. The wheels are for Linux on x86-64 and that Python; JAX and PyTorch must be there
already, and what they need. Without `--python`, no wheels.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
from device_training import REGION_STRIDE

from keras_openpose import COCO_18, PoseSample, Skeleton
from keras_openpose.data.coco import coco_samples
from keras_openpose.data.masks import draw_mask, pack_regions
from keras_openpose.data.samples import fill_derived, people_to_center
from keras_openpose.geometry import cell_to_pixel, resize_coordinates

SCRIPTS = "gpu*.*", "device_training.py", "networks.py"
# What a Python with JAX, PyTorch, h5py and OpenCV lacks.
WHEELS = "keras", "namex", "optree", "pycocotools"
PLATFORMS = "manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"
QUALITY = 80  # of the JPEG files
LEAST = {"min_keypoints": 5, "min_area": 32**2}  # as `coco_dataset` has them for people


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("images")
    parser.add_argument("labels")
    parser.add_argument("--length", type=int, default=384, help="of the longer side of a photograph")
    parser.add_argument("--mebibytes", type=float, default=40, help="of photographs, at most")
    parser.add_argument("--python", help="version to get wheels for, such as 3.12")
    arguments = parser.parse_args()
    pack_code(arguments.folder, arguments.python)
    (arguments.folder / "photographs").mkdir(parents=True, exist_ok=True)
    packed, left = [], arguments.mebibytes * 2**20
    for sample in coco_samples(arguments.images, arguments.labels):
        crowds = any(isinstance(region, dict) for region in sample.ignore)  # run lengths do not shrink
        if crowds or not people_to_center(sample, COCO_18, **LEAST):
            continue
        sample = shrink(sample, arguments.length)
        path = arguments.folder / "photographs" / f"{len(packed):05}.jpg"
        data = cv2.imencode(".jpg", sample.image[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1]
        left -= len(data)
        if left < 0:
            break
        path.write_bytes(data.tobytes())
        packed.append(replace(sample, image=path))
    labels = tabulate(packed, COCO_18, arguments.length)
    np.savez_compressed(arguments.folder / "labels.npz", **labels)
    print(f"{len(packed)} photographs, {len(labels['photographs'])} crops", flush=True)


def pack_code(folder: Path, python: str | None):
    """Put this package and what else is missing as wheels into a folder, and the scripts."""
    here, wheels = Path(__file__).parent, folder / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)  # two versions of one would not install
    wheels.mkdir(parents=True)
    for pattern in SCRIPTS:
        for path in here.glob(pattern):
            shutil.copy2(path, folder)
    if python is None:
        return
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", wheels, here.parent], check=True)
    target = ["--python-version", python, "--implementation", "cp", "--only-binary", ":all:", "--no-deps"]
    target += [f"--platform={platform}" for platform in PLATFORMS]
    subprocess.run([*pip, "download", *target, "--dest", wheels, *WHEELS], check=True)


def shrink(sample: PoseSample, length: int) -> PoseSample:
    """The sample with its photograph read, and no side of it longer than `length`."""
    image = cv2.imread(str(sample.image))[..., ::-1]
    scale = min(1.0, length / max(image.shape[:2]))
    size = tuple(max(1, round(side * scale)) for side in image.shape[:2])
    factors = np.divide(size, image.shape[:2])[::-1]
    image = cv2.resize(np.ascontiguousarray(image), size[::-1], interpolation=cv2.INTER_AREA)
    return PoseSample(
        image,
        resize_coordinates(sample.keypoints, factors).astype(np.float32),
        boxes=sample.boxes * np.tile(factors, 2),
        areas=sample.areas * factors.prod(),
        ignore=[resize_coordinates(polygon, factors) for polygon in sample.ignore],
        image_id=sample.image_id,
    )


def tabulate(samples: Sequence[PoseSample], skeleton: Skeleton, length: int) -> dict[str, np.ndarray]:
    """Labels as arrays of one size, for `CropTrainer`.

    Args:
        samples: people in photographs of at most `length` pixels a side, sizes known.
        skeleton: names the derived keypoints.
        length: decides the size of the bitmaps.

    Returns:
        Of photographs: `keypoints` `(photographs, people, keypoints, 2)`, NaN where absent; `sizes`
        `(photographs, 2)`; `counts` `(photographs, cells, cells)`, 0 where training ignores. Of crops:
        `boxes` `(crops, 4)` and `photographs` `(crops,)`.
    """
    chosen = [people_to_center(sample, skeleton, **LEAST) for sample in samples]
    most = max(len(sample.keypoints) for sample in samples)
    keypoints = np.full((len(samples), most, skeleton.num_keypoints, 2), np.nan, np.float32)
    for row, sample in zip(keypoints, samples, strict=True):
        row[: len(sample.keypoints)] = fill_derived(sample.keypoints, skeleton)
    cells = length // REGION_STRIDE + 1
    rows, columns = (cell_to_pixel(index.ravel(), REGION_STRIDE) for index in np.indices((cells, cells)))
    points = tf.constant(np.stack([columns, rows], axis=1), tf.float32)
    counts = [draw_mask(tf.constant(pack_regions(sample.ignore)), points) for sample in samples]
    return {
        "keypoints": keypoints,
        "sizes": np.array([sample.size for sample in samples], np.float32),
        "counts": np.reshape(counts, (len(samples), cells, cells)).astype(np.uint8),
        "photographs": np.repeat(np.arange(len(samples)), [len(people) for people in chosen]).astype(
            np.int32
        ),
        "boxes": np.concatenate(
            [sample.boxes[people] for sample, people in zip(samples, chosen, strict=True)]
        ).astype(np.float32),
    }


if __name__ == "__main__":
    main()
