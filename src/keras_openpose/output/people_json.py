"""People as JSON: to and from OpenPose's form, and to COCO's."""

from collections.abc import Mapping, Sequence

import numpy as np

from keras_openpose.poses import Poses, WholeBody
from keras_openpose.skeletons import BODY_25, COCO_18, COCO_KEYPOINTS, FACE_70, HAND_21, MPI_15, Skeleton

_BODY, _FACE = "pose_keypoints_2d", "face_keypoints_2d"
_LEFT_HAND, _RIGHT_HAND = "hand_left_keypoints_2d", "hand_right_keypoints_2d"
# In the order of OpenPose's files; the 3-D fields stay empty.
_FIELDS = (
    _BODY, _FACE, _LEFT_HAND, _RIGHT_HAND, "pose_keypoints_3d", "face_keypoints_3d",
    "hand_left_keypoints_3d", "hand_right_keypoints_3d",
)  # fmt: skip


def poses_to_openpose(poses: Poses | WholeBody) -> dict:
    """The people of an image as OpenPose writes them with `--write_json`.

    Args:
        poses: the people, or their whole bodies.

    Returns:
        A dict of `version` and `people`. `pose_keypoints_2d` holds x, y and score of every keypoint in
        the order of the skeleton, with three zeros where it is absent. `person_id` holds the person's id,
        or −1 without one. For whole bodies, `face_keypoints_2d`, `hand_left_keypoints_2d` and
        `hand_right_keypoints_2d` hold the same for faces and hands; else they are empty. (CMU OpenPose,
        doc/02_output.md, version 1.3.)

    Example:
        ```python
        import numpy as np
        from keras_openpose import COCO_18, Poses, poses_to_openpose

        nobody = Poses(np.zeros((0, 18, 2)), np.zeros((0, 18)), np.zeros(0), COCO_18)
        assert poses_to_openpose(nobody)["people"] == []
        ```
    """
    body = poses.body
    rows = {_BODY: _rows(body)}
    if isinstance(poses, WholeBody):
        rows[_FACE] = _rows(poses.faces)
        rows[_LEFT_HAND], rows[_RIGHT_HAND] = _rows(poses.left_hands), _rows(poses.right_hands)
    ids = [-1] * len(body) if body.ids is None else body.ids.tolist()
    people = [
        {"person_id": [one], **{key: rows[key][n] if key in rows else [] for key in _FIELDS}}
        for n, one in enumerate(ids)
    ]
    return {"version": 1.3, "people": people}


def _rows(poses: Poses) -> list[list[float]]:
    """x, y and score of every keypoint of each person; zeros where it is absent."""
    rows = np.concatenate([np.nan_to_num(poses.keypoints), poses.scores[..., None]], axis=-1)
    return [row.ravel().tolist() for row in rows.astype(float).round(3)]


def poses_from_openpose(content: Mapping, *, skeleton: Skeleton = COCO_18) -> Poses | WholeBody:
    """The people of a JSON file that OpenPose, `poses_to_openpose` or `keras-openpose detect` wrote.

    Args:
        content: the file as `json.load` gives it.
        skeleton: keypoints of the file's bodies. Defaults to `COCO_18`; OpenPose's own default is `BODY_25`.

    Returns:
        A `WholeBody` if anyone in the file has hands or a face, else `Poses`. OpenPose does not write the
        scores of people: `pose_scores` are the sums of the keypoints' scores, and people are sorted by them.

    Raises:
        ValueError: this is not the content of such a file, or it is of another skeleton.

    Example:
        ```python
        import numpy as np
        from keras_openpose import COCO_18, Poses, poses_from_openpose, poses_to_openpose

        keypoints = np.full((1, 18, 2), np.nan)
        keypoints[0, 0] = 12, 34  # the nose
        poses = Poses(keypoints, (keypoints[..., 0] > 0) * 0.5, np.ones(1), COCO_18)
        again = poses_from_openpose(poses_to_openpose(poses))
        assert again.keypoints[0, 0].tolist() == [12, 34] and again.pose_scores[0] == 0.5
        ```
    """
    people = content.get("people") if isinstance(content, Mapping) else None
    if not isinstance(people, Sequence) or not all(_BODY in person for person in people):
        raise ValueError(
            f"`content` must be a dict whose `people` are dicts with `{_BODY}`, as OpenPose writes since "
            f"version 1.1. Received: {str(content)[:100]}."
        )
    body = _read(people, _BODY, skeleton)
    best_first = np.argsort(-body.pose_scores, kind="stable")
    ids = np.array([person.get("person_id", [-1])[0] for person in people], int)
    if len(ids) and ids.min() >= 0:
        body = Poses(body.keypoints, body.scores, body.pose_scores, skeleton, ids)
    if not any(person.get(key) for person in people for key in (_FACE, _LEFT_HAND, _RIGHT_HAND)):
        return body[best_first]
    left_hands, right_hands, faces = (
        _read(people, key, part)[best_first]
        for key, part in ((_LEFT_HAND, HAND_21), (_RIGHT_HAND, HAND_21), (_FACE, FACE_70))
    )
    return WholeBody(body[best_first], left_hands, right_hands, faces)


def _read(people: Sequence[Mapping], key: str, skeleton: Skeleton) -> Poses:
    """The rows of one field; NaN for people without it."""
    rows = np.zeros((len(people), skeleton.num_keypoints, 3))
    for row, person in zip(rows, people, strict=True):
        numbers = person.get(key) or []
        if len(numbers) not in (0, row.size):
            sizes = ", ".join(f"{3 * one.num_keypoints} of {one.name}" for one in (BODY_25, COCO_18, MPI_15))
            raise ValueError(
                f"`{key}` must hold x, y and score of the {skeleton.num_keypoints} keypoints of "
                f"{skeleton.name}, {row.size} numbers, or nothing. Received: {len(numbers)} numbers. Bodies, "
                f"by `skeleton`: {sizes}."
            )
        if len(numbers):
            row[:] = np.reshape(numbers, row.shape)
    seen = rows[..., 2] > 0
    scores = np.where(seen, rows[..., 2], 0)
    return Poses(np.where(seen[..., None], rows[..., :2], np.nan), scores, scores.sum(axis=1), skeleton)


def poses_to_coco(
    poses: Poses, image_id: int, *, keypoints: Sequence[str] | None = None, category_id: int = 1
) -> list[dict]:
    """The people of an image as COCO keypoint results.

    Args:
        poses: the people.
        image_id: id of the image in the label file.
        keypoints: names of the keypoints in the order of the label file. Keypoints that the skeleton
            lacks are written as absent. Keypoints that only the skeleton has (the neck) are dropped.
            Defaults to COCO's for a skeleton that has most of them, else to the skeleton's own.
        category_id: category of the label file. Defaults to 1, COCO's person.

    Returns:
        A list of dicts with `image_id`, `category_id`, `keypoints` (x, y and the keypoint's score, or
        three zeros where absent), `score` and, if the people have ids, `track_id`. People without any of
        the keypoints are left out.

    Raises:
        ValueError: the skeleton has none of the keypoints.

    Example:
        ```python
        import numpy as np
        from keras_openpose import COCO_18, Poses, poses_to_coco

        keypoints = np.full((1, 18, 2), np.nan)
        keypoints[0, 0] = 12, 34  # the nose, first in both
        poses = Poses(keypoints, np.ones((1, 18)), np.ones(1), COCO_18)
        assert poses_to_coco(poses, 7)[0]["keypoints"][:3] == [12, 34, 1]
        ```
    """
    names = poses.skeleton.keypoints
    if keypoints is None:
        is_person = len(set(COCO_KEYPOINTS) & set(names)) > len(COCO_KEYPOINTS) / 2
        keypoints = COCO_KEYPOINTS if is_person else names
    known = [n for n, name in enumerate(keypoints) if name in names]
    if not known:
        raise ValueError(
            f"{poses.skeleton.name} has none of the keypoints asked for. Its own: {', '.join(names)}. "
            f"Received: {', '.join(keypoints)}."
        )
    rows = np.zeros((len(poses), len(keypoints), 3))
    own = [names.index(keypoints[n]) for n in known]
    found = np.concatenate([poses.keypoints[:, own], poses.scores[:, own, None]], axis=-1)
    rows[:, known] = np.where(np.isnan(found).any(axis=-1, keepdims=True), 0, found).round(3)
    tracks = [{}] * len(poses) if poses.ids is None else [{"track_id": one} for one in poses.ids.tolist()]
    return [
        {
            "image_id": getattr(image_id, "tolist", lambda: image_id)(),  # JSON knows no NumPy numbers
            "category_id": category_id,
            "keypoints": row.ravel().tolist(),
            "score": float(score),
            **track,
        }
        for row, score, track in zip(rows, poses.pose_scores, tracks, strict=True)
        if row.any()
    ]
