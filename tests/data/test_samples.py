"""Samples: what they fill in and refuse, who gets a crop, derived keypoints, problems reported."""

import dataclasses
import warnings

import numpy as np
import pytest

from keras_openpose import COCO_18, PoseSample, Skeleton
from keras_openpose.data.samples import fewest_keypoints, fill_derived, people_to_center, report_problems

NAN = (np.nan, np.nan)
BLACK = np.zeros((60, 80, 3), np.uint8)


def test_boxes_and_areas_are_those_around_the_labeled_keypoints():
    sample = PoseSample("a.jpg", [[(10, 20), (40, 80), NAN], [(5, 5), NAN, NAN]])
    np.testing.assert_array_equal(sample.boxes, [[10, 20, 30, 60], [5, 5, 0, 0]])
    np.testing.assert_array_equal(sample.areas, [1800, 0])


def test_given_boxes_and_areas_are_kept():
    sample = PoseSample("a.jpg", [[(10, 20), (40, 80)]], boxes=[[1, 2, 30, 40]], areas=[7])
    np.testing.assert_array_equal(sample.boxes, [[1, 2, 30, 40]])
    np.testing.assert_array_equal(sample.areas, [7])
    assert PoseSample("a.jpg", [[(10, 20)]], boxes=[[1, 2, 30, 40]]).areas.tolist() == [1200]


def test_the_size_of_an_array_is_known_that_of_a_file_is_not():
    assert PoseSample(BLACK, [[(1, 2)]]).size == (60, 80)
    assert PoseSample("a.jpg", [[(1, 2)]]).size is None
    assert PoseSample("a.jpg", [[(1, 2)]], size=(3, 4)).size == (3, 4)


def test_a_photograph_may_show_no_one():
    sample = PoseSample("a.jpg", np.zeros((0, 3, 2)))
    assert sample.boxes.shape == (0, 4)
    assert sample.areas.shape == (0,)


def test_a_sample_names_file_and_id():
    assert str(PoseSample("folder/a.jpg", [[(1, 2)]], image_id=7)) == "folder/a.jpg (id 7)"
    assert str(PoseSample("folder/a.jpg", [[(1, 2)]])) == "folder/a.jpg"
    assert str(PoseSample(BLACK, [[(1, 2)]], image_id=7)) == "an image array (id 7)"


def test_a_sample_is_not_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PoseSample("a.jpg", [[(1, 2)]]).size = (1, 1)


REFUSED = {
    "keypoints of one person without the axis of people": (
        {"keypoints": [(1, 2), (3, 4)]},
        r"`keypoints` of a\.jpg \(id 7\) must have shape \(people, keypoints, 2\)\. Received: \(2, 2\)",
    ),
    "keypoints with visibility": ({"keypoints": [[(1, 2, 2)]]}, r"Received: \(1, 1, 3\)"),
    "a person without keypoints": (
        {"keypoints": [[(1, 2)], [NAN]]},
        r"Every person of a\.jpg \(id 7\) must have a labeled keypoint.*Without: \[1\]",
    ),
    "a keypoint at infinity": (
        {"keypoints": [[(1, 2)], [(np.inf, 4)]]},
        r"`keypoints` of a\.jpg \(id 7\) must be finite, NaN where unlabeled\. Received: inf",
    ),
    "a region of two corners": (
        {"keypoints": [[(1, 2)]], "ignore": [np.zeros((2, 2))]},
        r"Polygons in `ignore` of a\.jpg \(id 7\) must have shape .*three at least. Received: \(2, 2\)",
    ),
    "a region of visible corners": ({"keypoints": [[(1, 2)]], "ignore": [np.zeros((4, 3))]}, r"\(4, 3\)"),
    "a region in COCO's flat form": ({"keypoints": [[(1, 2)]], "ignore": [np.zeros(8)]}, r"Received: \(8,\)"),
    "a box too few": (
        {"keypoints": [[(1, 2)], [(3, 4)]], "boxes": [[1, 2, 3, 4]]},
        r"`boxes` of a\.jpg \(id 7\) with 2 people must have shape \(2, 4\)\. Received: \(1, 4\)",
    ),
    "an area too many": (
        {"keypoints": [[(1, 2)]], "areas": [1, 2]},
        r"`areas` of a\.jpg \(id 7\) with 1 people must have shape \(1,\)\. Received: \(2,\)",
    ),
}


@pytest.mark.parametrize(("fields", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        PoseSample("a.jpg", **fields, image_id=7)


@pytest.mark.parametrize(
    "image", [np.zeros((60, 80, 3)), np.zeros((60, 80), np.uint8)], ids=["float", "gray"]
)
def test_an_array_that_is_not_rgb_of_8_bits_is_refused(image):
    with pytest.raises(ValueError, match=r"must be `uint8` RGB of shape \(height, width, 3\)\. Received:"):
        PoseSample(image, [[(1, 2)]])


def test_an_array_with_channels_first_is_told_what_to_write():
    with pytest.raises(ValueError, match=r"\(3, 60, 80\)\. Channels must come last: `image.transpose\("):
        PoseSample(np.zeros((3, 60, 80), np.uint8), [[(1, 2)]])


# Who gets a crop

SIX = Skeleton("six", keypoints=list("abcdef"))


def person(labeled, *, x=0.0):
    """A person with the first so many of six keypoints."""
    points = np.full((6, 2), np.nan)
    points[:labeled] = np.linspace((x, 0), (x + 50, 100), 6)[:labeled]
    return points


def centerd(people, skeleton=SIX, **fields):
    sample = PoseSample("a.jpg", people, **fields)
    return people_to_center(sample, skeleton, min_keypoints=5, min_area=32**2)


def test_people_need_five_labeled_keypoints():
    boxes = [[0, 0, 50, 100], [200, 0, 50, 100], [400, 0, 50, 100]]
    assert centerd([person(4), person(5), person(6)], boxes=boxes) == [1, 2]


@pytest.mark.parametrize(("count", "fewest"), [(1, 1), (2, 1), (3, 2), (5, 3), (6, 3), (9, 5), (17, 5)])
def test_or_half_of_them_where_the_skeleton_has_few(count, fewest):
    keypoints = [f"point_{n}" for n in range(count)]
    assert fewest_keypoints(Skeleton("body", keypoints=keypoints)) == fewest
    derived = {"neck": (keypoints[0], keypoints[-1])}  # which labels lack
    assert fewest_keypoints(Skeleton("body", keypoints=[*keypoints, "neck"], derived=derived)) == fewest


def test_derived_keypoints_do_not_count():
    skeleton = Skeleton("six", keypoints=list("abcdef"), derived={"f": ("a", "b")})
    with_derived = person(4)
    with_derived[5] = (5, 5)
    box = {"boxes": [[0, 0, 50, 100]]}
    assert centerd([with_derived], skeleton, **box) == []
    assert centerd([with_derived], SIX, **box) == [0]


def test_people_need_an_area_of_32_pixels_squared():
    people = [person(6), person(6, x=500)]
    assert centerd(people, areas=[32**2 - 1, 32**2]) == [1]


def test_people_keep_a_distance_from_those_chosen_before():
    """0.3 of the longer side of the earlier box, 100: 30 pixels between middles."""
    assert centerd([person(6), person(6, x=29), person(6, x=31), person(6, x=60)]) == [0, 2]


# Derived keypoints


def test_the_neck_is_put_midway_between_the_shoulders():
    index = COCO_18.keypoints.index
    people = np.full((3, COCO_18.num_keypoints, 2), np.nan)
    people[:, index("left_shoulder")] = (10, 20)
    people[:2, index("right_shoulder")] = (30, 60)
    people[1, index("neck")] = (1, 2)
    necks = fill_derived(people, COCO_18)[:, index("neck")]
    np.testing.assert_array_equal(necks, [(20, 40), (1, 2), NAN])  # between, as labeled, unknown
    assert np.isnan(people[0, index("neck")]).all()  # what was given is left as it was


# Problems


def test_problems_are_counted_and_the_first_five_shown():
    problems = [f"photograph {n}" for n in range(7)]
    with pytest.raises(
        ValueError, match=r"(?s)7 image\(s\) cannot be used.*photograph 4\n  \.\.\. and 2 more"
    ) as raised:
        report_problems(problems, "raise")
    assert "photograph 5" not in str(raised.value)
    with pytest.warns(UserWarning, match=r"7 image\(s\) left out:\n  photograph 0"):
        report_problems(problems, "skip")


def test_no_problems_are_no_news():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report_problems([], "raise")
        report_problems([], "skip")


def test_another_way_to_handle_problems_is_refused():
    with pytest.raises(ValueError, match=r'`on_error` must be "raise" or "skip"\. Received: \'ignore\''):
        report_problems([], "ignore")
