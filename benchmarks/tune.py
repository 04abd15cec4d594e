"""Search the arguments of `decode_poses` that suit a network: one after the other, on maps that are kept.

    python benchmarks/tune.py IMAGES LABELS --maps FOLDER [--model mine.keras] [--flip] [--scales 1 2]

Runs the network once on every photograph and keeps the maps in FOLDER. Then it tries the values of GRID, one
argument at a time, keeps a value that raises AP, and goes round until none does. Prints every trial and, in
the end, the arguments to pass to `predict_poses`. Choose photographs that the network was not trained on.
"""

import argparse
from pathlib import Path

import keras
import numpy as np
from detection import false_positives
from pycocotools.coco import COCO
from tqdm import tqdm

import keras_openpose as ko
from keras_openpose.evaluation import coco_figures
from keras_openpose.geometry import resize_coordinates
from keras_openpose.inference.forward import forward_pass
from keras_openpose.inference.looks import average_maps

GRID = {
    "heatmap_sigma": (0, 0.3, 0.5, 0.7, 1.0),
    "peak_weight": (0, 0.4, 0.75, 1.2, 2.0),
    "peak_threshold": (0.01, 0.02, 0.04, 0.07, 0.1),
    "sample_threshold": (0.01, 0.02, 0.04, 0.07),
    "sample_fraction": (0.4, 0.5, 0.6, 0.7, 0.8),
    "merge_distance": (0, 1.0, 1.5, 2.0, 3.0),
    "min_score": (0.1, 0.15, 0.2, 0.25, 0.3),
    "min_peak_score": (0.3, 0.4, 0.5, 0.6),
}
LEAST_GAIN = 0.05  # of AP; less is chance


def choose_photographs(labels: Path, count: int) -> COCO:
    """The labels of so many photographs of people, evenly chosen."""
    truth = COCO(str(labels))
    labeled = sorted({person["image_id"] for person in truth.anns.values() if person["num_keypoints"]})
    truth.imgs = {n: truth.imgs[n] for n in labeled[:: max(1, len(labeled) // count)]}
    return truth


def keep_maps(model, images: Path, truth: COCO, folder: Path, look: dict) -> dict[int, Path]:
    """Files of the maps by image id; those that are there are not computed again."""
    folder.mkdir(parents=True, exist_ok=True)
    forward, files = forward_pass(model, ko.COCO_18), {}
    for image_id, record in tqdm(truth.imgs.items(), desc="Maps", unit="image"):
        files[image_id] = folder / f"{image_id}.npz"
        if not files[image_id].exists():
            photograph = ko.read_image(images / record["file_name"])
            maps, pixels = average_maps(forward, [photograph], ko.COCO_18, **look)
            np.savez(files[image_id], maps=maps[0].astype(np.float16), pixels=pixels[0])
    return files


def measure(truth: COCO, maps: dict, options: dict) -> tuple[float, float]:
    """AP, and false positives a photograph."""
    found = []
    for image_id, (heatmaps, pafs, pixels) in maps.items():
        poses = ko.decode_poses(heatmaps, pafs, **options)
        poses.keypoints[:] = resize_coordinates(poses.keypoints, pixels)
        found += ko.poses_to_coco(poses, image_id)
    return coco_figures(truth, found, list(truth.imgs))["AP"], false_positives(truth, found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--maps", type=Path, required=True)
    parser.add_argument("--model", help="a .keras file. Defaults to the network of the package")
    parser.add_argument("--count", type=int, default=500, help="photographs, evenly chosen")
    parser.add_argument("--input-size", type=int, nargs=2, default=(368, 432))
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0])
    parser.add_argument("--flip", action="store_true")
    arguments = parser.parse_args()
    truth = choose_photographs(arguments.labels, arguments.count)
    model = keras.models.load_model(arguments.model, compile=False) if arguments.model else ko.from_preset()
    look = {"size": tuple(arguments.input_size), "scales": arguments.scales, "flip": arguments.flip}
    files = keep_maps(model, arguments.images, truth, arguments.maps, look)

    background = ko.COCO_18.num_keypoints + 1
    maps = {}
    for image_id, file in files.items():
        kept = np.load(file)
        heatmaps, pafs = np.split(kept["maps"].astype(np.float32), [background], axis=-1)
        maps[image_id] = heatmaps, pafs, kept["pixels"]
    chosen = {}
    best, lone = measure(truth, maps, chosen)
    print(f"{len(maps)} photographs; defaults: AP {best:.2f}, {lone:.2f} false positives a photograph")
    changed = True
    while changed:
        changed = False
        for name, values in GRID.items():
            for value in values:
                if value == chosen.get(name):
                    continue
                ap, lone = measure(truth, maps, {**chosen, name: value})
                mark = ap > best + LEAST_GAIN
                print(f"{name}={value}: AP {ap:.2f}, {lone:.2f}{' *' if mark else ''}", flush=True)
                if mark:
                    best, changed, chosen = ap, True, {**chosen, name: value}
    print(f"AP {best:.2f} with {chosen}")


if __name__ == "__main__":
    main()
