"""Crops of one hand or face: cuts squares out, runs them in batches, and maps keypoints back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from keras_openpose.geometry import mirror_x, resize_coordinates
from keras_openpose.inference.decoding import decode_poses
from keras_openpose.inference.forward import Network, forward_pass
from keras_openpose.poses import Poses, unseen
from keras_openpose.skeletons import Skeleton

_STRIDE = 8
# Side of the networks' input (CMU OpenPose, `hand_net_resolution` and `face_net_resolution`).
_SIZE = 368
# The highest peak of each heatmap, however low: the score says how sure it is.
_HIGHEST = {"peak_threshold": 0, "min_score": 0, "min_peak_score": 0}


@dataclass(frozen=True, eq=False)
class Crop:
    """A square of a photograph that shows one hand or face.

    Args:
        photograph: `(height, width, 3)`, RGB.
        box: `(4,)`, x, y, width and height of the square in pixels; NaN for a square that is not there.
        mirrored: whether the network sees it mirrored, as for a left hand.
    """

    photograph: np.ndarray
    box: np.ndarray
    mirrored: bool

    def scaled(self, factor: float) -> "Crop":
        """A square `factor` times as large around the same center."""
        start, side = self.box[:2], self.box[2:]
        return replace(self, box=np.concatenate([start + (1 - factor) / 2 * side, factor * side]))

    def pixels(self, size: int) -> np.ndarray:
        """What the square shows, `(size, size, 3)`, black outside of the photograph."""
        start, side, limit = self.box[:2], self.box[2], np.array(self.photograph.shape[1::-1])
        # The square and a pixel around it: OpenCV warps no image of more than 32,766 pixels a side.
        low = np.clip(np.floor(start).astype(int) - 1, 0, limit - 1)
        high = np.clip(np.ceil(start + side).astype(int) + 2, low + 1, limit)
        part = self.photograph[low[1] : high[1], low[0] : high[0]]
        # Interpolation sees four pixels only: a square that shrinks is sampled finely, and then averaged.
        fine = max(1, round(side / size))
        step = side / (fine * size)
        matrix = np.column_stack([step * np.eye(2), start + step / 2 - low])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        shown = cv2.warpAffine(part, matrix, (fine * size, fine * size), flags=flags)
        if fine > 1:
            shown = cv2.resize(shown, (size, size), interpolation=cv2.INTER_AREA)
        return shown[:, ::-1] if self.mirrored else shown

    def to_photograph(self, keypoints: np.ndarray, size: int) -> np.ndarray:
        """Map keypoints `(keypoints, 2)` from pixels of the crop to pixels of the photograph."""
        if self.mirrored:
            keypoints = np.column_stack([mirror_x(keypoints[:, 0], size), keypoints[:, 1]])
        places = self.box[:2] + 0.5 + resize_coordinates(keypoints, self.box[2] / size)
        # Keypoints found in the black padding move to the border, as in `predict_poses`.
        return places.clip(-0.5, np.array(self.photograph.shape[1::-1]) - 0.5)


class CropNetwork:
    """A network for crops of one hand or face, and how to run it.

    Args:
        argument: the user's name for the model, in errors.
        model: the network.
        skeleton: whose heatmaps it gives.
        scales: factors of the squares; the heatmaps of all are averaged.
        batch_size: crops that run at once.

    Raises:
        ValueError: model and skeleton do not fit each other, or the network takes no squares.
    """

    def __init__(
        self, argument: str, model: Network, skeleton: Skeleton, *, scales: Sequence[float], batch_size: int
    ):
        try:
            self._forward = forward_pass(model, skeleton)
        except ValueError as error:
            raise ValueError(f"`{argument}` must be a network of {skeleton.name}. {error}") from error
        own = {side for side in model.input_shape[1:3] if side}
        if len(own) > 1:
            raise ValueError(
                f"`{argument}` must be a network that takes squares. Received: one for images of "
                f"{tuple(model.input_shape[1:3])}."
            )
        self._size = own.pop() if own else _SIZE
        self._model = model  # the compiled pass does not keep it alive
        self._skeleton, self._scales, self._batch_size = skeleton, tuple(scales), batch_size

    def find(self, crops: Sequence[Crop]) -> Poses:
        """The hand or face of each crop: row n is that of crop n, NaN where the square is NaN."""
        found = unseen(len(crops), self._skeleton)
        there = [n for n, crop in enumerate(crops) if crop.box[2] > 0]
        for first in range(0, len(there), self._batch_size):
            group = there[first : first + self._batch_size]
            for n, maps in zip(group, self._heatmaps([crops[n] for n in group]), strict=True):
                one = decode_poses(maps, maps[..., :0], skeleton=self._skeleton, stride=_STRIDE, **_HIGHEST)
                if len(one):
                    largest = crops[n].scaled(max(self._scales))
                    found.keypoints[n] = largest.to_photograph(one.keypoints[0], self._size)
                    found.scores[n], found.pose_scores[n] = one.scores[0], one.pose_scores[0]
        return found

    def _heatmaps(self, crops: list[Crop]) -> np.ndarray:
        """Heatmaps of the last stage on the largest scale's cells: means over the scales that show a cell."""
        seen, shown = [], []
        for scale in self._scales:
            maps, _ = self._forward(np.stack([crop.scaled(scale).pixels(self._size) for crop in crops]))
            if len(self._scales) == 1:
                return maps
            zoom = _zoom(maps.shape[1], scale / max(self._scales))
            seen.append(np.einsum("gh,bhwc,fw->bgfc", zoom, maps, zoom, optimize=True))
            shown.append(np.multiply.outer(zoom.any(axis=1), zoom.any(axis=1)))
        return np.sum(seen, axis=0) / np.sum(shown, axis=0)[..., None]


def _zoom(cells: int, factor: float) -> np.ndarray:
    """Matrix `(cells, cells)` that reads the maps of a square at the cells of a square 1 / factor as large.

    Rows of cells that the square does not show are zeros.
    """
    middle = (cells - 1) / 2
    place = middle + (np.arange(cells) - middle) / factor
    matrix = np.array([[1, 0, 0], [0, 1 / factor, middle - middle / factor]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    identity = np.eye(cells, dtype=np.float32)
    zoom = cv2.warpAffine(identity, matrix, (cells, cells), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.where(((place >= -0.5) & (place <= cells - 0.5))[:, None], zoom, 0)
