"""What detection returns: the people of one image, and their hands and faces."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from keras_openpose.skeletons import Skeleton

# Two poses with a lower OKS are not the same person.
SAME_PERSON = 0.1
# The box of few keypoints, or of keypoints in a line, says little: no body is smaller than COCO's small,
# or more slender than this.
_SMALL, _SLENDER = 32**2, 4

_People = int | np.integer | slice | np.ndarray | Sequence[int]


@dataclass(frozen=True, eq=False, repr=False)
class Poses:
    """The people of one image, best first.

    `poses[0]` is the best person, and `poses[poses.pose_scores > 5]` are those of a higher score. A loop
    gives one person after the other. All of these are `Poses`. `poses["left_wrist"]` has the left wrists.

    Args:
        keypoints: `(people, keypoints, 2)`, x and y in pixels of the image; NaN where absent.
        scores: `(people, keypoints)`, the height of each keypoint's peak; 0 where absent.
        pose_scores: `(people,)`, the score of each person; people are sorted by it.
        skeleton: the `Skeleton` that names the keypoints.
        ids: `(people,)`, whole numbers that stay with a person from frame to frame (`predict_video`).
            Defaults to none.

    Raises:
        ValueError: the shapes do not fit each other or the skeleton.

    Example:
        ```python
        import numpy as np
        from keras_openpose import COCO_18, Poses

        keypoints = np.full((1, 18, 2), np.nan)
        keypoints[0, 0] = 12, 34  # the nose
        poses = Poses(keypoints, (keypoints[..., 0] > 0) * 0.5, np.ones(1), COCO_18)
        assert poses["nose"].tolist() == [[12, 34]]
        for person in poses:
            assert person.as_dict() == {"nose": (12, 34)}
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

    def __repr__(self) -> str:
        scores = self.pose_scores.astype(float).round(2).tolist()
        return f"Poses({len(self)} of {self.skeleton.name}, scores {scores})"

    def __len__(self) -> int:
        return len(self.pose_scores)

    def __iter__(self) -> Iterator["Poses"]:
        return (self[n] for n in range(len(self)))

    @overload
    def __getitem__(self, index: str) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: _People) -> "Poses": ...
    def __getitem__(self, index: str | _People) -> "Poses | np.ndarray":
        """Select people by number, slice, mask or array of indices; or a keypoint of all people by name.

        Returns:
            `Poses`; for a name an array `(people, 2)`, x and y in pixels, NaN where absent.

        Raises:
            KeyError: the skeleton has no keypoint of that name.
        """
        if isinstance(index, str):
            if index not in self.skeleton.keypoints:
                known = ", ".join(self.skeleton.keypoints)
                raise KeyError(f"{self.skeleton.name} has no keypoint {index!r}. Choose from: {known}.")
            return self.keypoints[:, self.skeleton.keypoints.index(index)]
        if isinstance(index, (int, np.integer)):
            index = np.array([index])
        ids = None if self.ids is None else self.ids[index]
        return Poses(self.keypoints[index], self.scores[index], self.pose_scores[index], self.skeleton, ids)

    def as_dict(self) -> dict[str, tuple[float, float]]:
        """The keypoints of a single person by name, x and y in pixels, without absent ones.

        Raises:
            ValueError: there is not exactly one person.
        """
        if len(self) != 1:
            raise ValueError(f"`as_dict` needs one person, such as `poses[0]`. Received: {len(self)} people.")
        pairs = zip(self.skeleton.keypoints, self.keypoints[0].tolist(), strict=True)
        return {name: (x, y) for name, (x, y) in pairs if not np.isnan(x)}

    @property
    def body(self) -> "Poses":
        """These poses themselves, so that code can take `Poses` or `WholeBody`."""
        return self

    @property
    def boxes(self) -> np.ndarray:
        """Bounding box of each person's keypoints, `(people, 4)`: x, y, width, height in pixels."""
        low, high = _corners(self.keypoints)
        return np.concatenate([low, high - low], axis=1)


@dataclass(frozen=True, eq=False)
class WholeBody:
    """The people of one image with their hands and faces: row n of everything belongs to person n.

    Rows without a result are NaN with score 0: the arm or head is hidden, the face is too small, or there is
    no network for it. The `pose_scores` of hands and faces are the sums of their keypoints' scores.

    Args:
        body: the people, best first.
        left_hands: their left hands, with the skeleton `HAND_21`.
        right_hands: their right hands.
        faces: their faces, with the skeleton `FACE_70`.
        left_hand_boxes: `(people, 4)`, the squares that the network saw: x, y, width, height in pixels,
            NaN where there was none. None if they are unknown, as for people read from JSON.
        right_hand_boxes: the same for the right hands.
        face_boxes: the same for the faces.

    Raises:
        ValueError: a part has another number of rows than there are people.

    Example:
        ```python
        import numpy as np
        from keras_openpose import COCO_18, FACE_70, HAND_21, Poses, WholeBody

        def nobody(skeleton):
            count = skeleton.num_keypoints
            return Poses(np.zeros((0, count, 2)), np.zeros((0, count)), np.zeros(0), skeleton)

        people = WholeBody(nobody(COCO_18), nobody(HAND_21), nobody(HAND_21), nobody(FACE_70))
        assert len(people) == 0
        ```
    """

    body: Poses
    left_hands: Poses
    right_hands: Poses
    faces: Poses
    left_hand_boxes: np.ndarray | None = dataclasses.field(default=None, repr=False)
    right_hand_boxes: np.ndarray | None = dataclasses.field(default=None, repr=False)
    face_boxes: np.ndarray | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self):
        for part in dataclasses.fields(self):
            rows = getattr(self, part.name)
            if rows is not None and len(rows) != len(self.body):
                raise ValueError(
                    f"`{part.name}` must have a row for each of the {len(self.body)} people. "
                    f"Received: {len(rows)} rows."
                )

    def __len__(self) -> int:
        return len(self.body)


def unseen(people: int, skeleton: Skeleton) -> Poses:
    """Rows of people, hands or faces without any keypoint."""
    shape = (people, skeleton.num_keypoints)
    return Poses(np.full((*shape, 2), np.nan), np.zeros(shape), np.zeros(people), skeleton)


def oks_spread(keypoints: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """The divisor of the squared distance in the exponent of OKS, as COCO defines it.

    The area of a body is that of the box around its keypoints.

    Args:
        keypoints: `(people, keypoints, 2)`, pixels.
        sigmas: `(keypoints,)`, the OKS constants.

    Returns:
        `(people, keypoints)`, square pixels.
    """
    low, high = _corners(keypoints)
    shorter, longer = np.sort(high - low, axis=-1).T
    area = longer * np.maximum(shorter, longer / _SLENDER)
    return 2 * np.maximum(area, _SMALL)[:, None] * (2 * sigmas) ** 2


def _corners(keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest x and y of each person, NaN without any keypoint."""
    return np.fmin.reduce(keypoints, axis=1), np.fmax.reduce(keypoints, axis=1)
