"""Draws the pictures of the documentation that show the package at work.

python docs/pictures/draw.py
"""

import tempfile
from pathlib import Path

import cv2
import numpy as np

import keras_openpose as ko
from keras_openpose.cli import main
from keras_openpose.geometry import cell_to_pixel
from keras_openpose.inference import decoding

FOLDER = Path(__file__).parent
SIZE = (384, 384)


def overview():
    """What the demo shows: scenes, maps, people."""
    with tempfile.TemporaryDirectory() as folder:
        main(["demo", "--scenes", "4", "--output", folder])
        picture = cv2.imread(str(Path(folder, "overview.png")))
    cv2.imwrite(str(FOLDER / "overview.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 88])


def thresholds():
    """A crowd, decoded with three values of `min_score`."""
    model = ko.from_preset("demo_synthetic")
    image = ko.synthetic_people(1, size=SIZE, people=(4, 4), seed=13, progress=False)[0][0]
    panels = []
    for min_score in (0.1, 0.3, 0.6):
        poses = ko.predict_poses(model, image, input_size=SIZE, min_score=min_score, min_peak_score=min_score)
        panel = ko.draw_poses(image, poses)
        text = f"min_score={min_score}: {len(poses)} people"
        cv2.putText(panel, text, (8, 24), cv2.FONT_HERSHEY_DUPLEX, 0.7, (40, 40, 40), 1, cv2.LINE_AA)
        panels.append(panel)
    cv2.imwrite(str(FOLDER / "thresholds.png"), np.concatenate(panels, axis=1)[..., ::-1])


def steps():
    """From maps to people: the peaks, all pairs of them, those that a PAF runs between, the people."""
    model = ko.from_preset("demo_synthetic")
    image = ko.synthetic_people(1, size=SIZE, people=(2, 3), seed=10, progress=False)[0][0]
    maps = model(image[None].astype("float32"))
    heatmaps, pafs = (np.asarray(maps[name][0, -1]) for name in ("heatmaps", "pafs"))
    peaks = decoding._find_peaks(heatmaps, 0.1)
    _, *pairs = decoding._candidate_pairs(peaks.keypoint, ko.COCO_18)
    *limbs, _ = decoding._find_limbs(pafs, peaks, ko.COCO_18, 10, 0.1, 0.8)
    places = np.rint(cell_to_pixel(peaks.cells.T, 8)).astype(int)
    panels = []
    for start, end in ([], []), pairs, limbs:
        panel = image // 2
        for n, m in zip(start, end, strict=True):
            cv2.line(panel, places[n].tolist(), places[m].tolist(), (255, 255, 255), 1, cv2.LINE_AA)
        for place in places:
            cv2.circle(panel, place.tolist(), 4, (255, 220, 0), -1, cv2.LINE_AA)
        panels.append(panel)
    panels.append(ko.draw_poses(image, ko.decode_poses(heatmaps, pafs)))
    row = np.concatenate(panels, axis=1)
    cv2.imwrite(str(FOLDER / "steps.jpg"), row[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    overview()
    steps()
    thresholds()
