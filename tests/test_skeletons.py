"""Skeletons: the published tables written out, and what a wrong skeleton is told."""

import dataclasses

import numpy as np
import pytest
from pycocotools.cocoeval import Params

from keras_openpose import BODY_25, COCO_18, FACE_70, HAND_21, MPI_15, Skeleton
from keras_openpose.skeletons import COCO_KEYPOINTS

# CMU OpenPose, src/openpose/pose/poseParameters.cpp, as it abbreviates.
PARTS = {
    COCO_18: "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist RHip RKnee RAnkle LHip LKnee LAnkle "
    "REye LEye REar LEar",
    BODY_25: "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee "
    "LAnkle REye LEye REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel",
    MPI_15: "Head Neck RShoulder RElbow RWrist LShoulder LElbow LWrist RHip RKnee RAnkle LHip LKnee LAnkle "
    "Chest",
}
# The same file: limbs in the order of the networks' PAF channels.
LIMBS = {
    COCO_18: "1-8 8-9 9-10 1-11 11-12 12-13 1-2 2-3 3-4 2-16 1-5 5-6 6-7 5-17 1-0 0-14 0-15 14-16 15-17",
    BODY_25: "1-8 9-10 10-11 8-9 8-12 12-13 13-14 1-2 2-3 3-4 2-17 1-5 5-6 6-7 5-18 1-0 0-15 0-16 15-17 "
    "16-18 14-19 19-20 14-21 11-22 22-23 11-24",
    MPI_15: "0-1 1-2 2-3 3-4 1-5 5-6 6-7 1-14 14-8 8-9 9-10 14-11 11-12 12-13",
    HAND_21: "0-1 1-2 2-3 3-4 0-5 5-6 6-7 7-8 0-9 9-10 10-11 11-12 0-13 13-14 14-15 15-16 0-17 "
    "17-18 18-19 19-20",
}
# The channel that each channel of a mirrored image comes from, background last, and the same of limbs.
FLIPPED_HEATMAPS = {
    COCO_18: [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16, 18],
    MPI_15: [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 14, 15],
    BODY_25: [0, 1, 5, 6, 7, 2, 3, 4, 8, 12, 13, 14, 9, 10, 11, 16, 15, 18, 17, 22, 23, 24, 19, 20, 21, 25],
}
FLIPPED_LIMBS = {
    COCO_18: [3, 4, 5, 0, 1, 2, 10, 11, 12, 13, 6, 7, 8, 9, 14, 16, 15, 18, 17],
    MPI_15: [0, 4, 5, 6, 1, 2, 3, 7, 11, 12, 13, 8, 9, 10],
    BODY_25: [0, 5, 6, 4, 3, 1, 2, 11, 12, 13, 14, 7, 8, 9, 10, 15, 17, 16, 19, 18, 23, 24, 25, 20, 21, 22],
}
FLIPPED_PAFS_COCO_18 = [
    6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 20, 21, 22, 23, 24, 25, 26, 27, 12, 13, 14, 15, 16, 17, 18, 19,
    28, 29, 32, 33, 30, 31, 36, 37, 34, 35,
]  # fmt: skip

# A body whose middle limb joins left and right, so that mirroring turns it round.
YOKE = Skeleton(
    "yoke",
    keypoints=("left", "right", "tip"),
    limbs=(("left", "right"), ("right", "tip"), ("tip", "left")),
    flips=(("left", "right"),),
)


def by_name(skeleton):
    return skeleton.name


def full_name(part: str) -> str:
    """'LBigToe' -> 'left_big_toe'."""
    side = {"L": "left_", "R": "right_"}.get(part[0], "") if part[1].isupper() else ""
    rest = part[1:] if side else part
    return side + "".join(f"_{c.lower()}" if c.isupper() else c for c in rest).lstrip("_")


@pytest.mark.parametrize("skeleton", PARTS, ids=by_name)
def test_keypoints_stand_in_the_published_order(skeleton):
    assert list(skeleton.keypoints) == [full_name(part) for part in PARTS[skeleton].split()]


@pytest.mark.parametrize("skeleton", LIMBS, ids=by_name)
def test_limbs_stand_in_the_order_of_the_published_paf_channels(skeleton):
    pairs = [[int(index) for index in limb.split("-")] for limb in LIMBS[skeleton].split()]
    assert skeleton.limb_indices.tolist() == pairs
    assert skeleton.num_limbs == len(pairs)


@pytest.mark.parametrize(
    ("skeleton", "heatmaps", "pafs"),
    [(COCO_18, 19, 38), (BODY_25, 26, 52), (MPI_15, 16, 28), (HAND_21, 22, 40), (FACE_70, 71, 126)],
)
def test_the_published_networks_have_as_many_channels(skeleton, heatmaps, pafs):
    assert (skeleton.num_keypoints + 1, 2 * skeleton.num_limbs) == (heatmaps, pafs)


@pytest.mark.parametrize("skeleton", FLIPPED_LIMBS, ids=by_name)
def test_mirrored_images_swap_the_published_channels(skeleton):
    assert skeleton.flip_keypoints.tolist() == FLIPPED_HEATMAPS[skeleton][:-1]
    channels, signs = skeleton.flip_pafs
    assert channels.tolist() == [2 * n + axis for n in FLIPPED_LIMBS[skeleton] for axis in (0, 1)]
    assert signs.tolist() == [-1, 1] * skeleton.num_limbs  # no limb joins left and right


def test_mirrored_images_swap_the_published_paf_channels_of_coco():
    assert COCO_18.flip_pafs[0].tolist() == FLIPPED_PAFS_COCO_18


def test_a_limb_from_left_to_right_turns_round_in_a_mirrored_image():
    channels, signs = YOKE.flip_pafs
    assert channels.tolist() == [0, 1, 4, 5, 2, 3]
    assert signs.tolist() == [1, -1, 1, -1, 1, -1]


@pytest.mark.parametrize("skeleton", [COCO_18, BODY_25, MPI_15, HAND_21, FACE_70, YOKE], ids=by_name)
def test_mirrored_maps_are_the_maps_of_mirrored_people(skeleton, draw_maps):
    height, width = 12, 20
    person = np.random.default_rng(0).uniform(
        (4, 4), (8 * width - 4, 8 * height - 4), (1, skeleton.num_keypoints, 2)
    )
    mirrored = person[:, skeleton.flip_keypoints].copy()
    mirrored[..., 0] = 8 * width - 1 - mirrored[..., 0]

    heatmaps, pafs = draw_maps(person, skeleton, (height, width))
    channels, signs = skeleton.flip_pafs
    expected_heatmaps, expected_pafs = draw_maps(mirrored, skeleton, (height, width))
    keypoints = [*skeleton.flip_keypoints, skeleton.num_keypoints]
    np.testing.assert_allclose(heatmaps[:, ::-1, keypoints], expected_heatmaps, atol=1e-6)
    np.testing.assert_allclose(pafs[:, ::-1, channels] * signs, expected_pafs, atol=1e-6)


def chain(first, last, *, closed=False):
    pairs = [[n, n + 1] for n in range(first, last)]
    return [*pairs, [last, first]] if closed else pairs


def test_the_lines_of_a_face_are_the_published_ones():
    """CMU OpenPose, face/faceParameters.hpp, FACE_PAIRS_RENDER."""
    lines = [(0, 16), (17, 21), (22, 26), (27, 30), (31, 35)]
    rings = [(36, 41), (42, 47), (48, 59), (60, 67)]
    expected = [pair for line in lines for pair in chain(*line)]
    expected += [pair for ring in rings for pair in chain(*ring, closed=True)]
    assert FACE_70.limb_indices.tolist() == expected


def test_a_mirrored_face_has_its_points_in_the_places_of_multi_pie():
    pairs = [(n, 16 - n) for n in range(8)] + [(17 + n, 26 - n) for n in range(5)] + [(31, 35), (32, 34)]
    pairs += zip((36, 37, 38, 39, 40, 41), (45, 44, 43, 42, 47, 46), strict=True)
    pairs += [(48, 54), (49, 53), (50, 52), (55, 59), (56, 58), (60, 64), (61, 63), (65, 67), (68, 69)]
    expected = np.arange(70)
    for one, other in pairs:
        expected[one], expected[other] = other, one
    assert FACE_70.flip_keypoints.tolist() == expected.tolist()
    assert FACE_70.keypoints[36:48:6] == ("right_eye_1", "left_eye_1")
    assert FACE_70.keypoints[-2:] == ("right_pupil", "left_pupil")


def test_the_neck_lies_midway_between_the_shoulders():
    assert COCO_18.derived_indices.tolist() == [[1, 5, 2]]


def test_neck_and_middle_of_the_hips_are_derived_in_body_25():
    assert sorted(BODY_25.derived_indices.tolist()) == [[1, 5, 2], [8, 12, 9]]


def test_coco_keypoints_are_those_of_pycocotools_with_its_sigmas():
    sigmas = dict(zip(COCO_KEYPOINTS, Params("keypoints").kpt_oks_sigmas, strict=True))
    for skeleton in (COCO_18, BODY_25):
        own = dict(zip(skeleton.keypoints, skeleton.sigmas, strict=True))
        assert {name: own[name] for name in sigmas} == pytest.approx(sigmas)


def test_ear_to_shoulder_helps_to_find_people_and_is_not_part_of_the_figure():
    assert [COCO_18.limbs.index(limb) for limb in COCO_18.auxiliary_limbs] == [9, 13]
    assert [BODY_25.limbs.index(limb) for limb in BODY_25.auxiliary_limbs] == [10, 14]


def test_a_skeleton_needs_no_limbs():
    dot = Skeleton("dot", keypoints=["dot"])
    assert (dot.num_limbs, dot.limb_indices.shape, dot.derived_indices.shape) == (0, (0, 2), (0, 3))
    assert [len(part) for part in dot.flip_pafs] == [0, 0]
    assert dot.sigmas == (0.07,)


def test_equal_skeletons_are_equal_and_may_be_keys():
    one, other = (Skeleton("pair", keypoints=["a", "b"], limbs=[["a", "b"]]) for _ in range(2))
    assert one == other
    assert {one: 1}[other] == 1
    assert one != dataclasses.replace(one, name="another", derived={})


def test_a_skeleton_may_be_copied_under_another_name():
    assert dataclasses.replace(COCO_18, name="mine").derived == COCO_18.derived


def test_a_skeleton_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        COCO_18.name = "another"


WRONG = {
    "no keypoints": (
        {"keypoints": []},
        "`keypoints` must name at least one keypoint",
    ),
    "a keypoint that stands twice": (
        {"keypoints": ["left", "left", "tip"]},
        r"every member of `keypoints` must be unique. Twice: \['left'\]",
    ),
    "a limb that stands twice": (
        {"limbs": [("left", "tip"), ("left", "tip")]},
        r"every member of `limbs` must be unique. Twice: \[\('left', 'tip'\)\]",
    ),
    "an unknown limb name": (
        {"limbs": [("left", "toe")]},
        r"`limbs` names the unknown keypoint 'toe' in \('left', 'toe'\). Choose from: left, right, tip",
    ),
    "an unknown flip name": (
        {"flips": [("left", "rihgt")]},
        r"`flips` names the unknown keypoint 'rihgt' in \('left', 'rihgt'\)",
    ),
    "an unknown derived keypoint": (
        {"derived": {"neck": ("left", "right")}},
        "`derived` names the unknown keypoint 'neck'",
    ),
    "a derived keypoint from an unknown one": (
        {"derived": {"tip": ("left", "middle")}},
        "`derived` names the unknown keypoint 'middle'",
    ),
    "a keypoint derived before its source": (
        {"derived": {"left": ("right", "tip"), "tip": ("left", "right")}},
        r"in `derived`, 'left' must come after its sources. Not yet: \['tip'\]",
    ),
    "a limb of three": (
        {"limbs": [("left", "right", "tip")]},
        r"`limbs` must hold pairs of keypoint names. Received: \('left', 'right', 'tip'\)",
    ),
    "a limb from a keypoint to itself": (
        {"limbs": [("tip", "tip")]},
        r"`limbs` must join two keypoints. Received: \('tip', 'tip'\)",
    ),
    "a keypoint in two flips": (
        {"flips": [("left", "right"), ("left", "tip")]},
        r"may stand in one pair of `flips` only. Twice: \['left'\]",
    ),
    "a one-sided flip": (
        {"limbs": [("tip", "left")], "flips": [("left", "right")]},
        r"`flips` are one-sided: the mirror of limb \('tip', 'left'\) is \('tip', 'right'\), which is not in",
    ),
    "too few sigmas": (
        {"sigmas": [0.1, 0.1]},
        r"`sigmas` must hold one positive number for each of the 3 keypoints. Received: \(0.1, 0.1\)",
    ),
    "a sigma of zero": (
        {"sigmas": [0.1, 0, 0.1]},
        "`sigmas` must hold one positive number for each of the 3 keypoints",
    ),
    "an auxiliary limb that is none": (
        {"limbs": [("left", "tip")], "auxiliary_limbs": [("left", "right")]},
        r"`auxiliary_limbs` must be members of `limbs`. Not: \[\('left', 'right'\)\]",
    ),
}


@pytest.mark.parametrize(("fields", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_skeleton_is_told_what_is_wrong(fields, message):
    with pytest.raises(ValueError, match="Skeleton 'odd': .*" + message):
        Skeleton("odd", **{"keypoints": ["left", "right", "tip"], **fields})
