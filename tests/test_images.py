"""Photographs in: files and arrays of every kind, and what a bad one is told."""

import os
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
from PIL import Image

from keras_openpose import read_image
from keras_openpose.images import to_rgb


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """RGB noise, smooth enough for JPEG, `(40, 60, 3)`."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


def written(path, rgb, *options):
    assert cv2.imwrite(
        str(path), rgb[..., [2, 1, 0, *range(3, rgb.shape[2])]] if rgb.ndim == 3 else rgb, *options
    )
    return path


def test_a_photograph_is_read_as_rgb(tmp_path, photograph):
    image = read_image(written(tmp_path / "photograph.png", photograph))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, photograph)


def test_a_path_may_be_text_and_outside_of_ascii(tmp_path, photograph):
    path = tmp_path / "Фото 写真.png"
    path.write_bytes(written(tmp_path / "plain.png", photograph).read_bytes())
    np.testing.assert_array_equal(read_image(str(path)), photograph)


KINDS = {
    "gray": lambda rgb: rgb[..., 0],
    "RGBA": lambda rgb: np.dstack([rgb, rgb[..., :1] // 2]),
    "16 bits": lambda rgb: rgb.astype(np.uint16) * 257,
    "16 bits, the other byte first": lambda rgb: (rgb.astype(np.uint16) * 257).astype(">u2"),
    "16 bits and gray": lambda rgb: rgb[..., 0].astype(np.uint16) * 257,
    "16 bits and RGBA": lambda rgb: np.dstack([rgb, rgb[..., :1]]).astype(np.uint16) * 257,
}


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"16 bits, the other byte first"}))
def test_files_of_every_kind_become_rgb_of_eight_bits(tmp_path, photograph, kind):
    image = read_image(written(tmp_path / "image.png", KINDS[kind](photograph)))
    expected = photograph[..., [0, 0, 0]] if "gray" in kind else photograph
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_of_every_kind_become_rgb(photograph, kind):
    expected = photograph[..., [0, 0, 0]] if "gray" in kind else photograph
    np.testing.assert_array_equal(to_rgb(KINDS[kind](photograph)), expected)


def test_a_grey_array_may_have_a_channel_axis(photograph):
    np.testing.assert_array_equal(to_rgb(photograph[..., :1]), photograph[..., [0, 0, 0]])


@pytest.mark.parametrize("mode", ["RGB", "P", "CMYK", "L"])
def test_images_of_pil_become_rgb(mode, photograph):
    image = Image.fromarray(photograph).convert(mode)
    np.testing.assert_array_equal(to_rgb(image), np.asarray(image.convert("RGB")))


def test_images_of_pil_with_16_bits_are_as_arrays():
    gray = np.linspace(0, 65535, 16).astype(np.uint16).reshape(4, 4)
    np.testing.assert_array_equal(to_rgb(Image.fromarray(gray)), to_rgb(gray))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_photograph_may_come_through_a_pipe(tmp_path, photograph):
    os.mkfifo(tmp_path / "pipe")
    data = cv2.imencode(".png", photograph[..., ::-1])[1].tobytes()
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,), daemon=True)
    writer.start()
    np.testing.assert_array_equal(read_image(tmp_path / "pipe"), photograph)
    writer.join()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_arrays_keep_their_values(dtype):
    image = np.array([[[0, 127.5, 255]]], dtype)
    assert to_rgb(image).dtype == np.float32
    np.testing.assert_array_equal(to_rgb(image), image)


def test_a_photograph_held_sideways_is_turned_upright(tmp_path):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:, :16] = 255  # the left half is white
    stored = np.rot90(upright)  # a quarter turn to the left, which orientation 6 undoes
    data = cv2.imencode(".jpg", stored)[1].tobytes()
    exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (tmp_path / "sideways.jpg").write_bytes(data[:2] + segment + data[2:])
    image = read_image(tmp_path / "sideways.jpg")
    assert image.shape == (16, 32, 3)
    assert image[:, :14].min() > 240
    assert image[:, 18:].max() < 15


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("kept", [0, 0.02, 0.5, 0.95], ids="{:.0%} of it left".format)
def test_a_cut_off_file_is_an_error_with_its_name_and_length(tmp_path, photograph, suffix, kept):
    path = written(tmp_path / f"cut{suffix}", photograph)
    data = path.read_bytes()
    length = int(kept * len(data))
    path.write_bytes(data[:length])
    with pytest.raises(ValueError, match="Not an image that OpenCV can read, or a damaged one") as error:
        read_image(path)
    assert str(path) in str(error.value)
    assert f"({length} bytes)" in str(error.value)


def test_random_bytes_are_no_image(tmp_path):
    path = tmp_path / "noise.jpg"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(ValueError, match=r"Not an image that OpenCV can read.*noise\.jpg"):
        read_image(path)


def test_a_file_of_another_kind_is_no_image(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text('{"images": []}')
    with pytest.raises(ValueError, match=r"Not an image that OpenCV can read.*labels\.json"):
        read_image(path)


@pytest.mark.parametrize("name", ["missing.png", "."])
def test_a_missing_file_or_a_folder_is_named(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="No such image file") as error:
        read_image(tmp_path / name)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        pytest.param(np.zeros((4, 4, 2), np.uint8), r"Received: \(4, 4, 2\)", id="two channels"),
        pytest.param(np.zeros(4, np.uint8), r"Received: \(4,\)", id="a row"),
        pytest.param(np.zeros((2, 4, 4, 3), np.uint8), r"Received: \(2, 4, 4, 3\)", id="a batch"),
        pytest.param(np.zeros((0, 4, 3), np.uint8), "with at least one pixel", id="no pixels"),
        pytest.param(
            np.zeros((3, 4, 5), np.uint8),
            r"\(3, 4, 5\)\. Channels must come last: `image.transpose\(1, 2, 0\)`\.",
            id="channels first",
        ),
        pytest.param(
            np.zeros((4, 4, 3), int), "must be uint8, uint16 or float.*int64", id="integers of 64 bits"
        ),
        pytest.param(np.zeros((4, 4, 3), bool), "must be uint8, uint16 or float.*bool", id="booleans"),
        pytest.param(np.full((4, 4, 3), np.nan), "must hold finite values", id="NaN"),
        pytest.param(np.full((4, 4, 3), np.inf), "must hold finite values", id="infinity"),
    ],
)
def test_an_array_that_is_no_image_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        to_rgb(image)


def test_floats_that_end_at_one_are_warned_of(photograph):
    with pytest.warns(UserWarning, match="0 to 255. Received floats of at most 1, .* multiply them"):
        to_rgb(photograph / photograph.max())


def test_opencv_without_its_system_libraries_is_one_clear_error(tmp_path):
    message = "libGL.so.1: cannot open shared object file"
    (tmp_path / "cv2.py").write_text(f"raise ImportError({message!r})")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import keras_openpose"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    for part in ("OpenCV could not be imported", "libgl1", "opencv-python-headless", message):
        assert part in last
