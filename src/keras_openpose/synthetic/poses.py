"""Jointed figures in random poses: the bones in space.

Lengths are body heights. x points to the right of the picture, y down, z towards the viewer. A figure with
heading 0 faces the viewer, so its left side has positive x and is on the right of the picture.
"""

from typing import NamedTuple

import cv2
import numpy as np

# After the segment lengths of Drillis and Contini (1966): shoulder line at 0.81, hip at 0.52, knee at 0.28
# and ankle at 0.04 of the height. SHOULDER and HIP are half-widths.
SHOULDER, HIP, FOREARM, SHIN = 0.100, 0.056, 0.140, 0.235
_TORSO, _UPPER_ARM, _THIGH = 0.29, 0.165, 0.245
_SHOULDER_LINE, _HEAD = 0.02, -0.112  # below the upper end of the chest
_X, _Y, _Z = np.eye(3)


class Bone(NamedTuple):
    """A place in space and the directions of a part of the body."""

    origin: np.ndarray  # (3,)
    axes: np.ndarray  # (3, 3), columns: to the person's left, along the bone (down), to the front

    def place(self, offset: np.ndarray | tuple[float, float, float]) -> np.ndarray:
        """The point in space at this offset along the axes."""
        return self.origin + self.axes @ offset


class Pose(NamedTuple):
    """Angles in degrees. With zeros, a person stands upright and faces the viewer, arms down.

    `arms` and `legs` hold, for the left and the right one: swing (forward), spread (outward), bend (of the
    elbow or knee), and where an elbow bends to (0 forward, 90 inward, −90 outward).
    """

    heading: float = 0  # of the whole body, to the left
    bend: float = 0  # of the chest, forward
    twist: float = 0  # of the chest, to the left
    nod: float = 0  # of the head, forward
    look: float = 0  # of the head, to the left
    arms: tuple = ((0, 0, 0, 0), (0, 0, 0, 0))
    legs: tuple = ((0, 0, 0, 0), (0, 0, 0, 0))


def make_bones(pose: Pose, camera_pitch: float = 0) -> dict[str, Bone]:
    """The bones of a person, seen by a camera that looks down by these degrees."""
    body = _turn(_X, -camera_pitch) @ _turn(_Y, pose.heading)
    chest = body @ _turn(_Y, pose.twist) @ _turn(_X, -pose.bend)
    head = chest @ _turn(_Y, pose.look) @ _turn(_X, -pose.nod)
    bones = {"pelvis": Bone(np.zeros(3), body), "chest": Bone(-_TORSO * chest[:, 1], chest)}
    bones["head"] = Bone(bones["chest"].place((0, _HEAD, 0.01)), head)
    for number, (side, out) in enumerate((("left", 1), ("right", -1))):
        shoulder = bones["chest"].place((out * SHOULDER, _SHOULDER_LINE, 0))
        hip = bones["pelvis"].place((out * HIP, 0, 0))
        for root, trunk, upper, length, lower, angles, knee in (
            (shoulder, chest, "upper_arm", _UPPER_ARM, "forearm", pose.arms, 1),
            (hip, body, "thigh", _THIGH, "shin", pose.legs, -1),  # a knee bends backward
        ):
            swing, spread, bend, turn = angles[number]
            axes = trunk @ _turn(_X, swing) @ _turn(_Z, -out * spread) @ _turn(_Y, -out * turn)
            bones[f"{side}_{upper}"] = Bone(root, axes)
            bones[f"{side}_{lower}"] = Bone(root + length * axes[:, 1], axes @ _turn(_X, knee * bend))
    return bones


def _turn(axis: np.ndarray, degrees: float) -> np.ndarray:
    """The matrix of a turn about an axis."""
    return cv2.Rodrigues(np.radians(degrees) * axis)[0]


# How often each occurs, and ranges of degrees: the bend of the chest; swing, spread and bend of the leading
# and of the other leg.
_STRAIGHT = ((-6, 8), (2, 9), (0, 8))
_APART = ((-5, 10), (14, 34), (0, 12))
_STANCES = {
    "standing": (8, (-5, 8), (_STRAIGHT, _STRAIGHT)),
    "legs apart": (2, (-5, 15), (_APART, _APART)),
    "walking": (6, (-2, 10), (((15, 35), (0, 6), (0, 18)), ((-30, -10), (0, 6), (8, 45)))),
    "running": (2, (5, 25), (((40, 80), (0, 10), (40, 95)), ((-35, -5), (0, 8), (35, 105)))),
    "bending": (2, (35, 95), (((-10, 25), (2, 14), (0, 35)), ((-10, 15), (2, 14), (0, 20)))),
    "squatting": (1, (10, 40), (((85, 120), (5, 30), (105, 140)), ((85, 120), (5, 30), (105, 140)))),
}
# How often each occurs, and ranges of the angles of an arm.
_GESTURES = {
    "hanging": (9, (-15, 18), (4, 16), (5, 35), (-20, 40)),
    "reaching": (3, (50, 110), (0, 25), (0, 50), (-20, 50)),
    "raised": (3, (140, 185), (5, 40), (0, 50), (-30, 30)),
    "spread": (3, (-10, 25), (60, 110), (0, 40), (-60, 30)),
    "waving": (2, (-10, 25), (55, 110), (65, 125), (-115, -65)),
    "on the hip": (2, (-25, 5), (35, 55), (80, 105), (70, 100)),
}
_HEADINGS = (0, 0, 0, 0, 180, 180, 90, 90, -90, -90)


def sample_pose(rng: np.random.Generator) -> Pose:
    """A random pose."""
    (bend, legs), arm, other = (_one_of(rng, table) for table in (_STANCES, _GESTURES, _GESTURES))
    bend = rng.uniform(*bend)
    legs = [[rng.uniform(*angle) for angle in leg] + [0] for leg in legs]
    arms = (arm, arm if rng.random() < 0.5 else other)
    return Pose(
        heading=rng.choice(_HEADINGS) + 25 * rng.standard_normal(),
        bend=bend,
        twist=rng.uniform(-15, 15),
        nod=rng.uniform(-15, 25) - 0.6 * bend,  # a person who bends down still looks ahead
        look=rng.uniform(-45, 45),
        arms=tuple([rng.uniform(*angle) for angle in arm] for arm in arms),
        legs=tuple(legs if rng.random() < 0.5 else legs[::-1]),
    )


def _one_of(rng: np.random.Generator, table: dict[str, tuple]) -> list:
    """A random row of a table whose rows begin with how often they occur."""
    rows = [row for share, *row in table.values() for _ in range(share)]
    return rows[rng.integers(len(rows))]
