"""Poses: the shapes that it holds to, people taken out of it, boxes."""

import dataclasses

import numpy as np
import pytest

from keras_openpose import COCO_18, Poses
from keras_openpose.poses import oks_spread

NAN = np.nan


@pytest.fixture
def three(arm):
    keypoints = np.array([
        [[10, 20], [30, 25], [50, 5]],
        [[1, 2], [NAN, NAN], [4, 8]],
        [[NAN, NAN], [7, 9], [NAN, NAN]],
    ])  # fmt: skip
    return Poses(keypoints, np.isfinite(keypoints[..., 0]) * 0.5, np.array([3.0, 2.0, 1.0]), arm)


def test_length_is_the_number_of_people(three, arm):
    assert len(three) == 3
    assert len(Poses(np.zeros((0, 3, 2)), np.zeros((0, 3)), np.zeros(0), arm)) == 0


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        pytest.param(slice(1, None), [2, 1], id="a slice"),
        pytest.param([True, False, True], [3, 1], id="a mask"),
        pytest.param(np.array([2, 0]), [1, 3], id="indices"),
        pytest.param(slice(0, 0), [], id="no one"),
    ],
)
def test_some_of_the_people_are_poses_again(three, index, expected):
    some = three[index]
    assert some.pose_scores.tolist() == expected
    assert some.skeleton is three.skeleton
    np.testing.assert_array_equal(some.keypoints, three.keypoints[index])
    np.testing.assert_array_equal(some.scores, three.scores[index])


def test_a_number_gives_poses_of_one_person(three):
    assert three[1].pose_scores.tolist() == [2]
    assert three[-1].pose_scores.tolist() == [1]
    assert [person.keypoints.shape for person in three] == 3 * [(1, 3, 2)]
    with pytest.raises(IndexError):
        three[3]


def test_a_keypoint_of_all_people_comes_by_name(three):
    np.testing.assert_array_equal(three["wrist"], three.keypoints[:, three.skeleton.keypoints.index("wrist")])
    with pytest.raises(KeyError, match=r"arm has no keypoint 'knee'\. Choose from: shoulder, elbow, wrist"):
        three["knee"]


def test_a_person_as_a_dict_has_the_keypoints_that_are_present(three):
    for person, keypoints in zip(three, three.keypoints, strict=True):
        present = [tuple(point) for point in keypoints.tolist() if not np.isnan(point[0])]
        assert list(person.as_dict().values()) == present
    with pytest.raises(ValueError, match=r"needs one person, such as `poses\[0\]`\. Received: 3 people"):
        three.as_dict()


def test_boxes_hold_the_keypoints_that_are_present(three):
    np.testing.assert_array_equal(three.boxes, [[10, 5, 40, 20], [1, 2, 3, 6], [7, 9, 0, 0]])


def test_people_are_shown_in_a_line(three):
    assert repr(three) == "Poses(3 of arm, scores [3.0, 2.0, 1.0])"


def test_someone_without_keypoints_has_no_box(three, recwarn):
    poses = dataclasses.replace(three, keypoints=np.full((3, 3, 2), np.nan))
    assert np.isnan(poses.boxes).all()
    assert not recwarn


def test_the_spread_of_oks_grows_with_the_body_and_not_only_with_its_box():
    row, square = [(0.0, 0), (40, 0), (80, 0)], [(0.0, 0), (40, 20), (80, 80)]
    dot = [(0.0, 0), (np.nan, np.nan), (np.nan, np.nan)]
    spread = oks_spread(np.array([row, square, dot]), np.array([0.1, 0.2, 0.1]))
    # 2 * area * (2 * sigma)^2: of a quarter of the square of 80 pixels, of all of it, and of 32 pixels.
    expected = [[0.08 * area, 0.32 * area, 0.08 * area] for area in (80 * 20, 80 * 80, 32 * 32)]
    np.testing.assert_allclose(spread, expected)


def test_no_one_has_no_boxes(three):
    assert three[:0].boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("keypoints", np.zeros((3, 3, 3)), id="keypoints with three coordinates"),
        pytest.param("keypoints", np.zeros((3, 4, 2)), id="keypoints of another skeleton"),
        pytest.param("keypoints", np.zeros((2, 3, 2)), id="keypoints of fewer people"),
        pytest.param("scores", np.zeros((3, 4)), id="scores of another skeleton"),
        pytest.param("pose_scores", np.zeros((3, 1)), id="pose scores with two axes"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(three, field, value):
    with pytest.raises(ValueError, match=f"`{field}` of 3 people with the 3 keypoints of arm must") as error:
        dataclasses.replace(three, **{field: value})
    assert str(value.shape) in str(error.value)


def test_ids_go_with_their_people():
    poses = Poses(np.zeros((3, 18, 2)), np.ones((3, 18)), np.ones(3), COCO_18, np.array([4, 7, 9]))
    assert poses[[2, 0]].ids.tolist() == [9, 4]
    assert Poses(np.zeros((0, 18, 2)), np.zeros((0, 18)), np.zeros(0), COCO_18)[[]].ids is None
    with pytest.raises(ValueError, match=r"`ids` of 3 people .* must have shape \(3,\). Received: \(2,\)"):
        Poses(np.zeros((3, 18, 2)), np.ones((3, 18)), np.ones(3), COCO_18, np.array([4, 7]))
