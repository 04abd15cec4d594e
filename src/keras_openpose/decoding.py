"""From maps to people: peaks, limbs, bodies.

The steps of Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields",
section 3, with three changes. Maps are enlarged twice around
the peaks, not eight times as a whole. Limbs of all kinds are taken best first (as CMU's CUDA code,
src/openpose/net/bodyPartConnectorBase.cu, not kind by kind). And a body that fell apart, because its
neck is hidden, is put together again: the published decoders lose such people.
"""

from typing import NamedTuple

import cv2
import numpy as np

from keras_openpose.geometry import cell_to_pixel, resize_coordinates
from keras_openpose.poses import Poses
from keras_openpose.skeletons import COCO_18, Skeleton

# A cell and the four beside it.
_BESIDE = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
# A map is enlarged twice around each seed only: from 7 × 7 cells the 6 × 6 fine cells amid them, all
# flattened. Of the inner 4 × 4 the highest is the peak, if none of its eight neighbours is higher.
_AROUND_Y, _AROUND_X = np.indices((7, 7)).reshape(2, 49) - 3
_ENLARGE = cv2.resize(np.eye(7, dtype=np.float32), (7, 14), interpolation=cv2.INTER_CUBIC)[4:10]
_ENLARGE = np.kron(_ENLARGE, _ENLARGE).T  # (49, 36)
_INNER = np.arange(36).reshape(6, 6)[1:5, 1:5].ravel()
_NEIGHBOURS = _INNER[:, None] + (np.array([-6, 0, 6])[:, None] + np.array([-1, 0, 1])).ravel()  # (16, 9)
# The strongest peaks of each keypoint that are looked at, so that maps of noise cost bounded time (CMU
# OpenPose, poseParameters.hpp: POSE_MAX_PEOPLE).
_MAX_PEAKS = 127
# With more pairs of peaks than this, half of the samples is looked at first.
_CROWD = 1000


class _Peaks(NamedTuple):
    keypoint: np.ndarray  # (peaks,), in rising order
    cells: np.ndarray  # (2, peaks), x and y in map cells
    score: np.ndarray  # (peaks,)


def decode_poses(
    heatmaps: np.ndarray,
    pafs: np.ndarray,
    *,
    skeleton: Skeleton = COCO_18,
    stride: float = 8,
    peak_threshold: float = 0.02,
    num_samples: int = 10,
    sample_threshold: float = 0.02,
    sample_fraction: float = 0.6,
    merge_distance: float = 2.0,
    min_keypoints: int = 1,
    min_score: float = 0.2,
    min_peak_score: float = 0.5,
    max_people: int | None = None,
) -> Poses:
    """Find the people in the maps of one image.

    `merge_distance=0, min_keypoints=3, min_peak_score=0` groups as the original decoders do: bodies
    that fell apart stay apart, and fragments of one or two keypoints are dropped.

    Args:
        heatmaps: `(height, width, keypoints + 1)`, one stage, the background last.
        pafs: `(height, width, 2 * limbs)`, limb n in channels 2n (x) and 2n + 1 (y).
        skeleton: who a person is. Defaults to `COCO_18`.
        stride: pixels a map cell; the keypoints are in these pixels. Defaults to 8.
        peak_threshold: height from which a local maximum is a peak. Defaults to 0.02 (OpenPose with
            `maximize_positives`, poseParameters.cpp; its default of 0.05 finds fewer keypoints).
        num_samples: places along a limb at which the PAF is read, both ends included. Defaults to 10
            (OpenPose, Matlab code).
        sample_threshold: agreement of PAF and limb, as a dot product, from which a sample counts.
            Defaults to 0.02 (0.05 in the original; the lower value found people with fewer ghosts).
        sample_fraction: share of the samples that must count; a limb needs more. Defaults to 0.6
            (tf-pose and HyperPose; 0.8 in the Matlab code).
        merge_distance: fragments that share no keypoint are one person if the distance between their
            closest keypoints is less than this many times the longer side of the larger of them.
            0 merges nothing. Defaults to 2.
        min_keypoints: people with fewer are dropped. Defaults to 1.
        min_score: people whose score divided by their keypoints is lower are dropped. Defaults to
            0.2 (OpenPose, Matlab code).
        min_peak_score: people with fewer than three keypoints, of whom the limbs say little, need
            peaks of this mean height. Defaults to 0.5.
        max_people: keep this many, the best. Defaults to all.

    Returns:
        `Poses`, best first. The score of a person is the sum of its peaks and limbs.

    Raises:
        ValueError: maps of other rank or channels than the skeleton needs, of unequal size, or with
            values that are not finite.

    Example:
        ```python
        import numpy as np
        from keras_openpose import Skeleton, decode_poses

        dot = Skeleton("dot", keypoints=["dot"])
        heatmaps = np.zeros((8, 8, 2), "float32")
        heatmaps[3, 5, 0] = 1
        poses = decode_poses(heatmaps, np.zeros((8, 8, 0), "float32"), skeleton=dot)
        assert poses.keypoints.tolist() == [[[5 * 8 + 3.5, 3 * 8 + 3.5]]]
        ```
    """
    heatmaps, pafs = _checked(heatmaps, pafs, skeleton)
    peaks = _find_peaks(heatmaps, peak_threshold)
    start, end, score = _find_limbs(pafs, peaks, skeleton, num_samples, sample_threshold, sample_fraction)
    body = _join([1 << n for n in peaks.keypoint.tolist()], start, end)
    inside = body[start] == body[end]
    weight = peaks.score + np.bincount(start[inside], score[inside], minlength=len(body))
    if merge_distance > 0:
        likely = (np.bincount(body) > 1) | (np.bincount(body, peaks.score) >= min_peak_score)
        body = _merge_fragments(peaks, body, likely, merge_distance)

    count, total = np.bincount(body), np.bincount(body, weight)
    sure = (count > 2) | (np.bincount(body, peaks.score) >= min_peak_score * count)
    sure &= (total >= min_score * count) & (count >= min_keypoints)
    best = np.flatnonzero(sure)
    best = best[np.argsort(-total[best], kind="stable")][:max_people]
    return _to_poses(peaks, body, best, total[best], skeleton, stride)


def _checked(heatmaps, pafs, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    maps = {"heatmaps": np.asarray(heatmaps, np.float32, "C"), "pafs": np.asarray(pafs, np.float32, "C")}
    channels = {"heatmaps": skeleton.num_keypoints + 1, "pafs": 2 * skeleton.num_limbs}
    for name, value in maps.items():
        if value.ndim != 3 or value.shape[-1] != channels[name]:
            raise ValueError(
                f"`{name}` for {skeleton.name} must have shape (height, width, {channels[name]}), one image "
                f"and one stage. Received: {value.shape}."
            )
        if not np.isfinite(np.vdot(value, value)):  # one pass, and no array of the maps' size
            raise ValueError(f"`{name}` must be finite. Received maps with NaN or infinity.")
    if maps["heatmaps"].shape[:2] != maps["pafs"].shape[:2]:
        raise ValueError(
            "`heatmaps` and `pafs` must have one height and width. "
            f"Received: {maps['heatmaps'].shape} and {maps['pafs'].shape}."
        )
    return maps["heatmaps"], maps["pafs"]


def _find_peaks(heatmaps: np.ndarray, threshold: float) -> _Peaks:
    """Local maxima of the heatmaps enlarged twice, placed between the fine cells by a parabola."""
    height, width, _ = heatmaps.shape
    y, x, keypoint = np.unravel_index(_find_seeds(heatmaps, threshold), heatmaps.shape)
    around = (y[:, None] + _AROUND_Y, x[:, None] + _AROUND_X, keypoint[:, None])
    around = np.ravel_multi_index(around, heatmaps.shape, mode="clip")  # the border repeats its cells
    fine = heatmaps.reshape(-1)[around] @ _ENLARGE  # (seeds, 36)
    highest = fine[:, _INNER].argmax(axis=1)
    near = fine[np.arange(len(fine))[:, None], _NEIGHBOURS[highest]]  # (seeds, 9)

    # A seed may lead to a slope or lie on a plateau, neither of which is a peak; two that touch may lead
    # to one.
    fine_y, fine_x = 2 * y - 1 + highest // 4, 2 * x - 1 + highest % 4
    top = near[:, 4]
    summits = np.flatnonzero((top >= near.max(axis=1)) & (top > near.min(axis=1)))
    place = (keypoint * (2 * height + 2) + fine_y) * (2 * width + 2) + fine_x
    kept = sorted(dict(zip(place[summits].tolist(), summits.tolist(), strict=True)).items())
    kept = np.array([seed for _, seed in kept], np.intp)
    near, score = near[kept], near[kept, 4]
    before, after = near.T[[3, 1]], near.T[[5, 7]]
    curvature = np.maximum(2 * score - before - after, 1e-12)  # no slope where no curvature
    cells = np.stack([fine_x[kept], fine_y[kept]]) + (after - before) / (2 * curvature)
    cells = np.minimum(np.maximum(resize_coordinates(cells, 0.5), 0), ((width - 1,), (height - 1,)))
    return _Peaks(keypoint[kept], cells.astype(np.float32), score)


def _find_seeds(heatmaps: np.ndarray, threshold: float) -> np.ndarray:
    """Cells not lower than the four beside them, as indices into the flattened heatmaps."""
    channels = heatmaps.shape[-1]
    highest = cv2.dilate(heatmaps, _BESIDE).reshape(heatmaps.shape)
    found = np.flatnonzero((heatmaps >= highest) & (heatmaps > threshold))
    found = found[found % channels < channels - 1]  # the background has no peaks
    if len(found) > _MAX_PEAKS:
        keypoint, score = found % channels, heatmaps.reshape(-1)[found]
        order = np.lexsort((-score, keypoint))
        first = np.searchsorted(keypoint[order], np.arange(channels))
        found = found[order[np.arange(len(order)) - first[keypoint[order]] < _MAX_PEAKS]]
    return found


def _find_limbs(
    pafs: np.ndarray, peaks: _Peaks, skeleton: Skeleton, num_samples: int, threshold: float, fraction: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of peaks that a PAF runs between: start, end and score (mean agreement), best first."""
    limb, start, end = _candidate_pairs(peaks.keypoint, skeleton)
    vector = peaks.cells[:, end] - peaks.cells[:, start]
    direction = vector / np.maximum(np.hypot(*vector), 1e-6)
    width, flat = pafs.shape[1], pafs.reshape(-1)

    places = np.arange(num_samples, dtype=np.float32) / max(1, num_samples - 1)
    left, needed = num_samples, int(fraction * num_samples + 1e-9) + 1
    pairs, votes, total = np.arange(len(start)), 0, 0
    # Most pairs of a crowd belong to two people: half of the samples rules them out.
    for part in (places[::2], places[1::2]) if len(start) > _CROWD else (places,):
        cells = peaks.cells[:, start[pairs]] + part[:, None, None] * vector[:, pairs]
        cells = np.rint(cells).astype(np.int32)  # (places, 2, pairs)
        index = ((cells[:, 1] * width + cells[:, 0]) * skeleton.num_limbs + limb[pairs]) * 2
        agreement = flat[index] * direction[0, pairs] + flat[index + 1] * direction[1, pairs]
        votes = votes + np.count_nonzero(agreement > threshold, axis=0)
        total = total + agreement.sum(axis=0)
        left -= len(part)
        likely = np.flatnonzero(votes + left >= needed)
        pairs, votes, total = pairs[likely], votes[likely], total[likely]
    order = np.argsort(-total, kind="stable")
    pairs = pairs[order]
    return start[pairs], end[pairs], total[order] / num_samples


def _candidate_pairs(keypoint: np.ndarray, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pair of peaks that a limb could join: limb, start and end, each `(pairs,)`."""
    first = np.searchsorted(keypoint, np.arange(skeleton.num_keypoints + 1)).astype(np.int32)
    (starts, ends), count = skeleton.limb_indices.T, first[1:] - first[:-1]
    pairs = count[starts] * count[ends]
    limb = np.repeat(np.arange(skeleton.num_limbs, dtype=np.int32), pairs)
    before = np.cumsum(pairs, dtype=np.int32) - pairs
    row, column = np.divmod(np.arange(len(limb), dtype=np.int32) - before[limb], count[ends][limb])
    return limb, first[starts][limb] + row, first[ends][limb] + column


def _join(held: list[int], one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Join pairs in the given order, unless both sides hold a keypoint of the same kind.

    Args:
        held: the keypoints that each member holds, as bits.
        one: first member of each pair.
        other: second member of each pair.

    Returns:
        The group of each member, numbered from 0.
    """
    group = list(range(len(held)))

    def find(member):
        while group[member] != member:
            group[member] = member = group[group[member]]
        return member

    for first, second in zip(one.tolist(), other.tolist(), strict=True):
        first, second = find(first), find(second)
        if first != second and not held[first] & held[second]:
            group[second] = first
            held[first] |= held[second]
    numbers = {}
    return np.array([numbers.setdefault(find(n), len(numbers)) for n in range(len(group))], np.intp)


def _merge_fragments(peaks: _Peaks, body: np.ndarray, likely: np.ndarray, limit: float) -> np.ndarray:
    """Join likely bodies that share no keypoint and lie close for their size, nearest first."""
    names = np.flatnonzero(likely)
    if len(names) < 2:
        return body
    holds = np.zeros((len(likely), peaks.keypoint.max() + 1), np.float32)
    holds[body, peaks.keypoint] = 1
    apart = np.triu(holds[names] @ holds[names].T == 0, 1)
    if not apart.any():
        return body
    order = np.argsort(body, kind="stable")
    order = order[likely[body[order]]]
    first, cells = np.searchsorted(body[order], names), peaks.cells[:, order]
    side = (np.maximum.reduceat(cells, first, axis=1) - np.minimum.reduceat(cells, first, axis=1)).max(axis=0)
    distance = np.hypot(*(cells[:, :, None] - cells[:, None]))
    nearest = np.minimum.reduceat(np.minimum.reduceat(distance, first, axis=0), first, axis=1)
    ratio = nearest / np.maximum(np.maximum(side, side[:, None]), 1e-6)
    one, other = np.nonzero(apart & (ratio < limit))
    nearest_first = np.argsort(ratio[one, other], kind="stable")
    held = [sum(1 << n for n in np.flatnonzero(row).tolist()) for row in holds]
    return _join(held, names[one[nearest_first]], names[other[nearest_first]])[body]


def _to_poses(peaks: _Peaks, body, best, scores, skeleton: Skeleton, stride: float) -> Poses:
    """Keypoints of the bodies named by `best`, in pixels."""
    rank = np.full(body.max(initial=0) + 1, -1)
    rank[best] = np.arange(len(best))
    person = rank[body]
    kept = np.flatnonzero(person >= 0)
    place = person[kept], peaks.keypoint[kept]
    shape = (len(best), skeleton.num_keypoints)
    keypoints, peak_scores = np.full((*shape, 2), np.nan), np.zeros(shape)
    keypoints[place] = cell_to_pixel(peaks.cells[:, kept].T, stride)
    peak_scores[place] = peaks.score[kept]
    return Poses(keypoints, peak_scores, scores, skeleton)
