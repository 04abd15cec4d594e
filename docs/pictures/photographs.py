"""Draws the pictures of the documentation that show photographs. SOURCES.txt says where these come from.

python docs/pictures/photographs.py
"""

from pathlib import Path

import cv2
import numpy as np

import keras_openpose as ko

FOLDER = Path(__file__).parent
PHOTOGRAPHS = Path(ko.__file__).parent / "photographs"
LOOK = {"input_size": (384, 384), "flip": True, "refine": True}


def photographer(model):
    """The photograph, what the network sees in it, stage by stage, and whom `predict_poses` finds."""
    image = ko.read_image(PHOTOGRAPHS / "photographer.jpg")
    maps = model(image[None].astype("float32"))
    heatmaps, pafs = (np.asarray(maps[name][0, -1]) for name in ("heatmaps", "pafs"))
    write("stages.jpg", [ko.draw_pafs(image, stage) for stage in np.asarray(maps["pafs"][0])])
    people = ko.draw_poses(image, ko.predict_poses(model, image, **LOOK))
    write("photographer.jpg", [image, ko.draw_heatmaps(image, heatmaps), ko.draw_pafs(image, pafs), people])


def astronaut(model):
    """A close-up, in clothes that COCO does not show."""
    image = ko.read_image(PHOTOGRAPHS / "astronaut.jpg")
    write("astronaut.jpg", [image, ko.draw_poses(image, ko.predict_poses(model, image, **LOOK))])


def write(name, panels):
    """Writes RGB pictures side by side."""
    row = np.concatenate(panels, axis=1)
    cv2.imwrite(str(FOLDER / name), row[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    network = ko.from_preset()
    photographer(network)
    astronaut(network)
