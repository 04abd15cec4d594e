"""Draws people and maps over images."""

from dataclasses import replace

import cv2
import numpy as np

from keras_openpose.images import to_rgb
from keras_openpose.poses import Poses, WholeBody

# Lines are drawn in sixteenths of a pixel.
_SHIFT = 4
# Keypoints of hands and faces with lower scores are not drawn (CMU OpenPose, flags.hpp:
# `hand_render_threshold`, `face_render_threshold`).
_HAND_SEEN, _FACE_SEEN = 0.2, 0.4
# Largest thickness of a limb, as a share of the longer side of its body, hand or face.
_BODY_PART, _HAND_PART, _FACE_PART = 1 / 25, 1 / 50, 1 / 100


def draw_poses(image: np.ndarray, poses: Poses | WholeBody, *, thickness: int | None = None) -> np.ndarray:
    """Draw people over an image, each limb in its color, with their ids if they have any.

    Hands and faces of a `WholeBody` are drawn too, in lines at most half as thick. Keypoints of hands need a
    score of 0.2, those of faces 0.4.

    Args:
        image: `(height, width, 3)`, RGB from 0 to 255, or gray. Zeros give skeletons on black.
        poses: the people, in pixels of the image. Absent keypoints and the limbs to them are left out,
            as are the skeleton's auxiliary limbs (ear to shoulder).
        thickness: of the limbs, in pixels. Defaults to 1/150 of the image's diagonal, or 1/25 of the
            longer side of a small person's box.

    Returns:
        A new `uint8` image, `(height, width, 3)`.

    Raises:
        ValueError: not an image, or `thickness` is less than 1.

    Example:
        ```python
        import numpy as np
        from keras_openpose import COCO_18, Poses, draw_poses

        keypoints = np.full((1, 18, 2), np.nan)
        keypoints[0, 1], keypoints[0, 8] = (30, 10), (30, 50)  # neck and right hip
        poses = Poses(keypoints, (keypoints[..., 0] > 0) * 1.0, np.ones(1), COCO_18)
        picture = draw_poses(np.zeros((60, 60, 3), "uint8"), poses)
        assert picture[30, 30].any() and not picture[30, 10].any()
        ```
    """
    if thickness is not None and thickness < 1:
        raise ValueError(f"`thickness` must be at least 1. Received: {thickness}.")
    picture = _canvas(image)
    widest = max(1, round(np.hypot(*picture.shape[:2]) / 150))
    _draw_limbs(picture, poses.body, thickness, widest, _BODY_PART)
    if isinstance(poses, WholeBody):
        fine = max(1, (thickness or widest) // 2)
        _draw_limbs(picture, _clear(poses.left_hands, _HAND_SEEN), None, fine, _HAND_PART)
        _draw_limbs(picture, _clear(poses.right_hands, _HAND_SEEN), None, fine, _HAND_PART)
        _draw_limbs(picture, _clear(poses.faces, _FACE_SEEN), None, fine, _FACE_PART)
    if poses.body.ids is not None:
        _write_ids(picture, poses.body.ids, poses.body.boxes, thickness or widest)
    return picture


def _draw_limbs(picture: np.ndarray, poses: Poses, thickness: int | None, widest: int, part: float):
    """Draw in place: as thick as asked for, else by the size of each body, up to `widest`."""
    skeleton = poses.skeleton
    drawn = [n for n, limb in enumerate(skeleton.limbs) if limb not in skeleton.auxiliary_limbs]
    limb_colors, point_colors = _colors(len(skeleton.limbs)), _colors(skeleton.num_keypoints)
    for keypoints, box in zip(poses.keypoints, poses.boxes, strict=True):
        points = [None if np.isnan(xy).any() else _fixed(xy) for xy in keypoints]
        # The box of few keypoints says little.
        small = len(points) - points.count(None) > 2 and max(1, round(box[2:].max() * part))
        width = thickness or min(widest, small or widest)
        for n in drawn:
            start, end = (points[index] for index in skeleton.limb_indices[n])
            if start and end:
                cv2.line(picture, start, end, limb_colors[n], width, cv2.LINE_AA, _SHIFT)
        for point, color in zip(points, point_colors, strict=True):
            if point:
                radius = max(1, round(0.8 * width)) << _SHIFT
                cv2.circle(picture, point, radius, color, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _clear(poses: Poses, threshold: float) -> Poses:
    """The poses without keypoints whose score is below the threshold."""
    keypoints = np.where(poses.scores[..., None] >= threshold, poses.keypoints, np.nan)
    return replace(poses, keypoints=keypoints)


def _write_ids(picture: np.ndarray, ids: np.ndarray, boxes: np.ndarray, thickness: int):
    """Write each id over its person, within the picture, in the nearest free row."""
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.35 * thickness
    written: list[tuple[int, int, int]] = []  # left, right and baseline
    for person, box in zip(ids, boxes, strict=True):
        if np.isnan(box).any():  # someone without any keypoint
            continue
        (width, height), _ = cv2.getTextSize(str(person), font, scale, thickness + 2)
        x = max(0, min(round(box[0]), picture.shape[1] - width))
        over = max(8 * thickness, round(box[1]) - 2 * thickness)
        row = height + thickness + 2
        beside = [y for left, right, y in written if left < x + width and x < right]
        rows = [over + n * row for n in sorted(range(-2 * len(beside), 2 * len(beside) + 1), key=abs)]
        free = [
            y
            for y in rows
            if 8 * thickness <= y <= picture.shape[0] and all(abs(y - other) >= row for other in beside)
        ]
        y = next(iter(free), over)
        written.append((x, x + width, y))
        for color, stroke in (((0, 0, 0), thickness + 2), ((255, 255, 255), max(1, thickness // 2))):
            cv2.putText(picture, str(person), (x, y), font, scale, color, stroke, cv2.LINE_AA)


def draw_heatmaps(image: np.ndarray, heatmaps: np.ndarray) -> np.ndarray:
    """Lay heatmaps over an image, each keypoint in its color.

    Args:
        image: `(height, width, 3)`, RGB from 0 to 255, or gray.
        heatmaps: `(map height, map width, keypoints + 1)`, one stage, covering the whole image; the
            background, last, is left out.

    Returns:
        A new `uint8` image, `(height, width, 3)`.

    Raises:
        ValueError: not an image, or maps of another rank.

    Example:
        ```python
        import numpy as np
        from keras_openpose import draw_heatmaps

        heatmaps = np.zeros((8, 8, 19), "float32")
        heatmaps[2, 5, 0] = 1
        picture = draw_heatmaps(np.zeros((64, 64, 3), "uint8"), heatmaps)
        assert picture[20, 44].any() and not picture[50, 10].any()
        ```
    """
    picture = _canvas(image)
    maps = _enlarged(heatmaps, "heatmaps", picture.shape)[..., :-1]
    strength = maps.max(axis=-1)
    colors = np.array(_colors(maps.shape[-1]), np.float32)[maps.argmax(axis=-1)]
    return _blend(picture, colors, strength)


def draw_pafs(image: np.ndarray, pafs: np.ndarray) -> np.ndarray:
    """Lay PAFs over an image: the hue shows the direction of the strongest limb, red to the right.

    Args:
        image: `(height, width, 3)`, RGB from 0 to 255, or gray.
        pafs: `(map height, map width, 2 * limbs)`, one stage, covering the whole image.

    Returns:
        A new `uint8` image, `(height, width, 3)`.

    Raises:
        ValueError: not an image, or maps of another rank.

    Example:
        ```python
        import numpy as np
        from keras_openpose import draw_pafs

        pafs = np.zeros((8, 8, 38), "float32")
        pafs[2:6, 4, 1] = 1  # the first limb runs down
        picture = draw_pafs(np.zeros((64, 64, 3), "uint8"), pafs)
        assert picture[32, 36].any() and not picture[32, 5].any()
        ```
    """
    picture = _canvas(image)
    maps = _enlarged(pafs, "pafs", picture.shape)
    if not maps.shape[-1]:
        return picture
    x, y = maps[..., ::2], maps[..., 1::2]
    strongest = np.hypot(x, y).argmax(axis=-1)[..., None]
    x, y = (np.take_along_axis(part, strongest, axis=-1)[..., 0] for part in (x, y))
    angle = np.degrees(np.arctan2(y, x)) % 360
    full = np.ones_like(angle)
    colors = 255 * cv2.cvtColor(np.stack([angle, full, full], axis=-1), cv2.COLOR_HSV2RGB)
    return _blend(picture, colors, np.hypot(x, y))


def _canvas(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(to_rgb(image)), 0, 255).astype(np.uint8, order="C")  # OpenCV draws in no other


def _colors(count: int) -> list[tuple[int, int, int]]:
    """Colors all around the wheel, as OpenPose draws."""
    if count == 0:
        return []
    hues = np.linspace(0, 360, count, endpoint=False, dtype=np.float32)
    hsv = np.stack([hues, np.full(count, 0.9), np.ones(count)], axis=-1).astype(np.float32)
    rgb = (255 * cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0]).astype(int)
    return [(red, green, blue) for red, green, blue in rgb.tolist()]


def _fixed(xy: np.ndarray) -> tuple[int, int]:
    # OpenCV takes 32-bit integers; nothing so far outside is seen.
    x, y = np.rint(np.clip(xy, -1e5, 1e5) * (1 << _SHIFT))
    return int(x), int(y)


def _enlarged(maps: np.ndarray, name: str, shape: tuple[int, ...]) -> np.ndarray:
    maps = np.asarray(maps, np.float32)
    if maps.ndim == 3 and maps.shape[-1] == 0:
        return np.zeros((*shape[:2], 0), np.float32)  # which OpenCV does not take
    if maps.ndim != 3:
        raise ValueError(
            f"`{name}` must have shape (height, width, channels), one image and one stage. "
            f"Received: {maps.shape}."
        )
    return cv2.resize(maps, shape[1::-1], interpolation=cv2.INTER_LINEAR).reshape(*shape[:2], maps.shape[-1])


def _blend(picture: np.ndarray, colors: np.ndarray, strength: np.ndarray) -> np.ndarray:
    opacity = np.clip(strength, 0, 1)[..., None]
    return np.rint(picture * (1 - opacity) + colors * opacity).astype(np.uint8)
