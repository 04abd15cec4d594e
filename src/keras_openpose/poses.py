"""What detection returns: the people of one image."""

from dataclasses import dataclass

import numpy as np

from keras_openpose.skeletons import Skeleton


@dataclass(frozen=True, eq=False)
class Poses:
    """The people of one image, best first.

    Args:
        keypoints: `(people, keypoints, 2)`, x and y in pixels of the image; NaN where absent.
        scores: `(people, keypoints)`, the height of each keypoint's peak; 0 where absent.
        pose_scores: `(people,)`, how sure each person is; people are sorted by it.
        skeleton: the `Skeleton` that names the keypoints.
        ids: `(people,)`, whole numbers that stay with a person from frame to frame (`predict_video`).
            Defaults to none.

    Raises:
        ValueError: the shapes do not fit each other or the skeleton.

    Example:
        ```python
        import numpy as np
        from keras_openpose import COCO_18, Poses

        nobody = Poses(np.zeros((0, 18, 2)), np.zeros((0, 18)), np.zeros(0), COCO_18)
        assert len(nobody) == 0
        ```
    """

    keypoints: np.ndarray
    scores: np.ndarray
    pose_scores: np.ndarray
    skeleton: Skeleton
    ids: np.ndarray | None = None

    def __post_init__(self):
        people, count = len(self.pose_scores), self.skeleton.num_keypoints
        expected = {"keypoints": (people, count, 2), "scores": (people, count), "pose_scores": (people,)}
        if self.ids is not None:
            expected["ids"] = (people,)
        for field, shape in expected.items():
            if getattr(self, field).shape != shape:
                raise ValueError(
                    f"`{field}` of {people} people with the {count} keypoints of {self.skeleton.name} must "
                    f"have shape {shape}. Received: {getattr(self, field).shape}."
                )

    def __len__(self) -> int:
        return len(self.pose_scores)

    def __getitem__(self, index) -> "Poses":
        """Some of the people, or one: a number, a slice, a mask or an array of indices; always `Poses`."""
        if isinstance(index, (int, np.integer)):
            index = [index]
        ids = None if self.ids is None else self.ids[index]
        return Poses(self.keypoints[index], self.scores[index], self.pose_scores[index], self.skeleton, ids)

    @property
    def boxes(self) -> np.ndarray:
        """Bounding box of each person's keypoints, `(people, 4)`: x, y, width, height in pixels."""
        if not len(self):
            return np.zeros((0, 4))
        low, high = np.nanmin(self.keypoints, axis=1), np.nanmax(self.keypoints, axis=1)
        return np.concatenate([low, high - low], axis=1)
