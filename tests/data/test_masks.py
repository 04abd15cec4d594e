"""Masks: packed regions looked up, beside pycocotools and OpenCV."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as rle

from keras_openpose.data.masks import draw_mask, pack_regions

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools

SIZE = (120, 160)


def mask_of(regions, size=SIZE):
    """The mask at every pixel, `(height, width)`."""
    points = np.stack(np.meshgrid(np.arange(size[1]), np.arange(size[0])), axis=-1).reshape(-1, 2)
    packed = tf.constant(pack_regions(regions))
    return draw_mask(packed, tf.constant(points, tf.float32)).numpy().reshape(size)


def encoded(bitmap):
    return rle.encode(np.asfortranarray(bitmap, np.uint8))


def polygon(seed):
    """A star of ten corners within the photograph."""
    rng = np.random.default_rng(seed)
    angles = np.arange(10) * 2 * np.pi / 10
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng.uniform(20, 45, (10, 1))
    return corners + rng.uniform((50, 50), (110, 70))


def assert_agree(mask, covered):
    """They may differ within a cell of the packed bitmaps, 4 pixels, of an outline."""
    near = cv2.dilate(covered, np.ones((9, 9))) != cv2.erode(covered, np.ones((9, 9)))
    assert 0 < covered.sum() < covered.size
    np.testing.assert_array_equal(mask[~near], 1 - covered[~near])


@pytest.mark.parametrize("seed", range(5))
def test_a_polygon_covers_what_it_covers_in_pycocotools(seed):
    corners = polygon(seed)
    covered = rle.decode(rle.frPyObjects([corners.ravel().tolist()], *SIZE))[..., 0]
    assert_agree(mask_of([corners]), covered)


@pytest.mark.parametrize("seed", range(3))
def test_an_rle_covers_what_it_covers_in_pycocotools(seed):
    covered = rle.decode(rle.frPyObjects([polygon(seed).ravel().tolist()], *SIZE))[..., 0]
    assert_agree(mask_of([encoded(covered)]), covered)


def test_the_middle_of_an_outline_is_not_displaced():
    """A square of 64 pixels from (40, 24): its pixels' middle is (71.5, 55.5)."""
    bitmap = np.zeros(SIZE, np.uint8)
    bitmap[24:88, 40:104] = 1
    square = np.array([(40, 24), (104, 24), (104, 88), (40, 88)])
    for regions in ([encoded(bitmap)], [square]):
        rows, columns = np.nonzero(mask_of(regions) == 0)
        assert len(rows) == 64 * 64
        assert (columns.mean(), rows.mean()) == (71.5, 55.5)


def test_an_rle_may_be_of_numbers():
    """As COCO's files hold crowds: columns first, 0 pixels out, 12 columns in, the rest out."""
    crowd = {"size": list(SIZE), "counts": [0, 1440, 17760]}
    packed = rle.frPyObjects(crowd, *SIZE)
    np.testing.assert_array_equal(mask_of([crowd]), mask_of([packed]))
    assert np.mean(mask_of([crowd]) == 0) == 12 / 160


def test_regions_are_united():
    one, other = polygon(0), polygon(1) + np.array([30, 20])
    crowd = np.zeros(SIZE, np.uint8)
    crowd[10:30, 8:60] = 1
    separate = [mask_of([region]) for region in (one, other, encoded(crowd))]
    np.testing.assert_array_equal(mask_of([one, other, encoded(crowd)]), np.min(separate, axis=0))


def test_without_regions_everything_counts():
    assert pack_regions([]).size == 0
    assert mask_of([]).all()


def test_outside_of_the_photograph_everything_counts():
    whole = encoded(np.ones(SIZE))
    points = [(-3, 5), (5, -3), (1000, 5), (5, 1000), (-1e6, -1e6), (1e6, 1e6)]
    assert (draw_mask(tf.constant(pack_regions([whole])), tf.constant(points, tf.float32)) == 1).numpy().all()
    assert not mask_of([whole]).any()


def test_a_region_beyond_the_border_is_cut_off_there():
    mask = mask_of([np.array([(-40, -40), (20, -40), (20, 30), (-40, 30)])])
    assert not mask[:28, :18].any()
    assert mask[32:].all()
    assert mask[:, 24:].all()


def test_a_region_that_is_nowhere_covers_nothing():
    assert mask_of([np.array([(-40, -40), (-20, -40), (-20, -30)])]).all()
    assert mask_of([encoded(np.zeros(SIZE))]).all()


def test_what_is_kept_is_small():
    """Two numbers for each row of a quarter's height that the region touches."""
    bitmap = np.zeros((480, 640), np.uint8)
    bitmap[40:440, 100:500] = 1
    packed = pack_regions([encoded(bitmap)])
    assert packed.dtype == np.int32
    assert packed.size == 2 * 100
