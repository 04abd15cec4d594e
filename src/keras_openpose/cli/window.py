"""A window on the screen, where there is one."""

import os
import sys

import cv2
import numpy as np

from keras_openpose.cli.results import draw_on
from keras_openpose.poses import Poses, WholeBody

_ENDS = (ord("q"), 27)  # q and Esc


class Window:
    """Shows people in a window.

    Args:
        background: what people are drawn on, `"image"` or `"black"`.

    Attributes:
        closed: whether it was ended by a key.

    Raises:
        ValueError: there is no display, or OpenCV was built without windows.
    """

    def __init__(self, background: str):
        self.closed, self._background = False, background
        # The environment is asked first: without a display some builds of OpenCV end the process.
        if sys.platform.startswith("linux") and not ({"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ)):
            raise ValueError("there is no display here; write to a folder with --output instead")
        try:
            cv2.namedWindow("keras-openpose", cv2.WINDOW_NORMAL)
        except cv2.error as error:
            raise ValueError(
                "this OpenCV has no windows (opencv-python-headless?); write to a folder with --output"
            ) from error

    def show(self, image: np.ndarray, poses: Poses | WholeBody, *, wait: bool = False) -> bool:
        """Show an image and its people; with `wait` until a key is pressed. False if a key ended it."""
        cv2.imshow("keras-openpose", draw_on(self._background, image, poses)[..., ::-1])
        self.closed = cv2.waitKey(0 if wait else 1) in _ENDS
        return not self.closed
