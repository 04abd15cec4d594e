"""People as JSON: in OpenPose's own form and in COCO's."""

from collections.abc import Sequence

import numpy as np

from keras_openpose.poses import Poses
from keras_openpose.skeletons import COCO_KEYPOINTS


def poses_to_openpose(poses: Poses) -> dict:
    """The people of an image as OpenPose writes them with `--write_json`.

    Args:
        poses: the people.

    Returns:
        A dict of `version` and `people`. `pose_keypoints_2d` holds x, y and score of every keypoint in
        the order of the skeleton, three zeros where it is absent; `person_id` the person's id, or −1
        without. (CMU OpenPose, doc/02_output.md, version 1.3; hands and faces are empty.)

    Example:
        ```python
        import numpy as np
        from keras_openpose import COCO_18, Poses, poses_to_openpose

        nobody = Poses(np.zeros((0, 18, 2)), np.zeros((0, 18)), np.zeros(0), COCO_18)
        assert poses_to_openpose(nobody)["people"] == []
        ```
    """
    empty = ("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d", "pose_keypoints_3d",
             "face_keypoints_3d", "hand_left_keypoints_3d", "hand_right_keypoints_3d")  # fmt: skip
    rows = np.concatenate([np.nan_to_num(poses.keypoints), poses.scores[..., None]], axis=-1)
    ids = [-1] * len(poses) if poses.ids is None else poses.ids.tolist()
    people = [
        {
            "person_id": [one],
            "pose_keypoints_2d": np.round(row.ravel(), 3).tolist(),
            **{key: [] for key in empty},
        }
        for one, row in zip(ids, rows, strict=True)
    ]
    return {"version": 1.3, "people": people}


def poses_to_coco(
    poses: Poses, image_id: int, *, keypoints: Sequence[str] = COCO_KEYPOINTS, category_id: int = 1
) -> list[dict]:
    """The people of an image as COCO keypoint results.

    Args:
        poses: the people.
        image_id: id of the image in the label file.
        keypoints: names of the keypoints in the order of the label file. Those that the skeleton lacks
            are written as absent; those that only the skeleton has (the neck) are dropped. Defaults
            to COCO's.
        category_id: category of the label file. Defaults to 1, COCO's person.

    Returns:
        A list of dicts with `image_id`, `category_id`, `keypoints` (x, y and the keypoint's score, or
        three zeros where absent), `score` and, where the people have ids, `track_id`. People without any
        of the keypoints are left out.

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
