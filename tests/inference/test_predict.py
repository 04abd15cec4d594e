"""From photographs to people: places in the original, averages, batches, refinement, bad input."""

import gc
import weakref
from collections import Counter

import cv2
import keras
import numpy as np
import pytest

from keras_openpose import (
    BODY_25,
    COCO_18,
    CocoEvaluation,
    Skeleton,
    evaluate_coco,
    from_preset,
    predict_poses,
    predict_video,
    read_image,
    synthetic_people,
)
from keras_openpose.inference.forward import forward_pass, run_network
from keras_openpose.inference.looks import _resize_maps
from keras_openpose.inference.runtimes import ExportedNetwork

# Three arms that hang down in a photograph of (240, 320).
ARMS = np.array([
    [[60, 50], [64, 110], [58, 180]],
    [[160, 40], [158, 100], [165, 160]],
    [[260, 70], [255, 140], [262, 200]],
])  # fmt: skip


def scaled(arms, factor):
    """The same places in a photograph resized by `factor`."""
    return (np.asarray(arms) + 0.5) * factor - 0.5


def from_left(poses):
    """Keypoints of the people from left to right."""
    return poses.keypoints[np.argsort(poses.keypoints[:, 0, 0])]


# Places in the original


@pytest.mark.parametrize(
    ("size", "input_size", "scales"),
    [
        pytest.param((240, 320), (240, 320), (1,), id="at its own size"),
        pytest.param((240, 320), (120, 160), (1,), id="halved"),
        pytest.param((240, 320), (480, 640), (1,), id="doubled"),
        pytest.param((240, 320), (200, 200), (1,), id="into a square, padded below"),
        pytest.param((320, 240), (192, 320), (1,), id="a tall one into a wide box, padded right"),
        pytest.param((251, 333), (184, 216), (1,), id="by an odd factor"),
        pytest.param((251, 333), (183, 217), (1,), id="into a box of odd size"),
        pytest.param((240, 320), (120, 160), (1, 2), id="at two scales"),
        pytest.param((251, 333), (123, 161), (0.7, 1, 1.9), id="at three odd scales of an odd box"),
        pytest.param((251, 333), (123, 161), (2, 1), id="the larger scale first"),
    ],
)
@pytest.mark.parametrize("flip", [False, True], ids=["", "and mirrored"])
def test_people_stand_where_they_stand_in_the_original(
    size, input_size, scales, flip, arm, arm_model, photograph_arms
):
    factor = min(input_size[0] / size[0], input_size[1] / size[1])
    arms = ARMS * np.array(size[::-1]) / (320, 240)
    image = photograph_arms(size, arms, sigma=10 / factor)  # as large as a trained network's peaks
    poses = predict_poses(arm_model, image, skeleton=arm, input_size=input_size, scales=scales, flip=flip)
    assert len(poses) == 3
    # A tenth of a cell, in pixels of the original: a rule that is half a pixel or cell off shows.
    np.testing.assert_allclose(from_left(poses), arms, atol=0.1 * 8 / factor / max(scales))


def test_the_default_size_is_that_of_the_published_network(arm, arm_model, photograph_arms):
    image = photograph_arms((240, 320), ARMS)
    given = predict_poses(arm_model, image, skeleton=arm, input_size=(368, 432))
    np.testing.assert_array_equal(predict_poses(arm_model, image, skeleton=arm).keypoints, given.keypoints)


def test_maps_are_enlarged_by_the_exact_ratio_whatever_size_that_rounds_to():
    y, x = np.mgrid[:10, :14]
    blob = np.exp(-((x - 10.2) ** 2 + (y - 6.4) ** 2) / 2).astype(np.float32)
    maps = np.repeat(blob[..., None], 5, axis=-1)
    ratio = np.array([1.07, 1.13])  # 10.7 and 15.8 cells, rounded by OpenCV
    resized = _resize_maps(maps, ratio, (20, 13))
    assert resized.shape == (13, 20, 5)
    rows, columns = np.mgrid[:13, :20]
    center = [(grid * resized[..., 0]).sum() / resized[..., 0].sum() for grid in (columns, rows)]
    # The size of the result instead of the ratio would move the blob by 0.1 and 0.2 cells.
    np.testing.assert_allclose(center, [(10.2 + 0.5) * 1.13 - 0.5, (6.4 + 0.5) * 1.07 - 0.5], atol=0.02)
    cut = _resize_maps(maps, ratio, (9, 8))
    np.testing.assert_array_equal(cut, resized[:8, :9])


def test_maps_of_as_many_channels_as_coco_wholebody_are_resized_too():
    maps = np.random.default_rng(0).random((4, 6, 398), np.float32)  # OpenCV 5 takes 128 at once
    ratio, cells = np.array([2.0, 2.0]), (12, 8)
    resized = _resize_maps(maps, ratio, cells)
    np.testing.assert_array_equal(resized[..., 390:], _resize_maps(maps[..., 390:], ratio, cells))


def test_maps_of_the_grid_itself_stay_as_they_are():
    maps = np.random.default_rng(0).random((4, 6, 5), np.float32)
    assert _resize_maps(maps, np.array([1.0, 1.0]), (6, 4)) is maps


# Averages


@pytest.mark.parametrize("scales", [(1,), (1, 1), (1.0, 1.0, 1.0, 1.0), [1]], ids=str)
def test_equal_scales_change_nothing(scales, arm, arm_model, photograph_arms):
    image = photograph_arms((251, 333), ARMS)
    options = {"skeleton": arm, "input_size": (184, 216)}
    once, again = (predict_poses(arm_model, image, **options, **more) for more in ({}, {"scales": scales}))
    np.testing.assert_array_equal(again.keypoints, once.keypoints)
    np.testing.assert_array_equal(again.pose_scores, once.pose_scores)


def test_a_scale_is_a_factor_of_the_input_size(arm, arm_model, photograph_arms):
    image = photograph_arms((240, 320), ARMS)
    twice = predict_poses(arm_model, image, skeleton=arm, input_size=(120, 160), scales=(2,))
    whole = predict_poses(arm_model, image, skeleton=arm, input_size=(240, 320))
    np.testing.assert_array_equal(twice.keypoints, whole.keypoints)


# A slat lies flat: its left and right ends are the flanks of a red blob, its middle is green. The
# network knows left from right by the slope, so a mirrored photograph swaps them, as with people.
SLAT = Skeleton(
    "slat",
    keypoints=("left", "middle", "right"),
    limbs=(("left", "middle"), ("middle", "right")),
    flips=(("left", "right"),),
)


def slat_model(left=3.0, right=3.0) -> keras.Model:
    images = keras.Input((None, None, 3), name="images")
    cells = keras.layers.AveragePooling2D(8)(keras.layers.Rescaling(1 / 255)(images))
    heatmaps, pafs = keras.layers.Conv2D(4, (1, 3), padding="same"), keras.layers.Conv2D(4, 1)
    outputs = {"heatmaps": heatmaps(cells)[:, None], "pafs": pafs(cells)[:, None]}
    kernel = np.zeros((1, 3, 3, 4))
    kernel[0, :, 0, 0] = -left, left, 0
    kernel[0, 1, 1, 1] = 1
    kernel[0, :, 0, 2] = 0, right, -right
    heatmaps.set_weights([kernel, np.zeros(4)])
    pafs.set_weights([np.zeros((1, 1, 3, 4)), np.array([1, 0, 1, 0])])
    return keras.Model(images, outputs)


def photograph_slats(places, size=(160, 240)):
    y, x = np.mgrid[: size[0], : size[1]]
    image = np.zeros((*size, 3))
    for color, sigma in ((0, 16), (1, 10)):
        for at_x, at_y in places:
            dot = 255 * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * sigma**2))
            image[..., color] = np.maximum(image[..., color], dot)
    return np.rint(image).astype(np.uint8)


@pytest.fixture(scope="module")
def slats():
    return photograph_slats([(70, 41), (150, 102)])


def mirrored(poses, width):
    keypoints = poses.keypoints[:, poses.skeleton.flip_keypoints].copy()
    keypoints[..., 0] = width - 1 - keypoints[..., 0]
    return keypoints


def test_a_network_that_knows_left_from_right_sees_the_same_with_the_mirrored_image_averaged_in(slats):
    model, options = slat_model(), {"skeleton": SLAT, "input_size": (160, 240), "merge_distance": 0}
    plain, averaged = (predict_poses(model, slats, flip=flip, **options) for flip in (False, True))
    assert len(plain) == 2
    assert (plain.scores > 0).all()
    np.testing.assert_allclose(from_left(averaged), from_left(plain), atol=1e-3)
    np.testing.assert_allclose(averaged.pose_scores, plain.pose_scores, rtol=1e-5)


def test_a_skeleton_without_flips_would_average_left_into_right(slats):
    blind = Skeleton("blind", keypoints=SLAT.keypoints, limbs=SLAT.limbs)
    poses = predict_poses(
        slat_model(), slats, skeleton=blind, input_size=(160, 240), merge_distance=0, flip=True
    )
    assert not (poses.scores > 0).all()


def test_a_mirrored_photograph_gives_the_mirrored_people(slats):
    lopsided, options = slat_model(2.0, 4.0), {"skeleton": SLAT, "input_size": (160, 240)}
    for flip in (True, False):
        one = predict_poses(lopsided, slats, flip=flip, **options)
        other = predict_poses(lopsided, slats[:, ::-1], flip=flip, **options)
        assert len(one) == len(other) == 2
        order = np.argsort(one.keypoints[:, 1, 0]), np.argsort(-other.keypoints[:, 1, 0])
        np.testing.assert_allclose(mirrored(other, 240)[order[1]], one.keypoints[order[0]], atol=0.01)
        scores = other.scores[order[1]][:, SLAT.flip_keypoints]
        # The lopsided network alone tells the two photographs apart.
        assert np.allclose(scores, one.scores[order[0]], atol=1e-4) == flip


@pytest.mark.parametrize("skeleton", [COCO_18, BODY_25, SLAT], ids=lambda skeleton: skeleton.name)
def test_perfect_maps_of_a_mirrored_image_are_averaged_onto_the_perfect_maps(skeleton, draw_maps):
    person = np.random.default_rng(0).uniform(8, 120, (1, skeleton.num_keypoints, 2))
    turned = person[:, skeleton.flip_keypoints] * (-1, 1) + (159, 0)
    drawn, of_mirrored = (draw_maps(people, skeleton, (16, 20)) for people in (person, turned))

    def perfect(images):
        """Sees which way an image is turned by its first pixel."""
        return [maps[None] for maps in (drawn if images[0, 0, 0, 0] else of_mirrored)]

    image = np.zeros((1, 128, 160, 3), np.float32)
    image[0, 0, 0] = 1
    averaged = run_network(perfect, image, skeleton, flip=True)
    np.testing.assert_allclose(averaged[0], np.concatenate(drawn, axis=-1), atol=1e-6)


@pytest.mark.slow
@pytest.mark.shared
def test_mirrored_photographs_give_mirrored_maps_of_the_trained_network(mobilenet, shared):
    paths = sorted((shared / "data/coco/val2017").glob("*.jpg"))[:1]
    images = np.stack([cv2.resize(read_image(path), (432, 368)) for path in paths]).astype(np.float32)
    forward = forward_pass(mobilenet, COCO_18)
    maps = run_network(forward, images, COCO_18, flip=True)
    again = run_network(forward, images[:, :, ::-1], COCO_18, flip=True)[:, :, ::-1]
    keypoints = [*COCO_18.flip_keypoints, COCO_18.num_keypoints]
    channels, signs = COCO_18.flip_pafs
    # The same sums in another order.
    np.testing.assert_allclose(again[..., keypoints], maps[..., : len(keypoints)], atol=1e-5)
    np.testing.assert_allclose(
        again[..., len(keypoints) + channels] * signs, maps[..., len(keypoints) :], atol=1e-5
    )
    assert np.abs(maps).max() > 0.3


# Batches


@pytest.fixture(scope="module")
def mixed(photograph_arms):
    """Photographs of several sizes with one, two, three and no arms."""
    sizes = [(240, 320), (320, 240), (97, 351), (240, 320), (64, 64)]
    counts = [3, 2, 1, 0, 1]
    return [
        photograph_arms(size, ARMS[:count] * np.array(size[::-1]) / (320, 240), sigma=max(size) / 25)
        for size, count in zip(sizes, counts, strict=True)
    ]


@pytest.mark.parametrize("batch_size", [1, 2, 8])
@pytest.mark.parametrize("refine", [False, True], ids=["", "refined"])
def test_a_list_gives_what_each_photograph_gives_alone(batch_size, refine, arm, arm_model, mixed):
    options = {"skeleton": arm, "input_size": (200, 240), "scales": (1, 1.5), "refine": refine}
    together = predict_poses(arm_model, mixed, batch_size=batch_size, **options)
    alone = [predict_poses(arm_model, image, **options) for image in mixed]
    assert [len(poses) for poses in together] == [3, 2, 1, 0, 1]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.keypoints, other.keypoints, atol=1e-3)
        np.testing.assert_allclose(one.pose_scores, other.pose_scores, rtol=1e-5)


def test_a_batch_array_is_a_list_of_its_photographs(arm, arm_model, photograph_arms):
    batch = np.stack([photograph_arms((240, 320), ARMS[:count]) for count in (1, 2)])
    found = predict_poses(arm_model, batch, skeleton=arm)
    assert [len(poses) for poses in found] == [1, 2]


def test_one_photograph_may_be_a_tensor(arm, arm_model, photograph_arms):
    image = photograph_arms((240, 320), ARMS)
    found = predict_poses(arm_model, keras.ops.convert_to_tensor(image), skeleton=arm)
    np.testing.assert_array_equal(found.keypoints, predict_poses(arm_model, image, skeleton=arm).keypoints)


def test_one_photograph_gives_poses_and_a_list_of_one_a_list(arm, arm_model, photograph_arms, tmp_path):
    image = photograph_arms((240, 320), ARMS)
    path = tmp_path / "arms.png"
    cv2.imwrite(str(path), image[..., ::-1])
    expected = predict_poses(arm_model, image, skeleton=arm)
    for one in (path, str(path)):
        np.testing.assert_array_equal(
            predict_poses(arm_model, one, skeleton=arm).keypoints, expected.keypoints
        )
    (only,) = predict_poses(arm_model, [path], skeleton=arm)
    np.testing.assert_array_equal(only.keypoints, expected.keypoints)
    assert predict_poses(arm_model, [], skeleton=arm) == []


def test_arguments_of_the_decoder_pass_through(arm, arm_model, photograph_arms):
    image = photograph_arms((240, 320), ARMS)
    assert len(predict_poses(arm_model, image, skeleton=arm, max_people=2)) == 2
    assert len(predict_poses(arm_model, image, skeleton=arm, min_keypoints=4)) == 0


def test_photographs_are_not_changed(arm, arm_model, photograph_arms):
    for image in (photograph_arms((240, 320), ARMS), photograph_arms((240, 320), ARMS).astype(np.float32)):
        kept = image.copy()
        predict_poses(arm_model, image, skeleton=arm, input_size=(240, 320), refine=True)
        np.testing.assert_array_equal(image, kept)


# Quality


@pytest.mark.parametrize(
    ("quality", "flags"),
    [
        ("fast", {"scales": (1,), "flip": False, "refine": False}),
        ("balanced", {"scales": (0.75, 1.5), "flip": True, "refine": False}),
    ],
)
def test_a_quality_stands_for_flags(quality, flags, arm, arm_model, photograph_arms):
    image = photograph_arms((240, 320), ARMS)
    options = {"skeleton": arm, "input_size": (120, 160)}
    short, long = (
        predict_poses(arm_model, image, **options, **more) for more in ({"quality": quality}, flags)
    )
    assert len(short) == 3
    np.testing.assert_array_equal(short.keypoints, long.keypoints)
    np.testing.assert_array_equal(short.pose_scores, long.pose_scores)


def test_the_best_quality_sees_five_sizes_and_three_crops_of_everyone(arm, arm_model, photograph_arms):
    run, seen = forward_pass(arm_model, arm), []

    def call(images):
        seen.extend([images.shape[1:3]] * len(images))
        return dict(zip(("heatmaps", "pafs"), run(images), strict=True))

    network = ExportedNetwork((None, None, None, 3), {"heatmaps": 4, "pafs": 4}, call, arm)
    image = photograph_arms((240, 320), ARMS)
    poses = predict_poses(network, image, input_size=(128, 160), quality="best")
    np.testing.assert_allclose(from_left(poses), ARMS, atol=1)
    sizes = [(96, 128), (128, 160), (192, 240), (256, 320), (320, 400)]
    assert Counter(seen) == {**dict.fromkeys(sizes, 2), (368, 368): 2 * 3 * 3}


def test_flags_win_over_the_quality(arm, arm_model, photograph_arms):
    image = photograph_arms((240, 320), ARMS)
    options = {"skeleton": arm, "input_size": (120, 160)}
    own = {"scales": (1,), "flip": False, "refine": False, "min_score": 0.2}
    fast, other = (
        predict_poses(arm_model, image, **options, **more) for more in ({}, {"quality": "best", **own})
    )
    np.testing.assert_array_equal(fast.keypoints, other.keypoints)
    assert not len(predict_poses(arm_model, image, **options, quality="best", min_score=99))


# Refinement


def test_refinement_places_small_people_more_exactly(arm, arm_model, photograph_arms):
    # At first a cell is 32 pixels of the photograph, in the crop less than 8.
    arms = np.array([[[301, 203], [322, 287], [310, 341]], [[640, 120], [625, 207], [651, 296]]])
    image = photograph_arms((480, 800), arms, sigma=18)
    options = {"skeleton": arm, "input_size": (120, 200)}
    first, second = (
        from_left(predict_poses(arm_model, image, refine=refine, **options)) for refine in (False, True)
    )
    error = [np.abs(found - arms).max() for found in (first, second)]
    assert error[1] < 0.1 * 8
    assert error[1] < error[0] / 2


def test_refinement_helps_someone_whose_keypoints_lie_in_a_row(arm, arm_model, photograph_arms):
    arms = [[[160, 60], [160, 100], [160, 150]]]
    image = photograph_arms((240, 320), arms, sigma=9)
    once, twice = (
        predict_poses(arm_model, image, skeleton=arm, input_size=(240, 320), refine=refine)
        for refine in (False, True)
    )
    assert once.boxes[0, 2] < 2  # whose area says little
    assert twice.pose_scores[0] > 1.5 * once.pose_scores[0]


class HalfACellOff(keras.layers.Layer):
    """Maps half a cell too far right, where the images are no crops of refinement."""

    def call(self, images, maps):
        moved = (maps + keras.ops.roll(maps, 1, axis=3)) / 2
        return keras.ops.where(keras.ops.shape(images)[1] == 368, maps, moved)


def test_a_person_half_a_cell_away_is_found_again(arm, arm_model, photograph_arms):
    images = keras.Input((None, None, 3))
    off = {name: HalfACellOff()(images, maps) for name, maps in arm_model(images).items()}
    model, options = keras.Model(images, off), {"skeleton": arm, "input_size": (120, 160)}
    arms = np.array([[[300, 200], [306, 245], [300, 290]]])  # a cell is 32 pixels, 16 are far for such an arm
    image = photograph_arms((480, 640), arms, sigma=18)
    first, second = (predict_poses(model, image, refine=refine, **options) for refine in (False, True))
    assert np.abs(first.keypoints - arms)[..., 0].min() > 12
    assert np.abs(second.keypoints - arms).max() < 4


class BlindToCrops(keras.layers.Layer):
    """Maps of nothing, where the images are crops of refinement."""

    def call(self, images, maps):
        return maps * keras.ops.cast(keras.ops.shape(images)[1] != 368, maps.dtype)


def test_a_faint_person_is_kept_if_found_again(arm, arm_model, photograph_arms):
    images = keras.Input((None, None, 3))
    blind = {name: BlindToCrops()(images, maps) for name, maps in arm_model(images).items()}
    blind = keras.Model(images, blind)
    image = photograph_arms((240, 320), ARMS[:1])
    options = {"skeleton": arm, "input_size": (240, 320)}
    once = predict_poses(arm_model, image, **options)
    score = once.pose_scores[0] / len(arm.keypoints)

    def count(model, part, refine=True):
        """People found where the score is this part of `min_score`."""
        return len(predict_poses(model, image, **options, min_score=score / part, refine=refine))

    assert count(arm_model, 0.9, refine=False) == 0
    assert count(arm_model, 0.9) == 1
    assert count(arm_model, 0.7) == 0
    assert count(blind, 0.9) == 0
    assert count(blind, 1.1) == 1


@pytest.mark.parametrize(
    "corner", [(0, 0), (1, 0), (0, 1), (1, 1)], ids=["top left", "top right", "bottom left", "bottom right"]
)
def test_refinement_reaches_over_the_border(corner, arm, arm_model, photograph_arms):
    own = np.array([[12, 14], [30, 60], [20, 107]])
    arms = np.array([[399 - x if corner[0] else x, y + (180 if corner[1] else 0)] for x, y in own])[None]
    image = photograph_arms((300, 400), arms, sigma=9)
    found = predict_poses(arm_model, image, skeleton=arm, input_size=(240, 320), refine=True).keypoints
    np.testing.assert_allclose(found, arms, atol=1)


def test_someone_seen_in_the_padding_does_not_stop_refinement(arm, arm_model, photograph_arms):
    """A network that fires on the black below the photograph, 14 cells under the arm that it sees."""
    images = keras.Input((None, None, 3))
    low = {
        name: keras.ops.concatenate([0 * maps[:, :, :14], maps[:, :, :-14]], axis=2)
        for name, maps in arm_model(images).items()
    }
    model, options = keras.Model(images, low), {"skeleton": arm, "input_size": (256, 256)}
    for top in range(10, 22):  # from the middle of the person the photograph ends about half a look above
        image = photograph_arms((100, 256), [[[40, top], [44, top + 30], [41, top + 60]]], sigma=8)
        first, second = (predict_poses(model, image, refine=refine, **options) for refine in (False, True))
        assert (first.keypoints[0, :, 1] == 99.5).all()  # put on the border
        assert len(second) == 1


def test_refinement_at_no_one_and_at_single_dots_changes_nothing(arm, arm_model, photograph_arms):
    for arms in ([], [[[60, 50], [np.nan] * 2, [np.nan] * 2]]):
        with np.errstate(invalid="ignore"):
            image = photograph_arms((240, 320), np.nan_to_num(np.array(arms), nan=-1e6))
        once, twice = (
            predict_poses(arm_model, image, skeleton=arm, refine=refine) for refine in (False, True)
        )
        np.testing.assert_array_equal(twice.keypoints, once.keypoints)
        np.testing.assert_array_equal(twice.pose_scores, once.pose_scores)


def test_after_refinement_the_best_person_still_comes_first(arm, arm_model, photograph_arms):
    image = np.maximum(
        photograph_arms((240, 320), ARMS[:1], brightness=0.7), photograph_arms((240, 320), ARMS[1:])
    )
    poses = predict_poses(arm_model, image, skeleton=arm, refine=True)
    assert len(poses) == 3
    assert (np.diff(poses.pose_scores) <= 0).all()
    assert poses.keypoints[-1, 0, 0] == pytest.approx(60, abs=2)


def test_options_that_a_network_brings_along_are_defaults(arm, arm_model, photograph_arms):
    image = photograph_arms((240, 320), ARMS)
    found = predict_poses(arm_model, image, skeleton=arm)
    model = keras.Model(arm_model.input, arm_model.output)
    model.predict_options = {"max_people": 1}
    assert len(predict_poses(model, image, skeleton=arm)) == 1
    assert len(predict_poses(model, image, skeleton=arm, max_people=None)) == len(found) > 1


@pytest.mark.parametrize("quality", ["fast", "balanced", "best"])
def test_a_min_score_that_a_network_brings_along_holds_at_every_quality(
    quality, arm, arm_model, photograph_arms
):
    model = keras.Model(arm_model.input, arm_model.output)
    options = {"skeleton": arm, "input_size": (120, 160), "quality": quality}
    image = photograph_arms((240, 320), ARMS)
    for own, number in ((0.21, 3), (99, 0)):
        model.predict_options = {"min_score": own}
        assert len(predict_poses(model, image, **options)) == number


def test_refinement_is_not_narrowed_to_the_best_person_of_a_crop(tmp_path):
    model = from_preset("demo_synthetic")
    images, _ = synthetic_people(8, size=(256, 256), people=(3, 4), seed=5, folder=tmp_path)
    scenes = [read_image(path) for path in sorted(images.iterdir())]
    options = {"input_size": (256, 256), "heatmap_sigma": 1, "refine": True}
    best = predict_poses(model, scenes, max_people=1, **options)
    for one, everyone in zip(best, predict_poses(model, scenes, **options), strict=True):
        assert np.isclose(everyone.pose_scores, one.pose_scores[0], rtol=1e-4).any()


# Photographs of every kind


KINDS = {
    "RGBA": lambda rgb: np.dstack([rgb, np.full(rgb.shape[:2], 9, np.uint8)]),
    "16 bits": lambda rgb: rgb.astype(np.uint16) * 257,
    "float": lambda rgb: rgb.astype(np.float32),
}


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_of_every_kind_give_the_same_people(kind, arm, arm_model, photograph_arms):
    image = photograph_arms((240, 320), ARMS)
    expected = predict_poses(arm_model, image, skeleton=arm, input_size=(240, 320))
    found = predict_poses(arm_model, KINDS[kind](image), skeleton=arm, input_size=(240, 320))
    np.testing.assert_array_equal(found.keypoints, expected.keypoints)


def test_grey_arrays_are_seen_in_all_three_channels(arm, arm_model, photograph_arms):
    gray = photograph_arms((240, 320), ARMS).max(axis=-1)
    expected = predict_poses(arm_model, np.dstack([gray] * 3), skeleton=arm)
    assert len(expected) > 0
    for image in (gray, gray[..., None]):
        found = predict_poses(arm_model, image, skeleton=arm)
        np.testing.assert_array_equal(found.keypoints, expected.keypoints)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (500, 1)])
def test_a_photograph_of_hardly_a_pixel_is_looked_at(size, arm, arm_model):
    image = np.full((*size, 3), 90, np.uint8)
    for refine in (False, True):
        poses = predict_poses(arm_model, image, skeleton=arm, input_size=(48, 64), refine=refine)
        assert np.isfinite(poses.pose_scores).all()


@pytest.mark.parametrize("refine", [False, True], ids=["", "refined"])
def test_people_are_found_in_a_photograph_of_ten_thousand_pixels(refine, arm, arm_model, photograph_arms):
    arms = np.array([[[310, 22], [305, 43], [313, 70]], [[700, 31], [706, 52], [701, 79]]])
    # At a factor of 0.04 the arms are two cells long: dots as large as they can be without touching.
    image = np.kron(photograph_arms((100, 1000), arms, sigma=8), np.ones((10, 10, 1), np.uint8))
    assert image.shape == (1000, 10_000, 3)
    poses = predict_poses(arm_model, image, skeleton=arm, input_size=(368, 432), refine=refine)
    assert len(poses) == 2
    cell = 8 * 10_000 / 432  # pixels of the photograph
    np.testing.assert_allclose(from_left(poses), scaled(arms, 10), atol=cell / 2)


def test_photographs_may_be_an_array_of_paths_or_of_arrays(arm, arm_model, photograph_arms, tmp_path):
    images = [photograph_arms((240, 320), ARMS[:count]) for count in (1, 2)]
    for number, image in enumerate(images):
        cv2.imwrite(f"{tmp_path}/{number}.png", image[..., ::-1])
    paths = np.array([f"{tmp_path}/0.png", f"{tmp_path}/1.png"])
    objects = np.empty(2, object)
    objects[:] = images
    for batch in (paths, objects):
        assert [len(poses) for poses in predict_poses(arm_model, batch, skeleton=arm)] == [1, 2]


def test_the_size_may_be_an_array(arm, arm_model, photograph_arms):
    image = photograph_arms((240, 320), ARMS)
    found = predict_poses(arm_model, image, skeleton=arm, input_size=np.array([240, 320]))
    assert len(found) == 3


def test_photographs_may_come_from_a_generator(arm, arm_model, photograph_arms):
    images = (photograph_arms((240, 320), ARMS[:count]) for count in (1, 2))
    assert [len(poses) for poses in predict_poses(arm_model, images, skeleton=arm)] == [1, 2]


def test_what_is_no_photograph_is_refused(arm, arm_model):
    with pytest.raises(ValueError, match=r"An image must have shape .* Received: \(\)"):
        predict_poses(arm_model, None, skeleton=arm)  # what cv2.imread gives for a file that is not there


def test_a_network_with_one_fixed_side_needs_no_size(arm, arm_model, photograph_arms):
    images = keras.Input((None, 320, 3))
    model = keras.Model(images, arm_model(images))
    image = photograph_arms((240, 320), ARMS)
    found, expected = (
        predict_poses(*arguments, skeleton=arm, **size).keypoints
        for arguments, size in (((model, image), {}), ((arm_model, image), {"input_size": (368, 320)}))
    )
    assert len(found) == 3
    np.testing.assert_array_equal(found, expected)


def test_a_network_of_fixed_size_refuses_refinement_before_anyone_is_found(fixed_model, arm):
    with pytest.raises(ValueError, match=r"`refine`, .*, needs a network .* 368×368. .*\(64, 96\) only"):
        predict_poses(fixed_model, np.zeros((64, 96, 3), np.uint8), skeleton=arm, refine=True)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 cut off", bytes(range(256)) * 20])
def test_a_damaged_file_among_others_is_named(content, arm, arm_model, photograph_arms, tmp_path):
    path = tmp_path / "damaged.jpg"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"Not an image that OpenCV can read.*damaged\.jpg"):
        predict_poses(arm_model, [photograph_arms((240, 320), ARMS), path], skeleton=arm)


# Wrong arguments


def test_model_and_skeleton_that_do_not_fit_are_told_both_counts(arm_model):
    with pytest.raises(
        ValueError, match=r"maps of COCO_18: 19 heatmaps \(18 keypoints and background\)"
    ) as error:
        predict_poses(arm_model, np.zeros((64, 64, 3), np.uint8), skeleton=COCO_18)
    for part in ("38 PAF channels (19 limbs)", "{'heatmaps': 4, 'pafs': 4}", "`skeleton`"):
        assert part in str(error.value)


@pytest.mark.parametrize("kind", ["functional", "sequential"])
def test_a_model_of_another_kind_is_refused(kind, arm):
    classifier = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.GlobalAveragePooling2D()])
    if kind == "functional":
        images = keras.Input((32, 32, 3))
        classifier = keras.Model(images, classifier(images))
    with pytest.raises(ValueError, match="The model must give the maps of arm: 4 heatmaps"):
        predict_poses(classifier, np.zeros((64, 64, 3), np.uint8), skeleton=arm)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            {"input_size": (8, 100)}, r"`input_size` must be \(height, width\).*\(8, 100\)", id="small"
        ),
        pytest.param(
            {"input_size": (64, 64, 3)}, r"`input_size` must be \(height, width\)", id="three sides"
        ),
        pytest.param(
            {"input_size": 96}, r"`input_size` must be \(height, width\).* Received: 96", id="number"
        ),
        pytest.param({"scales": ()}, "`scales` must hold positive factors", id="no scale"),
        pytest.param(
            {"quality": "high"},
            "`quality` must be one of: fast, balanced, best. Received: 'high'",
            id="quality",
        ),
        pytest.param(
            {"scales": (1, 0)}, r"`scales` must hold positive factors. Received: \(1, 0\)", id="zero"
        ),
        pytest.param({"max_people": -1}, "`max_people` must be at least 0.*Received: -1", id="people"),
        pytest.param({"batch_size": 0}, "`batch_size` must be at least 1. Received: 0", id="no batch"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message, arm, arm_model):
    with pytest.raises(ValueError, match=message):
        predict_poses(arm_model, np.zeros((64, 64, 3), np.uint8), skeleton=arm, **options)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (predict_poses, "predict_poses"),
        (predict_video, "predict_video"),
        (lambda model, images, **options: evaluate_coco(model, "a", "a.json", **options), "evaluate_coco"),
        (lambda model, images, **options: CocoEvaluation("a", "a.json", **options), "CocoEvaluation"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize(
    ("misspelled", "advice"),
    [
        ("min_scor", "Did you mean `min_score`?"),
        ("inputsize", "Did you mean `input_size`?"),
        ("strid", "Choose from: .*`flip`, .*`min_score`"),
    ],
)
def test_a_misspelled_argument_is_told_before_the_network_runs(call, name, misspelled, advice, arm):
    def run(images):
        pytest.fail("the network runs")

    model = ExportedNetwork((None, None, None, 3), {"heatmaps": 4, "pafs": 4}, run)
    with pytest.raises(TypeError, match=rf"`{name}` has no argument `{misspelled}`\. {advice}"):
        call(model, np.zeros((2, 32, 32, 3), np.uint8), skeleton=arm, **{misspelled: 1})


@pytest.fixture(scope="module")
def fixed_model(arm_model):
    images = keras.Input((64, 96, 3), name="images")
    return keras.Model(images, arm_model(images))


@pytest.mark.parametrize(
    ("own", "size"),
    [
        pytest.param((64, 96), None, id="multiples of 16"),
        pytest.param((72, 104), None, id="multiples of 8 only"),
        pytest.param((72, 112), (72, 100), id="asked for less than a side has"),
        pytest.param((None, 104), (64, 104), id="one side fixed"),
    ],
)
def test_a_network_of_fixed_size_is_used_at_that_size(own, size, arm, arm_model, photograph_arms):
    images = keras.Input((*own, 3), name="images")
    image = photograph_arms((240, 320), 0.7 * ARMS, sigma=25)  # away from the padding
    fixed = predict_poses(keras.Model(images, arm_model(images)), image, skeleton=arm, input_size=size)
    free = predict_poses(arm_model, image, skeleton=arm, input_size=size or own)
    np.testing.assert_allclose(fixed.keypoints, free.keypoints, atol=1e-3)


def test_scales_may_be_one_or_of_any_kind(arm, arm_model, photograph_arms):
    image = photograph_arms((240, 320), ARMS)
    expected = predict_poses(arm_model, image, skeleton=arm, scales=(0.5,)).keypoints
    for scales in (0.5, [0.5], {0.5}, np.array([0.5]), iter([0.5])):
        found = predict_poses(arm_model, image, skeleton=arm, scales=scales).keypoints
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "options",
    [{"input_size": (96, 96)}, {"scales": (1, 2)}, {"refine": True}, {"quality": "balanced"}],
    ids=lambda options: next(iter(options)),
)
def test_a_network_of_fixed_size_asked_for_another_says_so(options, fixed_model, arm, photograph_arms):
    image = photograph_arms((240, 320), ARMS, sigma=35)
    with pytest.raises(ValueError, match=r"64.*96"):
        predict_poses(fixed_model, image, skeleton=arm, **options)


# The compiled function


class Counted(keras.layers.Layer):
    """Counts how often Python runs it: when it is traced, not when the trace runs."""

    traces = 0

    def call(self, inputs):
        self.traces += 1
        return inputs


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="JAX compiles for each shape, PyTorch not at all"
)
def test_a_model_is_compiled_once_for_all_sizes_and_batches(arm, arm_model):
    counted, images = Counted(), keras.Input((None, None, 3))
    model = keras.Model(images, arm_model(counted(images)))
    built = counted.traces
    for size, count in (((64, 64), 1), ((64, 96), 3), ((64, 64), 2)):
        predict_poses(model, np.zeros((count, *size, 3), np.uint8), skeleton=arm, input_size=size, flip=True)
    assert counted.traces == built + 1
    assert forward_pass(model, arm) is forward_pass(model, arm)


def test_layers_that_need_to_know_the_size_run(arm, arm_model):
    """Keras 3.15 cannot enlarge maps bilinearly in a graph whose height and width are unknown."""
    images = keras.Input((None, None, 3))
    half = keras.layers.AveragePooling2D(2)(images)
    model = keras.Model(images, arm_model(keras.layers.UpSampling2D(2, interpolation="bilinear")(half)))
    for size in ((64, 96), (96, 96)):
        predict_poses(model, np.zeros((*size, 3), np.uint8), skeleton=arm, input_size=size)


def test_keypoints_in_the_padding_are_put_on_the_border(arm, arm_model, photograph_arms):
    """A network that sees everything 16 pixels, 8 of the photograph's, right of where it is."""
    images = keras.Input((None, None, 3))
    shifted = keras.layers.ZeroPadding2D(((0, 0), (16, 0)))(images)[:, :, :-16]
    arms = np.array([[[100.0, 60], [108, 100], [112, 110]]])
    image = photograph_arms((120, 120), arms, sigma=9)
    found = predict_poses(keras.Model(images, arm_model(shifted)), image, skeleton=arm, input_size=(240, 320))
    assert len(found) == 1
    np.testing.assert_allclose(found.keypoints[0], [[108, 60], [116, 100], [119.5, 110]], atol=1)
    assert found.keypoints.max() == 119.5


def test_the_compiled_function_goes_with_the_model(arm):
    model = slat_model()
    predict_poses(model, np.zeros((64, 64, 3), np.uint8), skeleton=SLAT)
    compiled = weakref.ref(forward_pass(model, SLAT))
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert compiled() is None


def test_new_weights_are_seen_by_the_compiled_function():
    model, slats = slat_model(), photograph_slats([(70, 41)])
    options = {"skeleton": SLAT, "input_size": (160, 240)}
    before = predict_poses(model, slats, **options)
    model.set_weights([weight * 0.5 for weight in model.get_weights()])
    after = predict_poses(model, slats, **options)
    np.testing.assert_allclose(after.scores, before.scores / 2, rtol=1e-5)


def test_the_last_stage_counts(arm, arm_model, photograph_arms):
    images = keras.Input((None, None, 3))
    maps = arm_model(images)
    stages = {name: keras.ops.concatenate([0 * value, value], axis=1) for name, value in maps.items()}
    image = photograph_arms((240, 320), ARMS)
    found = predict_poses(keras.Model(images, stages), image, skeleton=arm)
    np.testing.assert_allclose(
        found.keypoints, predict_poses(arm_model, image, skeleton=arm).keypoints, atol=1e-3
    )


@pytest.mark.parametrize("stages", [1, 2])
def test_maps_that_are_a_sum_are_seen_as_a_whole(stages, arm):
    """Not taken for stages side by side, of which the last would do."""
    images = keras.Input((16, 16, 3))
    half = keras.layers.AveragePooling2D(8)(images)[:, None, :, :, :1] * np.ones(arm.num_keypoints + 1)
    half = keras.ops.concatenate([half] * stages, axis=1)
    model = keras.Model(images, {"heatmaps": keras.ops.add(half, 2 * half)})
    heatmaps, _ = forward_pass(model, arm)(np.ones((1, 16, 16, 3)))
    np.testing.assert_array_equal(heatmaps, 3)


def test_a_skeleton_without_limbs_runs_through_all_of_it(photograph_arms):
    dot = Skeleton("dot", keypoints=["dot"])
    images = keras.Input((None, None, 3))
    cells = keras.layers.AveragePooling2D(8)(keras.layers.Rescaling(1 / 255)(images))
    heatmaps = keras.ops.concatenate([cells[..., :1], 1 - cells[..., :1]], axis=-1)
    model = keras.Model(images, {"heatmaps": heatmaps[:, None], "pafs": cells[:, None, ..., :0]})
    image = photograph_arms((240, 320), ARMS)
    poses = predict_poses(
        model, image, skeleton=dot, input_size=(240, 320), scales=(1, 2), flip=True, refine=True
    )
    np.testing.assert_allclose(from_left(poses), ARMS[:, :1], atol=1)
