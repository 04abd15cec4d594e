"""Augmentation: pixels and keypoints move together, within the ranges, the same for the same seed."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from keras_openpose import Augmentation
from keras_openpose.data.augmentation import fit_affine, invert, jitter_color, random_affines, transform, warp

SIZE = (96, 128)
BOXES = np.array([[40, 60, 50, 120], [100, 20, 30, 60], [0, 0, 10, 20]], np.float32)


def affines_of(augmentation, *, boxes=BOXES, seed=(0, 0), size=SIZE):
    return random_affines(seed, tf.constant(boxes), size=size, augmentation=augmentation).numpy()


def many(augmentation, count=4000):
    """Maps for the same person, of height 120 with middle (65, 120)."""
    return affines_of(augmentation, boxes=np.repeat(BOXES[:1], count, axis=0))


def applied(affine, point):
    return affine[..., :2] @ np.asarray(point, float) + affine[..., 2]


# Pixels and keypoints move together


def lit(size, x, y):
    """A smooth white dot on black."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    dot = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 4**2))
    return np.repeat(np.rint(dot)[..., None], 3, axis=2).astype(np.uint8)


def center_of_light(image):
    light = image[..., 0].astype(float)
    rows, columns = np.indices(light.shape)
    return np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum()


@pytest.mark.parametrize("seed", range(8))
def test_a_lit_dot_moves_with_its_keypoint(seed):
    point, size = (65.0, 118.0), (200, 160)
    (affine,) = affines_of(Augmentation(), boxes=BOXES[:1], seed=(seed, 0))
    moved = warp(tf.constant(lit(size, *point)), invert(tf.constant(affine)), size=SIZE, border=0).numpy()
    expected = transform(tf.constant(affine), tf.constant([point])).numpy()[0]
    np.testing.assert_allclose(expected, applied(affine, point), rtol=1e-5)
    # A tenth of a pixel: 8-bit rounding of the dot's foot. Half a pixel, the usual mistake, is far beyond.
    np.testing.assert_allclose(center_of_light(moved), expected, atol=0.1)


def test_the_warp_is_that_of_opencv():
    noise = np.random.default_rng(0).integers(0, 256, (90, 70, 3)).astype(np.uint8)
    photograph = cv2.GaussianBlur(noise, (0, 0), 2)
    pixels = np.stack(np.meshgrid(np.arange(SIZE[1]), np.arange(SIZE[0])), axis=-1)
    for affine in affines_of(Augmentation(), boxes=np.array([[20, 20, 30, 50]] * 5, np.float32)):
        from_input = invert(tf.constant(affine)).numpy()
        ours = warp(photograph, tf.constant(from_input), size=SIZE, border=128).numpy()
        theirs = cv2.warpAffine(photograph, affine, SIZE[::-1], borderValue=(128, 128, 128))
        source = pixels @ from_input[:, :2].T + from_input[:, 2]
        inside = ((source > 1) & (source < (68, 88))).all(axis=-1)  # OpenCV mixes the border in
        assert inside.sum() > 500
        # Rounding, and OpenCV's coordinates in 1/32 of a pixel, where neighbors differ by up to 17.
        np.testing.assert_allclose(ours[inside].astype(int), theirs[inside], atol=1)


def test_warping_by_nothing_changes_nothing():
    photograph = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    identity = tf.constant([[1.0, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(warp(photograph, identity, size=(20, 30), border=9), photograph)
    larger = warp(photograph, identity, size=(24, 40), border=9).numpy()
    np.testing.assert_array_equal(larger[:20, :30], photograph)
    assert (larger[20:] == 9).all()
    assert (larger[:, 30:] == 9).all()


def test_half_a_pixel_aside_two_pixels_mix():
    photograph = np.array([[[0] * 3, [100] * 3, [50] * 3]], np.uint8)
    aside = warp(photograph, tf.constant([[1, 0, 0.5], [0, 1, 0]]), size=(1, 3), border=9).numpy()
    assert aside[0, :, 0].tolist() == [50, 75, 50]  # the last lies on the edge of the photograph, at 2.5


def test_absent_keypoints_stay_absent():
    moved = transform(tf.constant(many(Augmentation(), 1)[0]), tf.constant([[np.nan, np.nan], [1.0, 2.0]]))
    assert np.isnan(moved.numpy()).tolist() == [[True, True], [False, False]]


def test_affine_maps_are_undone():
    affines = tf.constant(many(Augmentation(), 50))
    points = np.random.default_rng(0).uniform(0, 300, (50, 7, 2)).astype(np.float32)
    there_and_back = transform(invert(affines), transform(affines, tf.constant(points)))
    np.testing.assert_allclose(there_and_back, points, atol=1e-2)


# Within the ranges


def test_the_defaults_are_those_of_cmu():
    """caffe_train: 0.5 to 1.1 times 0.6 of the height, 40 degrees, 40 of 368 pixels, half mirrored."""
    affines = many(Augmentation())
    scales = np.sqrt(np.abs(np.linalg.det(affines[:, :, :2]))) * 120 / 96  # persons' share of the height
    assert scales.min() == pytest.approx(0.6 * 0.5, rel=0.01)
    assert scales.max() == pytest.approx(0.6 * 1.1, rel=0.01)
    angles = np.degrees(np.arctan2(affines[:, 1, 0], affines[:, 1, 1]))
    assert angles.min() == pytest.approx(-40, abs=0.5)
    assert angles.max() == pytest.approx(40, abs=0.5)
    middles = applied(affines, (65, 120)) - (63.5, 47.5)
    np.testing.assert_allclose(middles.min(axis=0), [-96 * 40 / 368] * 2, rtol=0.01)
    np.testing.assert_allclose(middles.max(axis=0), [96 * 40 / 368] * 2, rtol=0.01)
    mirrored = np.linalg.det(affines[:, :, :2]) < 0
    assert mirrored.mean() == pytest.approx(0.5, abs=0.03)  # four standard deviations of 4000 draws


@pytest.mark.parametrize(("flip", "share"), [(0, 0), (1, 1), (0.2, 0.2)])
def test_the_probability_of_mirroring(flip, share):
    mirrored = np.linalg.det(many(Augmentation(flip=flip))[:, :, :2]) < 0
    assert mirrored.mean() == pytest.approx(share, abs=0.03 if 0 < share < 1 else 0)


def test_without_ranges_a_person_stands_upright_in_the_middle():
    still = Augmentation(scale=(1, 1), rotation=0, shift=0, flip=0, person_height=0.5)
    for affine, (x, y, width, height) in zip(affines_of(still), BOXES, strict=True):
        scale = 0.5 * 96 / height
        np.testing.assert_allclose(affine[:, :2], [[scale, 0], [0, scale]], atol=1e-6)
        np.testing.assert_allclose(applied(affine, (x + width / 2, y + height / 2)), [63.5, 47.5], atol=1e-4)


def test_mirroring_takes_pixels_where_numpy_puts_them():
    photograph = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    mirror = Augmentation(scale=(1, 1), rotation=0, shift=0, flip=1, person_height=1)
    whole = np.array([[-0.5, -0.5, SIZE[1], SIZE[0]]], np.float32)  # of the photograph, edge to edge
    (affine,) = affines_of(mirror, boxes=whole)
    np.testing.assert_allclose(affine, [[-1, 0, 127], [0, 1, 0]], atol=1e-4)
    mirrored = warp(photograph, invert(tf.constant(affine)), size=SIZE, border=0).numpy()
    assert np.abs(mirrored.astype(int) - photograph[:, ::-1]).max() <= 1  # float32 beside whole pixels


def test_rotation_and_scale_do_not_shear():
    for linear in many(Augmentation(), 20)[:, :, :2]:
        gram = linear @ linear.T
        np.testing.assert_allclose(gram, gram[0, 0] * np.eye(2), atol=1e-5)


def test_a_box_without_height_gives_a_finite_map():
    assert np.isfinite(affines_of(Augmentation(), boxes=np.array([[5, 5, 0, 0]], np.float32))).all()


def test_equal_seeds_give_equal_maps_and_others_give_others():
    np.testing.assert_array_equal(
        affines_of(Augmentation(), seed=(3, 1)), affines_of(Augmentation(), seed=(3, 1))
    )
    assert (affines_of(Augmentation(), seed=(3, 1)) != affines_of(Augmentation(), seed=(4, 1))).any()


BAD = [
    ({"scale": (1.1, 0.5)}, r"`scale` must be a range of positive factors.*Received: \(1\.1, 0\.5\)"),
    ({"scale": 1.0}, r"`scale` must be a range of positive factors.*Received: 1\.0"),
    ({"scale": (0, 1)}, "`scale` must be a range of positive factors"),
    ({"rotation": -1}, "`rotation` must be between 0 and 180 degrees. Received: -1"),
    ({"shift": -0.1}, "`shift` must be at least 0"),
    ({"flip": 1.5}, "`flip` must be a probability. Received: 1.5"),
    ({"person_height": 0}, "`person_height` must be positive"),
    ({"color_jitter": 1}, "`color_jitter` must be at least 0 and below 1"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_a_value_outside_of_its_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**options)


# Validation


@pytest.mark.parametrize("image_size", [(96, 128), (192, 100), (100, 300), (37, 51)])
def test_a_fitted_photograph_keeps_its_edges(image_size):
    affine = fit_affine(image_size, SIZE)
    np.testing.assert_allclose(applied(affine, (-0.5, -0.5)), [-0.5, -0.5], atol=1e-5)
    scale = min(96 / image_size[0], 128 / image_size[1])
    end = applied(affine, (image_size[1] - 0.5, image_size[0] - 0.5))
    np.testing.assert_allclose(end, [image_size[1] * scale - 0.5, image_size[0] * scale - 0.5], atol=0.51)
    np.testing.assert_allclose(end, np.rint(end + 0.5) - 0.5, atol=1e-4)  # whole pixels


# Colors


def test_jitter_stays_within_its_strength():
    gray = tf.fill((8, 8, 3), tf.constant(100, tf.uint8))
    means = np.array([jitter_color(gray, (seed, 0), 0.2).numpy().mean() for seed in range(200)])
    # Of one gray, contrast and saturation leave all as it is; brightness adds up to a fifth of 255.
    assert means.min() == pytest.approx(100 - 51, abs=3)
    assert means.max() == pytest.approx(100 + 51, abs=3)


def test_jitter_changes_contrast_and_saturation():
    image = np.zeros((8, 8, 3), np.uint8)
    image[:4], image[4:] = (90, 60, 60), (150, 120, 120)
    spreads, saturations = [], []
    for seed in range(50):
        jittered = jitter_color(tf.constant(image), (seed, 0), 0.3).numpy().astype(float)
        spreads.append(np.ptp(jittered[..., 1]))
        saturations.append(np.ptp(jittered[0, 0]))
    for values, before in ((spreads, 60), (saturations, 30)):
        assert min(values) < 0.8 * before
        assert max(values) > 1.2 * before


def test_jitter_keeps_the_kind_and_repeats_with_its_seed():
    image = tf.constant(lit((16, 16), 8, 8))
    once = jitter_color(image, (5, 1), 0.5)
    assert once.dtype == tf.uint8
    np.testing.assert_array_equal(once, jitter_color(image, (5, 1), 0.5))
    assert (once.numpy() != jitter_color(image, (6, 1), 0.5).numpy()).any()
