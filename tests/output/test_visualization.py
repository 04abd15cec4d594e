"""Pictures: pixels looked up where the drawing must have put them."""

import colorsys
import dataclasses

import numpy as np
import pytest

from keras_openpose import (
    BODY_25,
    COCO_18,
    FACE_70,
    HAND_21,
    Poses,
    Skeleton,
    WholeBody,
    draw_heatmaps,
    draw_pafs,
    draw_poses,
)
from keras_openpose.poses import unseen

BLACK = np.zeros((120, 160, 3), np.uint8)
NAN = (np.nan, np.nan)


def poses_of(people, skeleton):
    keypoints = np.asarray(people, float).reshape(-1, skeleton.num_keypoints, 2)
    return Poses(keypoints, np.isfinite(keypoints[..., 0]) * 1.0, np.ones(len(keypoints)), skeleton)


def body_with(places):
    """A COCO-18 person with the named keypoints only."""
    keypoints = np.full((1, COCO_18.num_keypoints, 2), np.nan)
    for name, place in places.items():
        keypoints[0, COCO_18.keypoints.index(name)] = place
    return poses_of(keypoints, COCO_18)


def color_of(limb, skeleton):
    """Hues all around the wheel, nine tenths saturated."""
    return [255 * part for part in colorsys.hsv_to_rgb(limb / skeleton.num_limbs, 0.9, 1)]


def lit(picture):
    """Corners of the box of pixels that are not black: left, top, right, bottom."""
    rows, columns = np.nonzero(picture.any(axis=-1))
    return columns.min(), rows.min(), columns.max(), rows.max()


# People


@pytest.mark.parametrize("skeleton", [COCO_18, BODY_25], ids=lambda skeleton: skeleton.name)
def test_a_pixel_on_a_limb_has_the_color_of_the_limb(skeleton):
    drawn = [limb for limb in skeleton.limbs if limb not in skeleton.auxiliary_limbs]
    for limb in drawn:
        person = np.full((1, skeleton.num_keypoints, 2), np.nan)
        person[0, skeleton.keypoints.index(limb[0])] = 20, 30
        person[0, skeleton.keypoints.index(limb[1])] = 140, 90
        picture = draw_poses(BLACK, poses_of(person, skeleton), thickness=5)
        np.testing.assert_allclose(picture[60, 80], color_of(skeleton.limbs.index(limb), skeleton), atol=1)


def test_every_person_has_the_same_colors(arm):
    people = [[(10, 20), (80, 20), (150, 20)], [(10, 100), (80, 100), (150, 100)]]
    picture = draw_poses(BLACK, poses_of(people, arm), thickness=5)
    for x in (45, 115):
        np.testing.assert_array_equal(picture[20, x], picture[100, x])
    assert (picture[20, 45] != picture[20, 115]).any()


def test_x_runs_right_and_y_down(arm):
    picture = draw_poses(BLACK, poses_of([[(150, 12), NAN, NAN]], arm))
    left, top, right, bottom = lit(picture)
    assert (left + right) / 2 == pytest.approx(150, abs=1)  # OpenCV's small circles are not quite round
    assert (top + bottom) / 2 == pytest.approx(12, abs=1)


def test_an_id_without_a_place_is_not_written(arm):
    poses = poses_of([[NAN, NAN, NAN], [(10, 20), NAN, (150, 100)]], arm)
    only = dataclasses.replace(poses[[1]], ids=np.array([4]))
    both = dataclasses.replace(poses, ids=np.array([3, 4]))
    np.testing.assert_array_equal(draw_poses(BLACK, both), draw_poses(BLACK, only))


def test_absent_keypoints_and_the_limbs_to_them_are_skipped(arm):
    picture = draw_poses(BLACK, poses_of([[(10, 20), NAN, (150, 100)]], arm), thickness=3)
    spots = picture.any(axis=-1)
    assert spots[15:26, 5:16].any()
    assert spots[95:106, 145:156].any()
    spots[15:26, 5:16] = spots[95:106, 145:156] = False
    assert not spots.any()


def test_ear_to_shoulder_is_not_drawn():
    apart = body_with({"right_shoulder": (20, 100), "right_ear": (140, 20)})
    assert not draw_poses(BLACK, apart)[50:70, 60:100].any()
    joined = body_with({"right_shoulder": (20, 100), "neck": (140, 20)})
    assert draw_poses(BLACK, joined)[50:70, 60:100].any()


def test_a_skeleton_without_limbs_is_drawn_as_points():
    dot = Skeleton("dot", keypoints=["dot"])
    picture = draw_poses(BLACK, poses_of([[(40, 30)], [(100, 90)]], dot))
    assert picture[30, 40].any()
    assert picture[90, 100].any()
    assert not picture[60, 70].any()


@pytest.mark.parametrize(("size", "thickness"), [((90, 120), 1), ((600, 800), 7), ((1200, 1600), 13)])
def test_limbs_are_a_150th_of_the_diagonal_thick(size, thickness, arm):
    height, width = size
    person = [(10, height // 2), (width - 10, height // 2), NAN]
    picture = draw_poses(np.zeros((*size, 3), np.uint8), poses_of([person], arm))
    across = picture[:, width // 2].max(axis=-1)
    assert (across > 127).sum() == pytest.approx(thickness, abs=2)  # smoothed edges add a pixel each


def test_small_people_are_drawn_finely(arm):
    people = poses_of([[(100, 50), (140, 50), (150, 50)], [(100, 300), (500, 300), (700, 300)]], arm)
    picture = draw_poses(np.zeros((600, 800, 3), np.uint8), people).max(axis=-1) > 127
    assert picture[:100, 125].sum() == pytest.approx(2, abs=1)  # a 25th of 50 pixels
    assert picture[200:, 400].sum() == pytest.approx(7, abs=2)


def test_someone_of_few_keypoints_is_not_taken_for_small(arm):
    picture = draw_poses(np.zeros((600, 800, 3), np.uint8), poses_of([[(100, 50), NAN, NAN]], arm))
    assert picture.any(-1).sum() > 50  # a dot of eight pixels across, not of two


def test_an_id_at_the_border_can_be_read(arm):
    one, other = poses_of([[(40, 60), NAN, NAN]], arm), poses_of([[(158, 60), NAN, NAN]], arm)
    inside, at_border = (
        (draw_poses(BLACK, dataclasses.replace(poses, ids=np.array([1234])), thickness=1) == 255).all(-1)
        for poses in (one, other)
    )
    assert at_border.sum() == inside.sum()


@pytest.mark.parametrize("place", [(40, 60), (40, 2), (158, 60), (40, 119)])
def test_ids_of_people_close_together_can_all_be_read(place, arm):
    ids = np.array([12, 345, 67, 8])
    people = [[np.add(place, (0, n)), NAN, NAN] for n in range(4)]
    poses = dataclasses.replace(poses_of(people, arm), ids=ids)

    def white(poses):
        return (draw_poses(BLACK, poses, thickness=1) == 255).all(-1).sum()

    assert white(poses) == sum(white(poses[n]) for n in range(4))


def test_the_thickness_may_be_given(arm):
    person = poses_of([[(10, 60), (150, 60), NAN]], arm)
    thin, thick = (draw_poses(BLACK, person, thickness=t)[:, 80].any(axis=-1).sum() for t in (1, 9))
    assert thin <= 3
    assert thick >= 9


def test_a_thickness_below_one_is_refused(arm):
    with pytest.raises(ValueError, match=r"`thickness` must be at least 1. Received: -1"):
        draw_poses(BLACK, poses_of([], arm), thickness=-1)


def test_people_over_the_border_and_far_outside_are_cut_off(arm):
    picture = draw_poses(BLACK, poses_of([[(-50, 60), (80, 60), (1e7, -1e7)]], arm))
    assert picture[60, 40].any()
    assert picture[:30, 83:].any()
    assert draw_poses(BLACK, poses_of([[(0, 0), NAN, NAN]], arm))[0, 0].any()


def test_no_one_leaves_the_photograph_as_it_is(arm):
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    np.testing.assert_array_equal(draw_poses(image, poses_of(np.zeros((0, 3, 2)), arm)), image)


# Whole bodies

LARGE = np.zeros((600, 800, 3), np.uint8)
HAND, FACE = slice(400, None), slice(0, 250)  # columns


def whole(hand_score=1.0, face_score=1.0):
    """Someone with a neck and a hip, a left hand in the right half of the picture and a face on the left."""
    body = body_with({"neck": (300, 100), "right_hip": (300, 500)})
    hand, face = unseen(1, HAND_21), unseen(1, FACE_70)
    rng = np.random.default_rng(0)
    for poses, corner, score in ((hand, (500, 50), hand_score), (face, (20, 50), face_score)):
        poses.keypoints[0] = corner + 200 * rng.random((poses.skeleton.num_keypoints, 2))
        poses.scores[0] = score
    return WholeBody(body, hand, unseen(1, HAND_21), face)


def test_hands_and_faces_are_drawn_with_the_body():
    people = whole()
    picture = draw_poses(LARGE, people).any(axis=-1)
    assert picture[300, 300]  # between neck and hip
    for poses, columns in ((people.left_hands, HAND), (people.faces, FACE)):
        apart = draw_poses(LARGE, poses, thickness=2)[:, columns].any(axis=-1)
        assert (apart & picture[:, columns]).sum() > 0.9 * apart.sum()


@pytest.mark.parametrize(
    ("thickness", "hand", "face"),
    [
        pytest.param(None, 3, 2, id="half of a 150th of the diagonal; a 100th of a face of 200 pixels"),
        pytest.param(12, 4, 2, id="a 50th of a hand of 200 pixels"),
        pytest.param(1, 1, 1, id="no finer than a pixel"),
    ],
)
def test_lines_of_hands_and_faces_are_fine(thickness, hand, face):
    people = whole()
    for poses, left in ((people.left_hands, 500), (people.faces, 20)):
        poses.keypoints[:] = np.nan
        poses.keypoints[0, [0, 1, 5]] = (left, 100), (left + 200, 100), (left, 300)  # a line, and a point
    picture = draw_poses(LARGE, people, thickness=thickness).max(axis=-1) > 127
    for column, width in ((600, hand), (120, face)):
        # Smoothed edges add a pixel each.
        assert picture[90:110, column].sum() == pytest.approx(width, abs=2)


@pytest.mark.parametrize(
    ("hand_score", "face_score", "drawn"),
    [
        (0.2, 0.4, (True, True)),
        (0.19, 0.4, (False, True)),
        (0.2, 0.39, (True, False)),
        (0, 0, (False, False)),
    ],
)
def test_keypoints_of_low_score_are_hidden(hand_score, face_score, drawn):
    picture = draw_poses(LARGE, whole(hand_score, face_score))
    assert (picture[:, HAND].any(), picture[:, FACE].any()) == drawn


def test_ids_of_whole_bodies_are_written():
    people = whole()
    people = dataclasses.replace(people, body=dataclasses.replace(people.body, ids=np.array([7])))
    assert (draw_poses(LARGE, people) == 255).all(axis=-1)[:100, 250:400].any()


# Photographs of every kind, for all three

DRAW = {
    "people": lambda image: draw_poses(image, body_with({"neck": (20, 20), "right_hip": (100, 90)})),
    "heatmaps": lambda image: draw_heatmaps(image, np.full((15, 20, 19), 0.5)),
    "pafs": lambda image: draw_pafs(image, np.full((15, 20, 38), 0.5)),
}


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_drawing_gives_a_new_picture_and_leaves_the_photograph_alone(draw):
    image = np.full((120, 160, 3), 40, np.uint8)
    picture = draw(image)
    assert (image == 40).all()
    assert not np.shares_memory(picture, image)
    assert (picture != 40).any()
    assert picture.shape == (120, 160, 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda rgb: rgb.astype(np.float32), id="float"),
        pytest.param(lambda rgb: rgb.astype(np.float64) + 0.3, id="float between the numbers"),
        pytest.param(lambda rgb: rgb[..., 0], id="gray"),
        pytest.param(lambda rgb: rgb[..., :1], id="gray with a channel axis"),
        pytest.param(lambda rgb: np.dstack([rgb, rgb[..., 0]]), id="RGBA"),
        pytest.param(lambda rgb: rgb.astype(np.uint16) * 257, id="16 bits"),
        pytest.param(lambda rgb: rgb[:, ::-1][:, ::-1], id="a view"),
        pytest.param(lambda rgb: rgb.transpose(2, 0, 1).copy().transpose(1, 2, 0), id="channels first"),
        pytest.param(lambda rgb: np.asfortranarray(rgb), id="columns first"),
    ],
)
def test_photographs_of_every_kind_are_drawn_on(draw, change):
    gray = np.random.default_rng(0).integers(0, 256, (120, 160, 1)).astype(np.uint8).repeat(3, axis=-1)
    np.testing.assert_array_equal(draw(change(gray)), draw(gray))


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_floats_out_of_range_are_cut_off(draw):
    np.testing.assert_array_equal(
        draw(np.full((120, 160, 3), 300.0)), draw(np.full((120, 160, 3), 255, np.uint8))
    )


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_what_is_no_image_is_refused(draw):
    with pytest.raises(ValueError, match=r"An image must have shape.*Received: \(2, 4, 4, 3\)"):
        draw(np.zeros((2, 4, 4, 3), np.uint8))


# Heatmaps


@pytest.mark.parametrize("keypoint", [0, 7, 17])
def test_a_lit_cell_of_a_heatmap_lights_its_pixels_in_the_color_of_its_keypoint(keypoint):
    heatmaps = np.zeros((15, 20, 19))
    heatmaps[4, 11, keypoint] = 1
    picture = draw_heatmaps(BLACK, heatmaps)
    brightness = picture.max(axis=-1)
    # Half a pixel, a 16th of a cell, from the middle of the cell in both directions.
    assert brightness.max() == round(255 * (15 / 16) ** 2)
    rows, columns = np.nonzero(brightness == brightness.max())
    assert (rows.mean(), columns.mean()) == (4 * 8 + 3.5, 11 * 8 + 3.5)
    color = np.array(colorsys.hsv_to_rgb(keypoint / 18, 0.9, 1))
    np.testing.assert_allclose(picture[35, 91] / brightness.max(), color, atol=0.02)
    assert not brightness[60:].any()


def test_the_background_is_left_out():
    heatmaps = np.zeros((15, 20, 19))
    heatmaps[..., -1] = 1
    np.testing.assert_array_equal(draw_heatmaps(BLACK + 9, heatmaps), BLACK + 9)


def test_heights_beyond_0_and_1_are_cut_off():
    heatmaps = np.zeros((15, 20, 2))
    heatmaps[:, :10, 0], heatmaps[:, 10:, 0] = 7, -7
    picture = draw_heatmaps(BLACK + 100, heatmaps)
    np.testing.assert_array_equal(picture[50, 20], (255, 25, 25))
    np.testing.assert_array_equal(picture[50, 140], (100, 100, 100))


def test_half_a_height_is_half_of_the_color():
    heatmaps = np.full((15, 20, 2), 0.5)
    np.testing.assert_allclose(draw_heatmaps(BLACK + 101, heatmaps)[50, 20], (178, 63, 63), atol=1)


# PAFs

DIRECTIONS = {
    "right is red": ((1, 0), (255, 0, 0)),
    "down is lime": ((0, 1), (128, 255, 0)),
    "left is cyan": ((-1, 0), (0, 255, 255)),
    "up is violet": ((0, -1), (128, 0, 255)),
}


@pytest.mark.parametrize(("vector", "color"), DIRECTIONS.values(), ids=DIRECTIONS)
def test_the_hue_of_a_paf_is_its_direction(vector, color):
    pafs = np.zeros((15, 20, 38))
    pafs[:, 10:, 6:8] = vector
    picture = draw_pafs(BLACK, pafs)
    np.testing.assert_allclose(picture[50, 130], color, atol=1)
    assert not picture[50, 20].any()


def test_the_strongest_limb_is_shown():
    pafs = np.zeros((15, 20, 4))
    pafs[..., 0], pafs[..., 3] = 0.3, 1
    np.testing.assert_allclose(draw_pafs(BLACK, pafs)[50, 20], DIRECTIONS["down is lime"][1], atol=1)


def test_no_limbs_leave_the_photograph_as_it_is():
    np.testing.assert_array_equal(draw_pafs(BLACK + 9, np.zeros((15, 20, 0))), BLACK + 9)


@pytest.mark.parametrize(("draw", "name"), [(draw_heatmaps, "heatmaps"), (draw_pafs, "pafs")])
def test_maps_of_a_batch_are_refused(draw, name):
    with pytest.raises(ValueError, match=rf"`{name}` must have shape .*Received: \(1, 15, 20, 38\)"):
        draw(BLACK, np.zeros((1, 15, 20, 38)))


def test_ids_are_written_above_the_people():
    keypoints = np.full((1, 18, 2), np.nan)
    keypoints[0, [1, 8]] = (60, 60), (60, 100)
    people = keypoints, np.ones((1, 18)), np.ones(1), COCO_18
    black = np.zeros((120, 120, 3), np.uint8)
    written = {
        name: draw_poses(black, Poses(*people, ids)).astype(int)
        for name, ids in (("none", None), ("1", np.array([1])), ("8", np.array([8])))
    }
    for name in ("1", "8"):
        changed = np.argwhere((written[name] != written["none"]).any(axis=-1))
        assert len(changed)
        assert changed[:, 0].max() <= 62  # the line from the neck stays as it is below
    assert (written["1"] != written["8"]).any()
