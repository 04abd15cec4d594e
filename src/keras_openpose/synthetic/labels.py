"""Labels a scene in COCO's form."""

import cv2
import numpy as np

from keras_openpose.skeletons import COCO_KEYPOINTS
from keras_openpose.synthetic.drawing import Layer
from keras_openpose.synthetic.outfit import PARTS
from keras_openpose.synthetic.scenes import SOLID_BITS, Scene

_CATEGORY_ID = 1
# COCO's drawing of a person (person_keypoints_*.json, "skeleton"), by name.
_LINES = (
    ("left_ankle", "left_knee"), ("left_knee", "left_hip"), ("right_ankle", "right_knee"),
    ("right_knee", "right_hip"), ("left_hip", "right_hip"), ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"), ("left_shoulder", "right_shoulder"), ("left_shoulder", "left_elbow"),
    ("right_shoulder", "right_elbow"), ("left_elbow", "left_wrist"), ("right_elbow", "right_wrist"),
    ("left_eye", "right_eye"), ("nose", "left_eye"), ("nose", "right_eye"), ("left_eye", "left_ear"),
    ("right_eye", "right_ear"), ("left_ear", "left_shoulder"), ("right_ear", "right_shoulder"),
)  # fmt: skip
# Parts of the body that a joint is seen in when they are on top: what it belongs to.
_JOINT_PARTS = {
    "nose": ("head",),
    "eye": ("head",),
    "ear": ("head",),
    "shoulder": ("trunk", "arm"),
    "elbow": ("arm",),
    "wrist": ("arm",),
    "hip": ("trunk", "leg"),
    "knee": ("trunk", "leg"),  # a skirt
    "ankle": ("leg",),
}


def _shows() -> np.ndarray:
    """Whether a keypoint is seen where a part is on top, `(keypoints, parts)`."""
    shows = np.zeros((len(COCO_KEYPOINTS), len(PARTS)), bool)
    for number, name in enumerate(COCO_KEYPOINTS):
        side, _, joint = name.rpartition("_")
        for part in _JOINT_PARTS[joint]:
            shows[number, PARTS.index(part if part in PARTS else f"{side}_{part}")] = True
    return shows


_SHOWS = _shows()
_FACE = np.array([name.endswith(("nose", "eye", "ear")) for name in COCO_KEYPOINTS])


def person_category() -> dict:
    """The one category of COCO's keypoint files."""
    lines = [[COCO_KEYPOINTS.index(start) + 1, COCO_KEYPOINTS.index(end) + 1] for start, end in _LINES]
    return {
        "supercategory": "person",
        "id": _CATEGORY_ID,
        "name": "person",
        "keypoints": list(COCO_KEYPOINTS),
        "skeleton": lines,
    }


def annotate(scene: Scene, image_id: int, first_id: int) -> list[dict]:
    """COCO annotations of the people of a scene, with ids from `first_id` on."""
    keypoints, owners = _keypoints(scene), scene.owners
    return [
        {
            "id": first_id + n,
            "image_id": image_id,
            "category_id": _CATEGORY_ID,
            "iscrowd": 0,
            "keypoints": keypoints[n].ravel().tolist(),
            "num_keypoints": int(np.count_nonzero(keypoints[n, :, 2])),
            **_silhouette(person.layer, owners, n + 1),
        }
        for n, person in enumerate(scene.people)
    ]


def _keypoints(scene: Scene) -> np.ndarray:
    """Keypoints and their visibility, as COCO's annotators give it, `(people, keypoints, 3)`.

    2 where the limb that the joint belongs to, or the trunk, shows at that pixel, 1 where another body,
    a seat or the person's own body hides it, 0 outside the image. Nose, eyes and ears on the far side
    of the head are 0 as well: COCO leaves out what the head itself hides. Among the people of val2017
    that are seen from behind, 96 in 100 noses and all eyes that do not show are 0 and not 1; in
    profile, so are 91 in 100 ears.
    """
    height, width = scene.tops.shape
    places = np.array([person.keypoints for person in scene.people])
    turned_away = np.array([person.figure.turned_away for person in scene.people])
    columns, rows = np.rint(np.moveaxis(places, -1, 0)).astype(int)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    tops = scene.tops[rows * inside, columns * inside]
    parts = _parts(scene)[tops]
    own = inside & (tops >> SOLID_BITS == np.arange(1, len(places) + 1)[:, None])
    far = turned_away & (parts == PARTS.index("trunk"))
    seen = own & _SHOWS[np.arange(len(COCO_KEYPOINTS)), parts] & ~far
    visibility = np.where(inside & ~(turned_away & _FACE), 1 + seen, 0)
    keypoints = np.concatenate([places.round(2), visibility[..., None]], -1)
    return np.where(visibility[..., None] > 0, keypoints, 0.0)


def _parts(scene: Scene) -> np.ndarray:
    """The part that each number in `scene.tops` stands for."""
    parts = np.zeros((len(scene.people) + 1, 1 << SOLID_BITS), int)
    for number, person in enumerate(scene.people, 1):
        parts[number, 1 : 1 + len(person.figure.parts)] = person.figure.parts
    return parts.ravel()


def _silhouette(layer: Layer, owners: np.ndarray, number: int) -> dict:
    """Area, box and outline of the pixels that show the person."""
    (left, top), mask = layer.top_left, (owners[layer.window] == number).view(np.uint8)
    x, y, width, height = cv2.boundingRect(mask)
    return {
        "area": float(cv2.countNonZero(mask)),
        "bbox": [float(value) for value in (left + x, top + y, width, height)],
        "segmentation": _polygons(mask, np.array([left, top])),
    }


def _polygons(mask: np.ndarray, top_left: np.ndarray) -> list[list[float]]:
    """Outlines of a mask whose first pixel is `top_left`, in COCO's coordinates.

    There, pixel n reaches from n to n + 1. Contours run through the centers of border pixels, so those
    of the mask enlarged twofold run a quarter of a pixel within the true outline. COCO's polygons have
    no holes: a hole, such as between an arm and the trunk, is joined to its outline by a line that is
    run along twice, there and back, which encloses nothing.
    """
    fine = cv2.resize(mask, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    rings, relations = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings, parents = [_simplify(ring) for ring in rings], relations[0, :, 3].tolist()
    polygons = {n: [ring, ring[:1]] for n, ring in enumerate(rings) if parents[n] < 0}
    for hole, parent in zip(rings, parents, strict=True):
        if parent >= 0:
            polygons[parent] += [hole, hole[:1], rings[parent][:1]]
    return [((np.concatenate(parts) + 0.5) / 2 + top_left).ravel().tolist() for parts in polygons.values()]


def _simplify(ring: np.ndarray) -> np.ndarray:
    """Leaves out the points less than half a pixel, one of the enlarged mask, from a line between others."""
    simple = cv2.approxPolyDP(ring, 1.0, True)
    return (simple if len(simple) > 2 else ring)[:, 0]
