"""Skeletons from files."""

import json
import tracemalloc

import pytest

import keras_openpose as ko
from keras_openpose.skeletons import COCO_KEYPOINTS

LAMP = ko.Skeleton(
    "lamp",
    keypoints=("base", "left_joint", "right_joint", "head"),
    limbs=(("base", "left_joint"), ("base", "right_joint"), ("left_joint", "right_joint")),
    flips=(("left_joint", "right_joint"),),
    derived={"head": ("left_joint", "right_joint")},
    auxiliary_limbs=(("left_joint", "right_joint"),),
)


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def labels(**category):
    return {"images": [], "annotations": [], "categories": [{"id": 1, "name": "lamp", **category}]}


@pytest.mark.parametrize("skeleton", [LAMP, ko.COCO_18, ko.BODY_25, ko.HAND_21], ids=lambda one: one.name)
def test_a_skeleton_comes_back_from_its_json(skeleton, tmp_path):
    assert ko.read_skeleton(write(tmp_path / "skeleton.json", skeleton.as_dict())) == skeleton


def test_labels_give_keypoints_limbs_and_flips_by_name(tmp_path):
    content = labels(keypoints=LAMP.keypoints[:3], skeleton=[[1, 2], [1, 3]])
    skeleton = ko.read_skeleton(write(tmp_path / "labels.json", content))
    assert (skeleton.name, skeleton.keypoints) == ("lamp", ("base", "left_joint", "right_joint"))
    assert skeleton.limbs == (("base", "left_joint"), ("base", "right_joint"))
    assert skeleton.flips == (("left_joint", "right_joint"),)


def test_images_and_people_are_not_kept_in_memory(tmp_path):
    people = [{"image_id": n, "category_id": 1, "keypoints": [1, 2, 2] * 3} for n in range(20_000)]
    content = labels(keypoints=LAMP.keypoints[:3], skeleton=[[1, 2], [1, 3]]) | {"annotations": people}
    path = write(tmp_path / "labels.json", content)
    tracemalloc.start()
    ko.read_skeleton(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * path.stat().st_size  # the text itself, and what is left of each; 20,000 dicts take ten


def test_labels_of_coco_give_coco_18_and_those_without_limbs_none(tmp_path):
    content = labels(keypoints=COCO_KEYPOINTS, skeleton=[[1, 2]])
    assert ko.read_skeleton(write(tmp_path / "coco.json", content)) is ko.COCO_18
    assert ko.read_skeleton(write(tmp_path / "dots.json", labels(keypoints=["dot"]))).num_limbs == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "must hold the `name`, `keypoints` and `limbs` of a skeleton, or COCO"),
        ({"name": "lamp"}, "must hold the `name`, `keypoints`"),
        ({"name": "lamp", "keypoints": ["a"], "joints": []}, "does not hold the arguments of a `Skeleton`"),
        ({"name": "lamp", "keypoints": ["a"], "limbs": [["a", "b"]]}, "unknown keypoint 'b'"),
        (labels(), r"must have one category with keypoints\. Has 0"),
        (
            labels(keypoints=["a", "b"], skeleton=[[0, 1]]),
            r"pairs of numbers from 1 to 2\. Received: \[\[0, 1\]\]",
        ),
    ],
)
def test_what_makes_no_skeleton_is_told(content, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        ko.read_skeleton(write(tmp_path / "wrong.json", content))


def test_what_is_no_json_is_told(tmp_path):
    (tmp_path / "wrong.json").write_text("lamp")
    with pytest.raises(ValueError, match="is not a JSON file"):
        ko.read_skeleton(tmp_path / "wrong.json")
