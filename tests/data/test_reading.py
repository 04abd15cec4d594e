"""Reading: only what an input shows, already shrunk, and where it then lies."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from keras_openpose.data.augmentation import invert, warp
from keras_openpose.data.reading import plan_reading, read_pixels, read_size

SIZE = (64, 96)  # of the input
FORMATS = {"jpg": (cv2.IMWRITE_JPEG_QUALITY, 100), "png": (), "bmp": ()}


@pytest.fixture(scope="module")
def photograph():
    """Soft clouds, brownish, `(301, 407, 3)`: a size that no ratio divides."""
    noise = np.random.default_rng(0).uniform(-1, 1, (301, 407))
    clouds = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 8), None, 0, 1, cv2.NORM_MINMAX)
    return np.rint(clouds[..., None] * (250, 230, 210)).astype(np.uint8)


@pytest.fixture(scope="module", params=FORMATS)
def write(request, tmp_path_factory):
    """Writes a photograph in each format that is read."""

    def write(photograph):
        path = str(tmp_path_factory.mktemp("photographs") / f"photograph.{request.param}")
        cv2.imwrite(path, photograph[..., ::-1], FORMATS[request.param])
        return path

    return write


@pytest.fixture(scope="module")
def path(write, photograph):
    return write(photograph)


def plan(to_input, size=(301, 407)):
    from_input = invert(tf.constant([to_input], tf.float32))
    planned = plan_reading(from_input, tf.constant([size]), size=SIZE)
    return {name: value[0] for name, value in planned.items()}


def affine(scale, angle=0.0, middle=(203.0, 150.0)):
    """A map that brings `middle` of the photograph to the middle of the input."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.concatenate([linear, ((47.5, 31.5) - linear @ middle)[:, None]], axis=1)


def seen(path, to_input, *, on_disk=True, size=(301, 407), border=128):
    planned = plan(to_input, size)
    source = path if on_disk else tf.io.read_file(path)
    photograph = [tf.constant(value) for value in (source, on_disk, size, 1)]
    pixels = read_pixels(*photograph, planned["reduction"], planned["window"])
    return warp(pixels, planned["to_pixels"], size=SIZE, border=border).numpy(), pixels


def test_the_size_of_a_file(path):
    assert read_size(path) == (301, 407)


def test_what_is_no_image_has_no_size(tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(tf.errors.InvalidArgumentError):
        read_size(tmp_path / "text.jpg")


SCALES = [(2.0, 0), (1.0, 0), (0.51, 0), (0.5, 1), (0.26, 1), (0.25, 2), (0.125, 3), (0.05, 3)]


@pytest.mark.parametrize(("scale", "reduction"), SCALES)
def test_a_photograph_is_decoded_at_the_least_size_not_below_the_input(scale, reduction):
    assert plan(affine(scale, angle=0.4))["reduction"] == reduction


@pytest.mark.parametrize("scale", [scale for scale, _ in SCALES if scale > 0.1])
def test_a_lit_dot_lies_where_the_map_takes_it(write, scale):
    place, to_input = (203 + 5 / scale, 150 - 3 / scale), affine(scale, angle=0.3)
    rows, columns = np.mgrid[:301, :407]
    square = (columns - place[0]) ** 2 + (rows - place[1]) ** 2
    dot = 250 * np.exp(-square / (2 * (4 / scale) ** 2))
    path = write(np.repeat(np.rint(dot)[..., None], 3, axis=2).astype(np.uint8))
    image, _ = seen(path, to_input, border=0)
    light = np.maximum(image[..., 1].astype(float) - 20, 0)  # without JPEG's noise in the dark
    rows, columns = np.indices(light.shape)
    found = np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum()
    # Half a pixel, of the photograph or of the input, is the usual mistake; JPEG's rounding makes a tenth.
    atol = 0.15 * max(1, scale)
    np.testing.assert_allclose(found, to_input[:, :2] @ place + to_input[:, 2], atol=atol)


@pytest.mark.parametrize("scale", [scale for scale, _ in SCALES if scale > 0.2])
def test_the_input_shows_what_opencv_shows(path, photograph, scale):
    to_input = affine(scale, angle=0.3)
    ours, _ = seen(path, to_input)
    # Shrunk with all pixels counted: blurred first by about half of the distance between those that are read.
    blurred = cv2.GaussianBlur(photograph, (0, 0), 0.35 / scale) if scale < 1 else photograph
    theirs = cv2.warpAffine(blurred, to_input, SIZE[::-1], borderValue=(128, 128, 128))
    inside = cv2.warpAffine(np.full((301, 407), 255, np.uint8), to_input, SIZE[::-1]) == 255
    assert inside.sum() > 500
    assert np.abs(ours.astype(float) - theirs)[inside].mean() < 1.5  # mostly that of libjpeg's faster ways


def test_only_the_part_in_sight_is_read(path):
    _, pixels = seen(path, affine(1.0))
    assert max(pixels.shape[0] - SIZE[0], pixels.shape[1] - SIZE[1]) <= 1


@pytest.mark.parametrize("middle", [(-500, 150), (203, 900), (0, 0), (406, 300)])
def test_at_and_beyond_the_border_there_is_grey(path, middle):
    image, pixels = seen(path, affine(1.0, middle=middle))
    assert min(pixels.shape) > 0
    gray = (image == 128).all(axis=-1)
    if middle in [(-500, 150), (203, 900)]:
        assert gray.all()
    else:  # the corner of the photograph lies in the middle of the input
        half = np.s_[:31, :47] if middle == (0, 0) else np.s_[33:, 49:]
        assert gray[half].all()
        assert gray.mean() == pytest.approx(0.75, abs=0.02)


def test_contents_are_read_as_the_file_is(path):
    on_disk, _ = seen(path, affine(0.4))
    in_memory, _ = seen(path, affine(0.4), on_disk=False)
    np.testing.assert_array_equal(on_disk, in_memory)


def test_a_grey_photograph_has_three_channels(tmp_path, photograph):
    path = str(tmp_path / "gray.jpg")
    cv2.imwrite(path, photograph[..., 0])
    image, _ = seen(path, affine(1.0))
    assert image.shape == (*SIZE, 3)
    assert np.ptp(image.astype(int), axis=-1).max() == 0


@pytest.mark.parametrize("size", [(407, 301), (300, 407), (150, 203)], ids=["turned", "one row", "half"])
def test_a_photograph_of_another_size_than_labeled_is_refused(path, size):
    with pytest.raises(tf.errors.InvalidArgumentError, match="not of the size that its labels say"):
        seen(path, affine(0.2), size=size)


def test_a_cut_off_file_is_refused(path, tmp_path):
    with open(path, "rb") as file:
        contents = file.read()
    (tmp_path / "half").write_bytes(contents[: len(contents) // 2])
    with pytest.raises(tf.errors.InvalidArgumentError):
        seen(str(tmp_path / "half"), affine(0.2))
