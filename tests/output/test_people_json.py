"""People as JSON: field by field, as OpenPose and COCO write them, and read back."""

import json

import numpy as np
import pytest

from keras_openpose import (
    BODY_25,
    COCO_18,
    FACE_70,
    HAND_21,
    MPI_15,
    Poses,
    WholeBody,
    poses_from_openpose,
    poses_to_coco,
    poses_to_openpose,
)
from keras_openpose.poses import unseen
from keras_openpose.skeletons import COCO_KEYPOINTS

# The channel of OpenPose's networks that gives each of COCO's keypoints (CMU's evaluation).
TO_COCO = {
    COCO_18: [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10],
    BODY_25: [0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11],
}


def numbered(skeleton, people=1):
    """People whose keypoint n lies at (10 n + person, 1000 + n)."""
    n = np.arange(skeleton.num_keypoints)
    person = np.arange(people)[:, None]
    keypoints = np.stack(np.broadcast_arrays(10.0 * n + person, 1000.0 + n), axis=-1)
    scores = np.tile(0.5 + n / 100, (people, 1))
    return Poses(keypoints, scores, 9.25 - np.arange(people), skeleton)


def without(poses, person, keypoint):
    poses.keypoints[person, keypoint] = np.nan
    poses.scores[person, keypoint] = 0
    return poses


# OpenPose


def test_openpose_writes_x_y_and_score_of_every_keypoint(arm):
    keypoints = np.array([[[12.3456, 7], [30.25, 8.5], [50, 9]], [[1, 2], [np.nan, np.nan], [5, 6]]])
    poses = Poses(keypoints, np.array([[0.9, 0.8, 0.7], [0.6, 0, 0.5]]), np.array([3.0, 2.0]), arm)
    empty = {
        "face_keypoints_2d": [],
        "hand_left_keypoints_2d": [],
        "hand_right_keypoints_2d": [],
        "pose_keypoints_3d": [],
        "face_keypoints_3d": [],
        "hand_left_keypoints_3d": [],
        "hand_right_keypoints_3d": [],
    }
    one = [12.346, 7, 0.9, 30.25, 8.5, 0.8, 50, 9, 0.7]
    other = [1, 2, 0.6, 0, 0, 0, 5, 6, 0.5]
    assert poses_to_openpose(poses) == {
        "version": 1.3,
        "people": [{"person_id": [-1], "pose_keypoints_2d": row, **empty} for row in (one, other)],
    }


@pytest.mark.parametrize("skeleton", [COCO_18, BODY_25, MPI_15], ids=lambda skeleton: skeleton.name)
def test_openpose_keeps_the_order_of_the_skeleton(skeleton):
    row = poses_to_openpose(numbered(skeleton))["people"][0]["pose_keypoints_2d"]
    assert row[::3] == [10 * n for n in range(skeleton.num_keypoints)]
    assert row[1::3] == [1000 + n for n in range(skeleton.num_keypoints)]


def whole(people=2):
    """Whole bodies in which the second person's left hand and face were not looked at."""
    left, right, faces = (numbered(skeleton, people) for skeleton in (HAND_21, HAND_21, FACE_70))
    for poses in (left, faces):
        without(poses, 1, np.arange(poses.skeleton.num_keypoints))
    return WholeBody(numbered(BODY_25, people), left, right, faces)


def test_openpose_writes_hands_and_faces_and_zeros_where_not_looked_at():
    one, other = poses_to_openpose(whole())["people"]
    for key, count in (("hand_left", 21), ("hand_right", 21), ("face", 70), ("pose", 25)):
        row = np.reshape(one[f"{key}_keypoints_2d"], (count, 3))
        np.testing.assert_array_equal(row[:, 0], 10 * np.arange(count))
        np.testing.assert_array_equal(row[:, 1], 1000 + np.arange(count))
        assert one[f"{key}_keypoints_3d"] == []
    assert other["hand_left_keypoints_2d"] == [0] * 63
    assert other["face_keypoints_2d"] == [0] * 210
    assert other["hand_right_keypoints_2d"][:3] == [1, 1000, 0.5]


def same(one, other):
    np.testing.assert_array_equal(one.keypoints, other.keypoints)
    np.testing.assert_allclose(one.scores, other.scores, atol=5e-4)  # written to 3 decimals
    assert one.skeleton is other.skeleton


@pytest.mark.parametrize("skeleton", [COCO_18, BODY_25, MPI_15], ids=lambda skeleton: skeleton.name)
def test_bodies_come_back_from_the_form_of_openpose(skeleton):
    poses = without(numbered(skeleton, people=3), 1, 4)
    again = poses_from_openpose(json.loads(json.dumps(poses_to_openpose(poses))), skeleton=skeleton)
    order = [0, 2, 1]  # best first: the second lacks a keypoint
    same(again, poses[order])
    assert again.pose_scores == pytest.approx(poses.scores[order].sum(axis=1))
    assert again.ids is None
    tracked = Poses(poses.keypoints, poses.scores, poses.pose_scores, skeleton, np.array([7, 3, 0]))
    assert poses_from_openpose(poses_to_openpose(tracked), skeleton=skeleton).ids.tolist() == [7, 0, 3]


def test_whole_bodies_come_back_from_the_form_of_openpose():
    people = whole()
    again = poses_from_openpose(json.loads(json.dumps(poses_to_openpose(people))), skeleton=BODY_25)
    for part in ("body", "left_hands", "right_hands", "faces"):
        same(getattr(again, part), getattr(people, part))
    assert again.face_boxes is None
    assert poses_to_openpose(again) == poses_to_openpose(people)


def test_a_file_of_openpose_with_hands_alone_is_read():
    """As OpenPose writes it with `--hand`: faces are empty lists."""
    body, left, right = [5, 6, 0.5] + [0] * 72, [1, 2, 0.25] * 21, [0] * 63
    person = {"person_id": [-1], "pose_keypoints_2d": body, "face_keypoints_2d": []}
    person |= {"hand_left_keypoints_2d": left, "hand_right_keypoints_2d": right, "pose_keypoints_3d": []}
    found = poses_from_openpose({"version": 1.3, "people": [person]}, skeleton=BODY_25)
    assert found.body.keypoints[0, 0].tolist() == [5, 6]
    assert np.isnan(found.body.keypoints[0, 1:]).all()
    assert found.left_hands.keypoints[0].tolist() == [[1, 2]] * 21
    same(found.right_hands, unseen(1, HAND_21))
    same(found.faces, unseen(1, FACE_70))


def test_a_file_without_people_is_nobody():
    assert len(poses_from_openpose({"version": 1.3, "people": []})) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], r"`content` must be a dict whose `people` .* Received: \[\]"),
        ({"annotations": []}, r"`content` must be a dict .*annotations"),
        ({"people": [{"pose_keypoints": [1, 2, 3]}]}, "since version 1.1"),
        (poses_to_openpose(numbered(BODY_25)), r"18 keypoints of COCO_18, 54 .*: 75 numbers.* 75 of BODY_25"),
    ],
)
def test_what_openpose_did_not_write_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        poses_from_openpose(content)


# COCO


@pytest.mark.parametrize("skeleton", TO_COCO, ids=lambda skeleton: skeleton.name)
def test_coco_has_its_own_order_and_no_neck(skeleton):
    (person,) = poses_to_coco(numbered(skeleton), 42)
    assert person["keypoints"][::3] == [10 * n for n in TO_COCO[skeleton]]
    assert person["keypoints"][1::3] == [1000 + n for n in TO_COCO[skeleton]]
    assert person["keypoints"][2::3] == [round(0.5 + n / 100, 3) for n in TO_COCO[skeleton]]
    assert {key: person[key] for key in ("image_id", "category_id", "score")} == {
        "image_id": 42,
        "category_id": 1,
        "score": 9.25,
    }


def test_absent_keypoints_are_three_zeros():
    (person,) = poses_to_coco(without(numbered(COCO_18), 0, 4), 1)  # the right wrist
    rows = np.reshape(person["keypoints"], (17, 3))
    assert rows[COCO_KEYPOINTS.index("right_wrist")].tolist() == [0, 0, 0]
    assert (rows[:, 2] > 0.4).sum() == 16


def test_keypoints_that_the_skeleton_lacks_are_three_zeros():
    (person,) = poses_to_coco(numbered(MPI_15), 1)
    rows = np.reshape(person["keypoints"], (17, 3))
    assert (rows[:5] == 0).all()  # nose, eyes and ears
    assert (rows[5:, 2] > 0.4).all()


def test_someone_of_whom_only_the_neck_is_seen_is_left_out():
    poses = numbered(COCO_18, people=2)
    without(poses, 0, [n for n in range(18) if n != 1])
    (person,) = poses_to_coco(poses, 1)
    assert person["score"] == 8.25


def test_a_keypoint_at_the_origin_is_not_absent(arm):
    poses = Poses(np.zeros((1, 3, 2)), np.ones((1, 3)), np.ones(1), arm)
    (person,) = poses_to_coco(poses, 1, keypoints=arm.keypoints)
    assert person["keypoints"] == [0, 0, 1] * 3


def test_labels_of_other_keypoints_and_category_name_their_own(arm):
    (person,) = poses_to_coco(numbered(arm), 5, keypoints=("wrist", "thumb", "shoulder"), category_id=7)
    assert person["keypoints"] == [20, 1002, 0.52, 0, 0, 0, 0, 1000, 0.5]
    assert person["category_id"] == 7


def test_a_skeleton_without_any_of_the_keypoints_is_refused(arm):
    with pytest.raises(
        ValueError, match=r"arm has none of the keypoints asked for\. Its own: shoulder, elbow, wrist"
    ):
        poses_to_coco(numbered(arm), 1, keypoints=COCO_KEYPOINTS)


def test_a_body_of_ones_own_is_written_in_its_own_order_and_a_person_in_that_of_coco(arm):
    (row,) = poses_to_coco(numbered(arm, 1), 1)
    assert row["keypoints"] == poses_to_coco(numbered(arm, 1), 1, keypoints=arm.keypoints)[0]["keypoints"]
    assert len(row["keypoints"]) == 3 * arm.num_keypoints
    (row,) = poses_to_coco(numbered(MPI_15, 1), 1)
    assert len(row["keypoints"]) == 3 * len(COCO_KEYPOINTS)


@pytest.mark.parametrize("people", [0, 1, 3])
def test_both_are_plain_json(people):
    poses = numbered(COCO_18, people)
    if people:
        without(poses, 0, 3)
    poses = Poses(
        poses.keypoints.astype(np.float32), poses.scores.astype(np.float32), poses.pose_scores, COCO_18
    )
    openpose, coco = poses_to_openpose(poses), poses_to_coco(poses, np.int64(3))
    assert json.loads(json.dumps(openpose, allow_nan=False)) == openpose
    assert json.loads(json.dumps(coco, allow_nan=False)) == coco
    assert len(openpose["people"]) == len(coco) == people


def test_ids_are_in_both_forms():
    keypoints = np.full((2, 18, 2), 5.0)
    poses = Poses(keypoints, np.ones((2, 18)), np.array([2.0, 1.0]), COCO_18, np.array([7, 3]))
    assert [person["person_id"] for person in poses_to_openpose(poses)["people"]] == [[7], [3]]
    assert [person["track_id"] for person in poses_to_coco(poses, 1)] == [7, 3]
    without = Poses(keypoints, np.ones((2, 18)), np.array([2.0, 1.0]), COCO_18)
    assert [person["person_id"] for person in poses_to_openpose(without)["people"]] == [[-1], [-1]]
    assert all("track_id" not in person for person in poses_to_coco(without, 1))
