"""Jointed figures: the bones in space that follow from proportions and a pose.

Lengths are body heights. x points to the right of the picture, y down, z towards the viewer. A figure with
heading 0 faces the viewer, so its left side has positive x and is on the right of the picture.
"""

from typing import NamedTuple

import numpy as np

from keras_openpose.skeletons import COCO_KEYPOINTS

_LIMBS = ("left_upper_arm", "right_upper_arm", "left_thigh", "right_thigh")
_LOWER_LIMBS = ("left_forearm", "right_forearm", "left_shin", "right_shin")
BONES = ("pelvis", "chest", "head", *_LIMBS, *_LOWER_LIMBS)

# Lengths in body heights, after the segment lengths of Drillis and Contini (1966): shoulder line at
# 0.81, hip at 0.52, knee at 0.28 and ankle at 0.04 of the height. The half-widths are those of the joints.
_TORSO, _NECK, _HALF_HEAD, _HALF_SHOULDERS, _HALF_HIPS = 0.29, 0.050, 0.062, 0.100, 0.056
_UPPER_LENGTHS = np.array([0.165, 0.165, 0.245, 0.245])
_LOWER_LENGTHS = np.array([0.140, 0.140, 0.235, 0.235])

# Where keypoints lie on the bones (see `Bones`), those of the left side for both.
_KEYPOINTS = {
    "nose": ("head", 0, 0.014, 0.056),
    "eye": ("head", 0.021, -0.004, 0.050),
    "ear": ("head", 0.051, 0.002, -0.006),
    "shoulder": ("upper_arm", 0, 0, 0),
    "elbow": ("forearm", 0, 0, 0),
    "wrist": ("forearm", 0, 1, 0),
    "hip": ("thigh", 0, 0, 0),
    "knee": ("shin", 0, 0, 0),
    "ankle": ("shin", 0, 1, 0),
}
# The side of a bone that a keypoint is on (left ones), and how far from the viewer that side may turn
# (the z of its direction) before the head or trunk itself hides the keypoint. An ear is seen from
# before and behind.
_SIDES = {
    "nose": ("head", (0, 0, 1), -0.15),
    "eye": ("head", (0.40, 0, 0.92), -0.05),
    "ear": ("head", (1, 0, 0), -0.40),
    "shoulder": ("chest", (1, 0, 0), -0.80),
    "hip": ("pelvis", (1, 0, 0), -0.80),
}


def _keypoint_tables() -> list[np.ndarray]:
    rows = []
    for name in COCO_KEYPOINTS:
        side, _, joint = name.rpartition("_")
        mirror = np.array([-1 if side == "right" else 1, 1, 1])
        bone, *offset = _KEYPOINTS[joint]
        facing_bone, direction, limit = _SIDES.get(joint, ("pelvis", (0, 0, 0), -1))
        number = BONES.index(bone if bone in BONES else f"{side}_{bone}")
        rows.append((number, mirror * offset, BONES.index(facing_bone), mirror * direction, limit))
    return [np.array(column) for column in zip(*rows, strict=True)]


_KEYPOINT_BONES, _KEYPOINT_OFFSETS, _FACING_BONES, _DIRECTIONS, _LIMITS = _keypoint_tables()


class Bones(NamedTuple):
    """Where each member of `BONES` is, of some people.

    `frames` has a bone's own axes as columns: x to the person's left, y along the bone (down, for the
    pelvis, chest and head), z to the front. Along a limb and the chest, y counts bone lengths, from
    joint to joint; everything else counts body heights, times the person's own build.
    """

    origins: np.ndarray  # (people, bones, 3)
    frames: np.ndarray  # (people, bones, 3, 3)
    thickness: np.ndarray  # (people, bones), factor of all radii

    def place(self, people: np.ndarray, bones: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Points given by offsets `(..., 3)` in the frames of bones of people, in space."""
        return self.origins[people, bones] + (self.frames[people, bones] @ offsets[..., None])[..., 0]

    def keypoints(self) -> np.ndarray:
        """COCO's keypoints in space, `(people, keypoints, 3)`."""
        people = np.arange(len(self.origins))[:, None]
        return self.place(people, _KEYPOINT_BONES, _KEYPOINT_OFFSETS)

    def turned_away(self) -> np.ndarray:
        """Which of COCO's keypoints are on the far side of the head or trunk, `(people, keypoints)`."""
        depths = self.frames[:, :, 2] / np.sqrt((self.frames**2).sum(2))  # z of the axes, of length 1
        return (_DIRECTIONS * depths[:, _FACING_BONES]).sum(-1) < _LIMITS


def pose(
    build: dict[str, np.ndarray],
    *,
    camera_pitch: np.ndarray,
    heading: np.ndarray,
    tilt: np.ndarray,
    lean: np.ndarray,
    bend: np.ndarray,
    twist: np.ndarray,
    nod: np.ndarray,
    look: np.ndarray,
    cock: np.ndarray,
    limbs: np.ndarray,
) -> Bones:
    """Make the bones of people. With angles of 0, a person stands upright and faces the viewer, arms down.

    Args:
        build: factors of head, girth, shoulders, hips, torso, arms and legs, each `(people,)`; 1 is
            average.
        camera_pitch: how far the camera looks down. This and all other angles are in radians, `(people,)`.
        heading: how far someone has turned to the left.
        tilt: how far the whole body has turned forward, about the pelvis.
        lean: how far the whole body leans to its left.
        bend: how far the chest bends forward.
        twist: how far the chest turns to the left.
        nod: how far the head bends forward.
        look: how far the head turns to the left.
        cock: how far the head leans to its left.
        limbs: swing (forward), spread (outward), bend (of elbow or knee) and where an elbow bends to
            (0 forward, π/2 inward), `(people, 4, 4)`, of left arm, right arm, left leg and right leg.
    """
    none = np.zeros_like(heading)
    camera, trunk, spine, neck = _rotations(
        np.array([camera_pitch, tilt, bend, nod]),
        np.array([none, heading, twist, look]),
        np.array([none, lean, none, cock]),
    )
    body = camera @ trunk
    chest = body @ spine
    head = chest @ neck
    upper, lower = _limb_frames(limbs)
    parents = np.array([chest, chest, body, body]).swapaxes(0, 1)
    return _assemble(build, body, chest, head, parents @ upper, parents @ lower)


def _assemble(build, body, chest, head, upper, lower) -> Bones:
    """Join bones of these directions, (people, 3, 3) or (people, 4, 3, 3), from the pelvis outwards."""
    count, head_size, girth = len(body), build["head"][:, None], build["girth"]
    shoulders, hips = (_HALF_SHOULDERS * build["shoulders"])[:, None], (_HALF_HIPS * build["hips"])[:, None]
    torso, (side, down, front) = (_TORSO * build["torso"])[:, None], np.moveaxis(chest, -1, 0)
    lengths = np.array([build["arms"], build["arms"], build["legs"], build["legs"]]).T

    origins = np.zeros((count, len(BONES), 3))
    origins[:, 1] = neck = -torso * down
    skull = neck - _NECK * down + 0.004 * front
    origins[:, 2] = skull - _HALF_HEAD * head_size * head[:, :, 1] + 0.006 * head[:, :, 2]
    origins[:, 3] = neck + 0.02 * down + shoulders * side
    origins[:, 4] = neck + 0.02 * down - shoulders * side
    origins[:, 5] = hips * body[:, :, 0]
    origins[:, 6] = -origins[:, 5]
    origins[:, 7:] = origins[:, 3:7] + upper[..., 1] * (_UPPER_LENGTHS * lengths)[..., None]

    thickness = np.repeat(girth[:, None], len(BONES), 1)
    thickness[:, 2] = build["head"]
    units = np.repeat(thickness[..., None], 3, -1)  # of the axes of each bone
    units[:, 0, 0], units[:, 1, 0], units[:, 1, 1] = build["hips"], build["shoulders"], torso[:, 0]
    units[:, 3:7, 1], units[:, 7:, 1] = _UPPER_LENGTHS * lengths, _LOWER_LENGTHS * lengths
    trunk = np.array([body, chest, head]).swapaxes(0, 1)
    frames = np.concatenate([trunk, upper, lower], 1) * units[:, :, None]
    return Bones(origins, frames, thickness)


def _limb_frames(limbs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axes of the upper and lower limbs in the trunk, `(people, 4, 3, 3)`."""
    sin_swing, sin_spread, sin_bend, sin_turn = np.moveaxis(np.sin(limbs), -1, 0)
    cos_swing, cos_spread, cos_bend, cos_turn = np.moveaxis(np.cos(limbs), -1, 0)
    sin_spread, sin_bend = sin_spread * _OUTWARD, sin_bend * _BENDS
    along = np.array([sin_spread, cos_spread * cos_swing, cos_spread * sin_swing])
    forward = np.array([np.zeros_like(sin_swing), -sin_swing, cos_swing])
    inward = np.array([-cos_spread, sin_spread * cos_swing, sin_spread * sin_swing]) * _OUTWARD
    front = cos_turn * forward + sin_turn * inward
    lower_along, lower_front = cos_bend * along + sin_bend * front, cos_bend * front - sin_bend * along
    return _axes(along, front), _axes(lower_along, lower_front)


_OUTWARD = np.array([1.0, -1.0, 1.0, -1.0])
_BENDS = np.array([1.0, 1.0, -1.0, -1.0])  # a knee bends the other way than an elbow


def _axes(along, front) -> np.ndarray:
    (y1, y2, y3), (z1, z2, z3) = along, front
    # Written out, since np.cross takes five times as long.
    side = np.array([y2 * z3 - y3 * z2, y3 * z1 - y1 * z3, y1 * z2 - y2 * z1])
    return np.array([side, along, front]).transpose(2, 3, 1, 0)


def _rotations(pitch: np.ndarray, yaw: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Lean left by `roll`, then forward by `pitch`, then turn left by `yaw`: `(...)` to `(..., 3, 3)`."""
    (sp, sy, sr), (cp, cy, cr) = np.sin((pitch, yaw, roll)), np.cos((pitch, yaw, roll))
    rows = np.empty((3, 3, *pitch.shape))
    rows[0, 0], rows[0, 1], rows[0, 2] = cy * cr - sy * sp * sr, -cy * sr - sy * sp * cr, sy * cp
    rows[1, 0], rows[1, 1], rows[1, 2] = cp * sr, cp * cr, sp
    rows[2, 0], rows[2, 1], rows[2, 2] = -sy * cr - cy * sp * sr, sy * sr - cy * sp * cr, cy * cp
    return np.moveaxis(rows, (0, 1), (-2, -1))
