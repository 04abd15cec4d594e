"""Whole bodies: dots of color found through crop, mirror, batch and back; what a wrong argument is told."""

import keras
import numpy as np
import pytest

from keras_openpose import (
    BODY_25,
    COCO_18,
    FACE_70,
    HAND_21,
    MPI_15,
    WholeBody,
    hand_openpose,
    predict_video,
    predict_whole_body,
)
from keras_openpose.inference.crops import Crop, CropNetwork
from keras_openpose.inference.runtimes import ExportedNetwork
from keras_openpose.poses import unseen

# A person whose forearms and upper arms have length 1, in every skeleton; x right, y down, from the neck.
PLACES = {
    "neck": (0, 0), "nose": (0, -0.6), "head": (0, -0.9),
    "right_shoulder": (-0.5, 0), "right_elbow": (-1.5, 0), "right_wrist": (-2.5, 0),
    "left_shoulder": (0.5, 0), "left_elbow": (1.5, 0), "left_wrist": (2.5, 0),
    "right_eye": (-0.12, -0.7), "left_eye": (0.12, -0.7), "right_ear": (-0.25, -0.65),
    "left_ear": (0.25, -0.65),
}  # fmt: skip
# What the dot networks see: red dots near the hands, green ones too; blue ones on the face.
DOTS = {
    "right_hand": ((-2.9, 0.2), (-2.6, -0.3)),
    "left_hand": ((3.1, 0.1), (2.7, -0.2)),
    "face": ((0.1, -0.5),),
}
RED, GREEN, BLUE = 0, 1, 2
HAND_RED, HAND_GREEN, FACE_BLUE = 4, 17, 30  # keypoints


def body_at(neck, unit, skeleton=COCO_18):
    """Keypoints `(keypoints, 2)` of the person with its neck there and arms of so many pixels."""
    return np.array(
        [np.multiply(PLACES.get(name, (np.nan,) * 2), unit) + neck for name in skeleton.keypoints]
    )


def dots_of(neck, unit):
    """Places of the dots: of the right hand and the left, red and green, and of the face."""
    return {part: np.multiply(places, unit) + neck for part, places in DOTS.items()}


def photograph(size, people, number=0, sigma=0.05):
    """Dots of `people`, pairs of neck and unit; the red of the last pixel says which photograph it is."""
    y, x = np.mgrid[: size[0], : size[1]]
    image = np.zeros((*size, 3))
    for neck, unit in people:
        dots = dots_of(neck, unit)
        colored = [(RED, dots["right_hand"][0]), (RED, dots["left_hand"][0]), (BLUE, dots["face"][0])]
        colored += [(GREEN, dots["right_hand"][1]), (GREEN, dots["left_hand"][1])]
        for color, (dot_x, dot_y) in colored:
            dot = 255 * np.exp(-((x - dot_x) ** 2 + (y - dot_y) ** 2) / (2 * (sigma * unit) ** 2))
            image[..., color] = np.maximum(image[..., color], dot)
    image = np.rint(image).astype(np.uint8)
    image[-1, -1] = number
    return image


@pytest.fixture
def bodies(draw_maps):
    """A network of bodies that knows the people of each photograph, by the color of its last pixel."""

    def network(size, photographs, skeleton=COCO_18):
        cells = size[0] // 8, size[1] // 8
        maps = [
            draw_maps([body_at(*person, skeleton) for person in people], skeleton, cells)
            for people in photographs
        ]

        def call(images):
            numbers = np.rint(images[:, -1, -1, 0]).astype(int)
            return {
                name: np.stack([maps[n][m] for n in numbers]) for m, name in enumerate(("heatmaps", "pafs"))
            }

        channels = {"heatmaps": skeleton.num_keypoints + 1, "pafs": 2 * skeleton.num_limbs}
        return ExportedNetwork((None, *size, 3), channels, call, skeleton)

    return network


def dot_network(skeleton, colors, *, shift=0, size=None):
    """A network that sees a keypoint in the dots of a color, `shift` pixels right of where they are."""
    images = keras.Input((size, size, 3))
    shifted = keras.layers.ZeroPadding2D(((0, 0), (shift, 0)))(images)[:, :, :-shift] if shift else images
    cells = keras.layers.AveragePooling2D(8)(keras.layers.Rescaling(1 / 255)(shifted))
    heatmaps = keras.layers.Conv2D(skeleton.num_keypoints + 1, 1)
    model = keras.Model(images, {"heatmaps": heatmaps(cells)[:, None]})
    kernel = np.zeros((1, 1, 3, skeleton.num_keypoints + 1))
    for keypoint, color in colors.items():
        kernel[..., color, keypoint] = 1
    heatmaps.set_weights([kernel, np.zeros(skeleton.num_keypoints + 1)])
    return model


@pytest.fixture(scope="module")
def hands():
    return dot_network(HAND_21, {HAND_RED: RED, HAND_GREEN: GREEN})


@pytest.fixture(scope="module")
def face():
    return dot_network(FACE_70, {FACE_BLUE: BLUE})


def check(found, people, atol=0.5):
    """Every dot was found, at most `atol` pixels from its place, and nothing else."""
    assert len(found) == len(people)
    order = np.argsort(found.body.keypoints[:, 1, 0])  # by the neck, from left to right
    for row, person in zip(order, people, strict=True):
        dots = dots_of(*person)
        for part, poses in (("right_hand", found.right_hands), ("left_hand", found.left_hands)):
            np.testing.assert_allclose(poses.keypoints[row, [HAND_RED, HAND_GREEN]], dots[part], atol=atol)
            assert np.isfinite(poses.keypoints[row]).all(axis=1).sum() == 2
        np.testing.assert_allclose(found.faces.keypoints[row, FACE_BLUE], dots["face"][0], atol=atol)


@pytest.mark.parametrize("skeleton", [COCO_18, BODY_25, MPI_15], ids=lambda skeleton: skeleton.name)
@pytest.mark.parametrize("unit", [44, 100, 260])
def test_dots_come_back_within_half_a_pixel_at_three_sizes_of_crops(unit, skeleton, bodies, hands, face):
    """Squares of 66, 150 and 390 pixels for hands, of 43 to 253 for faces."""
    size = (16 * round(unit / 4), 32 * round(unit / 4))
    people = [((size[1] / 2 + 0.3, size[0] / 2 - 0.2), unit)]
    found = predict_whole_body(
        photograph(size, people), body=bodies(size, [people], skeleton), hands=hands, face=face,
        skeleton=skeleton,
    )  # fmt: skip
    check(found, people)
    sides = found.right_hand_boxes[0, 2], found.left_hand_boxes[0, 2]
    np.testing.assert_allclose(sides, 1.5 * unit, rtol=0.03)  # drawn bodies are found to a pixel


SIZE = (256, 1024)
CROWDS = ([((280, 120), 80), ((790, 150), 60)], [((500, 100.5), 90)], [])


@pytest.fixture
def crowds(bodies):
    """Three photographs, of two people, of one and of nobody, and a network that knows them."""
    return [photograph(SIZE, people, n) for n, people in enumerate(CROWDS)], bodies(SIZE, CROWDS)


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_photograph_alone_and_in_a_list_gives_the_same(batch_size, crowds, hands, face):
    images, body = crowds
    networks = {"body": body, "hands": hands, "face": face}
    together = predict_whole_body(images, **networks, batch_size=batch_size)
    assert [len(found) for found in together] == [2, 1, 0]
    for image, people, found in zip(images, CROWDS, together, strict=True):
        check(found, people)
        alone = predict_whole_body(image, **networks)
        for part in ("body", "left_hands", "right_hands", "faces"):
            one, other = getattr(alone, part), getattr(found, part)
            np.testing.assert_allclose(one.keypoints, other.keypoints, atol=1e-3)
            np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
        np.testing.assert_array_equal(alone.face_boxes, found.face_boxes)


def test_crops_of_all_people_and_both_sides_share_their_batches(crowds):
    images, body = crowds
    batches = []

    def call(crops):
        batches.append(crops.shape)
        return {"heatmaps": np.zeros((len(crops), 46, 46, HAND_21.num_keypoints + 1), np.float32)}

    counting = ExportedNetwork((None, None, None, 3), {"heatmaps": HAND_21.num_keypoints + 1}, call)
    found = predict_whole_body(images, body=body, hands=counting, batch_size=4)
    assert batches == [(4, 368, 368, 3), (2, 368, 368, 3)]  # of three people
    assert np.isnan(found[0].left_hands.keypoints).all()  # maps without a peak show no hand


def test_left_hands_are_mirrored_and_right_ones_are_not(crowds):
    """By a network that sees everything 16 pixels of the crop right of where it is."""
    images, body = crowds
    shifted = dot_network(HAND_21, {HAND_RED: RED, HAND_GREEN: GREEN}, shift=16)
    found, (person,) = predict_whole_body(images[1], body=body, hands=shifted), CROWDS[1]
    dots, shift = dots_of(*person), [16 * 1.5 * person[1] / 368, 0]
    keypoints = [HAND_RED, HAND_GREEN]
    np.testing.assert_allclose(
        found.right_hands.keypoints[0, keypoints], dots["right_hand"] + shift, atol=0.5
    )
    np.testing.assert_allclose(found.left_hands.keypoints[0, keypoints], dots["left_hand"] - shift, atol=0.5)


def test_what_no_network_was_given_for_is_not_looked_at(crowds, hands, face):
    images, body = crowds
    without_face = predict_whole_body(images[0], body=body, hands=hands)
    without_hands = predict_whole_body(images[0], body=body, face=face)
    for rows in (
        without_face.faces.keypoints, without_face.face_boxes, without_hands.left_hands.keypoints,
        without_hands.right_hands.keypoints, without_hands.right_hand_boxes,
    ):  # fmt: skip
        assert len(rows) == 2
        assert np.isnan(rows).all()
    assert not without_face.faces.scores.any()
    assert without_hands.left_hands.skeleton is HAND_21
    body_alone = predict_whole_body(images[0], body=body)
    np.testing.assert_array_equal(body_alone.body.keypoints, without_face.body.keypoints)


def test_a_hand_partly_outside_of_the_photograph_is_found_where_it_is_inside(bodies, hands):
    """The square of the right hand hangs over the left border, that of the left hand over the right one."""
    size, people = (160, 400), [((199, 100), 64)]
    found = predict_whole_body(photograph(size, people), body=bodies(size, [people]), hands=hands)
    left, right = found.left_hand_boxes[0], found.right_hand_boxes[0]
    assert right[0] < -20
    assert left[0] + left[2] > size[1] + 20
    dots = dots_of(*people[0])
    np.testing.assert_allclose(found.right_hands.keypoints[0, HAND_RED], dots["right_hand"][0], atol=0.5)
    np.testing.assert_allclose(found.left_hands.keypoints[0, HAND_RED], dots["left_hand"][0], atol=0.5)


@pytest.mark.parametrize("scales", [(0.8, 0.88, 0.96, 1.04, 1.12, 1.2), (1.2, 0.9), [0.9], 1.5])
def test_several_scales_of_a_hand_find_the_same_place(scales, crowds, hands, face):
    images, body = crowds
    found = predict_whole_body(images[0], body=body, hands=hands, face=face, hand_scales=scales)
    check(found, CROWDS[0])
    once = predict_whole_body(images[0], body=body, hands=hands)
    np.testing.assert_array_equal(found.left_hand_boxes, once.left_hand_boxes)


# Videos


def test_people_of_a_video_keep_their_ids_and_their_hands_steady_the_next_squares(bodies, face):
    """Someone who walks to the right, and back: at each place, red and green dots on all of a hand."""
    size, unit, xs = (256, 512), 60, (230, 250, 230)
    crowds = [[((x, 120), unit)] for x in xs]
    frames = [photograph(size, people, n) for n, people in enumerate(crowds)]
    colors = {n: (RED, GREEN)[n % 2] for n in range(HAND_21.num_keypoints)}
    found = list(predict_video(bodies(size, crowds), frames, hands=dot_network(HAND_21, colors), face=face))
    assert [people.body.ids.tolist() for _, people in found] == [[0]] * 3
    for n, (_, people) in enumerate(found):
        for side, sign in (("right_hand", -1), ("left_hand", 1)):
            center, length = np.array([xs[n] + sign * 2.83 * unit, 120]), 1.5 * unit
            if n:
                before = dots_of((xs[n - 1], 120), unit)[side]
                center = (center + np.mean(before, axis=0)) / 2
                length += np.ptp(before, axis=0).max() / 2
            expected = [*(center - length / 2), length, length]
            np.testing.assert_allclose(getattr(people, f"{side}_boxes")[0], expected, atol=2)
        dots = dots_of((xs[n], 120), unit)
        np.testing.assert_allclose(people.left_hands.keypoints[0, :2], dots["left_hand"], atol=0.5)
        np.testing.assert_allclose(people.faces.keypoints[0, FACE_BLUE], dots["face"][0], atol=0.5)


def test_a_video_is_told_what_the_skeleton_lacks_before_its_first_frame(arm, arm_model, hands):
    with pytest.raises(ValueError, match=r"`hands` needs a body with shoulders, elbows and wrists\. arm"):
        predict_video(arm_model, [], skeleton=arm, hands=hands)


# A crop


def test_a_square_as_large_as_the_result_shows_the_pixels_as_they_are_and_black_around():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    # Pixel 0 spans −0.5 to 0.5.
    inside = Crop(image, np.array([2.5, 4.5, 16, 16]), mirrored=False).pixels(16)
    np.testing.assert_array_equal(inside, image[5:21, 3:19])
    across = Crop(image, np.array([-8.5, 21.5, 16, 16]), mirrored=False).pixels(16)
    np.testing.assert_array_equal(across[:8, 8:], image[22:, :8])
    assert not across[8:].any()
    assert not across[:, :8].any()
    assert not Crop(image, np.array([50.0, 0, 16, 16]), mirrored=False).pixels(16).any()
    mirrored = Crop(image, np.array([2.5, 4.5, 16, 16]), mirrored=True).pixels(16)
    np.testing.assert_array_equal(mirrored, inside[:, ::-1])


def test_keypoints_in_the_black_around_the_photograph_are_put_on_its_border():
    crop = Crop(np.zeros((30, 40, 3), np.uint8), np.array([29.5, -3.5, 16, 16]), mirrored=False)
    places = crop.to_photograph(np.array([[2.0, 7], [15, 7], [2, 0]]), 16)
    np.testing.assert_allclose(places, [[32, 4], [39.5, 4], [32, -0.5]])


def test_a_square_of_a_panorama_is_cut_out():
    """OpenCV warps no image of more than 32,766 pixels a side."""
    image = np.zeros((20, 40_000, 3), np.uint8)
    image[:, 39_000] = 255
    shown = Crop(image, np.array([38_991.5, -0.5, 16, 16]), mirrored=False).pixels(16)
    assert np.flatnonzero(shown.all(axis=(0, 2))).tolist() == [8]


def test_a_large_square_shrinks_to_the_means_of_its_pixels():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.float32)
    shown = Crop(image, np.array([-0.5, -0.5, 64, 64]), mirrored=False).pixels(16)
    np.testing.assert_allclose(shown, image.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3)), atol=1e-3)


def test_a_place_that_one_scale_alone_shows_keeps_its_height():
    """Of the squares of 0.5 and 1, the small one does not show a bright border."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :8] = 255
    crop = Crop(image, np.array([-0.5, -0.5, 64, 64]), mirrored=False)
    model = dot_network(HAND_21, {HAND_RED: RED}, size=64)
    network = CropNetwork("hands", model, HAND_21, scales=(0.5, 1), batch_size=1)
    maps = network._heatmaps([crop])[0, ..., HAND_RED]
    np.testing.assert_allclose(maps[:, 0], 1, atol=0.01)
    np.testing.assert_allclose(maps[:, 2:], 0, atol=0.01)


# Wrong arguments


def test_a_body_without_arms_or_head_is_told_what_is_missing(arm, arm_model, hands, face):
    image = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ValueError, match=r"`hands` needs a body with .* arm lacks: left_wrist, left_elbow"):
        predict_whole_body(image, body=arm_model, hands=hands, skeleton=arm)
    with pytest.raises(ValueError, match=r"`face` needs a body with .* arm lacks: neck, nose"):
        predict_whole_body(image, body=arm_model, face=face, skeleton=arm)
    assert len(predict_whole_body(image, body=arm_model, skeleton=arm)) == 0


def test_networks_that_see_something_else_are_named(crowds, hands, face):
    _, body = crowds
    image = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ValueError, match=r"`hands` must .* HAND_21: 22 heatmaps .*with: {'heatmaps': 71}"):
        predict_whole_body(image, body=body, hands=face)
    with pytest.raises(ValueError, match=r"`face` must .* FACE_70: 71 heatmaps .*with: {'heatmaps': 22}"):
        predict_whole_body(image, body=body, face=hands)


def test_a_network_of_one_size_is_used_at_that_size_if_it_is_a_square(crowds):
    images, body = crowds
    model = dot_network(HAND_21, {HAND_RED: RED, HAND_GREEN: GREEN}, size=256)
    found = predict_whole_body(images[1], body=body, hands=model)
    (person,) = CROWDS[1]
    red = found.left_hands.keypoints[0, HAND_RED]
    np.testing.assert_allclose(red, dots_of(*person)["left_hand"][0], atol=0.5)
    with pytest.raises(ValueError, match=r"`hands` must be a network that takes squares.* \(64, 96\)"):
        predict_whole_body(images[1], body=body, hands=hand_openpose(input_shape=(64, 96, 3)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hand_scales": ()}, r"`hand_scales` must hold positive factors. Received: \(\)"),
        ({"hand_scales": (1, 0)}, r"`hand_scales` must hold positive factors. Received: \(1, 0\)"),
        ({"batch_size": 0}, "`batch_size` must be at least 1. Received: 0"),
        ({"min_scores": 1}, "min_scores"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message, crowds, hands):
    images, body = crowds
    with pytest.raises((ValueError, TypeError), match=message):
        predict_whole_body(images, body=body, hands=hands, **options)


def test_parts_that_do_not_fit_the_people_are_refused():
    body, one = unseen(2, COCO_18), unseen(1, HAND_21)
    with pytest.raises(ValueError, match=r"`left_hands` must have a row for each of the 2 people.* 1 rows"):
        WholeBody(body, one, one, unseen(2, FACE_70))


def test_an_empty_list_gives_an_empty_list(crowds, hands):
    assert predict_whole_body([], body=crowds[1], hands=hands) == []
