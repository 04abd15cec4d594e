"""Refinement: runs the network on crops of every person, at the size of people in training."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_openpose.inference.forward import Forward, run_network
from keras_openpose.inference.looks import STRIDE, decode_maps, resize
from keras_openpose.poses import Poses, oks_spread
from keras_openpose.skeletons import Skeleton

# Pixels of a crop. The networks were trained on people of 0.6 of these on average, times 0.5 to 1.1 (CMU
# caffe_train, cpm_data_transformer.cpp).
CROP_SIZE = 368
# People of this part of `min_score` get crops too, and are kept if they are found there again: with an OKS
# of at least 0.5, in which a place counts up to a cell of the first pass. Chosen on photographs of COCO, see
# docs/benchmarks.md.
CANDIDATES = 0.75
_CONFIRMED = 0.5


def refine_poses(
    forward: Forward,
    photographs: list[np.ndarray],
    batch: list[Poses],
    pixels: np.ndarray,
    skeleton: Skeleton,
    batch_size: int,
    decode: dict,
    min_score: float,
    lengths: Sequence[int],
) -> list[Poses]:
    """Run the network again on crops of every person, and keep those who are found again or are certain.

    Args:
        forward: the network.
        photographs: one for each entry of `batch`.
        batch: the people found in them; changed in place.
        pixels: `(photographs, 2)`, pixels of the photograph per pixel of the first pass, along x and y.
        skeleton: of the network.
        batch_size: crops that run at once.
        decode: arguments of `decode_poses`.
        min_score: people who are not found again need this score per keypoint.
        lengths: of a person, in pixels of a crop; one crop for each.

    Returns:
        The people of each photograph, best first.
    """
    kept = [poses.pose_scores >= min_score * (poses.scores > 0).sum(axis=1) for poses in batch]
    decode = {**decode, "max_people": None}  # the best person of a crop may be a neighbor
    asked = [
        (n, person, length)
        for n, poses in enumerate(batch)
        for person in np.flatnonzero((poses.scores > 0).sum(axis=1) > 1).tolist()  # one point has no size
        for length in lengths
    ]
    found = defaultdict(list)
    for first in range(0, len(asked), batch_size):
        group = asked[first : first + batch_size]
        crops = [_cut_out(photographs[n], batch[n].boxes[person], length) for n, person, length in group]
        maps = run_network(forward, np.stack([crop.canvas for crop in crops]), skeleton, flip=True)
        for (n, person, length), crop, one in zip(group, crops, maps, strict=True):
            seen = decode_maps(one, skeleton, decode, crop.scale, crop.origin - crop.corner * crop.scale)
            found[n, person].append((length, seen))
    for (n, person), again in found.items():
        kept[n][person] |= _improve(batch[n], person, again, pixels[n].mean())
    batch = [poses[certain] for poses, certain in zip(batch, kept, strict=True)]
    return [poses[np.argsort(-poses.pose_scores, kind="stable")] for poses in batch]


class _Crop(NamedTuple):
    canvas: np.ndarray  # (crop size, crop size, 3)
    corner: np.ndarray  # (x, y) of the photograph's part in the canvas
    origin: np.ndarray  # (x, y) of that part in the photograph
    scale: np.ndarray  # pixels of the photograph per pixel of the canvas, (x, y)


def _cut_out(photograph: np.ndarray, box: np.ndarray, length: int) -> _Crop:
    """A square around a person's box, in which the longer side measures `length` pixels."""
    side = max(box[2:].max(), 1) * CROP_SIZE / length
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


def _improve(poses: Poses, person: int, found: list[tuple[int, Poses]], pixel: float) -> bool:
    """Average a person with the nearest pose of each crop by OKS, in place, and say whether there is one.

    A keypoint weighs as much as its score, and by the length in pixels at which the person was seen: larger
    people have more exact places. All crops together weigh as much as one.

    Args:
        poses: the people of a photograph.
        person: one of them.
        found: for each crop, the length of the person there, and the people found.
        pixel: the length of a pixel of the first pass in the photograph.
    """
    keypoints, scores = poses.keypoints[person], poses.scores[person]
    spread = oks_spread(keypoints[None], np.array(poses.skeleton.sigmas)) + (STRIDE * pixel) ** 2
    places, peaks = [keypoints], [scores]
    weights = [poses.boxes[person, 2:].max() / pixel * scores]
    gain = 0.0
    for length, seen in found:
        distance = ((seen.keypoints - keypoints) ** 2).sum(axis=-1)
        similarity = np.where(seen.scores > 0, np.exp(-distance / spread), 0)
        oks = similarity[:, scores > 0].mean(axis=1)
        if oks.max(initial=0) < _CONFIRMED:
            continue
        nearest = int(oks.argmax())
        places.append(seen.keypoints[nearest])
        peaks.append(seen.scores[nearest])
        weights.append(length / len(found) * seen.scores[nearest])
        gain += oks[nearest] * seen.pose_scores[nearest] / len(found)
    if len(places) == 1:
        return False
    total = np.sum(weights, axis=0)[:, None]
    mean = np.einsum("nk,nkd->kd", weights, np.nan_to_num(places)) / np.where(total > 0, total, np.nan)
    poses.keypoints[person] = mean
    poses.scores[person] = np.max(peaks, axis=0)
    poses.pose_scores[person] += gain
    return True
