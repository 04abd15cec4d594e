"""Draws the pictures of the documentation that show photographs. SOURCES.txt says where these come from.

pip install scikit-image && python docs/pictures/photographs.py
"""

from pathlib import Path

import cv2
import numpy as np
import skimage

import keras_openpose as ko

FOLDER = Path(__file__).parent
SIZE = 384


def photographer(model):
    """The photograph, what the network sees in it, stage by stage, and whom `predict_poses` finds."""
    image = cv2.resize(ko.read_image(photograph("camera")), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    maps = model(image[None].astype("float32"))
    heatmaps, pafs = (np.asarray(maps[name][0, -1]) for name in ("heatmaps", "pafs"))
    stages = np.asarray(maps["pafs"][0])
    write("stages.jpg", [ko.draw_pafs(image, stages[n]) for n in range(len(stages))])
    found = ko.predict_poses(model, image, input_size=(SIZE, SIZE), flip=True, refine=True)
    people = ko.draw_poses(image, found)
    write("photographer.jpg", [image, ko.draw_heatmaps(image, heatmaps), ko.draw_pafs(image, pafs), people])


def astronaut(model):
    """A close-up, in clothes that COCO does not show."""
    image = ko.read_image(photograph("astronaut"))
    write("astronaut.jpg", [image, ko.draw_poses(image, ko.predict_poses(model, image, flip=True, refine=True))])


def photograph(name):
    return Path(skimage.__file__).parent / "data" / f"{name}.png"


def write(name, panels):
    """Writes RGB pictures side by side."""
    row = np.concatenate(panels, axis=1)
    cv2.imwrite(str(FOLDER / name), row[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    network = ko.from_preset()
    photographer(network)
    astronaut(network)
