"""COCO label files: what becomes of them, and faulty ones told by file and id."""

import copy
import json
import re

import numpy as np
import pytest
from pycocotools import mask as rle

from keras_openpose import COCO_18, Skeleton
from keras_openpose.data.coco import coco_samples
from keras_openpose.data.samples import fill_derived

NAMES = ["wrist", "shoulder", "elbow", "tattoo"]
GOOD = {
    "images": [
        {"id": 11, "file_name": "one.jpg", "height": 100, "width": 200},
        {"id": 12, "file_name": "two.jpg", "height": 50, "width": 60},
    ],
    "annotations": [
        {
            "id": 101, "image_id": 11, "category_id": 7, "iscrowd": 0, "bbox": [10, 20, 60, 70], "area": 900,
            "keypoints": [70, 90, 2, 10, 20, 1, 40, 30, 2, 5, 5, 2], "num_keypoints": 4,
            "segmentation": [[10, 20, 70, 20, 70, 90]],
        },
        {
            "id": 102, "image_id": 11, "category_id": 7, "iscrowd": 0, "bbox": [100, 20, 50, 60], "area": 800,
            "keypoints": [0] * 12, "num_keypoints": 0,
            "segmentation": [[100, 20, 150, 20, 150, 80, 100, 80], [0, 0, 5, 0, 5, 5]],
        },
        {
            "id": 103, "image_id": 12, "category_id": 7, "iscrowd": 1, "bbox": [0, 0, 60, 50], "area": 3000,
            "keypoints": [0] * 12, "num_keypoints": 0,
            "segmentation": {"counts": [0, 3000], "size": [50, 60]},
        },
        {"id": 104, "image_id": 12, "category_id": 3, "bbox": [1, 2, 3, 4]},
    ],
    "categories": [{"id": 3, "name": "cup"}, {"id": 7, "name": "arm", "keypoints": NAMES}],
}  # fmt: skip


@pytest.fixture
def write(tmp_path):
    """Writes the good labels after a change to them."""

    def write(change=lambda labels: None):
        labels = copy.deepcopy(GOOD)
        change(labels)
        path = tmp_path / "labels.json"
        path.write_text(json.dumps(labels))
        return path

    return write


def test_every_image_becomes_a_sample(write, arm):
    one, two = coco_samples("photographs", write(), skeleton=arm)
    assert [str(one), str(two)] == ["photographs/one.jpg (id 11)", "photographs/two.jpg (id 12)"]
    assert (one.size, two.size) == ((100, 200), (50, 60))
    assert len(two.keypoints) == 0


def test_sizes_may_be_whole_numbers_with_a_point(write, arm):
    one, _ = coco_samples("", write(lambda labels: labels["images"][0].update(width=200.0)), skeleton=arm)
    assert one.size == (100, 200)
    assert isinstance(one.size[1], int)


def test_keypoints_are_matched_by_name(write, arm):
    (one, _) = coco_samples("", write(), skeleton=arm)
    np.testing.assert_array_equal(one.keypoints, [[(10, 20), (40, 30), (70, 90)]])
    np.testing.assert_array_equal(one.boxes, [[10, 20, 60, 70]])
    np.testing.assert_array_equal(one.areas, [900])


def test_derived_keypoints_need_not_be_labeled(write):
    skeleton = Skeleton(
        "upper arm",
        keypoints=("biceps", "elbow", "shoulder"),
        derived={"biceps": ("shoulder", "elbow")},
    )
    (one, _) = coco_samples("", write(), skeleton=skeleton)
    np.testing.assert_array_equal(one.keypoints, [[(np.nan, np.nan), (40, 30), (10, 20)]])


def test_hidden_keypoints_count_and_those_outside_of_the_image_do_not(write, arm):
    def change(labels):
        labels["annotations"][0]["keypoints"] = [200, 50, 2, 199, 99, 1, 40, 30, 0, 0, 0, 0]

    (one, _) = coco_samples("", write(change), skeleton=arm)
    np.testing.assert_array_equal(one.keypoints, [[(199, 99), (np.nan, np.nan), (np.nan, np.nan)]])


def test_people_without_keypoints_and_crowds_are_regions_to_ignore(write, arm):
    one, two = coco_samples("", write(), skeleton=arm)
    assert [region.tolist() for region in one.ignore] == [
        [[100, 20], [150, 20], [150, 80], [100, 80]],
        [[0, 0], [5, 0], [5, 5]],
    ]
    (crowd,) = two.ignore
    assert crowd["counts"] == [0, 3000]


def test_a_crowd_needs_no_keypoints(write, arm):
    def change(labels):
        del labels["annotations"][2]["keypoints"]

    _, two = coco_samples("", write(change), skeleton=arm)
    assert len(two.ignore) == 1


def test_an_outline_may_be_one_polygon_without_the_list_of_them(write, arm):
    def change(labels):
        labels["annotations"][1]["segmentation"] = [0, 0, 5, 0, 5, 5]

    (one, _) = coco_samples("", write(change), skeleton=arm)
    assert [region.tolist() for region in one.ignore] == [[[0, 0], [5, 0], [5, 5]]]


def test_without_an_outline_the_box_is_ignored(write, arm):
    def change(labels):
        del labels["annotations"][1]["segmentation"]

    (one, _) = coco_samples("", write(change), skeleton=arm)
    assert [region.tolist() for region in one.ignore] == [[[100, 20], [150, 20], [150, 80], [100, 80]]]


def test_a_packed_rle_of_text_is_taken_as_it_is(write, arm):
    packed = rle.encode(np.asfortranarray(np.ones((50, 60), np.uint8)))

    def change(labels):
        labels["annotations"][2]["segmentation"] = {**packed, "counts": packed["counts"].decode()}

    (_, two) = coco_samples("", write(change), skeleton=arm)
    assert rle.area(two.ignore[0]) == 3000


# Faulty labels


def of(n, **fields):
    return lambda labels: labels["annotations"][n].update(fields)


FAULTY = {
    "an annotation without its image": (
        of(0, image_id=99),
        "annotation 101: its image (id 99) is not among the file's images.",
    ),
    "a box right of the image": (
        of(0, bbox=[200, 20, 60, 70]),
        "annotation 101: `bbox` must touch its image. Received: [200, 20, 60, 70] in image one.jpg (id 11) "
        "of width 200 and height 100.",
    ),
    "a box above the image": (of(1, bbox=[10, -80, 60, 70]), "annotation 102: `bbox` must touch its image."),
    "a box of three numbers": (
        of(0, bbox=[200, 20, 60]),
        "annotation 101: `bbox` must hold x, y, width and height. Received: [200, 20, 60] in image one.jpg "
        "(id 11).",
    ),
    "no box": (lambda labels: labels["annotations"][0].pop("bbox"), "Received: [] in image one.jpg (id 11)."),
    "null for a box": (of(0, bbox=None), "Received: [] in image one.jpg (id 11)."),
    "null in a box": (
        of(0, bbox=[5, 5, None, 20]),
        "annotation 101: `bbox` must hold x, y, width and height. Received: [5, 5, None, 20] in image",
    ),
    "half a corner": (
        of(1, segmentation=[[0, 0, 5, 0, 5, 5, 1]]),
        "annotation 102: Polygons of `segmentation` must hold x and y of each corner. Odd in image one.jpg",
    ),
    "null for keypoints": (of(0, keypoints=None), "4 keypoints. Received: 0 in image one.jpg (id 11)."),
    "no category": (
        lambda labels: labels["annotations"][0].pop("category_id"),
        "annotation 101: `category_id` must be there. Lacking in image one.jpg (id 11).",
    ),
    "no box and no id": (
        lambda labels: labels["annotations"].append({"image_id": 11, "category_id": 7, "iscrowd": 1}),
        "annotation without id: `bbox` must hold x, y, width and height. Received: []",
    ),
    "keypoints of another length": (
        of(0, keypoints=[1, 2, 2] * 3),
        "annotation 101: `keypoints` must hold 3 numbers for each of the category's 4 keypoints. Received: 9 "
        "in image one.jpg (id 11).",
    ),
    "no keypoints": (
        lambda labels: labels["annotations"][0].pop("keypoints"),
        "annotation 101: `keypoints` must hold 3 numbers for each of the category's 4 keypoints. Received: 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), FAULTY.values(), ids=FAULTY)
def test_a_faulty_annotation_is_named_with_file_and_image(change, message, write, arm):
    path = write(change)
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        coco_samples("", path, skeleton=arm)
    assert "1 image(s) cannot be used" in str(raised.value)
    assert f"{path}, annotation" in str(raised.value)


@pytest.mark.parametrize(("change", "message"), FAULTY.values(), ids=FAULTY)
def test_images_with_faulty_annotations_are_left_out_with_a_warning(change, message, write, arm):
    with pytest.warns(UserWarning, match=re.escape(message)):
        samples = coco_samples("", write(change), skeleton=arm, on_error="skip")
    others = [11, 12] if "image (id 99)" in message else [12]
    assert [sample.image_id for sample in samples] == others


REFUSED = {
    "a category without keypoints": (
        lambda labels: labels["categories"].pop(),
        r"labels\.json has no category with keypoints; its categories are \['cup'\].*person_keypoints_",
    ),
    "no annotations": (
        lambda labels: labels.pop("annotations"),
        r"labels\.json is not a COCO keypoint file: it lacks annotations",
    ),
    "an image without its size": (
        lambda labels: [labels["images"][1].pop(side) for side in ("height", "width")],
        r"labels\.json: image \{'id': 12, 'file_name': 'two\.jpg'\} lacks height, width",
    ),
    "a width in words": (
        lambda labels: labels["images"][0].update(width="200"),
        r"labels\.json: `width` must be a number\. Received: image \{'id': 11,",
    ),
    "a keypoint that the labels lack": (
        lambda labels: labels["categories"][1].update(keypoints=["wrist", "shoulder", "hand", "tattoo"]),
        r"Every keypoint of skeleton arm must be labeled in .*labels\.json or derived\. Lacking: elbow\. "
        r"Labeled in category 7: wrist, shoulder, hand, tattoo\.",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_be_used_is_refused(change, message, write, arm):
    for on_error in ("raise", "skip"):
        with pytest.raises(ValueError, match=message):
            coco_samples("", write(change), skeleton=arm, on_error=on_error)


@pytest.mark.parametrize(
    "content", [b'{"images": [', b"5", b'"\xff"', b'{"image_id": 1, "keypoints": ["a"]}']
)
def test_a_file_of_another_kind_is_refused(content, tmp_path, arm):
    path = tmp_path / "labels.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"labels\.json is not a COCO label file"):
        coco_samples("", path, skeleton=arm)


# Real labels


@pytest.mark.shared
def test_real_labels_become_what_pycocotools_reads(shared):
    path = shared / "data/coco/annotations/person_keypoints_train2017.json"
    labels = json.loads(path.read_text())
    samples = {sample.image_id: sample for sample in coco_samples("", path)}
    assert len(samples) == len(labels["images"])
    nose, neck = COCO_18.keypoints.index("nose"), COCO_18.keypoints.index("neck")
    people = [row for row in labels["annotations"] if row["num_keypoints"] and not row["iscrowd"]]
    assert sum(len(sample.keypoints) for sample in samples.values()) == len(people) > 100
    noses = sum(row["keypoints"][2] > 0 for row in people)
    necks = sum(row["keypoints"][17] > 0 and row["keypoints"][20] > 0 for row in people)  # both shoulders
    stacked = np.concatenate([fill_derived(sample.keypoints, COCO_18) for sample in samples.values()])
    assert (~np.isnan(stacked[:, nose, 0])).sum() == noses
    assert (~np.isnan(stacked[:, neck, 0])).sum() == necks
    ignored = sum(bool(sample.ignore) for sample in samples.values())
    others = {row["image_id"] for row in labels["annotations"] if row["iscrowd"] or not row["num_keypoints"]}
    assert ignored == len(others) > 10
