"""Squares around hands and faces: OpenPose's rules by hand arithmetic."""

import numpy as np
import pytest

from keras_openpose import BODY_25, COCO_18, HAND_21, MPI_15, Poses
from keras_openpose.inference.squares import face_boxes, hand_boxes, steadied
from keras_openpose.poses import unseen


def person(skeleton, places, scores=None):
    """One person with the named keypoints only, of score 1 unless `scores` names another."""
    poses = unseen(1, skeleton)
    for name, place in places.items():
        n = skeleton.keypoints.index(name)
        poses.keypoints[0, n], poses.scores[0, n] = place, (scores or {}).get(name, 1)
    return poses


def square(x, y, side):
    """The box of a square around a center."""
    return [x - side / 2, y - side / 2, side, side]


# Hands

ARM = {"right_wrist": (100, 100), "right_elbow": (100, 200), "right_shoulder": (100, 250)}


@pytest.mark.parametrize("skeleton", [COCO_18, BODY_25, MPI_15], ids=lambda skeleton: skeleton.name)
@pytest.mark.parametrize(
    ("shoulder", "side"),
    [
        pytest.param((100, 250), 150, id="1.5 times the forearm of 100"),
        pytest.param((100, 400), 270, id="1.5 times 0.9 of an upper arm of 200"),
    ],
)
def test_a_hand_lies_a_third_of_the_forearm_beyond_the_wrist(skeleton, shoulder, side):
    poses = person(skeleton, ARM | {"right_shoulder": shoulder})
    np.testing.assert_allclose(hand_boxes(poses, "right"), [square(100, 100 - 33, side)])
    assert np.isnan(hand_boxes(poses, "left")).all()


def test_left_hands_are_those_of_left_arms():
    left = {name.replace("right", "left"): place for name, place in ARM.items()}
    np.testing.assert_allclose(hand_boxes(person(COCO_18, left), "left"), [square(100, 67, 150)])


@pytest.mark.parametrize("joint", ARM)
@pytest.mark.parametrize(("score", "seen"), [(0.031, True), (0.03, False), (0, False)])
def test_an_arm_of_which_a_joint_is_not_seen_has_no_hand(joint, score, seen):
    assert np.isfinite(hand_boxes(person(COCO_18, ARM, {joint: score}), "right")).all() == seen


def test_a_hand_of_a_pixel_is_none():
    tiny = {name: np.array(place) / 149 for name, place in ARM.items()}
    assert np.isfinite(hand_boxes(person(COCO_18, tiny), "right")).all()  # of 150 / 149 pixels
    tiny = {name: np.array(place) / 150 for name, place in ARM.items()}
    assert np.isnan(hand_boxes(person(COCO_18, tiny), "right")).all()


# Faces

HEAD = {
    "neck": (100, 200), "nose": (100, 100), "right_eye": (85, 85), "left_eye": (115, 85),
    "right_ear": (70, 95), "left_ear": (130, 95),
}  # fmt: skip
NECK_AND_NOSE, EYES, EARS = (100, 150, 200), (100, 85, 90), (100, 95, 120)  # x, y, side
PROFILE_SIDE = 0.85 * (np.hypot(15, 15) + np.hypot(30, 5) + 100)


def mean(*estimates):
    return np.mean(estimates, axis=0)


FACES = {
    "frontal": ((), mean(NECK_AND_NOSE, EYES, EARS)),
    "one ear": (("left_ear",), mean(NECK_AND_NOSE, EYES)),
    "one eye": (("left_eye",), mean(NECK_AND_NOSE, EARS)),
    "profile from the right": (("left_eye", "left_ear"), ((85 + 70 + 100) / 3, 280 / 3, PROFILE_SIDE)),
    "profile from the left": (("right_eye", "right_ear"), ((115 + 130 + 100) / 3, 280 / 3, PROFILE_SIDE)),
    "an eye and the other ear": (("left_eye", "right_ear"), NECK_AND_NOSE),
    "no eyes and no ears": (("right_eye", "left_eye", "right_ear", "left_ear"), NECK_AND_NOSE),
    "no neck": (("neck",), mean(EYES, EARS)),
    "eyes alone": (("neck", "right_ear", "left_ear"), EYES),
    "ears alone": (("nose", "right_eye", "left_eye"), EARS),
}


@pytest.mark.parametrize("skeleton", [COCO_18, BODY_25], ids=lambda skeleton: skeleton.name)
@pytest.mark.parametrize(("hidden", "expected"), FACES.values(), ids=FACES)
def test_a_face_is_the_mean_of_what_is_seen_of_the_head(skeleton, hidden, expected):
    for score in (0, 0.25):
        poses = person(skeleton, HEAD, dict.fromkeys(hidden, score))
        np.testing.assert_allclose(face_boxes(poses), [square(*expected)])


@pytest.mark.parametrize("hidden", [("neck", "right_eye", "right_ear"), tuple(HEAD)])
def test_a_head_of_which_too_little_is_seen_has_no_face(hidden):
    assert np.isnan(face_boxes(person(COCO_18, HEAD, dict.fromkeys(hidden, 0)))).all()


def test_a_head_without_eyes_and_ears_is_its_own_middle():
    poses = person(MPI_15, {"neck": (100, 110), "head": (100, 50)})
    np.testing.assert_allclose(face_boxes(poses), [square(100, 50, 1.33 * 60)])


@pytest.mark.parametrize(("distance", "looked_at"), [(20, False), (20.1, True)])
def test_faces_of_40_pixels_or_less_are_none(distance, looked_at):
    poses = person(COCO_18, {"neck": (100, 100), "nose": (100, 100 - distance)})
    assert np.isfinite(face_boxes(poses)).all() == looked_at


def test_nobody_has_no_hands_and_no_face():
    nobody = unseen(0, COCO_18)
    assert hand_boxes(nobody, "left").shape == face_boxes(nobody).shape == (0, 4)


def test_a_skeleton_without_arms_or_head_is_told_what_it_lacks(arm):
    nobody = unseen(0, arm)
    with pytest.raises(
        ValueError,
        match=r"`hands` needs a body with shoulders, elbows and wrists\. arm lacks: "
        "left_wrist, left_elbow, left_shoulder",
    ):
        hand_boxes(nobody, "left")
    with pytest.raises(
        ValueError,
        match=r"`face` needs .* or with neck and head\. arm lacks: neck, nose, right_eye, left_eye",
    ):
        face_boxes(nobody)


# In videos


def hands_in(*boxes, score=0.9):
    """Hands whose keypoints lie in the corners of boxes."""
    keypoints = np.full((len(boxes), HAND_21.num_keypoints, 2), np.nan)
    for hand, (x, y, width, height) in zip(keypoints, boxes, strict=True):
        hand[::2], hand[1::2] = (x, y), (x + width, y + height)
    scores = np.full(keypoints.shape[:2], score)
    return Poses(keypoints, scores, np.ones(len(boxes)), HAND_21)


def test_a_hand_is_drawn_towards_the_hand_of_the_frame_before():
    boxes = np.array([square(100, 100, 60), square(300, 100, 80)])
    before = hands_in((300, 60, 20, 40), (110, 100, 30, 20))
    # Middle of 100 and 125, 100 and 110; of 300 and 310, 100 and 80; half of 30 and of 40 to the side.
    expected = [square(112.5, 105, 75), square(305, 90, 100)]
    np.testing.assert_allclose(steadied(boxes, before), expected)


def test_the_hand_that_overlaps_most_counts_measured_by_the_smaller():
    boxes = np.array([square(100, 100, 60)])
    half_of_it = (100, 70, 200, 60)  # shares 30 × 60 of 60 × 60
    all_of_a_small_one = (80, 80, 4, 4)
    expected = [square((100 + 82) / 2, (100 + 82) / 2, 62)]
    np.testing.assert_allclose(steadied(boxes, hands_in(half_of_it, all_of_a_small_one)), expected)


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(hands_in(), id="no one was there"),
        pytest.param(hands_in((200, 200, 30, 30)), id="a hand elsewhere"),
        pytest.param(hands_in((90, 90, 30, 30), score=0.66), id="a hand not seen clearly"),
        pytest.param(unseen(1, HAND_21), id="a hand that was not looked at"),
    ],
)
def test_otherwise_the_square_stays(before):
    boxes = np.array([square(100, 100, 60), [np.nan] * 4])
    np.testing.assert_array_equal(steadied(boxes, before), boxes)
