"""Why people are not found: count the steps of decoding at which they are lost.

    python benchmarks/lost_people.py IMAGES LABELS --maps FOLDER [--model mine.keras] [--count 500]

Runs the network once on every photograph and keeps the maps in FOLDER, which `tune.py` can share. A person is
found if some pose has an OKS of at least 0.5. For the others the first reason that holds counts: found
without the score rules; six of ten keypoints have a peak near them; or have one that is too low; or none.
"""

import argparse
from collections import Counter
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm
from tune import choose_photographs, keep_maps

import keras_openpose as ko
from keras_openpose.geometry import resize_coordinates

REASONS = ("found", "dropped by score", "joined wrongly", "peaks too low", "no peaks")
SIGMAS = np.array(ko.COCO_18.sigmas)
ANY_SCORE = {"min_score": 0, "min_peak_score": 0}
LOWEST = 0.004  # of a peak that counts as seen, a fifth of the decoder's default
ENOUGH = 0.6  # of a person's keypoints
MEDIUM, LARGE = 32**2, 96**2  # square pixels, COCO's


def read_people(annotations: list[dict], names: list[str]) -> np.ndarray:
    """Labeled keypoints in the order of `COCO_18`, `(people, keypoints, 2)`, NaN where there is none."""
    labels = np.array([person["keypoints"] for person in annotations], float).reshape(-1, len(names), 3)
    labels[labels[..., 2] == 0] = np.nan
    people = np.full((len(labels), ko.COCO_18.num_keypoints, 2), np.nan)
    for n, name in enumerate(ko.COCO_18.keypoints):
        if name in names:
            people[:, n] = labels[:, names.index(name), :2]
    return people


def similarities(poses: ko.Poses, people: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """COCO's similarity of each keypoint, `(poses, people, keypoints)`, NaN where one lacks a label."""
    squares = ((poses.keypoints[:, None] - people) ** 2).sum(axis=-1)
    seen = np.exp(-squares / (2 * areas[:, None] * (2 * SIGMAS) ** 2))
    return np.where(np.isnan(people[..., 0]), np.nan, np.nan_to_num(seen))


def is_found(poses: ko.Poses, people: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Whether each person has a pose, `(people,)`."""
    oks = np.nanmean(similarities(poses, people, areas), axis=-1)
    return (oks >= 0.5).any(axis=0)


def have_peaks(heatmaps, pixels, people: np.ndarray, areas: np.ndarray, threshold: float) -> np.ndarray:
    """Whether enough keypoints of each person have a peak near them, `(people,)`."""
    near = np.zeros(people.shape[:2])
    for n, name in enumerate(ko.COCO_18.keypoints):
        alone = ko.Skeleton(name, keypoints=[name])
        channels = heatmaps[..., [n, -1]]
        rules = {"peak_threshold": threshold, "min_peak_score": 0, "min_score": 0}
        dots = ko.decode_poses(channels, heatmaps[..., :0], skeleton=alone, **rules)
        squares = ((resize_coordinates(dots.keypoints, pixels) - people[:, n]) ** 2).sum(axis=-1)
        similarity = np.exp(-squares / (2 * areas * (2 * SIGMAS[n]) ** 2))
        near[:, n] = (similarity >= 0.5).any(axis=0)
    labeled = ~np.isnan(people[..., 0])
    return (near * labeled).sum(axis=1) >= ENOUGH * labeled.sum(axis=1)


def decode(heatmaps, pafs, pixels, **options) -> ko.Poses:
    poses = ko.decode_poses(heatmaps, pafs, **options)
    poses.keypoints[:] = resize_coordinates(poses.keypoints, pixels)
    return poses


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--maps", type=Path, required=True)
    parser.add_argument("--model", help="a .keras file. Defaults to the network of the package")
    parser.add_argument("--count", type=int, default=500, help="photographs, evenly chosen")
    parser.add_argument("--input-size", type=int, nargs=2, default=(368, 432))
    arguments = parser.parse_args()
    truth = choose_photographs(arguments.labels, arguments.count)
    names = truth.loadCats(truth.getCatIds())[0]["keypoints"]
    model = keras.models.load_model(arguments.model, compile=False) if arguments.model else ko.from_preset()
    options = {name: value for name, value in model.predict_options.items() if name != "input_size"}
    files = keep_maps(model, arguments.images, truth, arguments.maps, {"size": tuple(arguments.input_size)})

    counts = {"medium": Counter(), "large": Counter()}
    for image_id, file in tqdm(files.items(), desc="Counting", unit="image"):
        kept = np.load(file)
        maps, pixels = kept["maps"].astype(np.float32), kept["pixels"]
        heatmaps, pafs = np.split(maps, [ko.COCO_18.num_keypoints + 1], axis=-1)
        labeled = [person for person in truth.imgToAnns[image_id] if person["num_keypoints"]]
        people, areas = read_people(labeled, names), np.array([person["area"] for person in labeled])
        steps = (
            is_found(decode(heatmaps, pafs, pixels, **options), people, areas),
            is_found(decode(heatmaps, pafs, pixels, **{**options, **ANY_SCORE}), people, areas),
            have_peaks(heatmaps, pixels, people, areas, options.get("peak_threshold", 0.02)),
            have_peaks(heatmaps, pixels, people, areas, LOWEST),
            np.ones(len(people), bool),
        )
        for reason, area in zip(np.argmax(steps, axis=0), areas, strict=True):
            if area >= MEDIUM:
                counts["large" if area >= LARGE else "medium"][REASONS[reason]] += 1

    print(f"| people | {' | '.join(REASONS)} |\n{'|---' * (len(REASONS) + 1)}|")
    for size, count in counts.items():
        shares = " | ".join(f"{100 * count[reason] / count.total():.0f}%" for reason in REASONS)
        print(f"| {count.total()} {size} | {shares} |")


if __name__ == "__main__":
    main()
