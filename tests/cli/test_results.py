"""What `detect` writes of a camera or stream."""

import time

import cv2
import numpy as np

from keras_openpose import COCO_18, Poses
from keras_openpose.cli.results import Results


def test_the_video_of_a_camera_keeps_its_speed_when_frames_are_left_out(tmp_path):
    nobody = Poses(np.zeros((0, 18, 2)), np.zeros((0, 18)), np.zeros(0), COCO_18)

    def frames():
        for _ in range(3):
            time.sleep(0.2)
            yield np.zeros((48, 64, 3), np.uint8), nobody

    camera = tmp_path / "camera_0"
    results = Results(tmp_path, {camera: ""}, json_form=None, background="image")
    results.write_frames(camera, frames(), fps=20, live=True)
    written = cv2.VideoCapture(str(tmp_path / "camera_0.mp4")).get(cv2.CAP_PROP_FRAME_COUNT)
    assert written >= 0.6 * 20 - 1
