"""The orientation that a file states, in the formats that TensorFlow reads."""

import random

import cv2
import numpy as np
import pytest

from keras_openpose import read_image
from keras_openpose.data.exif import HEAD, read_orientation

PHOTOGRAPH = cv2.resize(
    np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8), (40, 30), interpolation=cv2.INTER_LINEAR
)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_found_that_opencv_heeds(orientation, suffix, write_turned, tmp_path):
    path = write_turned(tmp_path / f"turned{suffix}", PHOTOGRAPH, orientation)
    assert read_orientation(path.read_bytes()[:HEAD]) == orientation
    assert np.abs(read_image(path).astype(int) - PHOTOGRAPH).mean() < 3


def test_of_a_file_that_states_none_the_pixels_stay(tmp_path):
    for name in ("a.jpg", "a.png", "a.bmp"):
        cv2.imwrite(str(tmp_path / name), PHOTOGRAPH)
        assert read_orientation((tmp_path / name).read_bytes()) == 1
    assert read_orientation(b"") == 1


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_damaged_files_are_no_error(suffix, write_turned, tmp_path):
    whole = write_turned(tmp_path / f"turned{suffix}", PHOTOGRAPH, 6).read_bytes()
    rng = random.Random(0)
    for length in range(100):
        noise = rng.randbytes(50)
        assert 1 <= read_orientation(whole[:length]) <= 8
        assert 1 <= read_orientation(whole[:length] + noise) <= 8
