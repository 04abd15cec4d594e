"""From maps to people: peaks, limbs, bodies.

The steps of Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields",
section 3, with three changes. Maps are enlarged twice around the peaks, not eight times as a whole. Limbs
of all kinds are taken best first, not kind by kind, as in CMU's CUDA code
(src/openpose/net/bodyPartConnectorBase.cu). Bodies that fell apart because their neck is hidden are
joined again: the published decoders lose such people.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from keras_openpose.geometry import cell_to_pixel, resize_coordinates
from keras_openpose.poses import Poses
from keras_openpose.skeletons import COCO_18, Skeleton

# Neighbors above and left of a cell, and below and right: of two equal cells the first is a seed.
_BEFORE = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], np.uint8)
_AFTER = _BEFORE[::-1, ::-1].copy()
# A map is enlarged twice around each seed only: 7 × 7 cells give the 6 × 6 fine cells in their middle, all
# flattened. The highest of the inner 4 × 4 is the peak, if none of its eight neighbors is higher.
_AROUND_Y, _AROUND_X = np.indices((7, 7)).reshape(2, 49) - 3
_ENLARGE = cv2.resize(np.eye(7, dtype=np.float32), (7, 14), interpolation=cv2.INTER_CUBIC)[4:10]
_ENLARGE = np.kron(_ENLARGE, _ENLARGE).T  # (49, 36)
_INNER = np.arange(36).reshape(6, 6)[1:5, 1:5].ravel()
_NEIGHBORS = _INNER[:, None] + (np.array([-6, 0, 6])[:, None] + np.array([-1, 0, 1])).ravel()  # (16, 9)
_FROM_SEED = np.indices((4, 4))[::-1].reshape(2, 16) - 1  # x and y, in fine cells
# Of nine neighbors: the slopes in x and y, and twice the curvatures downwards.
_DERIVATIVES = np.zeros((9, 4), np.float32)
_DERIVATIVES[[3, 5], 0] = _DERIVATIVES[[1, 7], 1] = -1, 1
_DERIVATIVES[[3, 4, 5], 2] = _DERIVATIVES[[1, 4, 7], 3] = -2, 4, -2
# Only so many of the strongest peaks of a keypoint count, so that maps of noise take bounded time (CMU
# OpenPose, poseParameters.hpp: POSE_MAX_PEOPLE).
_MAX_PEAKS = 127
# Peaks above this height are equally good: more height only says how near a cell's center they lie.
_SURE = 0.5
# With more pairs of peaks than this, half of the samples are read first.
_CROWD = 1000


class _Peaks(NamedTuple):
    keypoint: np.ndarray  # (peaks,), in rising order
    cells: np.ndarray  # (2, peaks), x and y in map cells
    score: np.ndarray  # (peaks,)


@dataclass(eq=False, slots=True)
class _Body:
    peaks: list[int]
    kinds: int  # the keypoints it holds, as bits
    peak_total: float
    total: float  # peaks and limbs

    def absorb(self, other: "_Body"):
        self.peaks += other.peaks
        self.kinds |= other.kinds
        self.peak_total += other.peak_total
        self.total += other.total


def decode_poses(
    heatmaps: np.ndarray,
    pafs: np.ndarray,
    *,
    skeleton: Skeleton = COCO_18,
    stride: float = 8,
    heatmap_sigma: float = 0.0,
    peak_threshold: float = 0.02,
    num_samples: int = 10,
    sample_threshold: float = 0.01,
    sample_fraction: float = 0.6,
    peak_weight: float = 1.0,
    merge_distance: float = 2.0,
    min_keypoints: int = 1,
    min_score: float = 0.2,
    min_peak_score: float = 0.5,
    max_people: int | None = None,
) -> Poses:
    """Find the people in the maps of one image.

    `peak_weight=0, merge_distance=0, min_keypoints=3, min_peak_score=0` groups as the original decoders do:
    limbs count by their agreement alone, bodies that fell apart stay apart, and fragments of one or two
    keypoints are dropped.

    Args:
        heatmaps: `(height, width, keypoints + 1)`, one stage, the background last.
        pafs: `(height, width, 2 * limbs)`, limb n in channels 2n (x) and 2n + 1 (y). Without channels,
            `(height, width, 0)`, as of a network of one body or hand, the highest peak of each
            keypoint is taken.
        skeleton: keypoints and limbs. Defaults to `COCO_18`.
        stride: pixels a map cell; the keypoints are in these pixels. Defaults to 8.
        heatmap_sigma: standard deviation, in map cells, of the Gaussian that smooths heatmaps before
            the search for peaks. A network that was trained for hours only has wide, uneven hills with
            several peaks: 1 merges them into one, about half as high. Defaults to 0, none, which did
            best with a published network (pytorch-openpose, src/body.py: 3 pixels of maps enlarged
            eightfold, 0.375).
        peak_threshold: height from which a local maximum is a peak. Defaults to 0.02 (OpenPose with
            `maximize_positives`, poseParameters.cpp; its default of 0.05 finds fewer keypoints).
        num_samples: places along a limb at which the PAF is read, both ends included. Defaults to 10
            (OpenPose, Matlab code).
        sample_threshold: agreement of PAF and limb, as a dot product, from which a sample counts.
            Defaults to 0.01 (0.05 in the original), chosen on photographs with `benchmarks/tune.py`.
        sample_fraction: share of the samples; more than this must count, at 1 all. Defaults
            to 0.6 (tf-pose and HyperPose; 0.8 in the Matlab code).
        peak_weight: limbs are taken in the order of their agreement plus this many times the height of
            the lower of their peaks, up to 0.5: of several peaks of one keypoint the highest comes first.
            Defaults to 1, chosen on photographs with `benchmarks/tune.py`. 0, agreement alone, is as
            published.
        merge_distance: fragments that share no keypoint are one person if the distance between their
            closest keypoints is less than this many times the longer side of the larger of them.
            0 merges nothing. Defaults to 2.
        min_keypoints: people with fewer are dropped. Defaults to 1.
        min_score: people whose score per keypoint is lower are dropped. Defaults to
            0.2 (OpenPose, Matlab code).
        min_peak_score: people with fewer than three keypoints need peaks of this mean height, since
            their limbs say little. Defaults to 0.5.
        max_people: keep this many, the best. Defaults to all. Without limbs, every point is a
            pose of its own; 1 makes one pose of the highest peak of each keypoint.

    Returns:
        `Poses`, best first. The score of a person is the sum of its peaks and limbs.

    Raises:
        ValueError: maps of other rank or channels than the skeleton needs, of unequal size, without
            cells, or with values that are not finite; `heatmap_sigma`, `peak_weight` or `max_people` is
            negative, `num_samples` below 1, or `sample_fraction` not from 0 to 1.

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
    for argument, value, valid, rule in (
        ("heatmap_sigma", heatmap_sigma, heatmap_sigma >= 0, "0, for none, or positive"),
        ("peak_weight", peak_weight, peak_weight >= 0, "0, for none, or positive"),
        ("num_samples", num_samples, num_samples >= 1, "at least 1"),
        ("sample_fraction", sample_fraction, 0 <= sample_fraction <= 1, "from 0 to 1"),
        ("max_people", max_people, max_people is None or max_people >= 0, "at least 0, or None for all"),
    ):
        if not valid:
            raise ValueError(f"`{argument}` must be {rule}. Received: {value}.")
    if heatmap_sigma:
        heatmaps = cv2.GaussianBlur(heatmaps, (0, 0), heatmap_sigma, borderType=cv2.BORDER_REPLICATE)
    one_body = not pafs.shape[-1] and (skeleton.num_limbs or max_people == 1)
    if one_body:  # enlarging does not double a peak: lower ones cannot become the highest
        peak_threshold = np.maximum(peak_threshold, heatmaps.max(axis=(0, 1)) / 2)
    peaks = _find_peaks(heatmaps, peak_threshold)
    if one_body:
        bodies = _highest_peaks(peaks)
    else:
        limbs = _find_limbs(pafs, peaks, skeleton, num_samples, sample_threshold, sample_fraction)
        bodies = _join_limbs(peaks, *limbs, peak_weight)
        if merge_distance > 0:
            bodies = [body for body in bodies if len(body.peaks) > 1 or body.peak_total >= min_peak_score]
            bodies = _merge_fragments(peaks, bodies, merge_distance)
    bodies = [
        body
        for body in bodies
        if (count := len(body.peaks)) >= min_keypoints
        and body.total >= min_score * count
        and (count > 2 or body.peak_total >= min_peak_score * count)
    ]
    bodies.sort(key=lambda body: -body.total)
    return _to_poses(peaks, bodies[:max_people], skeleton, stride)


def _checked(heatmaps, pafs, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    maps = {"heatmaps": np.asarray(heatmaps, np.float32, "C"), "pafs": np.asarray(pafs, np.float32, "C")}
    channels = {"heatmaps": skeleton.num_keypoints + 1, "pafs": 2 * skeleton.num_limbs}
    for name, value in maps.items():
        without_pafs = name == "pafs" and value.shape[-1:] == (0,)
        if (
            value.ndim != 3
            or 0 in value.shape[:2]
            or (value.shape[-1] != channels[name] and not without_pafs)
        ):
            raise ValueError(
                f"`{name}` for {skeleton.name} must have shape (height, width, {channels[name]}), one image "
                f"and one stage. Received: {value.shape}."
            )
        if not np.isfinite(np.vdot(value, value)):  # one pass, and no array of the maps' size
            raise ValueError(f"`{name}` must be finite. Received maps with NaN or infinity.")
    if maps["heatmaps"].shape[:2] != maps["pafs"].shape[:2]:
        raise ValueError(
            "`heatmaps` and `pafs` must have the same height and width. "
            f"Received: {maps['heatmaps'].shape} and {maps['pafs'].shape}."
        )
    return maps["heatmaps"], maps["pafs"]


def _find_peaks(heatmaps: np.ndarray, threshold: float | np.ndarray) -> _Peaks:
    """Local maxima of the heatmaps enlarged twice, placed between the fine cells by a parabola."""
    height, width, channels = heatmaps.shape
    y, x, keypoint = np.unravel_index(_find_seeds(heatmaps, threshold), heatmaps.shape)
    cells_around = (y[:, None] + _AROUND_Y, x[:, None] + _AROUND_X, keypoint[:, None])
    around = np.ravel_multi_index(cells_around, heatmaps.shape, mode="clip")  # the border repeats its cells
    fine = heatmaps.reshape(-1)[around] @ _ENLARGE  # (seeds, 36)
    highest = fine[:, _INNER].argmax(axis=1)
    near = fine[np.arange(len(fine))[:, None], _NEIGHBORS[highest]]  # (seeds, 9)

    # A seed may lead to a slope or a plateau, neither of which is a peak; two that touch may share a peak.
    top = near[:, 4]
    summits = np.flatnonzero((top >= near.max(axis=1)) & (top > near.min(axis=1)))
    place = 2 * np.stack([x, y]) + _FROM_SEED[:, highest]
    number = np.ravel_multi_index(
        (keypoint, place[1] + 1, place[0] + 1), (channels, 2 * height + 2, 2 * width + 2)
    )
    seed_of = dict(zip(number[summits].tolist(), summits.tolist(), strict=True))
    kept = np.array([seed for _, seed in sorted(seed_of.items())], np.intp)
    slope, curvature = (near[kept] @ _DERIVATIVES).T.reshape(2, 2, -1)
    cells = resize_coordinates(place[:, kept] + slope / np.maximum(curvature, 1e-6), 0.5)
    cells = np.minimum(np.maximum(cells, 0), ((width - 1,), (height - 1,)))
    return _Peaks(keypoint[kept], cells.astype(np.float32), near[kept, 4])


def _find_seeds(heatmaps: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    """Cells not lower than the four beside them, as indices into the flattened heatmaps."""
    channels, flat = heatmaps.shape[-1], heatmaps.reshape(-1)
    before, after = (cv2.dilate(heatmaps, kernel).reshape(heatmaps.shape) for kernel in (_BEFORE, _AFTER))
    found = np.flatnonzero((heatmaps > before) & (heatmaps >= after) & (heatmaps > threshold))
    found = found[found % channels < channels - 1]  # the background has no peaks
    if len(found) > _MAX_PEAKS:
        keypoint, score = found % channels, flat[found]
        order = np.lexsort((-score, keypoint))
        first = np.searchsorted(keypoint[order], np.arange(channels))
        found = found[order[np.arange(len(order)) - first[keypoint[order]] < _MAX_PEAKS]]
    return found


def _highest_peaks(peaks: _Peaks) -> list[_Body]:
    """The one body made of the highest peak of each keypoint; none without peaks."""
    order = np.lexsort((-peaks.score, peaks.keypoint))
    keypoints, first = np.unique(peaks.keypoint[order], return_index=True)
    members = order[first].tolist()
    total = float(peaks.score[members].sum())
    return [_Body(members, sum(1 << int(n) for n in keypoints), total, total)] if members else []


def _find_limbs(
    pafs: np.ndarray, peaks: _Peaks, skeleton: Skeleton, num_samples: int, threshold: float, fraction: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of peaks that a PAF runs between: start, end and score (mean agreement)."""
    limb, start, end = _candidate_pairs(peaks.keypoint, skeleton)
    (x, y), width, flat = peaks.cells, pafs.shape[1], pafs.reshape(-1)
    start_x, start_y = x[start], y[start]
    dx, dy = x[end] - start_x, y[end] - start_y
    length = np.maximum(np.hypot(dx, dy), 1e-6)

    def agreement(places, channel, start_x, start_y, dx, dy, length):
        """PAF along the direction of pairs, `(places, pairs)`; places run from 0 (start) to 1 (end)."""
        row = np.rint(start_y + places[:, None] * dy).astype(np.int32)
        column = np.rint(start_x + places[:, None] * dx).astype(np.int32)
        index = (row * width + column) * (2 * skeleton.num_limbs) + channel
        return (flat[index] * dx + flat[index + 1] * dy) / length

    places = np.arange(num_samples, dtype=np.float32) / max(1, num_samples - 1)
    left, needed = num_samples, min(num_samples, int(fraction * num_samples + 1e-9) + 1)
    votes: np.ndarray = np.zeros(len(start), np.float32)
    total: np.ndarray = votes
    pairs, state = np.arange(len(start)), [2 * limb, start_x, start_y, dx, dy, length]
    # Most pairs of a crowd belong to two people: half of the samples rules them out.
    for part in (places[::2], places[1::2]) if len(start) > _CROWD else (places,):
        samples = agreement(part, *state)
        votes, total = votes + np.count_nonzero(samples > threshold, axis=0), total + samples.sum(axis=0)
        left -= len(part)
        likely = np.flatnonzero(votes + left >= needed)
        pairs, votes, total, *state = (values[likely] for values in (pairs, votes, total, *state))
    return start[pairs], end[pairs], total / num_samples


def _candidate_pairs(keypoint: np.ndarray, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pair of peaks that a limb could join: limb, start and end, each `(pairs,)`."""
    first = np.searchsorted(keypoint, np.arange(skeleton.num_keypoints + 1)).astype(np.int32)
    (starts, ends), count = skeleton.limb_indices.T, first[1:] - first[:-1]
    pairs = count[starts] * count[ends]
    limb = np.repeat(np.arange(skeleton.num_limbs, dtype=np.int32), pairs)
    before = np.cumsum(pairs, dtype=np.int32) - pairs
    row, column = np.divmod(np.arange(len(limb), dtype=np.int32) - before[limb], count[ends][limb])
    return limb, first[starts][limb] + row, first[ends][limb] + column


def _join_limbs(
    peaks: _Peaks, start: np.ndarray, end: np.ndarray, score: np.ndarray, peak_weight: float
) -> list[_Body]:
    """Join peaks into bodies, best limb first, unless both sides hold a keypoint of the same kind."""
    lower_peak = np.minimum(peaks.score[start], peaks.score[end]).clip(max=_SURE)
    best_first = np.argsort(-score - peak_weight * lower_peak, kind="stable")
    start, end, score = start[best_first], end[best_first], score[best_first]
    scores = peaks.score.tolist()
    kinds = [1 << keypoint for keypoint in peaks.keypoint.tolist()]
    body_of = [_Body([n], kinds[n], scores[n], scores[n]) for n in range(len(kinds))]
    for a, b, value in zip(start.tolist(), end.tolist(), score.tolist(), strict=True):
        one, other = body_of[a], body_of[b]
        if one is not other:
            if one.kinds & other.kinds:
                continue
            one.absorb(other)
            for n in other.peaks:
                body_of[n] = one
        one.total += value
    return list(dict.fromkeys(body_of))


def _merge_fragments(peaks: _Peaks, bodies: list[_Body], limit: float) -> list[_Body]:
    """Join bodies that share no keypoint and lie close for their size, nearest first."""
    if len(bodies) < 2:
        return bodies
    count = np.array([len(body.peaks) for body in bodies])
    first = np.cumsum(count) - count
    members = [n for body in bodies for n in body.peaks]
    holds = np.zeros((len(bodies), peaks.keypoint.max() + 1), np.float32)
    holds[np.repeat(np.arange(len(bodies)), count), peaks.keypoint[members]] = 1
    apart = np.triu(holds @ holds.T == 0, 1)
    if not apart.any():
        return bodies
    cells = peaks.cells[:, members]
    side = (np.maximum.reduceat(cells, first, axis=1) - np.minimum.reduceat(cells, first, axis=1)).max(axis=0)
    distance = np.hypot(*(cells[:, :, None] - cells[:, None]))
    nearest = np.minimum.reduceat(np.minimum.reduceat(distance, first, axis=0), first, axis=1)
    ratio = nearest / np.maximum(np.maximum(side, side[:, None]), 1e-6)
    one, other = np.nonzero(apart & (ratio < limit))
    nearest_first = np.argsort(ratio[one, other], kind="stable")
    merged = bodies.copy()
    for a, b in zip(one[nearest_first].tolist(), other[nearest_first].tolist(), strict=True):
        kept, gone = merged[a], merged[b]
        if not kept.kinds & gone.kinds:
            kept.absorb(gone)
            merged = [kept if body is gone else body for body in merged]
    return list(dict.fromkeys(merged))


def _to_poses(peaks: _Peaks, bodies: list[_Body], skeleton: Skeleton, stride: float) -> Poses:
    shape = (len(bodies), skeleton.num_keypoints)
    keypoints, scores = np.full((*shape, 2), np.nan), np.zeros(shape)
    members = np.array([n for body in bodies for n in body.peaks], np.intp)
    person = np.array([n for n, body in enumerate(bodies) for _ in body.peaks], np.intp)
    place = person, peaks.keypoint[members]
    keypoints[place] = cell_to_pixel(peaks.cells[:, members].T, stride)
    scores[place] = peaks.score[members]
    return Poses(keypoints, scores, np.array([body.total for body in bodies], float), skeleton)
