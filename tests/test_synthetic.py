"""Synthetic people: labels checked against the pixels, pycocotools and anatomy."""

import contextlib
import io
import json

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from keras_openpose import synthetic
from keras_openpose.skeletons import COCO_KEYPOINTS
from keras_openpose.synthetic import drawing, scenes, synthetic_people
from keras_openpose.synthetic import labels as labelling
from keras_openpose.synthetic.people import Person, sample_colors
from keras_openpose.synthetic.poses import Pose, make_bones

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools

SIZE = (192, 192)
PAIRS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
FACE = ("nose", "left_eye", "right_eye")


@pytest.fixture(scope="module")
def many():
    """Eighty scenes as they are sampled, with their annotations."""
    sampled = [scenes.sample_scene(np.random.default_rng((3, n)), SIZE, (1, 4)) for n in range(80)]
    return [(scene, labelling.annotate(scene, n, 1)) for n, scene in enumerate(sampled, 1)]


def scene_of(*people, outfit=0):
    """People from near to far, each (x, y of the pelvis, pixels per body height, pose), before black."""
    colors = sample_colors(np.random.default_rng(outfit))
    crowd = [
        Person(make_bones(Pose(**pose)), colors, height, np.array([x, y])) for x, y, height, pose in people
    ]
    return draw(crowd)


def draw(people):
    black = np.zeros((drawing.FINE * SIZE[0], drawing.FINE * SIZE[1], 3), np.uint8)
    return scenes.draw_scene(people, black)


def keypoints_of(*people, **options):
    """For each of the people of `scene_of`, its labeled keypoints by name: (x, y, visibility)."""
    annotations = labelling.annotate(scene_of(*people, **options), 1, 1)
    rows = [np.reshape(annotation["keypoints"], (-1, 3)).tolist() for annotation in annotations]
    return [dict(zip(COCO_KEYPOINTS, person, strict=True)) for person in rows]


def load(labels) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = labels
        coco.createIndex()
    return coco


# The same scenes again


def test_the_same_seed_gives_the_same_scenes_whatever_the_count():
    images, labels = synthetic_people(3, seed=5)
    more_images, more_labels = synthetic_people(5, seed=5)
    np.testing.assert_array_equal(images, more_images[:3])
    kept = [a for a in more_labels["annotations"] if a["image_id"] <= 3]
    assert labels["annotations"] == kept
    assert labels["images"] == more_labels["images"][:3]


def test_other_seeds_and_other_scenes_of_a_seed_differ():
    one, other = synthetic_people(2, seed=5)[0], synthetic_people(2, seed=6)[0]
    for a, b in ((one[0], one[1]), (one[0], other[0]), (one[1], other[0])):
        assert np.abs(a.astype(int) - b).mean() > 10


def test_images_are_rgb_arrays_of_the_size_asked_for():
    images, labels = synthetic_people(2, size=(96, 160))
    assert images.shape == (2, 96, 160, 3)
    assert images.dtype == np.uint8
    assert [(row["id"], row["height"], row["width"]) for row in labels["images"]] == [
        (1, 96, 160),
        (2, 96, 160),
    ]


@pytest.mark.parametrize(("fewest", "most"), [(1, 1), (2, 3), (1, 6)])
def test_a_scene_has_at_least_someone_and_no_more_than_the_most(fewest, most):
    _, labels = synthetic_people(40, people=(fewest, most), progress=False)
    counts = np.bincount([a["image_id"] for a in labels["annotations"]], minlength=41)[1:]
    assert counts.min() >= 1
    assert counts.max() == most


# Left and right, front and back


def test_who_faces_the_viewer_has_the_left_side_on_the_right_of_the_picture():
    [person] = keypoints_of((96, 96, 150, {}))
    for joint in PAIRS:
        assert person[f"left_{joint}"][0] > person[f"right_{joint}"][0], joint
    assert all(person[name][2] == 2 for name in COCO_KEYPOINTS)


def test_who_turns_the_back_has_the_left_side_on_the_left_and_no_label_of_the_face():
    [person] = keypoints_of((96, 96, 150, {"heading": 180}))
    for joint in PAIRS[1:]:
        assert person[f"left_{joint}"][0] < person[f"right_{joint}"][0], joint
        assert person[f"left_{joint}"][2] == person[f"right_{joint}"][2] == 2, joint
    assert all(person[name] == [0, 0, 0] for name in FACE)


@pytest.mark.parametrize("outfit", range(8))
def test_who_has_turned_left_shows_the_right_side_and_looks_to_the_right_of_the_picture(outfit):
    pose = {"heading": 90, "arms": ((90, 0, 0, 0), (90, 0, 0, 0))}
    [person] = keypoints_of((96, 96, 150, pose), outfit=outfit)
    assert person["nose"][0] > person["right_ear"][0] + 5
    assert person["right_eye"][2] == person["right_ear"][2] == 2
    assert person["left_eye"][2] == person["left_ear"][2] == 0
    for joint in ("shoulder", "hip"):
        assert (person[f"right_{joint}"][2], person[f"left_{joint}"][2]) == (2, 1), joint


def test_a_raised_left_arm_is_up_and_stays_on_its_side():
    [person] = keypoints_of((96, 96, 100, {"arms": ((0, 160, 0, 0), (0, 0, 0, 0))}))
    (x, y, _), (shoulder_x, shoulder_y, _) = person["left_wrist"], person["left_shoulder"]
    assert x > shoulder_x
    assert y < person["nose"][1] < shoulder_y < person["right_wrist"][1]


def test_a_swung_thigh_and_a_bent_knee_bring_the_ankle_below_a_knee_in_front():
    pose = {"heading": 90, "legs": ((0, 0, 0, 0), (90, 0, 90, 0))}  # the right leg, as if sitting
    [person] = keypoints_of((96, 96, 100, pose))
    hip, knee, ankle = (np.array(person[f"right_{joint}"][:2]) for joint in ("hip", "knee", "ankle"))
    np.testing.assert_allclose(knee - hip, (24.5, 0), atol=0.02)  # thigh of 0.245 body heights, level
    np.testing.assert_allclose(ankle - knee, (0, 23.5), atol=0.02)  # labels have two decimals


def test_no_one_is_drawn_with_a_face_who_has_no_label_of_it():
    colors = {"skin": (0, 0, 0), "eyes": (255, 255, 255)}
    for heading, eyes in ((0, True), (180, False)):
        person = Person(make_bones(Pose(heading=heading)), colors, 150, np.array([96, 96]))
        scene = draw([person])
        assert (scene.image.max() > 100) == eyes


# Visibility


def test_a_joint_behind_another_body_is_hidden_and_not_absent():
    spread = {"arms": ((0, 80, 0, 0), (0, 80, 0, 0))}
    nearer, farther = keypoints_of((96, 96, 160, {}), (96, 90, 120, spread))
    assert all(nearer[name][2] == 2 for name in COCO_KEYPOINTS)
    for joint in ("shoulder", "hip", "knee"):
        assert farther[f"left_{joint}"][2] == farther[f"right_{joint}"][2] == 1, joint
    [alone] = keypoints_of((96, 90, 120, spread))
    for name in COCO_KEYPOINTS:
        assert farther[name][:2] == alone[name][:2]


def test_a_hand_behind_the_own_back_is_hidden():
    arms = ((-45, 8, 75, 90), (0, 0, 0, 0))  # the left one swung back, bent inward
    [front], [back] = (keypoints_of((96, 96, 150, {"arms": arms, "heading": h})) for h in (0, 180))
    assert front["left_wrist"][2] == 1
    assert back["left_wrist"][2] == 2


def test_what_lies_outside_the_image_has_no_label():
    [person] = keypoints_of((0, 96, 100, {}))
    for joint in PAIRS:
        assert person[f"left_{joint}"][2] == 2, joint
        assert person[f"right_{joint}"] == [0, 0, 0], joint


def test_keypoints_agree_with_the_pixels_that_show_the_person(many):
    seen = hidden = 0
    for scene, annotations in many:
        for number, annotation in enumerate(annotations, 1):
            keypoints = np.reshape(annotation["keypoints"], (-1, 3))
            assert annotation["num_keypoints"] == (keypoints[:, 2] > 0).sum()
            assert (keypoints[keypoints[:, 2] == 0] == 0).all()
            for x, y, visibility in keypoints[keypoints[:, 2] > 0]:
                pixel = round(y), round(x)
                assert (scene.owners[pixel] == number) if visibility == 2 else scene.owners[pixel] > 0
            seen += (keypoints[:, 2] == 2).sum()
            hidden += (keypoints[:, 2] == 1).sum()
    assert 0.1 < hidden / (seen + hidden) < 0.3  # neither all in the open nor a heap


def test_nobody_is_hidden_too_much():
    for n in range(40):
        scene = scenes.sample_scene(np.random.default_rng((4, n)), SIZE, (5, 8))
        for number, annotation in enumerate(labelling.annotate(scene, 1, 1), 1):
            keypoints = np.reshape(annotation["keypoints"], (-1, 3))
            columns, rows, _ = np.rint(keypoints[keypoints[:, 2] > 0]).astype(int).T
            assert np.count_nonzero(scene.owners[rows, columns] == number) >= 5


# Boxes, areas, segmentations


def test_area_and_box_are_those_of_the_pixels_that_show_the_person(many):
    for scene, annotations in many:
        for number, annotation in enumerate(annotations, 1):
            rows, columns = np.nonzero(scene.owners == number)
            x, y, width, height = annotation["bbox"]
            assert annotation["area"] == len(rows)
            assert (x, y, x + width, y + height) == (
                columns.min(),
                rows.min(),
                columns.max() + 1,
                rows.max() + 1,
            )


def test_the_box_holds_every_visible_keypoint(many):
    for _, annotations in many:
        for annotation in annotations:
            keypoints = np.reshape(annotation["keypoints"], (-1, 3))
            places = keypoints[keypoints[:, 2] == 2, :2]
            x, y, width, height = annotation["bbox"]
            # A box counts from the corners of pixels, a keypoint from their centers.
            assert (places >= (x - 0.5, y - 0.5)).all()
            assert (places <= (x + width - 0.5, y + height - 0.5)).all()


def test_pycocotools_draws_the_polygons_over_the_person(many):
    for number, (scene, annotations) in enumerate(many, 1):
        image = {"id": number, "height": SIZE[0], "width": SIZE[1]}
        coco = load({"images": [image], "annotations": annotations, "categories": []})
        for person, annotation in enumerate(annotations, 1):
            drawn, shown = coco.annToMask(annotation).astype(bool), scene.owners == person
            # Outlines run up to half a pixel within the border, of which people of 500 pixels and more
            # have up to one for every four.
            assert 0.96 < drawn.sum() / annotation["area"] <= 1.005
            assert (drawn & shown).sum() > 0.96 * (drawn | shown).sum()


@pytest.mark.parametrize(
    ("case", "boxes"),
    [
        ("a square", [(5, 5, 12, 12, 1)]),
        ("a ring", [(5, 5, 25, 25, 1), (10, 12, 15, 20, 0)]),
        ("a square with two holes", [(2, 2, 30, 30, 1), (5, 5, 9, 9, 0), (15, 14, 25, 20, 0)]),
        ("an island in a hole", [(8, 8, 28, 28, 1), (11, 11, 25, 25, 0), (15, 15, 20, 20, 1)]),
        ("two squares", [(1, 1, 4, 4, 1), (8, 8, 28, 28, 1)]),
        ("a single pixel", [(7, 9, 8, 10, 1)]),
        ("the whole image", [(0, 0, 32, 32, 1)]),
    ],
)  # fmt: skip
def test_polygons_of_boxes_are_exact_holes_and_all(case, boxes):
    mask = np.zeros((32, 32), np.uint8)
    for x0, y0, x1, y1, value in boxes:
        mask[y0:y1, x0:x1] = value
    polygons = labelling._polygons(mask)
    drawn = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, 40, 40)))
    expected = np.zeros((40, 40), np.uint8)
    expected[:32, :32] = mask
    np.testing.assert_array_equal(drawn, expected, case)


def test_outlines_run_a_quarter_of_a_pixel_within_the_pixels():
    mask = np.zeros((32, 32), np.uint8)
    mask[5:9, 10:12] = 1
    [polygon] = labelling._polygons(mask)
    points = np.reshape(polygon, (-1, 2))
    assert (*points.min(0), *points.max(0)) == (10.25, 5.25, 11.75, 8.75)


# In a folder


def test_a_folder_lies_on_disk_as_coco_does_and_pycocotools_reads_it(tmp_path):
    folder, annotations = synthetic_people(4, folder=tmp_path / "people", seed=2, split="val", progress=False)
    assert folder == tmp_path / "people" / "val"
    assert annotations == tmp_path / "people" / "annotations" / "person_keypoints_val.json"
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"{n:012d}.jpg" for n in (1, 2, 3, 4)]
    images, labels = synthetic_people(4, seed=2)
    assert json.loads(annotations.read_text()) == labels
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(annotations)
    assert coco.loadCats(coco.getCatIds("person"))[0]["keypoints"] == list(COCO_KEYPOINTS)
    names = [row["file_name"] for row in coco.loadImgs(coco.getImgIds())]
    written = np.array([cv2.imread(str(folder / name))[..., ::-1] for name in names]).astype(int)
    # JPEG smooths the noise, which takes 4 gray levels here; red and blue exchanged would take 13.
    assert np.abs(written - images).mean() < 6
    assert np.abs(written[..., ::-1] - images).mean() > 10


def test_further_splits_go_beside_the_first_and_nothing_is_overwritten(tmp_path):
    synthetic_people(1, folder=tmp_path, split="train")
    synthetic_people(1, folder=tmp_path, split="val")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["annotations", "train", "val"]
    with pytest.raises(FileExistsError, match=r"train exists\. Remove it, or choose another"):
        synthetic_people(2, folder=tmp_path, split="train")
    assert len(list((tmp_path / "train").iterdir())) == 1


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
def test_what_stops_it_leaves_nothing_half_written(tmp_path, monkeypatch, error):
    def third_fails(scene, image_id, first_id):
        if image_id == 3:
            raise error
        return []

    monkeypatch.setattr(synthetic, "annotate", third_fails)
    with pytest.raises(type(error)):
        synthetic_people(4, folder=tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.name != "annotations"] == []


# Bad arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "`count` must be at least 1. Received: 0"),
        ({"size": (192, 63)}, "`size` must be .* at least 64 pixels.* Received: \\(192, 63\\)"),
        ({"people": (3, 2)}, "`people` must be .* fewest <= most. Received: \\(3, 2\\)"),
        ({"people": (0, 2)}, "`people` must be .* Received: \\(0, 2\\)"),
        ({"seed": -1}, "`seed` must not be negative. Received: -1"),
        ({"split": "a/b"}, "`split` must be a plain name, without a folder. Received: 'a/b'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        synthetic_people(**{"count": 1, **arguments})
