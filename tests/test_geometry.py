"""Geometry: every rule against the pixels that it speaks of."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_openpose import geometry

pixels = st.floats(-1e4, 1e4)
sizes = st.integers(1, 3000)


@pytest.mark.parametrize("stride", [1, 2, 4, 8, 16])
def test_a_cell_lies_in_the_middle_of_the_pixels_that_it_covers(stride):
    for cell in (0, 1, 5):
        covered = np.arange(stride * cell, stride * (cell + 1))
        assert geometry.cell_to_pixel(cell, stride) == covered.mean()


def test_the_first_cell_of_stride_8_lies_at_3_5_and_the_next_at_11_5():
    np.testing.assert_array_equal(geometry.cell_to_pixel(np.array([0, 1]), 8), [3.5, 11.5])


@pytest.mark.parametrize("scale", [1, 2, 3, 8])
def test_a_pixel_lands_in_the_middle_of_the_pixels_that_it_becomes(scale):
    for x in (0, 1, 7):
        become = np.arange(scale * x, scale * (x + 1))
        assert geometry.resize_coordinates(x, scale) == become.mean()


def test_a_mirrored_pixel_stands_where_numpy_puts_it():
    row = np.arange(7)
    for x in range(7):
        assert row[::-1][geometry.mirror_x(x, 7)] == x


@given(pixels, st.floats(0.01, 100))
def test_cells_and_pixels_undo_each_other(x, stride):
    assert geometry.pixel_to_cell(geometry.cell_to_pixel(x, stride), stride) == pytest.approx(x, abs=1e-6)


@given(pixels, st.floats(0.01, 100))
def test_resizing_there_and_back_changes_nothing(x, scale):
    there = geometry.resize_coordinates(x, scale)
    assert geometry.resize_coordinates(there, 1 / scale) == pytest.approx(x, abs=1e-6)


@given(sizes, st.sampled_from([0.25, 0.5, 2, 3]))
def test_an_image_keeps_its_edges_when_it_is_resized(width, scale):
    assert geometry.resize_coordinates(-0.5, scale) == -0.5
    assert geometry.resize_coordinates(width - 0.5, scale) == width * scale - 0.5


@pytest.mark.parametrize(
    ("interpolation", "scale"), [(cv2.INTER_AREA, 0.25), (cv2.INTER_AREA, 0.4), (cv2.INTER_CUBIC, 3)]
)
def test_a_lit_dot_stays_on_its_coordinates_when_opencv_resizes_and_resizes_back(interpolation, scale):
    y, x = np.mgrid[:100, :140]
    image = np.exp(-((x - 61.3) ** 2 + (y - 42.8) ** 2) / (2 * 6**2)).astype(np.float32)
    resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=interpolation)
    back = cv2.resize(resized, (140, 100), interpolation=cv2.INTER_CUBIC)

    def center(picture):
        rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
        return np.array([(columns * picture).sum(), (rows * picture).sum()]) / picture.sum()

    # A resized dot is symmetric to a thousandth of a pixel; half a pixel is what a wrong rule costs.
    expected = geometry.resize_coordinates(np.array([61.3, 42.8]), scale)
    np.testing.assert_allclose(center(resized), expected, atol=0.01)
    np.testing.assert_allclose(center(back), [61.3, 42.8], atol=0.01)


@pytest.mark.parametrize(
    ("size", "box", "expected"),
    [
        pytest.param((480, 640), (368, 432), (324, 432), id="a wide photograph fills the width"),
        pytest.param((640, 480), (368, 432), (368, 276), id="a tall photograph fills the height"),
        pytest.param((368, 432), (368, 432), (368, 432), id="a photograph of the box's size stays"),
        pytest.param((10, 20), (100, 100), (50, 100), id="a small photograph is enlarged"),
        pytest.param((1, 10_000), (368, 432), (1, 432), id="a thread of a photograph keeps a pixel"),
        pytest.param((1, 1), (368, 432), (368, 368), id="a single pixel fills the shorter side"),
    ],
)
def test_photographs_fit_into_a_box(size, box, expected):
    assert geometry.fitted_size(size, box) == expected


@given(st.tuples(sizes, sizes), st.tuples(st.integers(1, 800), st.integers(1, 800)))
def test_a_fitted_photograph_touches_the_box_and_keeps_its_aspect(size, box):
    fitted = geometry.fitted_size(size, box)
    assert all(1 <= length <= limit for length, limit in zip(fitted, box, strict=True))
    assert fitted[0] == box[0] or fitted[1] == box[1]
    exact = min(box[0] / size[0], box[1] / size[1])
    assert all(
        length == 1 or abs(length - exact * own) <= 0.5 + 1e-9
        for length, own in zip(fitted, size, strict=True)
    )
