"""Labels a scene in COCO's form."""

import cv2
import numpy as np

from keras_openpose.skeletons import COCO_KEYPOINTS
from keras_openpose.synthetic.people import Person
from keras_openpose.synthetic.scenes import Scene, locate

# COCO's drawing of a person (person_keypoints_*.json, "skeleton"), by name.
_LINES = (
    ("left_ankle", "left_knee"), ("left_knee", "left_hip"), ("right_ankle", "right_knee"),
    ("right_knee", "right_hip"), ("left_hip", "right_hip"), ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"), ("left_shoulder", "right_shoulder"), ("left_shoulder", "left_elbow"),
    ("right_shoulder", "right_elbow"), ("left_elbow", "left_wrist"), ("right_elbow", "right_wrist"),
    ("left_eye", "right_eye"), ("nose", "left_eye"), ("nose", "right_eye"), ("left_eye", "left_ear"),
    ("right_eye", "right_ear"), ("left_ear", "left_shoulder"), ("right_ear", "right_shoulder"),
)  # fmt: skip
_FACE = np.array([name.endswith(("nose", "eye", "ear")) for name in COCO_KEYPOINTS])
# Body heights. A point of the head that lies farther behind its middle is on its far side; a keypoint that
# lies farther behind the solid on top of it is hidden.
_FAR_SIDE, _BEHIND = 0.02, 0.08


def person_category() -> dict:
    """The one category of COCO's keypoint files."""
    lines = [[COCO_KEYPOINTS.index(start) + 1, COCO_KEYPOINTS.index(end) + 1] for start, end in _LINES]
    return {
        "supercategory": "person",
        "id": 1,
        "name": "person",
        "keypoints": list(COCO_KEYPOINTS),
        "skeleton": lines,
    }


def annotate(scene: Scene, image_id: int, first_id: int) -> list[dict]:
    """COCO annotations of the people of a scene, with ids from `first_id` on."""
    annotations = []
    for number, person in enumerate(scene.people, 1):
        keypoints, mask = _keypoints(scene, person, number), (scene.owners == number).view(np.uint8)
        annotations.append(
            {
                "id": first_id + number - 1,
                "image_id": image_id,
                "category_id": 1,
                "iscrowd": 0,
                "keypoints": keypoints.ravel().tolist(),
                "num_keypoints": int(np.count_nonzero(keypoints[:, 2])),
                "area": float(cv2.countNonZero(mask)),
                "bbox": [float(value) for value in cv2.boundingRect(mask)],
                "segmentation": _polygons(mask),
            }
        )
    return annotations


def _keypoints(scene: Scene, person: Person, number: int) -> np.ndarray:
    """Keypoints and their visibility, `(keypoints, 3)`.

    Visibility is 2 where the keypoint is seen; 1 where another person, or a nearer part of this one, hides
    it; 0 outside the image. Nose, eyes and ears on the far side of the head are 0 as well, since COCO's
    annotators leave them out.
    """
    points = person.keypoints()
    places, depths = points[:, :2], points[:, 2]
    inside, rows, columns = locate(places, scene.owners.shape)
    hidden = (scene.owners[rows, columns] != number) | (scene.depths[rows, columns] > depths + _BEHIND)
    far = _FACE & (depths < person.bones["head"].origin[2] - _FAR_SIDE)
    visibility = np.where(inside & ~far, 2 - hidden, 0)
    keypoints = np.column_stack([places.round(2), visibility])
    return np.where(visibility[:, None] > 0, keypoints, 0.0)


def _polygons(mask: np.ndarray) -> list[list[float]]:
    """Outlines of a mask in COCO's coordinates.

    There, pixel n reaches from n to n + 1. Contours run through the centers of border pixels, so those
    of the mask enlarged twofold run a quarter of a pixel within the true outline. COCO's polygons have
    no holes: a line that runs there and back, and encloses nothing, joins a hole, such as between an arm
    and the trunk, to its outline.
    """
    fine = cv2.resize(mask, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    rings, relations = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings, parents = [_simplify(ring) for ring in rings], relations[0, :, 3].tolist()
    polygons = {n: [ring, ring[:1]] for n, ring in enumerate(rings) if parents[n] < 0}
    for hole, parent in zip(rings, parents, strict=True):
        if parent >= 0:
            polygons[parent] += [hole, hole[:1], rings[parent][:1]]
    return [((np.concatenate(parts) + 0.5) / 2).ravel().tolist() for parts in polygons.values()]


def _simplify(ring: np.ndarray) -> np.ndarray:
    """Drops points less than half a pixel (one of the enlarged mask) from a line between others."""
    simple = cv2.approxPolyDP(ring, 1.0, True)
    return (simple if len(simple) > 2 else ring)[:, 0]
