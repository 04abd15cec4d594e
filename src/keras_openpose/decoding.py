"""From maps to people: peaks, limbs, bodies.

The steps of Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields",
section 3, with three changes. Peaks are placed between the cells by a
parabola, so no map is enlarged. Limbs of all kinds are taken best first (as CMU's CUDA code,
src/openpose/net/bodyPartConnectorBase.cu, not kind by kind). And a body that fell apart, because its
neck is hidden, is put together again: the published decoders lose such people.
"""

from typing import NamedTuple

import cv2
import numpy as np

from keras_openpose.geometry import cell_to_pixel, resize_coordinates
from keras_openpose.poses import Poses
from keras_openpose.skeletons import COCO_18, Skeleton

# Neighbours that come before and after a cell in reading order: of two equal cells one is a peak.
_BEFORE = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], np.uint8)
_AFTER = _BEFORE[::-1, ::-1].copy()
# Cubic weights of the six fine cells in the middle of seven cells enlarged twice.
_ENLARGE = cv2.resize(np.eye(7, dtype=np.float32), (7, 14), interpolation=cv2.INTER_CUBIC)[4:10]
# The strongest peaks of each keypoint that are looked at, so that maps of noise cost bounded time (CMU
# OpenPose, poseParameters.hpp: POSE_MAX_PEOPLE).
_MAX_PEAKS = 127


class _Peaks(NamedTuple):
    keypoint: np.ndarray  # (peaks,), in rising order
    cell: np.ndarray  # (peaks, 2), x and y in map cells
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
    maps = {"heatmaps": np.asarray(heatmaps, np.float32), "pafs": np.asarray(pafs, np.float32)}
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
    """Local maxima above the threshold, placed between the cells."""
    height, width, channels = heatmaps.shape
    above, below = (cv2.dilate(heatmaps, kernel).reshape(heatmaps.shape) for kernel in (_BEFORE, _AFTER))
    found = np.flatnonzero((heatmaps > threshold) & (heatmaps > above) & (heatmaps >= below))
    flat, keypoint = heatmaps.reshape(-1), found % channels
    order = np.lexsort((-flat[found], keypoint))
    first = np.searchsorted(keypoint[order], np.arange(channels))  # of each keypoint, the highest
    order = order[np.arange(len(order)) - first[keypoint[order]] < _MAX_PEAKS]
    order = order[keypoint[order] < channels - 1]  # the background has no peaks
    found, keypoint = found[order], keypoint[order]
    y, x = np.divmod(found // channels, width)

    # Around each, the map enlarged twice: six by six fine cells from seven by seven.
    rows = np.clip(y[:, None] + np.arange(-3, 4), 0, height - 1)
    columns = np.clip(x[:, None] + np.arange(-3, 4), 0, width - 1)
    patches = flat[(rows[:, :, None] * width + columns[:, None]) * channels + keypoint[:, None, None]]
    fine = _ENLARGE @ patches @ _ENLARGE.T
    row, column = np.divmod(fine[:, 1:5, 1:5].reshape(-1, 16).argmax(axis=1), 4)
    # Rows and columns row to row + 2 of `fine` are now the highest fine cell and its neighbours.
    near = np.arange(3)
    near = fine[
        np.arange(len(fine))[:, None, None], row[:, None, None] + near[:, None], column[:, None, None] + near
    ]
    score = near[:, 1, 1]
    fine_x, fine_y = 2 * x - 1 + column, 2 * y - 1 + row
    # Two cells that touch at a corner may lead to one peak.
    key = (keypoint * (2 * height + 2) + fine_y + 1) * (2 * width + 2) + fine_x + 1
    key[score < near.max(axis=(1, 2))] = -1
    names, first = np.unique(key, return_index=True)
    keep = first[names >= 0]
    place = np.stack([fine_x[keep], fine_y[keep]], axis=1).astype(np.float32)
    near, score = near[keep], score[keep]
    for axis, (before, after) in enumerate(((near[:, 1, 0], near[:, 1, 2]), (near[:, 0, 1], near[:, 2, 1]))):
        curvature = 2 * score - before - after  # zero on a plateau, where before equals after
        place[:, axis] += (after - before) / np.maximum(2 * curvature, 1e-12)
    place = np.clip(resize_coordinates(place, 0.5), 0, [width - 1, height - 1]).astype(np.float32)
    return _Peaks(keypoint[keep], place, score)


def _find_limbs(
    pafs: np.ndarray, peaks: _Peaks, skeleton: Skeleton, num_samples: int, threshold: float, fraction: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of peaks that a PAF runs between: start, end and score (mean agreement), best first."""
    limb, start, end = _candidate_pairs(peaks, skeleton)
    flat, (_, width, channels) = pafs.reshape(-1), pafs.shape
    x, y = np.ascontiguousarray(peaks.cell.T)
    start_x, start_y = x[start], y[start]
    dx, dy = x[end] - start_x, y[end] - start_y
    length = np.maximum(np.hypot(dx, dy), 1e-6)

    def agreement(pairs, places):
        """PAF along the direction of the pairs, `(places, pairs)`; places run from 0 (start) to 1."""
        column = np.rint(start_x[pairs] + dx[pairs] * places[:, None]).astype(np.int32)
        row = np.rint(start_y[pairs] + dy[pairs] * places[:, None]).astype(np.int32)
        index = (row * width + column) * channels + 2 * limb[pairs]
        return (flat[index] * dx[pairs] + flat[index + 1] * dy[pairs]) / length[pairs]

    # Most pairs of a crowd belong to two people: half of the samples rules them out.
    places = np.arange(num_samples, dtype=np.float32) / max(1, num_samples - 1)
    needed = int(fraction * num_samples + 1e-9) + 1
    half = agreement(slice(None), places[::2])
    passed = np.count_nonzero(half > threshold, axis=0)
    pairs = np.flatnonzero(passed >= needed - num_samples // 2)
    rest = agreement(pairs, places[1::2])
    keep = np.flatnonzero(passed[pairs] + np.count_nonzero(rest > threshold, axis=0) >= needed)
    pairs = pairs[keep]
    score = (half[:, pairs].sum(axis=0) + rest[:, keep].sum(axis=0)) / num_samples
    order = np.argsort(-score, kind="stable")
    return start[pairs[order]], end[pairs[order]], score[order]


def _candidate_pairs(peaks: _Peaks, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pair of peaks that a limb could join: limb, start and end, each `(pairs,)`."""
    first = np.searchsorted(peaks.keypoint, np.arange(skeleton.num_keypoints + 1)).astype(np.int32)
    starts, ends = first[skeleton.limb_indices].T
    num_starts, num_ends = np.diff(first)[skeleton.limb_indices].T
    pairs = num_starts * num_ends
    limb = np.repeat(np.arange(skeleton.num_limbs, dtype=np.int32), pairs)
    number = np.arange(len(limb), dtype=np.int32) - np.repeat(
        (np.cumsum(pairs) - pairs).astype(np.int32), pairs
    )
    row, column = np.divmod(number, num_ends[limb])
    return limb, starts[limb] + row, ends[limb] + column


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
    holds = np.zeros((len(likely), peaks.keypoint.max(initial=0) + 1), np.float32)
    holds[body, peaks.keypoint] = 1
    names = np.flatnonzero(likely)
    apart = np.triu(holds[names] @ holds[names].T == 0, 1)
    if not apart.any():
        return body
    order = np.argsort(body, kind="stable")
    order = order[likely[body[order]]]
    first, cell = np.searchsorted(body[order], names), peaks.cell[order]
    side = (np.maximum.reduceat(cell, first) - np.minimum.reduceat(cell, first)).max(axis=1)
    distance = np.hypot(*(cell[:, None] - cell).T)
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
    keypoints[place] = cell_to_pixel(peaks.cell[kept], stride)
    peak_scores[place] = peaks.score[kept]
    return Poses(keypoints, peak_scores, scores, skeleton)
