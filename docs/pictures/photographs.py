"""Draws the pictures of the documentation that show photographs. SOURCES.txt says where these come from.

python docs/pictures/photographs.py
"""

from pathlib import Path

import cv2
import numpy as np

import keras_openpose as ko
from keras_openpose.inference.crops import Crop
from keras_openpose.inference.squares import face_boxes, hand_boxes

FOLDER = Path(__file__).parent
PHOTOGRAPHS = Path(ko.__file__).parent / "photographs"
SIZE = 384
# These people fill the picture: larger, they are larger than those of the training.
LOOK = {"input_size": (272, 272), "flip": True, "refine": True}


def photographer(model):
    """The photograph, what the network sees in it, stage by stage, and whom `predict_poses` finds."""
    image = ko.read_image(PHOTOGRAPHS / "photographer.jpg")
    maps = model(cv2.resize(image, LOOK["input_size"], interpolation=cv2.INTER_AREA)[None].astype("float32"))
    heatmaps, pafs = (np.asarray(maps[name][0, -1]) for name in ("heatmaps", "pafs"))
    write("stages.jpg", [ko.draw_pafs(image, stage) for stage in np.asarray(maps["pafs"][0])])
    people = ko.draw_poses(image, ko.predict_poses(model, image, **LOOK))
    write("photographer.jpg", [image, ko.draw_heatmaps(image, heatmaps), ko.draw_pafs(image, pafs), people])


def astronaut(model):
    """A close-up, in clothes that COCO does not show."""
    image = ko.read_image(PHOTOGRAPHS / "astronaut.jpg")
    write("astronaut.jpg", [image, ko.draw_poses(image, ko.predict_poses(model, image, **LOOK))])


def crops(model):
    """What the networks of hands and faces get to see: squares on the photographs, and what is cut out."""
    image = ko.read_image(PHOTOGRAPHS / "photographer.jpg")
    poses = ko.predict_poses(model, image, max_people=1, **LOOK)
    right, left = (Crop(image, hand_boxes(poses, side)[0], side == "left") for side in ("right", "left"))
    panels = [with_squares(image, poses, [right, left]), right.pixels(SIZE), left.pixels(SIZE)]
    image = ko.read_image(PHOTOGRAPHS / "astronaut.jpg")
    poses = ko.predict_poses(model, image, max_people=1, **LOOK)
    face = Crop(image, face_boxes(poses)[0], mirrored=False)
    write("crops.jpg", [*panels, with_squares(image, poses, [face]), face.pixels(SIZE)])


def with_squares(image, poses, crops):
    """The people, and the squares around their hands or faces."""
    picture = ko.draw_poses(image, poses)
    for crop in crops:
        x, y, side, _ = (round(value) for value in crop.box)
        cv2.rectangle(picture, (x, y), (x + side, y + side), (255, 255, 255), 3, cv2.LINE_AA)
    return cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def write(name, panels):
    """Writes RGB pictures side by side."""
    row = np.concatenate(panels, axis=1)
    cv2.imwrite(str(FOLDER / name), row[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    network = ko.from_preset()
    photographer(network)
    astronaut(network)
    crops(network)
