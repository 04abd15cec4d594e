"""Decoding: hand arithmetic on small maps, synthetic people that must come back, bodies hard to join."""

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import coco_score
from ideal_maps import coco_row, ideal_maps
from keras_openpose import BODY_25, COCO_18, Skeleton, decode_poses

DOT = Skeleton("dot", keypoints=["dot"])
STRIDE = 8
# OpenCV's cubic kernel, A = -0.75, at the distances of cells from the places of a map enlarged twice.
NEAR, FAR, BEYOND = 0.87890625, 0.26171875, -0.10546875  # at 0.25, 0.75 and 1.25 cells
LIT = NEAR * NEAR  # height of a lone lit cell in the enlarged map


def decode_dots(heatmap, **options):
    heatmap = np.asarray(heatmap, np.float32)
    maps = np.stack([heatmap, 1 - heatmap], axis=-1)
    return decode_poses(maps, np.zeros((*heatmap.shape, 0), np.float32), skeleton=DOT, **options)


def lit_maps(skeleton, cells, size=(9, 14)):
    """Maps with one lit cell for each keypoint, `cells`: name -> (x, y). PAFs are zero."""
    heatmaps = np.zeros((*size, skeleton.num_keypoints + 1), np.float32)
    for name, (x, y) in cells.items():
        heatmaps[y, x, skeleton.keypoints.index(name)] = 1
    return heatmaps, np.zeros((*size, 2 * skeleton.num_limbs), np.float32)


def sizes(poses):
    """How many keypoints each person has, most first."""
    return sorted((poses.scores > 0).sum(axis=1).tolist(), reverse=True)


# Peaks


def test_a_lit_cell_is_a_peak_in_its_middle():
    heatmap = np.zeros((6, 9))
    heatmap[2, 5] = 1
    poses = decode_dots(heatmap)
    np.testing.assert_allclose(poses.keypoints, [[[5 * 8 + 3.5, 2 * 8 + 3.5]]], atol=1e-4)
    np.testing.assert_allclose(poses.scores, [[LIT]], rtol=1e-6)
    np.testing.assert_allclose(poses.pose_scores, [LIT], rtol=1e-6)


@pytest.mark.parametrize("stride", [1, 4, 16, 2.5])
def test_the_stride_is_the_size_of_a_cell_in_pixels(stride):
    heatmap = np.zeros((6, 9))
    heatmap[2, 5] = 1
    expected = [[[5 * stride + (stride - 1) / 2, 2 * stride + (stride - 1) / 2]]]
    np.testing.assert_allclose(decode_dots(heatmap, stride=stride).keypoints, expected, atol=1e-4)


def test_two_equal_cells_are_a_peak_between_them():
    heatmap = np.zeros((6, 9))
    heatmap[2, 5:7] = 1
    poses = decode_dots(heatmap)
    np.testing.assert_allclose(poses.keypoints, [[[5.5 * 8 + 3.5, 2 * 8 + 3.5]]], atol=1e-4)
    np.testing.assert_allclose(poses.scores, [[(NEAR + FAR) * NEAR]], rtol=1e-6)


def test_a_peak_leans_towards_the_higher_neighbor():
    heatmap = np.zeros((6, 9))
    heatmap[2, 3], heatmap[2, 4] = 1, 0.6
    # The places 2.75, 3.25 and 3.75 of the enlarged map, half a cell apart, and the parabola through them.
    before, top, after = NEAR + 0.6 * BEYOND, NEAR + 0.6 * FAR, FAR + 0.6 * NEAR
    x = 3.25 + 0.5 * (after - before) / (2 * (2 * top - before - after))
    poses = decode_dots(heatmap)
    np.testing.assert_allclose(poses.keypoints, [[[8 * x + 3.5, 2 * 8 + 3.5]]], atol=1e-3)
    np.testing.assert_allclose(poses.scores, [[top * NEAR]], rtol=1e-6)


PLATEAUS = {
    "two cells side by side": ["11"],
    "two cells that touch at a corner": ["10", "01"],
    "two cells that touch at the other corner": ["01", "10"],
    "a row": ["11111"],
    "a square of four": ["11", "11"],
    "a square of nine": ["111", "111", "111"],
    "a corner": ["01", "11"],
    "a cross": ["010", "111", "010"],
}


@pytest.mark.parametrize("rows", PLATEAUS.values(), ids=PLATEAUS)
def test_a_plateau_of_equal_values_is_one_peak_inside_it(rows):
    plateau = np.array([[int(cell) for cell in row] for row in rows])
    heatmap = np.zeros((12, 14))
    heatmap[4 : 4 + len(rows), 5 : 5 + len(rows[0])] = plateau
    poses = decode_dots(heatmap)
    assert len(poses) == 1
    x, y = (poses.keypoints[0, 0] - 3.5) / 8
    assert 5 <= x <= 4 + len(rows[0])
    assert 4 <= y <= 3 + len(rows)


@pytest.mark.parametrize("size", [(6, 9), (1, 1)])
def test_a_map_without_slopes_has_one_peak_at_most(size):
    assert len(decode_dots(np.ones(size))) <= 1


@pytest.mark.parametrize("size", [(1, 9), (6, 1), (2, 2)])
def test_maps_of_few_cells_are_read_too(size):
    heatmap = np.zeros(size)
    heatmap[-1, -1] = 1
    poses = decode_dots(heatmap)
    np.testing.assert_allclose(poses.keypoints[0, 0], 8 * (np.array(size[::-1]) - 1) + 3.5, atol=4)


@pytest.mark.parametrize(("x", "y"), [(103.5, 80), (100, 79.5), (103.5, 79.5), (103.5, 83.5)])
def test_a_peak_midway_between_cells_is_one_peak(x, y, draw_maps):
    poses = decode_poses(*draw_maps([[[x, y]]], DOT, (20, 30)), skeleton=DOT)
    assert len(poses) == 1
    np.testing.assert_allclose(poses.keypoints[0, 0], [x, y], atol=0.1 * STRIDE)


@pytest.mark.parametrize("x", [0, 210, 431])
@pytest.mark.parametrize("y", [0, 180, 367])
def test_a_peak_on_the_border_is_found_within_half_a_cell_and_inside(x, y, draw_maps):
    heatmaps, pafs = draw_maps([[[x, y]]], DOT, (46, 54))
    found = decode_poses(heatmaps, pafs, skeleton=DOT).keypoints
    assert found.shape == (1, 1, 2)
    np.testing.assert_allclose(found[0, 0], [x, y], atol=4)
    assert (found >= 0).all()
    assert (found[0, 0] <= [431, 367]).all()


@pytest.mark.parametrize("sigma", [0.7, 1.5])
def test_a_smoothed_hill_is_wider_lower_and_where_it_was(sigma):
    y, x = np.indices((20, 30))
    hill = np.exp(-((x - 12.3) ** 2 + (y - 8.4) ** 2) / (2 * 2**2))
    poses = decode_dots(hill, heatmap_sigma=sigma)
    # A Gaussian smoothed with a Gaussian: variances add up, and the volume stays.
    np.testing.assert_allclose(poses.scores, [[2**2 / (2**2 + sigma**2)]], rtol=0.02)
    np.testing.assert_allclose(poses.keypoints[0, 0], [12.3 * 8 + 3.5, 8.4 * 8 + 3.5], atol=0.05 * STRIDE)


def test_smoothing_finds_the_middle_of_a_noisy_hill():
    y, x = np.indices((20, 30))
    hill = np.exp(-((x - 12.3) ** 2 + (y - 8.4) ** 2) / (2 * 2**2))
    noisy = hill + np.random.default_rng(0).normal(0, 0.1, (50, *hill.shape))

    def distance(sigma):
        found = [decode_dots(one, heatmap_sigma=sigma, max_people=1).keypoints[0, 0] for one in noisy]
        return np.linalg.norm((np.array(found) - 3.5) / STRIDE - (12.3, 8.4), axis=1).mean()

    assert distance(1) < 0.5 * distance(0)


def test_smoothing_by_less_than_nothing_is_refused():
    with pytest.raises(ValueError, match=r"`heatmap_sigma` must be 0, for none, or positive. Received: -1."):
        decode_dots(np.zeros((6, 9)), heatmap_sigma=-1)


def test_two_dots_three_cells_apart_are_two_peaks(draw_maps):
    dots = [[[100, 60]], [[124, 60]]]
    heatmaps, pafs = draw_maps(dots, DOT, (20, 30))
    found = decode_poses(heatmaps, pafs, skeleton=DOT).keypoints[:, 0]
    np.testing.assert_allclose(found[np.argsort(found[:, 0])], [dot[0] for dot in dots], atol=4)


def test_a_skeleton_may_have_as_many_keypoints_as_coco_wholebody():
    names = [f"point_{n}" for n in range(133)]
    whole = Skeleton("whole", keypoints=names)
    heatmaps, pafs = lit_maps(whole, {names[0]: (2, 4), names[132]: (9, 3)})
    poses = decode_poses(heatmaps, pafs, skeleton=whole, merge_distance=0)
    np.testing.assert_allclose(
        sorted(poses.keypoints[poses.scores > 0].tolist()), [[19.5, 35.5], [75.5, 27.5]], atol=1e-3
    )


def test_the_background_has_no_peaks():
    heatmaps, pafs = lit_maps(DOT, {})
    heatmaps[4, 4, -1] = 1
    assert len(decode_poses(heatmaps, pafs, skeleton=DOT)) == 0


# Limbs


def forearm(cells=10, value=(1, 0)):
    """Lit elbow at cell 1 and wrist at cell 10 of row 4, the PAF at the first `cells` of the ten cells."""
    skeleton = Skeleton("forearm", keypoints=["elbow", "wrist"], limbs=[("elbow", "wrist")])
    heatmaps, pafs = lit_maps(skeleton, {"elbow": (1, 4), "wrist": (10, 4)})
    pafs[4, 1 : 1 + cells] = value
    return heatmaps, pafs, skeleton


def decode_forearm(cells=10, value=(1, 0), **options):
    heatmaps, pafs, skeleton = forearm(cells, value)
    return decode_poses(heatmaps, pafs, skeleton=skeleton, merge_distance=0, **options)


def test_a_person_scores_the_sum_of_peaks_and_limbs():
    # Ten samples along nine cells: one on every cell, each reads 1.
    poses = decode_forearm()
    assert sizes(poses) == [2]
    np.testing.assert_allclose(poses.pose_scores, [2 * LIT + 1], rtol=1e-5)


@pytest.mark.parametrize(("cells", "expected"), [(10, [2]), (7, [2]), (6, [1, 1])])
def test_a_limb_needs_more_than_six_of_ten_samples(cells, expected):
    poses = decode_forearm(cells)
    assert sizes(poses) == expected
    if expected == [2]:
        np.testing.assert_allclose(poses.pose_scores, [2 * LIT + cells / 10], rtol=1e-5)


def test_a_paf_across_the_limb_counts_as_the_cosine():
    np.testing.assert_allclose(decode_forearm(value=(0.6, 0.8)).pose_scores, [2 * LIT + 0.6], rtol=1e-5)


@pytest.mark.parametrize("value", [(-1, 0), (0, 1), (0, 0)], ids=["back", "across", "nothing"])
def test_a_paf_that_does_not_run_along_is_no_limb(value):
    assert sizes(decode_forearm(value=value)) == [1, 1]


@pytest.mark.parametrize(
    ("start", "end"), [((2, 1), (2, 7)), ((10, 7), (3, 1)), ((11, 2), (2, 6)), ((3, 8), (9, 0))]
)
def test_a_limb_is_found_in_any_direction(start, end, draw_maps):
    _, _, skeleton = forearm()
    person = np.array([[start, end]]) * 8 + 3.5
    heatmaps, pafs = draw_maps(person, skeleton, (9, 14))
    poses = decode_poses(heatmaps, pafs, skeleton=skeleton, merge_distance=0)
    assert sizes(poses) == [2]
    assert sizes(decode_poses(heatmaps, -pafs, skeleton=skeleton, merge_distance=0)) == [1, 1]


def test_the_better_of_two_limbs_is_taken():
    heatmaps, pafs, skeleton = forearm()
    heatmaps[4, 13, 1] = 1  # another wrist behind the first, to which the PAF runs most of the way
    poses = decode_poses(heatmaps, pafs, skeleton=skeleton, merge_distance=0)
    assert sizes(poses) == [2, 1]
    np.testing.assert_allclose(poses.keypoints[0], [[1 * 8 + 3.5, 35.5], [10 * 8 + 3.5, 35.5]], atol=1e-3)


def test_limbs_of_all_kinds_are_taken_best_first(arm):
    """One elbow between two shoulders: the weaker upper arm must not take it because its kind is first."""
    heatmaps, pafs = lit_maps(arm, {"elbow": (6, 4), "wrist": (12, 4)})
    heatmaps[4, 1, 0] = heatmaps[8, 1, 0] = 1
    pafs[4, 1:7, :2] = 0.5, 0
    pafs[4, 6:13, 2:] = 1, 0
    pafs[5:9, 1:7, :2] = np.array([5, -4]) / np.hypot(5, 4)
    poses = decode_poses(heatmaps, pafs, skeleton=arm, merge_distance=0)
    assert sizes(poses) == [3, 1]
    np.testing.assert_allclose(poses.keypoints[0, 0], [1 * 8 + 3.5, 8 * 8 + 3.5], atol=1e-3)


def test_by_peak_weight_a_limb_between_higher_peaks_comes_first():
    """Two wrists that one elbow points to: a low one in line with the PAF, and a high one beside it."""
    heatmaps, pafs, skeleton = forearm()
    heatmaps[4, 10, 1] = 0.3
    heatmaps[6, 10, 1] = 1
    pafs[5:7, 1:11, :2] = 0.8, 0
    found = [
        decode_poses(heatmaps, pafs, skeleton=skeleton, merge_distance=0, peak_weight=weight)
        for weight in (0, 0.1, 0.75)
    ]
    assert [round((poses.keypoints[0, 1, 1] - 3.5) / 8) for poses in found] == [4, 4, 6]


def test_a_peak_weight_below_zero_is_refused():
    with pytest.raises(ValueError, match=r"`peak_weight` must be 0, for none, or positive. Received: -1"):
        decode_dots(np.zeros((6, 9)), peak_weight=-1)


def test_two_people_with_crossing_arms_keep_their_own(draw_maps):
    _, _, skeleton = forearm()
    people = np.array([[[20, 20], [180, 120]], [[180, 20], [20, 120]]], float)
    assert_found(people, decode_poses(*draw_maps(people, skeleton, (18, 26)), skeleton=skeleton))


def test_two_people_behind_each_other_keep_their_own_bodies(arm, draw_maps):
    people = np.array([[[20, 40], [90, 40], [160, 60]], [[20, 70], [90, 80], [160, 30]]], float)
    assert_found(people, decode_poses(*draw_maps(people, arm, (18, 26)), skeleton=arm))


# Bodies

# A person of COCO-18 who stands, in pixels; the order of the keypoints is the skeleton's.
STANDING = np.array([
    (100, 40), (100, 70), (76, 72), (66, 110), (60, 146), (124, 72), (134, 110), (140, 146),
    (84, 150), (82, 205), (80, 260), (116, 150), (118, 205), (120, 260),
    (94, 32), (106, 32), (84, 36), (116, 36),
], float)  # fmt: skip
FIELD = (36, 60)  # cells


def without(person, *names):
    person = person.copy()
    person[[COCO_18.keypoints.index(name) for name in names]] = np.nan
    return person


def test_a_hidden_neck_leaves_one_person(draw_maps):
    person = without(STANDING, "neck")
    maps = draw_maps([person], COCO_18, FIELD)
    assert_found([person], decode_poses(*maps))


def test_without_merging_a_hidden_neck_leaves_fragments(draw_maps):
    maps = draw_maps([without(STANDING, "neck")], COCO_18, FIELD)
    assert sizes(decode_poses(*maps, merge_distance=0)) == [11, 3, 3]  # face and arms, leg, leg


def test_two_people_side_by_side_with_hidden_necks_get_their_own_legs(draw_maps):
    people = np.stack([without(STANDING, "neck"), without(STANDING + np.array([150, 10]), "neck")])
    assert_found(people, decode_poses(*draw_maps(people, COCO_18, FIELD)))


def test_fragments_that_share_a_keypoint_are_not_one_person(draw_maps):
    people = np.stack([without(STANDING, "neck"), STANDING + np.array([60, 0])])
    found = decode_poses(*draw_maps(people, COCO_18, FIELD))
    assert sizes(found) == [18, 17]


def test_a_body_that_has_its_leg_takes_no_second_one(draw_maps):
    """Of two right legs by a body with a hidden neck the nearer is its own; the other stays apart."""
    leg = [name for name in COCO_18.keypoints if name in ("right_hip", "right_knee", "right_ankle")]
    rest = [name for name in COCO_18.keypoints if name not in leg]
    people = [without(STANDING, "neck"), without(STANDING + np.array([-50, 10]), *rest)]
    assert_found(people, decode_poses(*draw_maps(people, COCO_18, FIELD)))


def test_fragments_far_apart_for_their_size_stay_apart(draw_maps):
    face = [name for name in COCO_18.keypoints if name in ("nose", "right_eye", "left_eye")]
    hidden = [name for name in COCO_18.keypoints if name not in face]
    legs = [name for name in COCO_18.keypoints if not name.endswith(("hip", "knee", "ankle"))]
    people = [without(STANDING, *hidden), without(STANDING + np.array([330, 0]), *legs)]
    assert sizes(decode_poses(*draw_maps(people, COCO_18, FIELD))) == [6, 3]


@pytest.mark.parametrize(
    ("height", "expected"), [(1, [1]), (0.6, [1]), (0.4, []), (0.05, [])], ids="a lone peak of {}".format
)
def test_a_strong_lone_peak_is_a_person_and_a_weak_one_is_not(height, expected, draw_maps):
    nose = without(STANDING, *COCO_18.keypoints[1:])
    heatmaps, pafs = draw_maps([nose], COCO_18, FIELD)
    assert sizes(decode_poses(heatmaps * height, pafs)) == expected


def test_no_one_is_an_empty_result():
    poses = decode_poses(np.zeros((46, 54, 19), np.float32), np.zeros((46, 54, 38), np.float32))
    assert (len(poses), poses.keypoints.shape, poses.scores.shape) == (0, (0, 18, 2), (0, 18))


def test_absent_keypoints_are_nan_with_score_zero(draw_maps):
    poses = decode_poses(*draw_maps([without(STANDING, "left_wrist", "nose")], COCO_18, FIELD))
    absent = [COCO_18.keypoints.index(name) for name in ("left_wrist", "nose")]
    np.testing.assert_array_equal(np.isnan(poses.keypoints).all(axis=-1), poses.scores == 0)
    assert np.flatnonzero(poses.scores[0] == 0).tolist() == sorted(absent)


def test_the_best_person_comes_first(arm, draw_maps):
    whole, part = [[20, 40], [90, 40], [160, 60]], [[20, 100], [90, 110], [np.nan, np.nan]]
    poses = decode_poses(*draw_maps([part, whole], arm, (18, 26)), skeleton=arm)
    assert (poses.scores > 0).sum(axis=1).tolist() == [3, 2]
    assert (np.diff(poses.pose_scores) < 0).all()


# Arguments, each with a scene in which it matters: how many keypoints the people have without and with it.


def faint(heatmaps, pafs):
    return 0.3 * heatmaps, pafs


def faint_pafs(heatmaps, pafs):
    return heatmaps, 0.1 * pafs


def no_pafs(heatmaps, pafs):
    return heatmaps, 0 * pafs


def hollow_pafs(heatmaps, pafs):
    pafs = pafs.copy()
    pafs[:, 4:9] = pafs[:, 12:17] = 0
    return heatmaps, pafs


def as_drawn(heatmaps, pafs):
    return heatmaps, pafs


APART = {"merge_distance": 0}
ARGUMENTS = {
    "peak_threshold": (faint, {}, {"peak_threshold": 0.5}, [3], []),
    "num_samples": (hollow_pafs, APART, {"num_samples": 2}, [1, 1, 1], [3]),
    "sample_threshold": (faint_pafs, APART, {"sample_threshold": 0.2}, [3], [1, 1, 1]),
    "sample_fraction": (hollow_pafs, APART, {"sample_fraction": 0.3}, [1, 1, 1], [3]),
    "merge_distance": (no_pafs, APART, {"merge_distance": 1e9}, [1, 1, 1], [3]),
    "min_keypoints": (no_pafs, APART, {"min_keypoints": 2}, [1, 1, 1], []),
    "min_score": (faint, {}, {"min_score": 1.0}, [3], []),
    "min_peak_score": (no_pafs, APART, {"min_peak_score": 1.5}, [1, 1, 1], []),
    "max_people": (no_pafs, APART, {"max_people": 2}, [1, 1, 1], [1, 1]),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_each_argument_has_its_effect(name, arm, draw_maps):
    change, options, option, before, after = ARGUMENTS[name]
    heatmaps, pafs = change(*draw_maps([[[20, 40], [84, 40], [148, 40]]], arm, (10, 22)))
    assert sizes(decode_poses(heatmaps, pafs, skeleton=arm, **options)) == before
    assert sizes(decode_poses(heatmaps, pafs, skeleton=arm, **{**options, **option})) == after


def test_all_samples_may_be_asked_for(arm, draw_maps):
    maps = draw_maps([[[20, 40], [84, 40], [148, 40]]], arm, (10, 22))
    assert sizes(decode_poses(*maps, skeleton=arm, sample_fraction=1)) == [3]
    assert sizes(decode_poses(*hollow_pafs(*maps), skeleton=arm, sample_fraction=1, merge_distance=0)) == [
        1,
        1,
        1,
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_fraction": 1.1}, r"`sample_fraction` must be from 0 to 1. Received: 1\.1"),
        ({"num_samples": 0}, "`num_samples` must be at least 1. Received: 0"),
    ],
)
def test_samples_out_of_range_are_refused(options, message, arm, draw_maps):
    with pytest.raises(ValueError, match=message):
        decode_poses(*draw_maps([], arm, (4, 4)), skeleton=arm, **options)


def test_maps_without_cells_are_refused(arm):
    with pytest.raises(ValueError, match=r"`heatmaps` for arm must have shape .* Received: \(0, 0, 4\)"):
        decode_poses(np.zeros((0, 0, 4)), np.zeros((0, 0, 4)), skeleton=arm)


def test_no_people_may_be_asked_for(arm, draw_maps):
    maps = draw_maps([[[20, 40], [84, 40], [148, 40]]], arm, (10, 22))
    assert len(decode_poses(*maps, skeleton=arm, max_people=0)) == 0


def test_the_original_grouping_drops_fragments_of_one_and_two(arm, draw_maps):
    people = [[[20, 40], [84, 40], [148, 40]], [[20, 100], [84, 100], [np.nan, np.nan]]]
    maps = draw_maps(people, arm, (18, 26))
    plain = decode_poses(
        *maps, skeleton=arm, peak_weight=0, merge_distance=0, min_keypoints=3, min_peak_score=0
    )
    assert sizes(plain) == [3]


# Input


def test_maps_are_not_changed_and_may_be_of_any_float_and_memory_order(arm, draw_maps):
    heatmaps, pafs = draw_maps([[[20, 40], [90, 48], [160, 60]]], arm, (10, 22))
    both = np.concatenate([heatmaps, pafs], axis=-1)
    expected = decode_poses(heatmaps, pafs, skeleton=arm)
    views = np.split(both, [4], axis=-1)
    kept = both.copy()
    for one, other in (
        views,
        [part.astype(np.float64) for part in views],
        [np.asfortranarray(v) for v in views],
    ):
        found = decode_poses(one, other, skeleton=arm)
        np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-4)
        np.testing.assert_allclose(found.pose_scores, expected.pose_scores, rtol=1e-5)
    np.testing.assert_array_equal(both, kept)


BAD = {
    "a batch": (
        lambda h, p: (h[None], p[None]),
        r"`heatmaps` for arm must have shape \(height, width, 4\), one image.*Received: \(1, 10, 22, 4\)",
    ),
    "heatmaps of another skeleton": (
        lambda h, p: (h[..., :3], p),
        r"`heatmaps` for arm must have shape \(height, width, 4\).*Received: \(10, 22, 3\)",
    ),
    "PAFs of another skeleton": (
        lambda h, p: (h, p[..., :2]),
        r"`pafs` for arm must have shape \(height, width, 4\).*Received: \(10, 22, 2\)",
    ),
    "NaN in the heatmaps": (
        lambda h, p: (np.where(h == h.max(), np.nan, h), p),
        "`heatmaps` must be finite. Received maps with NaN or infinity",
    ),
    "infinity in the PAFs": (
        lambda h, p: (h, np.where(p == p.max(), np.inf, p)),
        "`pafs` must be finite. Received maps with NaN or infinity",
    ),
    "unequal sizes": (
        lambda h, p: (h, p[1:]),
        r"must have the same height and width. Received: \(10, 22, 4\) and \(9, 22, 4\)",
    ),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_bad_maps_are_refused_with_the_reason(change, message, arm, draw_maps):
    heatmaps, pafs = change(*draw_maps([[[20, 40], [84, 40], [148, 40]]], arm, (10, 22)))
    with pytest.raises(ValueError, match=message):
        decode_poses(heatmaps, pafs, skeleton=arm)


def test_maps_of_noise_cost_bounded_time_and_memory():
    rng = np.random.default_rng(0)
    heatmaps = rng.random((92, 108, 19), np.float32)
    pafs = rng.uniform(-1, 1, (92, 108, 38)).astype(np.float32)
    decode_poses(heatmaps, pafs)
    tracemalloc.start()
    begin = time.perf_counter()
    poses = decode_poses(heatmaps, pafs)
    seconds = time.perf_counter() - begin
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (poses.scores > 0).sum(axis=0).max() <= 127
    # 61 MB and 0.6 s of a busy core are measured. Every local maximum would make 70 million pairs, gigabytes.
    assert peak < 200e6
    assert seconds < 10


def test_of_too_many_peaks_the_highest_are_kept():
    heights = np.random.default_rng(0).permutation(np.linspace(0.6, 1, 200))
    heatmap = np.zeros((60, 120))
    heatmap[2:60:6, 2:120:6] = heights.reshape(10, 20)
    poses = decode_dots(heatmap, min_peak_score=0)
    assert len(poses) == 127
    assert poses.scores.min() == pytest.approx(np.sort(heights)[-127] * LIT, rel=1e-5)


# People drawn as maps come back


def assert_found(people, poses, tolerance=STRIDE / 2):
    """Every person is found once, with the same keypoints, each within half a cell in x and in y."""
    assert len(poses) == len(people)
    errors(people, poses, tolerance)


def errors(people, poses, tolerance=np.inf):
    """Found minus drawn, `(keypoints, 2)` in pixels, of each person and the pose nearest."""
    result, left = [], list(range(len(poses)))
    for person in people:
        distance = [np.nanmean(np.abs(poses.keypoints[n] - person)) for n in left]
        nearest = poses.keypoints[left.pop(int(np.argmin(distance)))]
        np.testing.assert_array_equal(np.isnan(nearest), np.isnan(person))
        assert np.nanmax(np.abs(nearest - person)) < tolerance
        result.append((nearest - person)[~np.isnan(person[:, 0])])
    return np.concatenate(result)


def crowd(rng, skeleton, count):
    """Up to four people in fields of their own, four cells apart, keypoints at random in their fields."""
    rooms = rng.permutation([(x, y) for x in (3, 25) for y in (3, 23)])[:count]
    grid = np.stack(np.meshgrid(np.arange(5), np.arange(5)), axis=-1).reshape(-1, 2)
    people = []
    for room in rooms:
        spots = rng.permutation(grid)[: skeleton.num_keypoints]
        cells = room + 1 + 3 * spots + rng.uniform(-1, 1, spots.shape)
        people.append(cells * STRIDE + (STRIDE - 1) / 2)
    return np.stack(people)


# Keypoints without which the others still hang together.
LEAVES = ("right_wrist", "left_wrist", "right_ear", "left_ear", "wrist")


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 4),
    skeleton=st.sampled_from([COCO_18, BODY_25, "arm"]),
    hidden=st.sets(st.sampled_from(LEAVES)),
)
def test_people_well_apart_come_back_within_half_a_cell(arm, draw_maps, seed, count, skeleton, hidden):
    skeleton = arm if skeleton == "arm" else skeleton
    people = crowd(np.random.default_rng(seed), skeleton, count)
    people[:, [name in hidden for name in skeleton.keypoints]] = np.nan
    maps = draw_maps(people, skeleton, (46, 54))
    assert_found(people, decode_poses(*maps, skeleton=skeleton))
    assert_found(people, decode_poses(*maps, skeleton=skeleton, merge_distance=0))  # the PAFs alone


@pytest.fixture(scope="module")
def crowds():
    rng = np.random.default_rng(0)
    return [crowd(rng, COCO_18, 4) for _ in range(25)]


def bias(crowds, found):
    return np.concatenate([errors(people, poses) for people, poses in zip(crowds, found, strict=True)]).mean(
        axis=0
    )


def test_keypoints_have_no_bias(crowds, draw_maps):
    found = [decode_poses(*draw_maps(people, COCO_18, (46, 54))) for people in crowds]
    assert (np.abs(bias(crowds, found)) < 0.1 * STRIDE).all()


def test_half_a_cell_of_shift_would_be_seen(crowds, draw_maps):
    shifted = [decode_poses(*draw_maps(people + STRIDE / 2, COCO_18, (46, 54))) for people in crowds]
    assert (np.abs(bias(crowds, shifted)) > 0.1 * STRIDE).all()
    for people, poses in zip(crowds, shifted, strict=True):
        with pytest.raises(AssertionError):
            assert_found(people, poses)


@pytest.mark.parametrize("axis", [0, 1], ids=["x", "y"])
def test_a_flipped_sign_of_the_pafs_would_be_seen(axis, crowds, draw_maps):
    for people in crowds[:5]:
        heatmaps, pafs = draw_maps(people, COCO_18, (46, 54))
        pafs[..., axis::2] *= -1
        with pytest.raises(AssertionError):
            assert_found(people, decode_poses(heatmaps, pafs, merge_distance=0))


# Labels, drawn by other code and scored by other code


def ap_of_ideal_maps(labels):
    results, ids = [], []
    for image_id, heatmaps, pafs, scale in ideal_maps(labels):
        poses = decode_poses(heatmaps, pafs)
        ids.append(image_id)
        for keypoints, score in zip((poses.keypoints + 0.5) * scale - 0.5, poses.pose_scores, strict=True):
            row = {"image_id": image_id, "category_id": 1, "score": float(score)}
            results.append({**row, "keypoints": coco_row(keypoints)})
    return coco_score.score(labels, results, ids)["AP"], ids


def test_ideal_maps_of_drawn_people_are_read_without_fault(drawn_labels):
    ap, ids = ap_of_ideal_maps(drawn_labels)
    assert len(ids) == 12
    assert ap > 99


@pytest.mark.shared
@pytest.mark.slow
def test_ideal_maps_of_real_labels_are_read_at_87_ap(shared):
    ap, ids = ap_of_ideal_maps(shared / "data/person_keypoints_val2017_labels_only.json")
    assert len(ids) == 323
    assert ap >= 87
