"""Random people: stances of trunk and legs, gestures of the arms, and builds."""

import math
from typing import NamedTuple

import numpy as np

from keras_openpose.synthetic.figure import Bones, pose

Range = tuple[float, float]


class Stance(NamedTuple):
    """Ranges of the angles of trunk and legs, in degrees, and how often they occur.

    `legs` holds, for the leading leg and the other one, swing (forward), spread (outward) and knee.
    `tilt` turns the whole body forward about the pelvis: −90 lies on its back, 90 on its stomach.
    """

    share: int
    bend: Range
    legs: tuple[tuple[Range, Range, Range], tuple[Range, Range, Range]]
    tilt: Range = (-3, 3)
    lean: Range = (-6, 6)
    headings: tuple[float, ...] = (0, 0, 0, 0, 180, 180, 90, 90, -90, -90)
    seated: bool = False


_STRAIGHT = ((-6, 8), (2, 9), (0, 8))
STANCES = {
    "standing": Stance(8, (-5, 8), (_STRAIGHT, _STRAIGHT)),
    "at ease": Stance(2, (-5, 8), (((0, 20), (6, 20), (0, 25)), ((-6, 6), (2, 10), (0, 6)))),
    "legs apart": Stance(2, (-5, 15), (((-5, 10), (14, 34), (0, 12)), ((-5, 10), (14, 34), (0, 12)))),
    "walking": Stance(5, (-2, 10), (((15, 35), (0, 6), (0, 18)), ((-30, -10), (0, 6), (8, 45)))),
    "running": Stance(2, (5, 25), (((40, 80), (0, 10), (40, 95)), ((-35, -5), (0, 8), (35, 105)))),
    "kicking": Stance(1, (-20, 10), (((45, 95), (0, 15), (0, 50)), ((-10, 5), (2, 8), (0, 15)))),
    "lunging": Stance(1, (-5, 25), (((50, 80), (0, 12), (60, 95)), ((-40, -15), (0, 12), (0, 30)))),
    "climbing": Stance(1, (0, 25), (((50, 90), (0, 15), (60, 100)), ((-10, 5), (2, 8), (0, 15)))),
    "bending": Stance(2, (35, 95), (((-10, 25), (2, 14), (0, 35)), ((-10, 15), (2, 14), (0, 20)))),
    "squatting": Stance(1, (10, 40), (((85, 120), (5, 30), (105, 140)), ((85, 120), (5, 30), (105, 140)))),
    "kneeling": Stance(1, (-5, 20), (((70, 95), (2, 12), (80, 105)), ((-15, 5), (2, 10), (80, 105)))),
    "sitting": Stance(
        5, (-12, 20), (((78, 98), (2, 20), (55, 105)), ((78, 98), (2, 20), (65, 110))), seated=True
    ),
    "on the floor": Stance(1, (-25, 15), (((75, 110), (5, 25), (0, 70)), ((75, 100), (5, 25), (0, 40)))),
    "on the back": Stance(
        1,
        (-5, 10),
        (((-5, 60), (2, 15), (0, 90)), ((-5, 10), (2, 15), (0, 15))),
        tilt=(-95, -80),
        headings=(90, -90),
    ),
    "on the stomach": Stance(
        1,
        (-25, 5),
        (((-10, 5), (2, 15), (0, 60)), ((-10, 5), (2, 15), (0, 15))),
        tilt=(80, 92),
        headings=(90, -90),
    ),
    "on the side": Stance(
        1,
        (-5, 20),
        (((0, 60), (0, 8), (0, 80)), ((0, 40), (0, 8), (0, 60))),
        lean=(75, 100),
        headings=(0, 0, 180),
    ),
}

# Of an arm, in degrees: swing (forward), spread (outward), elbow, and where the elbow bends to
# (0 forward, 90 inward, −90 outward).
GESTURES = {
    "hanging": (9, (-15, 18), (4, 16), (5, 35), (-20, 40)),
    "swung forward": (2, (20, 50), (2, 12), (10, 70), (0, 35)),
    "swung back": (2, (-45, -15), (4, 15), (5, 50), (0, 30)),
    "reaching": (3, (50, 110), (0, 25), (0, 50), (-20, 50)),
    "raised": (3, (140, 185), (5, 40), (0, 50), (-30, 30)),
    "spread": (3, (-10, 25), (60, 110), (0, 40), (-60, 30)),
    "waving": (2, (-10, 25), (55, 110), (65, 125), (-115, -65)),
    "on the hip": (2, (-25, 5), (35, 55), (80, 105), (70, 100)),
    "folded": (2, (12, 45), (2, 20), (85, 115), (35, 70)),
    "to the face": (1, (25, 65), (5, 35), (110, 140), (0, 40)),
    "behind the back": (1, (-40, -20), (8, 20), (30, 80), (60, 95)),
}

# Ranges of the factors of `pose`, by which people differ.
BUILD = {
    "head": (1.00, 1.15),
    "girth": (0.85, 1.30),
    "shoulders": (0.90, 1.12),
    "hips": (0.90, 1.15),
    "torso": (0.94, 1.06),
    "arms": (0.94, 1.06),
    "legs": (0.94, 1.06),
}

_SPINE = ((-15, 15), (-15, 25), (-45, 45), (-12, 12))  # twist of the chest; nod, look and cock of the head
_HEADING_SPREAD = math.radians(25)  # standard deviation


def _ranges(rows) -> tuple[np.ndarray, np.ndarray]:
    """Lower ends and widths, in radians, of ranges in degrees."""
    low, high = np.moveaxis(np.radians(rows), -1, 0)
    return low, high - low


# Tables with as many equal rows as a stance or gesture has shares.
_ROWS = [stance for stance in STANCES.values() for _ in range(stance.share)]
_TRUNKS = _ranges([(stance.bend, stance.tilt, stance.lean, *_SPINE) for stance in _ROWS])
_LEGS = _ranges([stance.legs for stance in _ROWS])
# 30 is a multiple of how many headings each has.
_HEADINGS = np.radians([np.resize(stance.headings, 30) for stance in _ROWS])
_SEATED = np.array([stance.seated for stance in _ROWS])
_ARMS = _ranges([rows for share, *rows in GESTURES.values() for _ in range(share)])
_BUILD_LOW, _BUILD_HIGH = np.array(list(BUILD.values())).T


def sample_people(rng: np.random.Generator, count: int, camera_pitch: float) -> tuple[Bones, np.ndarray]:
    """Make people of random build and pose, seen by a camera that looks down by `camera_pitch` radians.

    Returns:
        Their bones, and which of them sit on a seat, `(count,)`.
    """
    stances = rng.integers(len(_ROWS), size=count)
    bend, tilt, lean, twist, nod, look, cock = _sample(rng, _TRUNKS, stances).T
    heading = _HEADINGS[stances, rng.integers(_HEADINGS.shape[1], size=count)]
    gestures = rng.integers(len(_ARMS[0]), size=(count, 2))
    alike = rng.random(count) < 0.5
    gestures[alike, 1] = gestures[alike, 0]
    legs = _sample(rng, _LEGS, stances)
    right_leads = rng.random(count) < 0.5
    legs[right_leads], lean[right_leads] = legs[right_leads, ::-1], -lean[right_leads]
    limbs = np.zeros((count, 4, 4))
    limbs[:, :2], limbs[:, 2:, :3] = _sample(rng, _ARMS, gestures), legs
    bones = pose(
        _sample_build(rng, count),
        camera_pitch=np.full(count, camera_pitch),
        heading=heading + _HEADING_SPREAD * rng.standard_normal(count),
        tilt=tilt,
        lean=lean,
        bend=bend,
        twist=twist,
        nod=nod - 0.6 * bend,  # a person who bends down still looks ahead
        look=look,
        cock=cock,
        limbs=limbs,
    )
    return bones, _SEATED[stances]


def _sample_build(rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    factors = _BUILD_LOW + (_BUILD_HIGH - _BUILD_LOW) * rng.random((count, len(BUILD)))
    build = dict(zip(BUILD, factors.T, strict=True))
    children = rng.random(count) < 0.15
    build["head"][children] *= 1.35
    build["legs"][children] *= 0.90
    return build


def _sample(rng: np.random.Generator, ranges: tuple[np.ndarray, np.ndarray], rows: np.ndarray) -> np.ndarray:
    low, width = ranges[0][rows], ranges[1][rows]
    return low + width * rng.random(low.shape)


def one_of(rng: np.random.Generator, choices):
    """A random member of a sequence."""
    return choices[rng.integers(len(choices))]
