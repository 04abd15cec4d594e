"""The same people from frame to frame: identities by OKS, and smoothed keypoints."""

from dataclasses import dataclass

import numpy as np

from keras_openpose.poses import SAME_PERSON, Poses, oks_spread
from keras_openpose.skeletons import Skeleton

# Casiez, Roussel, Vogel: "1€ Filter", CHI 2012; the values of its demonstration, in hertz and pixels.
_MIN_CUTOFF, _BETA, _DERIVATIVE_CUTOFF = 1.0, 0.007, 1.0
# Weight of the last frame in a body's speed; the earlier speed has the rest.
_NEW_SPEED = 0.5


@dataclass(eq=False)
class _Person:
    id: int
    keypoints: np.ndarray  # (keypoints, 2), the expected places; NaN if never seen
    velocity: np.ndarray  # (2,) pixels a frame, of the whole body
    smooth: "_OneEuro | None"
    missing: int = 0  # frames out of sight


class PoseTracker:
    """Tells which people of a frame are those of the frames before.

    Every pose is expected to keep its speed. The poses of a frame are matched with the expected ones by OKS,
    best first. A person out of sight moves on and keeps the identity for a while.

    Args:
        skeleton: gives the OKS constants.
        memory: frames that a person may be out of sight and keep the identity. Defaults to 15.
        smooth: frames a second, for the one-euro filter of every keypoint. Defaults to None, no filter.
    """

    def __init__(self, skeleton: Skeleton, *, memory: int = 15, smooth: float | None = None):
        self._sigmas, self._memory = np.array(skeleton.sigmas), memory
        self._smooth, self._next_id = smooth, 0
        self._people: list[_Person] = []

    def update(self, poses: Poses) -> Poses:
        """The people of the next frame, with identities."""
        for person in self._people:
            person.keypoints = person.keypoints + person.velocity
            person.missing += 1
        matches = self._match(poses.keypoints)
        ids, keypoints = [], poses.keypoints.copy()
        for n, seen in enumerate(poses.keypoints):
            person = matches.get(n) or self._enter(seen)
            _see(person, seen)
            ids.append(person.id)
            if person.smooth:
                keypoints[n] = person.smooth(seen)
        self._people = [person for person in self._people if person.missing <= self._memory]
        return Poses(keypoints, poses.scores, poses.pose_scores, poses.skeleton, np.array(ids, int))

    def _match(self, keypoints: np.ndarray) -> dict[int, _Person]:
        """The person of each matched pose, by the number of the pose."""
        if not len(keypoints) or not self._people:
            return {}
        expected = np.stack([person.keypoints for person in self._people])
        similarity = _oks(keypoints, expected, self._sigmas)
        matches, taken = {}, set()
        for place in np.argsort(-similarity, axis=None, kind="stable"):
            n, person = np.unravel_index(place, similarity.shape)
            if similarity[n, person] < SAME_PERSON:
                break
            if n not in matches and person not in taken:
                matches[n] = self._people[person]
                taken.add(person)
        return matches

    def _enter(self, keypoints: np.ndarray) -> _Person:
        smooth = _OneEuro(self._smooth) if self._smooth else None
        person = _Person(self._next_id, np.full_like(keypoints, np.nan), np.zeros(2), smooth)
        self._next_id += 1
        self._people.append(person)
        return person


def _see(person: _Person, seen: np.ndarray):
    """Take a person's new place and speed. Keypoints that are hidden move on with the body."""
    both = ~np.isnan(seen + person.keypoints).any(axis=1)
    if both.any():
        # The error of the expected place, over the frames missed, is the error of the speed.
        error = (seen - person.keypoints)[both].mean(axis=0)
        person.velocity = person.velocity + _NEW_SPEED * error / person.missing
        person.keypoints = person.keypoints + error
    person.keypoints = np.where(np.isnan(seen), person.keypoints, seen)
    person.missing = 0


def _oks(keypoints: np.ndarray, expected: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Object keypoint similarity, as COCO defines it, of every pose with every expected one.

    The sum is over the keypoints that both have; the divisor is the count of the pose with fewer. A part of
    a body can be all that is in sight.
    """
    squares = ((keypoints[:, None] - expected) ** 2).sum(axis=-1)
    similarity = np.nan_to_num(np.exp(-squares / oks_spread(expected, sigmas)))
    present, known = (~np.isnan(poses[..., 0]) for poses in (keypoints, expected))
    return similarity.sum(axis=-1) / np.minimum(present.sum(axis=1)[:, None], known.sum(axis=1))


class _OneEuro:
    """The one-euro filter of a person's keypoints: calm when they rest, quick when they move."""

    def __init__(self, fps: float):
        self._fps = fps
        self._value: np.ndarray | None = None
        self._speed: np.ndarray | float = 0.0

    def __call__(self, keypoints: np.ndarray) -> np.ndarray:
        if self._value is None:
            self._value = keypoints
            return keypoints
        speed = np.nan_to_num((keypoints - self._value) * self._fps)
        self._speed = self._speed + self._weight(_DERIVATIVE_CUTOFF) * (speed - self._speed)
        weight = self._weight(_MIN_CUTOFF + _BETA * np.abs(self._speed))
        value = self._value + weight * (keypoints - self._value)
        # A keypoint that comes into sight starts anew; the last place of one that leaves is of no use.
        self._value = np.where(np.isnan(value), keypoints, value)
        return self._value

    def _weight(self, cutoff):
        """The new value's, at a cutoff frequency: 1 / (1 + tau * fps)."""
        return 1 / (1 + self._fps / (2 * np.pi * cutoff))
