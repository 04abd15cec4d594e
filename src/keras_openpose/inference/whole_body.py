"""Body, hands and faces of everybody: the bodies first, then crops around their hands and faces."""

import itertools
from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np

from keras_openpose.inference.crops import Crop, CropNetwork
from keras_openpose.inference.forward import Network, find_skeleton
from keras_openpose.inference.predict import (
    Photograph,
    check_prediction,
    load_photograph,
    one_by_one,
    predict_poses,
)
from keras_openpose.inference.squares import face_boxes, hand_boxes, steadied
from keras_openpose.poses import Poses, WholeBody, unseen
from keras_openpose.skeletons import FACE_70, HAND_21, Skeleton


@overload
def predict_whole_body(
    images: Photograph,
    *,
    body: Network,
    hands: Network | None = ...,
    face: Network | None = ...,
    skeleton: Skeleton | None = ...,
    hand_scales: Sequence[float] = ...,
    batch_size: int = ...,
    **predict,
) -> WholeBody: ...
@overload
def predict_whole_body(
    images: Iterable[Photograph],
    *,
    body: Network,
    hands: Network | None = ...,
    face: Network | None = ...,
    skeleton: Skeleton | None = ...,
    hand_scales: Sequence[float] = ...,
    batch_size: int = ...,
    **predict,
) -> list[WholeBody]: ...
def predict_whole_body(
    images: Photograph | Iterable[Photograph],
    *,
    body: Network,
    hands: Network | None = None,
    face: Network | None = None,
    skeleton: Skeleton | None = None,
    hand_scales: Sequence[float] = (1.0,),
    batch_size: int = 8,
    **predict,
) -> WholeBody | list[WholeBody]:
    """Find the people in photographs, and the keypoints of their hands and faces.

    Squares around hands and faces follow from the keypoints of the body, as in OpenPose. They are cut out,
    black outside of the photograph, and run in batches. Left hands are mirrored for the network. The highest
    peak of each heatmap is the keypoint. Faces of 40 pixels or less are skipped.

    Args:
        images: one photograph, or an iterable or batch of them, of any sizes, as `predict_poses` takes.
        body: a network of bodies, such as `from_preset("body_25")`.
        hands: a network of one right hand, such as `from_preset("hand_21")`, of this package or exported.
            Defaults to none: no hands.
        face: a network of one face, such as `from_preset("face_70")`. Defaults to none: no faces.
        skeleton: keypoints and limbs of bodies. Hands need shoulders, elbows and wrists; faces need neck,
            nose, eyes and ears, or neck and head. Defaults to the network's own; only a plain model, which
            has none, needs it.
        hand_scales: factors of the squares around hands; the heatmaps of all are averaged. CMU's best
            results use six from 0.8 to 1.2. Defaults to one.
        batch_size: photographs, or crops of one scale, that run at once. Defaults to 8.
        **predict: arguments of `predict_poses`, for the bodies, and through it of `decode_poses`.

    Returns:
        A `WholeBody` for one photograph, else a list of them, in pixels of the photograph, and within it.

    Raises:
        ValueError: a network and its skeleton do not fit each other, the skeleton lacks what hands or
            faces need, or an argument is out of range.
        TypeError: there is no such argument.
        FileNotFoundError: a path names no file.

    Example:
        ```python
        import numpy as np
        from keras_openpose import hand_openpose, openpose, predict_whole_body

        body = openpose("mobilenet", num_stages=1)  # not trained: finds only noise
        photograph = np.zeros((96, 128, 3), "uint8")
        people = predict_whole_body(photograph, body=body, hands=hand_openpose(), input_size=(96, 128))
        assert len(people.left_hands) == len(people.body)
        ```
    """
    check_prediction("predict_whole_body", predict, predict_whole_body)
    skeleton = find_skeleton(body, skeleton)
    parts = PartFinder(skeleton, hands=hands, face=face, hand_scales=hand_scales, batch_size=batch_size)
    remaining, single = one_by_one(images)
    results = []
    while group := list(itertools.islice(remaining, batch_size)):
        photographs = [load_photograph(image) for image in group]
        bodies = predict_poses(body, photographs, skeleton=skeleton, batch_size=batch_size, **predict)
        results += parts.find(photographs, bodies)
    return results[0] if single else results


class PartFinder:
    """Finds the hands and faces of people whose bodies are found. Arguments as in `predict_whole_body`."""

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        hands: Network | None,
        face: Network | None,
        hand_scales: Sequence[float] = (1.0,),
        batch_size: int = 8,
    ):
        scales = tuple(hand_scales) if np.iterable(hand_scales) else (hand_scales,)
        if not scales or min(scales) <= 0:
            raise ValueError(f"`hand_scales` must hold positive factors. Received: {scales}.")
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}.")
        self._hands = self._face = None
        if hands is not None:
            self._hands = CropNetwork("hands", hands, HAND_21, scales=scales, batch_size=batch_size)
            hand_boxes(unseen(0, skeleton), "left")  # raises if the skeleton lacks keypoints
            hand_boxes(unseen(0, skeleton), "right")
        if face is not None:
            self._face = CropNetwork("face", face, FACE_70, scales=(1.0,), batch_size=batch_size)
            face_boxes(unseen(0, skeleton))

    def find(
        self, photographs: Sequence[np.ndarray], bodies: Sequence[Poses], before: WholeBody | None = None
    ) -> list[WholeBody]:
        """Hands and faces of the people of each photograph.

        Args:
            photographs: arrays `(height, width, 3)`, RGB.
            bodies: the people of each.
            before: what the frame before the photographs shows, which steadies the squares of hands.
        """
        left = right = faces = [np.full((len(body), 4), np.nan) for body in bodies]
        if self._hands:
            left, right = ([hand_boxes(body, side) for body in bodies] for side in ("left", "right"))
            if before is not None:
                left = [steadied(boxes, before.left_hands) for boxes in left]
                right = [steadied(boxes, before.right_hands) for boxes in right]
        if self._face:
            faces = [face_boxes(body) for body in bodies]
        left_crops = _crops(photographs, left, mirrored=True)
        hands = _find(self._hands, HAND_21, [*left_crops, *_crops(photographs, right)])
        columns = (
            bodies,
            _by_photograph(hands[: len(left_crops)], bodies),
            _by_photograph(hands[len(left_crops) :], bodies),
            _by_photograph(_find(self._face, FACE_70, _crops(photographs, faces)), bodies),
            left,
            right,
            faces,
        )
        return [WholeBody(*row) for row in zip(*columns, strict=True)]


def _crops(
    photographs: Sequence[np.ndarray], boxes: Sequence[np.ndarray], *, mirrored: bool = False
) -> list[Crop]:
    pairs = zip(photographs, boxes, strict=True)
    return [Crop(photograph, box, mirrored) for photograph, group in pairs for box in group]


def _find(network: CropNetwork | None, skeleton: Skeleton, crops: Sequence[Crop]) -> Poses:
    return network.find(crops) if network else unseen(len(crops), skeleton)


def _by_photograph(found: Poses, bodies: Sequence[Poses]) -> list[Poses]:
    ends = np.cumsum([0, *map(len, bodies)])
    return [found[start:end] for start, end in itertools.pairwise(ends)]
