"""The solids of a figure: body, face, hair and clothes, attached to the bones."""

import colorsys
from typing import NamedTuple

import numpy as np

from keras_openpose.synthetic.figure import BONES
from keras_openpose.synthetic.stances import one_of

PARTS = ("seat", "head", "hair", "trunk", "left_arm", "right_arm", "left_leg", "right_leg")
MATERIALS = (
    "skin", "shade", "lips", "white", "iris", "hair", "shirt", "stripes", "accent", "trousers", "shoes",
    "seat",
)  # fmt: skip


class Outfit(NamedTuple):
    """Solids, each the convex hull of some spheres: two make a tapered limb, four or more a trunk.

    Parts and materials are numbers in `PARTS` and `MATERIALS`. A lift draws a solid so much closer to the
    viewer, for clothes worn over others. The spheres come in the order of the solids. Their offsets are in
    the frames of their bones (see `Bones`), their radii in body heights.
    """

    parts: np.ndarray  # (solids,)
    materials: np.ndarray  # (solids,)
    lifts: np.ndarray  # (solids,)
    counts: np.ndarray  # (solids,), how many spheres
    bones: np.ndarray  # (spheres,)
    offsets: np.ndarray  # (spheres, 3)
    radii: np.ndarray  # (spheres,)


def together(*outfits: Outfit) -> Outfit:
    """Join outfits in their order."""
    return Outfit(*map(np.concatenate, zip(*outfits, strict=True)))


def _solid(part: str, material: str, spheres: list[tuple], lift: float) -> Outfit:
    bones = np.array([BONES.index(bone) for bone, *_ in spheres])
    numbers = np.array([row for _, *row in spheres], float)
    solid = (PARTS.index(part), MATERIALS.index(material), lift, len(spheres))
    return Outfit(*(np.array([value]) for value in solid), bones, numbers[:, :3], numbers[:, 3])


def _side(side: str, spheres: tuple[tuple, ...]) -> list[tuple]:
    sign = 1 if side == "left" else -1
    return [(bone if bone in BONES else f"{side}_{bone}", sign * x, *rest) for bone, x, *rest in spheres]


def _pair(part: str, material: str, *spheres: tuple, lift: float = 0.0) -> Outfit:
    """One solid for each side, from the spheres (bone, x, y, z, radius) of the left one."""
    names = (part, part) if part in PARTS else (f"left_{part}", f"right_{part}")
    left, right = _side("left", spheres), _side("right", spheres)
    return together(_solid(names[0], material, left, lift), _solid(names[1], material, right, lift))


def _across(part: str, material: str, *spheres: tuple, lift: float = 0.0) -> Outfit:
    """One solid that reaches from side to side, from the spheres of its left half."""
    return _solid(part, material, _side("left", spheres) + _side("right", spheres), lift)


_ARM = 0.025  # lift of arms, which hang beside the trunk and not behind it
_UPPER_ARMS = _pair("arm", "skin", ("upper_arm", 0, 0, 0, 0.031), ("upper_arm", 0, 1, 0, 0.023), lift=_ARM)
_FOREARMS = _pair("arm", "skin", ("forearm", 0, 0, 0, 0.024), ("forearm", 0, 1, 0, 0.016), lift=_ARM)
_THIGHS = _pair("leg", "skin", ("thigh", 0, 0, 0, 0.054), ("thigh", 0, 1, 0, 0.038))
_SHINS = _pair(
    "leg", "skin", ("shin", 0, 0, 0, 0.037), ("shin", 0, 0.35, -0.008, 0.036), ("shin", 0, 1, 0, 0.021)
)
_BODY = together(
    _across("trunk", "skin", ("chest", 0.01, 0.02, 0, 0.034), ("head", 0.005, 0.03, -0.012, 0.032)),
    _pair("arm", "skin", ("forearm", 0, 1.1, 0, 0.017), ("forearm", 0, 1.4, 0.008, 0.018), lift=_ARM),
    _pair("leg", "shoes", ("shin", 0, 1.09, -0.022, 0.022), ("shin", 0, 1.13, 0.078, 0.018)),
    _across("head", "skin", ("head", 0.005, -0.014, 0, 0.050), ("head", 0.004, 0.034, 0.010, 0.031)),
    _pair("head", "skin", ("head", 0.051, 0.002, -0.006, 0.012), lift=0.04),
    _pair("head", "white", ("head", 0.021, -0.004, 0.045, 0.0100)),
    _pair("head", "iris", ("head", 0.021, -0.004, 0.055, 0.0062)),
    _pair("head", "hair", ("head", 0.011, -0.021, 0.049, 0.0042), ("head", 0.031, -0.020, 0.041, 0.0042)),
    _across("head", "shade", ("head", 0, -0.002, 0.052, 0.005), ("head", 0.003, 0.014, 0.058, 0.0075)),
    _across("head", "lips", ("head", 0.013, 0.035, 0.040, 0.0048)),
)
_NOTHING = Outfit(*(field[:0] for field in _BODY))
_BEARD = _across("head", "hair", ("head", 0.022, 0.040, 0.020, 0.020), ("head", 0, 0.052, 0.022, 0.019))

_SHORT_HAIR = _across(
    "hair", "hair", ("head", 0.006, -0.030, -0.022, 0.050), ("head", 0.008, 0.004, -0.034, 0.042), lift=0.006
)
_LONG_HAIR = _across(
    "hair", "hair", ("head", 0.020, -0.022, -0.022, 0.046), ("head", 0.038, 0.110, -0.034, 0.030), lift=0.02
)
_FRINGE = _across(
    "hair", "hair", ("head", 0.024, -0.046, 0.026, 0.019), ("head", 0.012, -0.056, 0.008, 0.022)
)
_BUN = _across("hair", "hair", ("head", 0, -0.080, -0.040, 0.026))
_PONYTAIL = _across("hair", "hair", ("head", 0, -0.030, -0.080, 0.017), ("head", 0, 0.100, -0.095, 0.012))
_HAT = together(
    _across("hair", "accent", ("head", 0.014, -0.046, -0.006, 0.041), lift=0.016),
    _across("hair", "accent", ("head", 0.030, -0.042, 0.040, 0.008), ("head", 0.020, -0.038, 0.082, 0.006)),
)

_SHIRT = _across(
    "trunk",
    "shirt",
    ("chest", 0.082, 0.07, 0, 0.042),
    ("chest", 0.072, 0.50, 0, 0.056),
    ("chest", 0.052, 0.88, 0, 0.062),
)
_VEST = _across(
    "trunk",
    "shirt",
    ("chest", 0.066, 0.06, 0, 0.040),
    ("chest", 0.070, 0.50, 0, 0.055),
    ("chest", 0.052, 0.88, 0, 0.060),
)
_HEM = _across(
    "trunk", "shirt", ("chest", 0.052, 0.80, 0, 0.064), ("pelvis", 0.050, 0.010, 0, 0.066), lift=0.01
)
_STRIPES = together(
    *(
        _across(
            "trunk",
            "stripes",
            ("chest", 0.098, y, 0.035, 0.013),
            ("chest", 0.098, y, -0.035, 0.013),
            lift=0.02,
        )
        for y in (0.18, 0.36, 0.54, 0.72)
    )
)
_SHORT_SLEEVES = _pair(
    "arm", "shirt", ("upper_arm", 0, 0, 0, 0.041), ("upper_arm", 0, 0.55, 0, 0.036), lift=_ARM + 0.02
)
_LONG_SLEEVES = together(
    _pair("arm", "shirt", ("upper_arm", 0, 0, 0, 0.041), ("upper_arm", 0, 1, 0, 0.031), lift=_ARM),
    _pair("arm", "shirt", ("forearm", 0, 0, 0, 0.031), ("forearm", 0, 0.94, 0, 0.023), lift=_ARM),
)
_COLLAR = _across("trunk", "skin", ("chest", 0.028, 0, 0.038, 0.006), ("chest", 0, 0.22, 0.055, 0.006))
_BUTTONS = _across("trunk", "accent", ("chest", 0, 0.10, 0.052, 0.007), ("chest", 0, 0.88, 0.066, 0.007))
_PRINT = _across(
    "trunk", "accent", ("chest", 0.030, 0.28, 0.055, 0.012), ("chest", 0.030, 0.45, 0.058, 0.012)
)
_RUCKSACK = together(
    _across("trunk", "accent", ("chest", 0.045, 0.15, -0.085, 0.045), ("chest", 0.050, 0.75, -0.090, 0.050)),
    _pair("trunk", "accent", ("chest", 0.066, 0, 0.040, 0.011), ("chest", 0.074, 0.50, 0.058, 0.010)),
)

_HIPS = _across("trunk", "trousers", ("pelvis", 0.044, -0.055, 0, 0.056), ("pelvis", 0.050, 0.015, 0, 0.062))
_TROUSERS = together(
    _HIPS,
    _pair("leg", "trousers", ("thigh", 0, 0, 0, 0.061), ("thigh", 0, 1, 0, 0.044)),
    _pair("leg", "trousers", ("shin", 0, 0, 0, 0.044), ("shin", 0, 0.98, 0, 0.031)),
)
_SHORTS = together(
    _HIPS,
    _THIGHS,
    _SHINS,
    _pair("leg", "trousers", ("thigh", 0, 0, 0, 0.062), ("thigh", 0, 0.72, 0, 0.054), lift=0.03),
)
_SKIRT = _across(
    "trunk", "trousers", ("pelvis", 0.046, -0.05, 0, 0.056), ("thigh", 0.01, 0.85, 0, 0.058), lift=0.02
)
_SKIRT_BELOW_KNEE = _across(
    "trunk", "trousers", ("thigh", 0, 0.8, 0, 0.056), ("shin", 0.01, 0.62, 0, 0.056), lift=0.02
)

_SEAT = _across(
    "seat",
    "seat",
    ("pelvis", 0.105, 0.085, -0.105, 0.012),
    ("pelvis", 0.105, 0.085, 0.150, 0.012),
    lift=-0.05,
)
_STOOL = together(
    _SEAT,
    _pair(
        "seat", "seat", ("pelvis", 0.1, 0.09, -0.10, 0.011), ("pelvis", 0.1, 0.29, -0.10, 0.009), lift=-0.05
    ),
    _pair("seat", "seat", ("pelvis", 0.1, 0.09, 0.14, 0.011), ("pelvis", 0.1, 0.29, 0.14, 0.009), lift=-0.05),
)
_BACKREST = _across(
    "seat", "seat", ("pelvis", 0.1, 0.085, -0.11, 0.012), ("pelvis", 0.095, -0.22, -0.14, 0.012)
)
_BOX = _across(
    "seat",
    "seat",
    ("pelvis", 0.12, 0.09, -0.12, 0.014),
    ("pelvis", 0.12, 0.09, 0.10, 0.014),
    ("pelvis", 0.12, 0.28, -0.12, 0.014),
    ("pelvis", 0.12, 0.28, 0.10, 0.014),
    lift=-0.08,
)

# Clothes and hair; an entry that is listed more often is more common.
_HAIR = (
    _SHORT_HAIR,
    _SHORT_HAIR,
    _SHORT_HAIR,
    together(_SHORT_HAIR, _FRINGE),
    together(_SHORT_HAIR, _FRINGE),
    together(_LONG_HAIR, _FRINGE),
    together(_LONG_HAIR, _FRINGE),
    together(_SHORT_HAIR, _FRINGE, _BUN),
    together(_SHORT_HAIR, _FRINGE, _PONYTAIL),
    _across("hair", "hair", ("head", 0.012, -0.030, -0.022, 0.068)),
    together(_SHORT_HAIR, _HAT),
    _NOTHING,
)
_BARE_ARMS = together(_VEST, _UPPER_ARMS, _FOREARMS)
_HALF_COVERED_ARMS = together(_SHIRT, _UPPER_ARMS, _FOREARMS, _SHORT_SLEEVES)
_COVERED_ARMS = together(_SHIRT, _LONG_SLEEVES)
_TOPS = (_BARE_ARMS,) + 3 * (_HALF_COVERED_ARMS,) + 4 * (_COVERED_ARMS,)
_FRONTS = (_NOTHING, _NOTHING, _NOTHING, _COLLAR, _COLLAR, _BUTTONS, _PRINT, _RUCKSACK)
_BOTTOMS = (
    *(5 * (_TROUSERS,)),
    *(2 * (_SHORTS,)),
    together(_HIPS, _THIGHS, _SHINS, _SKIRT),
    together(_HIPS, _SHINS, _SKIRT, _SKIRT_BELOW_KNEE),
)
_SEATS = (_STOOL, together(_STOOL, _BACKREST), _BOX)

_SKIN_TONES = (
    (255, 224, 196), (244, 205, 172), (232, 186, 150), (214, 162, 122), (190, 135, 96), (160, 108, 74),
    (128, 84, 58), (98, 64, 46), (76, 50, 38),
)  # fmt: skip
_HAIR_TONES = (
    (28, 24, 22), (40, 30, 24), (58, 40, 28), (86, 58, 36), (122, 84, 48), (176, 130, 74), (214, 178, 116),
    (150, 66, 34), (150, 148, 146), (214, 212, 208),
)  # fmt: skip
_EYE_TONES = ((40, 26, 18), (52, 36, 22), (50, 66, 84), (48, 70, 46))


def sample_outfits(rng: np.random.Generator, *, seated: bool) -> list[Outfit]:
    """Choose body, hair and clothes of a person at random, and a seat if seated."""
    worn = [_BODY, *(one_of(rng, choices) for choices in (_HAIR, _TOPS, _FRONTS, _BOTTOMS))]
    if rng.random() < 0.6:
        worn.append(_HEM)
    if rng.random() < 0.25:
        worn.append(_STRIPES)
    if rng.random() < 0.15:
        worn.append(_BEARD)
    if seated:
        worn.append(one_of(rng, _SEATS))
    return worn


def sample_colors(rng: np.random.Generator) -> np.ndarray:
    """RGB of each of `MATERIALS`, `(materials, 3)`."""
    skin, hair, iris = (one_of(rng, tones) for tones in (_SKIN_TONES, _HAIR_TONES, _EYE_TONES))
    shade = [0.82 * c for c in skin]
    lips = [0.80 * skin[0], 0.58 * skin[1], 0.56 * skin[2]]
    shirt, accent, trousers, shoes, seat = (_cloth(rng) for _ in range(5))
    if rng.random() < 0.12:
        trousers = shirt
    return np.array(
        [skin, shade, lips, (238, 236, 232), iris, hair, shirt, accent, accent, trousers, shoes, seat]
    )


def _cloth(rng: np.random.Generator) -> list[float]:
    hue, gray, value = rng.random(3).tolist()
    return [255 * c for c in colorsys.hsv_to_rgb(hue, 0.85 * gray**1.5, 0.15 + 0.85 * value)]
