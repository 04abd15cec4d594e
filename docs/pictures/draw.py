"""Draws the pictures of the documentation that show the package at work.

python docs/pictures/draw.py
"""

import tempfile
from pathlib import Path

import cv2
import numpy as np

import keras_openpose as ko
from keras_openpose.cli import main

FOLDER = Path(__file__).parent
SIZE, INPUT_SIZE = (384, 384), (192, 192)


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
        poses = ko.predict_poses(
            model, image, input_size=INPUT_SIZE, min_score=min_score, min_peak_score=min_score
        )
        panel = ko.draw_poses(image, poses)
        text = f"min_score={min_score}: {len(poses)} people"
        cv2.putText(panel, text, (8, 24), cv2.FONT_HERSHEY_DUPLEX, 0.7, (255, 255, 255), 1, cv2.LINE_AA)
        panels.append(panel)
    cv2.imwrite(str(FOLDER / "thresholds.png"), np.concatenate(panels, axis=1)[..., ::-1])


if __name__ == "__main__":
    overview()
    thresholds()
