"""Skeletons: keypoints, limbs, left and right, with those of the published networks.

A `Skeleton` is the only place with names and counts: networks, targets, decoding, evaluation and
drawing all read it. A new kind of body is therefore one object and no change to the package.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

Limb = tuple[str, str]


@dataclass(frozen=True)
class Skeleton:
    """Keypoints and the limbs that join them, all by name.

    Args:
        name: short name, used in messages.
        keypoints: names of the keypoints. Their order is the order of the heatmap channels.
        limbs: pairs of keypoint names, from start to end. Limb n fills PAF channels 2n (x) and
            2n + 1 (y). Empty for networks without PAFs.
        flips: pairs of keypoints that change places in a mirrored image.
        sigmas: OKS constant of each keypoint, in the order of `keypoints` (COCO: nose 0.026 to
            hip 0.107). Defaults to 0.07 for each, about the mean of COCO's.
        derived: keypoints that labels lack, by name, each with the two keypoints that it lies midway
            between, such as `{"neck": ("left_shoulder", "right_shoulder")}`. A keypoint comes after its
            sources.
        auxiliary_limbs: members of `limbs` that help to find a person but are not drawn, such as
            OpenPose's from ear to shoulder.

    Raises:
        ValueError: a limb, flip or derived keypoint names an unknown keypoint, a name or limb
            appears twice, a keypoint is derived before its sources, a flip is one-sided, or the mirror
            of a limb is not a limb.

    Example:
        ```python
        from keras_openpose import Skeleton

        arm = Skeleton(
            "arm",
            keypoints=("shoulder", "elbow", "wrist"),
            limbs=(("shoulder", "elbow"), ("elbow", "wrist")),
        )
        assert arm.num_keypoints == 3 and arm.num_limbs == 2
        ```
    """

    name: str
    keypoints: tuple[str, ...]
    limbs: tuple[Limb, ...]
    flips: tuple[Limb, ...]
    sigmas: tuple[float, ...]
    derived: tuple[tuple[str, Limb], ...]
    auxiliary_limbs: tuple[Limb, ...]

    def __init__(
        self,
        name: str,
        *,
        keypoints: Sequence[str],
        limbs: Sequence[Limb] = (),
        flips: Sequence[Limb] = (),
        sigmas: Sequence[float] | None = None,
        derived: Mapping[str, Limb] | None = None,
        auxiliary_limbs: Sequence[Limb] = (),
    ):
        fields = {
            "name": name,
            "keypoints": tuple(keypoints),
            "limbs": tuple(tuple(limb) for limb in limbs),
            "flips": tuple(tuple(pair) for pair in flips),
            "sigmas": (0.07,) * len(keypoints) if sigmas is None else tuple(float(s) for s in sigmas),
            "derived": tuple((key, tuple(pair)) for key, pair in dict(derived or {}).items()),
            "auxiliary_limbs": tuple(tuple(limb) for limb in auxiliary_limbs),
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)  # the way to fill a frozen dataclass
        self._check()

    def as_dict(self) -> dict:
        """The arguments of `Skeleton` that make this one, in types that JSON has."""
        return {
            "name": self.name,
            "keypoints": list(self.keypoints),
            "limbs": [list(limb) for limb in self.limbs],
            "flips": [list(pair) for pair in self.flips],
            "sigmas": list(self.sigmas),
            "derived": {name: list(sources) for name, sources in self.derived},
            "auxiliary_limbs": [list(limb) for limb in self.auxiliary_limbs],
        }

    def has_maps_of(self, other: "Skeleton") -> bool:
        """Whether both have the same keypoints and limbs in the same order: their channels mean the same."""
        return (self.keypoints, self.limbs) == (other.keypoints, other.limbs)

    @property
    def num_keypoints(self) -> int:
        """Number of keypoints, without the background."""
        return len(self.keypoints)

    @property
    def num_limbs(self) -> int:
        """Number of limbs; the PAFs have twice as many channels."""
        return len(self.limbs)

    @cached_property
    def limb_indices(self) -> np.ndarray:
        """Start and end keypoint of every limb, `(limbs, 2)`."""
        pairs = [(self._index[start], self._index[end]) for start, end in self.limbs]
        return np.array(pairs, np.intp).reshape(-1, 2)

    @cached_property
    def derived_indices(self) -> np.ndarray:
        """Derived keypoint and its two sources, `(derived, 3)`."""
        rows = [[self._index[part] for part in (name, *pair)] for name, pair in self.derived]
        return np.array(rows, np.intp).reshape(-1, 3)

    @cached_property
    def flip_keypoints(self) -> np.ndarray:
        """For each keypoint of a mirrored image, the keypoint that it comes from, `(keypoints,)`."""
        return np.array([self._index[self._mirror[name]] for name in self.keypoints], np.intp)

    @cached_property
    def flip_pafs(self) -> tuple[np.ndarray, np.ndarray]:
        """For each PAF channel of a mirrored image, the channel that it comes from, and its sign.

        Mirroring negates the x channels. A limb that joins left and right, such as shoulder to
        shoulder, also changes direction, which negates both of its channels.
        """
        mirror, channels, signs = self._mirror, [], []
        for start, end in self.limbs:
            mirrored = (mirror[start], mirror[end])
            forward = mirrored in self.limbs
            source = self.limbs.index(mirrored if forward else mirrored[::-1])
            direction = 1 if forward else -1
            channels += [2 * source, 2 * source + 1]
            signs += [-direction, direction]
        return np.array(channels, np.intp), np.array(signs, np.float32)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: n for n, name in enumerate(self.keypoints)}

    @cached_property
    def _mirror(self) -> dict[str, str]:
        mirror = {name: name for name in self.keypoints}
        for one, other in self.flips:
            mirror[one], mirror[other] = other, one
        return mirror

    def _check(self):
        where = f"Skeleton {self.name!r}:"
        if not self.keypoints:
            raise ValueError(f"{where} `keypoints` must name at least one keypoint.")
        for field in ("keypoints", "limbs"):
            values = getattr(self, field)
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{where} every member of `{field}` must be unique. Twice: {twice}.")
        if len(self.sigmas) != len(self.keypoints) or not all(sigma > 0 for sigma in self.sigmas):
            raise ValueError(
                f"{where} `sigmas` must hold one positive number for each of the "
                f"{len(self.keypoints)} keypoints. Received: {self.sigmas}."
            )
        named = {"limbs": self.limbs, "flips": self.flips}
        named["derived"] = [pair for _, pair in self.derived] + [(name,) * 2 for name, _ in self.derived]
        for field, pairs in named.items():
            for pair in pairs:
                self._check_pair(field, pair)
        for n, (name, sources) in enumerate(self.derived):
            if not_yet := {later for later, _ in self.derived[n:]} & set(sources):
                raise ValueError(
                    f"{where} in `derived`, {name!r} must come after its sources. Not yet: {sorted(not_yet)}."
                )
        self._check_flips()
        strangers = set(self.auxiliary_limbs) - set(self.limbs)
        if strangers:
            raise ValueError(
                f"{where} `auxiliary_limbs` must be members of `limbs`. Not: {sorted(strangers)}."
            )

    def _check_pair(self, field: str, pair: tuple):
        if len(pair) != 2:
            raise ValueError(
                f"Skeleton {self.name!r}: `{field}` must hold pairs of keypoint names. Received: {pair}."
            )
        for name in pair:
            if name not in self.keypoints:
                raise ValueError(
                    f"Skeleton {self.name!r}: `{field}` names the unknown keypoint {name!r} in {pair}. "
                    f"Choose from: {', '.join(self.keypoints)}."
                )
        if field != "derived" and pair[0] == pair[1]:
            raise ValueError(f"Skeleton {self.name!r}: `{field}` must join two keypoints. Received: {pair}.")

    def _check_flips(self):
        names = [name for pair in self.flips for name in pair]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"Skeleton {self.name!r}: a keypoint may stand in one pair of `flips` only. Twice: {twice}."
            )
        for start, end in self.limbs:
            mirrored = (self._mirror[start], self._mirror[end])
            if mirrored not in self.limbs and mirrored[::-1] not in self.limbs:
                raise ValueError(
                    f"Skeleton {self.name!r}: `flips` are one-sided: the mirror of limb {(start, end)} is "
                    f"{mirrored}, which is not in `limbs`. Add that limb, or the missing pair to `flips`."
                )


# The keypoints that COCO labels, in COCO's order (facts: cocodataset.org, keypoints task).
COCO_KEYPOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip

# OKS constants: COCO's (pycocotools, cocoeval.py, `kpt_oks_sigmas`), feet from COCO-WholeBody. COCO
# has none for neck, middle of the hips, head top and chest: they get those of shoulder, hip and ear.
_SIGMAS = {
    "nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062,
    "hip": 0.107, "knee": 0.087, "ankle": 0.089, "neck": 0.079, "head": 0.035, "chest": 0.079,
    "big_toe": 0.068, "small_toe": 0.066, "heel": 0.066,
}  # fmt: skip


def _body(name: str, *, keypoints: Sequence[str], **fields) -> Skeleton:
    joints = [name.removeprefix("left_").removeprefix("right_").removeprefix("mid_") for name in keypoints]
    return Skeleton(name, keypoints=keypoints, sigmas=[_SIGMAS[joint] for joint in joints], **fields)


def _sides(*joints: str) -> list[Limb]:
    return [(f"right_{joint}", f"left_{joint}") for joint in joints]


_NECK = {"neck": ("left_shoulder", "right_shoulder")}
_FACE_AND_ARMS = ("eye", "ear", "shoulder", "elbow", "wrist")
_EAR_TO_SHOULDER = (("right_shoulder", "right_ear"), ("left_shoulder", "left_ear"))

# CMU OpenPose, src/openpose/pose/poseParameters.cpp: POSE_COCO_BODY_PARTS and the PAF channels of
# POSE_MAP_INDEX, here in network order.
COCO_18 = _body(
    "COCO_18",
    keypoints=(
        "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
        "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
        "right_eye", "left_eye", "right_ear", "left_ear",
    ),
    limbs=(
        ("neck", "right_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
        ("neck", "left_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
        ("neck", "right_shoulder"), ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
        ("right_shoulder", "right_ear"),
        ("neck", "left_shoulder"), ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
        ("left_shoulder", "left_ear"),
        ("neck", "nose"), ("nose", "right_eye"), ("nose", "left_eye"), ("right_eye", "right_ear"),
        ("left_eye", "left_ear"),
    ),
    flips=_sides(*_FACE_AND_ARMS, "hip", "knee", "ankle"),
    derived=_NECK,
    auxiliary_limbs=_EAR_TO_SHOULDER,
)  # fmt: skip

# The same file: POSE_BODY_25_BODY_PARTS.
BODY_25 = _body(
    "BODY_25",
    keypoints=(
        "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
        "left_wrist", "mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee",
        "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear", "left_big_toe", "left_small_toe",
        "left_heel", "right_big_toe", "right_small_toe", "right_heel",
    ),
    limbs=(
        ("neck", "mid_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
        ("mid_hip", "right_hip"), ("mid_hip", "left_hip"), ("left_hip", "left_knee"),
        ("left_knee", "left_ankle"),
        ("neck", "right_shoulder"), ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
        ("right_shoulder", "right_ear"),
        ("neck", "left_shoulder"), ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
        ("left_shoulder", "left_ear"),
        ("neck", "nose"), ("nose", "right_eye"), ("nose", "left_eye"), ("right_eye", "right_ear"),
        ("left_eye", "left_ear"),
        ("left_ankle", "left_big_toe"), ("left_big_toe", "left_small_toe"), ("left_ankle", "left_heel"),
        ("right_ankle", "right_big_toe"), ("right_big_toe", "right_small_toe"), ("right_ankle", "right_heel"),
    ),
    flips=_sides(*_FACE_AND_ARMS, "hip", "knee", "ankle", "big_toe", "small_toe", "heel"),
    derived={**_NECK, "mid_hip": ("left_hip", "right_hip")},
    auxiliary_limbs=_EAR_TO_SHOULDER,
)  # fmt: skip

# The same file: POSE_MPI_BODY_PARTS. "head" is the top of the head.
MPI_15 = _body(
    "MPI_15",
    keypoints=(
        "head", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
        "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
        "chest",
    ),
    limbs=(
        ("head", "neck"), ("neck", "right_shoulder"), ("right_shoulder", "right_elbow"),
        ("right_elbow", "right_wrist"), ("neck", "left_shoulder"), ("left_shoulder", "left_elbow"),
        ("left_elbow", "left_wrist"), ("neck", "chest"), ("chest", "right_hip"), ("right_hip", "right_knee"),
        ("right_knee", "right_ankle"), ("chest", "left_hip"), ("left_hip", "left_knee"),
        ("left_knee", "left_ankle"),
    ),
    flips=_sides("shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
)  # fmt: skip

# CMU OpenPose, hand/pose_deploy.prototxt: a wrist and four joints of each finger, root to tip. The
# network sees one hand at a time and has no PAFs; the limbs are for drawing. Left hands are
# mirrored before the network sees them, so nothing changes sides. Sigmas: COCO-WholeBody, left hand.
_FINGERS = ("thumb", "index", "middle", "ring", "pinky")
HAND_21 = Skeleton(
    "HAND_21",
    keypoints=("wrist", *(f"{finger}_{joint}" for finger in _FINGERS for joint in range(1, 5))),
    limbs=[
        ("wrist" if joint == 1 else f"{finger}_{joint - 1}", f"{finger}_{joint}")
        for finger in _FINGERS
        for joint in range(1, 5)
    ],
    sigmas=(
        0.029, 0.022, 0.035, 0.037, 0.047, 0.026, 0.025, 0.024, 0.035, 0.018, 0.024, 0.022, 0.026, 0.017,
        0.021, 0.021, 0.032, 0.020, 0.019, 0.022, 0.031,
    ),
)  # fmt: skip

# CMU OpenPose, face/faceParameters.hpp: the 68 points of Multi-PIE, in its order, and the pupils. The
# network sees one face at a time and has no PAFs; the limbs are for drawing. Sigmas: COCO-WholeBody,
# face; the pupils, which it does not have, get that of COCO's eyes.
_FACE_PARTS = {
    "jaw": 17, "right_brow": 5, "left_brow": 5, "nose_bridge": 4, "nostril": 5, "right_eye": 6, "left_eye": 6,
    "outer_lip": 12, "inner_lip": 8,
}  # fmt: skip
_FACE_RINGS = ("right_eye", "left_eye", "outer_lip", "inner_lip")
# The points of a part that its points 1, 2, 3 ... change places with in a mirrored image.
_FACE_MIRROR = (
    ("jaw", "jaw", range(17, 0, -1)),
    ("right_brow", "left_brow", (5, 4, 3, 2, 1)),
    ("nostril", "nostril", (5, 4, 3, 2, 1)),
    ("right_eye", "left_eye", (4, 3, 2, 1, 6, 5)),
    ("outer_lip", "outer_lip", (7, 6, 5, 4, 3, 2, 1, 12, 11, 10, 9, 8)),
    ("inner_lip", "inner_lip", (5, 4, 3, 2, 1, 8, 7, 6)),
)
FACE_70 = Skeleton(
    "FACE_70",
    keypoints=[
        *(f"{part}_{n}" for part, count in _FACE_PARTS.items() for n in range(1, count + 1)),
        "right_pupil", "left_pupil",
    ],
    limbs=[
        (f"{part}_{n}", f"{part}_{n % count + 1}")
        for part, count in _FACE_PARTS.items()
        for n in range(1, count + (part in _FACE_RINGS))
    ],
    flips=[
        *(
            (f"{part}_{n}", f"{other}_{mirrored}")
            for part, other, order in _FACE_MIRROR
            for n, mirrored in enumerate(order, 1)
            if part != other or n < mirrored
        ),
        ("right_pupil", "left_pupil"),
    ],
    sigmas=(
        0.042, 0.043, 0.044, 0.043, 0.040, 0.035, 0.031, 0.025, 0.020, 0.023, 0.029, 0.032, 0.037, 0.038,
        0.043, 0.041, 0.045, 0.013, 0.012, 0.011, 0.011, 0.012, 0.012, 0.011, 0.011, 0.013, 0.015, 0.009,
        0.007, 0.007, 0.007, 0.012, 0.009, 0.008, 0.016, 0.010, 0.017, 0.011, 0.009, 0.011, 0.009, 0.007,
        0.013, 0.008, 0.011, 0.012, 0.010, 0.034, 0.008, 0.008, 0.009, 0.008, 0.008, 0.007, 0.010, 0.008,
        0.009, 0.009, 0.009, 0.007, 0.007, 0.008, 0.011, 0.008, 0.008, 0.008, 0.010, 0.008, 0.025, 0.025,
    ),
)  # fmt: skip
