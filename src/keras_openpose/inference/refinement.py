"""Refinement: runs the network on a crop of every person, at the size of people in training."""

from typing import NamedTuple

import numpy as np

from keras_openpose.inference.forward import Forward, run_network
from keras_openpose.inference.looks import decode_maps, resize
from keras_openpose.poses import SAME_PERSON, Poses, oks_spread
from keras_openpose.skeletons import Skeleton

# Pixels of a crop, and of the person in it. The networks were trained on people of 0.6 of 368 pixels on
# average, times 0.5 to 1.1 (CMU caffe_train, cpm_data_transformer.cpp).
CROP_SIZE = 368
_LENGTH = 200


def refine_poses(
    forward: Forward,
    photographs: list[np.ndarray],
    batch: list[Poses],
    pixels: np.ndarray,
    skeleton: Skeleton,
    batch_size: int,
    decode: dict,
) -> list[Poses]:
    """Run the network again on a crop of every person.

    Args:
        forward: the network.
        photographs: one for each entry of `batch`.
        batch: the people found in them; changed in place.
        pixels: `(photographs, 2)`, pixels of the photograph per pixel of the first pass, along x and y.
        skeleton: of the network.
        batch_size: crops that run at once.
        decode: arguments of `decode_poses`.

    Returns:
        The people of each photograph, best first.
    """
    decode = {**decode, "max_people": None}  # the best person of a crop may be a neighbor
    people = [
        (n, person)
        for n, poses in enumerate(batch)
        for person in np.flatnonzero((poses.scores > 0).sum(axis=1) > 1).tolist()  # one point has no size
    ]
    for first in range(0, len(people), batch_size):
        group = people[first : first + batch_size]
        crops = [_cut_out(photographs[n], batch[n].boxes[person]) for n, person in group]
        maps = run_network(forward, np.stack([crop.canvas for crop in crops]), skeleton, flip=True)
        for (n, person), crop, one in zip(group, crops, maps, strict=True):
            seen = decode_maps(one, skeleton, decode, crop.scale, crop.origin - crop.corner * crop.scale)
            length = batch[n].boxes[person, 2:].max() / pixels[n].mean()
            _improve(batch[n], person, seen, length / _LENGTH)
    return [poses[np.argsort(-poses.pose_scores, kind="stable")] for poses in batch]


class _Crop(NamedTuple):
    canvas: np.ndarray  # (crop size, crop size, 3)
    corner: np.ndarray  # (x, y) of the photograph's part in the canvas
    origin: np.ndarray  # (x, y) of that part in the photograph
    scale: np.ndarray  # pixels of the photograph per pixel of the canvas, (x, y)


def _cut_out(photograph: np.ndarray, box: np.ndarray) -> _Crop:
    """A square around a person's box, in which the longer side measures `_LENGTH` pixels."""
    side = max(box[2:].max(), 1) * CROP_SIZE / _LENGTH
    start = np.floor(box[:2] + box[2:] / 2 - side / 2).astype(int)
    limit = np.array(photograph.shape[1::-1])
    origin = np.clip(start, 0, limit - 1)
    end = np.clip(start + round(side), origin + 1, limit)
    part = photograph[origin[1] : end[1], origin[0] : end[0]]
    # A person found in the padding lies wholly outside: the nearest row or column is shown.
    corner = np.rint((origin - start) * CROP_SIZE / side).astype(int).clip(0, CROP_SIZE - 1)
    fitted = np.clip(np.rint((end - origin) * CROP_SIZE / side).astype(int), 1, CROP_SIZE - corner)
    canvas = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.float32)
    canvas[corner[1] : corner[1] + fitted[1], corner[0] : corner[0] + fitted[0]] = resize(part, fitted[::-1])
    return _Crop(canvas, corner, origin, (end - origin) / fitted)


def _improve(poses: Poses, person: int, seen: Poses, size: float):
    """Average a person with the nearest pose of the crop by OKS, in place.

    A keypoint weighs as much as its score. In the first pass it weighs `size` times as much, the size of the
    person there relative to the crop: larger people have more exact places.
    """
    if not len(seen):
        return
    keypoints, scores = poses.keypoints[person], poses.scores[person]
    distance = ((seen.keypoints - keypoints) ** 2).sum(axis=-1)
    spread = oks_spread(keypoints[None], np.array(poses.skeleton.sigmas))
    similarity = np.where(seen.scores > 0, np.exp(-distance / spread), 0)
    oks = similarity[:, scores > 0].mean(axis=1)
    nearest = int(oks.argmax())
    if oks[nearest] < SAME_PERSON:
        return
    weights = np.stack([size * scores, seen.scores[nearest]])
    places = np.nan_to_num([keypoints, seen.keypoints[nearest]])
    present = weights.any(axis=0)
    mean = (weights[..., None] * places).sum(axis=0)[present] / weights.sum(axis=0)[present, None]
    poses.keypoints[person, present] = mean
    poses.scores[person] = np.maximum(scores, seen.scores[nearest])
    poses.pose_scores[person] += oks[nearest] * seen.pose_scores[nearest]
