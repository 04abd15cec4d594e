"""People: bodies, clothes and keypoints on the bones."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_openpose.skeletons import COCO_KEYPOINTS
from keras_openpose.synthetic.poses import FOREARM, HIP, SHIN, SHOULDER, Bone, make_bones, sample_pose

Place = tuple[str, np.ndarray]  # a bone, and an offset along its axes
# The hull of some spheres: two make a tapered limb, more make a trunk. Its material, its lift (it is drawn
# this much nearer to the viewer), places and radii of the spheres.
Solid = tuple[str, float, list[Place], np.ndarray]


def _both(material: str, *spheres: tuple, lift: float = 0) -> list[Solid]:
    """One solid for each side, from the spheres (bone, x, y, z, radius) of the left one."""
    return [_solid(material, lift, spheres, [side]) for side in ("left", "right")]


def _across(material: str, *spheres: tuple) -> list[Solid]:
    """One solid that reaches from side to side, from the spheres of its left half."""
    return [_solid(material, 0, spheres, ["left", "right"])]


def _solid(material: str, lift: float, spheres: tuple, sides: list[str]) -> Solid:
    places = [_on_side(bone, offset, side) for side in sides for bone, *offset, _ in spheres]
    return material, lift, places, np.array([radius for *_, radius in spheres] * len(sides))


def _on_side(bone: str, offset: Sequence[float], side: str) -> Place:
    """The place on the person's left or right that corresponds to a place on the left."""
    name = bone if bone in ("pelvis", "chest", "head") else f"{side}_{bone}"
    return name, np.array(offset) * (-1 if side == "right" else 1, 1, 1)


_ARM = 0.025  # lift of arms, which hang beside the trunk and not behind it
_BODY = [
    *_across("skin", ("chest", 0.01, 0, 0, 0.034), ("head", 0.005, 0.032, -0.012, 0.034)),
    *_across("shirt", ("chest", 0.082, 0.02, 0, 0.044), ("chest", 0.060, 0.20, 0, 0.062)),
    *_across("shirt", ("chest", 0.060, 0.20, 0, 0.062), ("pelvis", 0.052, -0.03, 0, 0.064)),
    *_across("trousers", ("pelvis", 0.044, -0.04, 0, 0.056), ("pelvis", 0.05, 0.015, 0, 0.064)),
    *_both("sleeves", ("upper_arm", 0, 0, 0, 0.040), ("forearm", 0, 0, 0, 0.030), lift=_ARM),
    *_both("cuffs", ("forearm", 0, 0, 0, 0.029), ("forearm", 0, FOREARM, 0, 0.021), lift=_ARM),
    *_both("skin", ("forearm", 0, 0.155, 0, 0.018), ("forearm", 0, 0.195, 0.008, 0.019), lift=_ARM),
    *_both("trousers", ("thigh", 0, 0, 0, 0.062), ("shin", 0, 0, 0, 0.044)),
    *_both("legs", ("shin", 0, 0, 0, 0.042), ("shin", 0, 0.08, -0.008, 0.040), ("shin", 0, SHIN, 0, 0.027)),
    *_both("shoes", ("shin", 0, 0.256, -0.022, 0.024), ("shin", 0, 0.266, 0.078, 0.020)),
    *_across("skin", ("head", 0.005, -0.015, 0, 0.054), ("head", 0.004, 0.037, 0.011, 0.033)),
    *_both("skin", ("head", 0.055, 0.002, -0.006, 0.013), lift=0.04),  # ears
    *_both("eyes", ("head", 0.023, -0.004, 0.048, 0.0108)),
    *_both("irises", ("head", 0.023, -0.004, 0.059, 0.0067)),
    *_both("hair", ("head", 0.012, -0.023, 0.053, 0.0045), ("head", 0.033, -0.022, 0.044, 0.0045)),  # brows
    *_across("nose", ("head", 0, -0.002, 0.056, 0.0054), ("head", 0.003, 0.015, 0.062, 0.0081)),
    *_across("lips", ("head", 0.014, 0.038, 0.043, 0.0052)),
    *_across("hair", ("head", 0.006, -0.032, -0.020, 0.054), ("head", 0.009, 0.004, -0.033, 0.045)),
    *_across("hair", ("head", 0.026, -0.050, 0.028, 0.020), ("head", 0.013, -0.060, 0.009, 0.024)),
    *_across("long hair", ("head", 0.022, -0.024, -0.024, 0.050), ("head", 0.041, 0.118, -0.037, 0.032)),
]

_JOINTS = {
    "nose": ("head", (0, 0.015, 0.058)),
    "eye": ("head", (0.023, -0.004, 0.050)),
    "ear": ("head", (0.055, 0.002, -0.006)),
    "shoulder": ("chest", (SHOULDER, 0.02, 0)),
    "elbow": ("forearm", (0, 0, 0)),
    "wrist": ("forearm", (0, FOREARM, 0)),
    "hip": ("pelvis", (HIP, 0, 0)),
    "knee": ("shin", (0, 0, 0)),
    "ankle": ("shin", (0, SHIN, 0)),
}
_SIDES_AND_JOINTS = [name.rpartition("_")[::2] for name in COCO_KEYPOINTS]
_KEYPOINTS = [_on_side(*_JOINTS[joint], side) for side, joint in _SIDES_AND_JOINTS]

_SKIN_TONES = ((255, 224, 196), (232, 186, 150), (190, 135, 96), (128, 84, 58), (76, 50, 38))
_HAIR_TONES = ((28, 24, 22), (58, 40, 28), (122, 84, 48), (214, 178, 116), (150, 66, 34), (160, 158, 156))


class Person(NamedTuple):
    """Someone in an image."""

    bones: dict[str, Bone]
    colors: dict[str, tuple]  # RGB of materials; solids of others are left out
    height: float  # pixels per body height
    position: np.ndarray  # (2,), the pixel of the middle of the pelvis
    girth: float = 1.0  # factor of the radii, but not of those of the head

    def place(self, places: list[Place]) -> np.ndarray:
        """Points on the bones: x and y in pixels, z in body heights, `(points, 3)`."""
        points = np.array([self.bones[bone].place(offset) for bone, offset in places])
        return np.column_stack([self.position + self.height * points[:, :2], points[:, 2]])

    def keypoints(self) -> np.ndarray:
        """COCO's keypoints: x and y in pixels, z in body heights, `(keypoints, 3)`."""
        return self.place(_KEYPOINTS)

    def solids(self) -> list[tuple[float, str, np.ndarray, np.ndarray]]:
        """What is seen, from back to front: depth, material, centers `(spheres, 2)` and radii in pixels."""
        rows = []
        for material, lift, spheres, radii in _BODY:
            girth = 1 if spheres[0][0] == "head" else self.girth
            points = self.place(spheres)
            depth = points[:, 2].mean()
            if material in self.colors:
                solid = depth, material, points[:, :2], self.height * girth * radii
                rows.append((depth + lift, solid))
        rows.sort(key=lambda row: row[0])
        return [solid for _, solid in rows]


def sample_person(rng: np.random.Generator, height: float, camera_pitch: float) -> Person:
    """A random person, `height` pixels tall, at (0, 0); the camera looks down by `camera_pitch` degrees."""
    bones = make_bones(sample_pose(rng), camera_pitch)
    return Person(bones, sample_colors(rng), height, np.zeros(2), girth=rng.uniform(0.85, 1.25))


def sample_colors(rng: np.random.Generator) -> dict[str, tuple]:
    """Skin, hair and clothes: RGB of each material."""
    skin, hair = (tones[rng.integers(len(tones))] for tones in (_SKIN_TONES, _HAIR_TONES))
    shirt, trousers, shoes = (tuple(random_color(rng)) for _ in range(3))
    colors: dict[str, tuple] = {"eyes": (214, 212, 209), "irises": (36, 24, 16), "skin": skin, "hair": hair}
    colors |= {
        "nose": tuple(0.82 * c for c in skin),
        "lips": (0.80 * skin[0], 0.58 * skin[1], 0.56 * skin[2]),
        "shirt": shirt,
        "sleeves": shirt if rng.random() < 0.85 else skin,
        "trousers": trousers,
        "legs": trousers if rng.random() < 0.7 else skin,
        "shoes": shoes,
    }
    colors["cuffs"] = colors["sleeves"] if rng.random() < 0.6 else skin
    if rng.random() < 0.3:
        colors["long hair"] = hair
    return colors


def random_color(rng: np.random.Generator) -> np.ndarray:
    """RGB, more often grayish than bright."""
    gray, tint = rng.uniform(30, 255), rng.uniform(0, 255, 3)
    return gray + 0.8 * rng.random() * (tint - gray)
