"""Training crops drawn on the card: photographs in its memory, everything else inside the compiled step.

What `coco_dataset` draws with TensorFlow, by `keras.ops` for a whole batch, on JAX and PyTorch: crops,
heatmaps, PAFs and mask. `fit` gets numbers of crops and nothing else:

    trainer = CropTrainer(network, photographs_atlas(photographs), labels)
    trainer.compile(keras.optimizers.AdamW(1e-4))
    trainer.fit(np.arange(trainer.num_crops), batch_size=64)

`gpu_pack.py` makes the labels and the photographs, `gpu_training.py` runs it, and
`tests/project/test_device_training.py` compares it with `coco_dataset`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from keras_openpose import COCO_18, Skeleton
from keras_openpose.geometry import cell_to_pixel, mirror_x, pixel_to_cell, resize_coordinates

STRIDE = 8
# As in `keras_openpose`, whose modules of these numbers need TensorFlow; the test compares the results.
SIGMA, GAUSSIAN_CUTOFF, LIMB_HALF_WIDTH, BORDER, REGION_STRIDE = 7.0, 4.6052, 1.0, 128, 4
REDUCTIONS = 4  # a photograph is there whole, and at 1/2, 1/4 and 1/8


@dataclass(frozen=True)
class Ranges:
    """`keras_openpose.Augmentation`, which needs TensorFlow; that one may be given, too."""

    person_height: float = 0.6
    scale: tuple[float, float] = (0.5, 1.1)
    rotation: float = 40.0
    shift: float = 40 / 368
    flip: float = 0.5
    color_jitter: float = 0.0


def photographs_atlas(photographs: Iterable[np.ndarray], length: int) -> np.ndarray:
    """Photographs in one array, each with its reductions at its right, as loaders of JPEG files make them.

    Args:
        photographs: `uint8` RGB, `(height, width, 3)`, no side longer than `length`.
        length: of the longest side, a multiple of 8.

    Returns:
        `(photographs, length, 3 * length / 2, 3)`, `uint8`.
    """
    pages = []
    for photograph in photographs:
        height, width = photograph.shape[:2]
        page = np.zeros((length, length * 3 // 2, 3), np.uint8)
        whole = np.pad(photograph, [(0, -height % 8), (0, -width % 8), (0, 0)], "edge")
        for reduction in range(REDUCTIONS):
            ratio = 2**reduction
            rows, columns = whole.shape[0] // ratio, whole.shape[1] // ratio
            mean = whole.reshape(rows, ratio, columns, ratio, 3).mean((1, 3), np.float32)
            row, column = _corner(reduction, length)
            height_, width_ = -(-height // ratio), -(-width // ratio)
            page[row : row + height_, column : column + width_] = np.rint(mean)[:height_, :width_]
        pages.append(page)
    return np.stack(pages)


def _corner(reduction: int, length: int) -> tuple[int, int]:
    return (0, 0) if reduction == 0 else (length - length * 2 // 2**reduction, length)


class CropTrainer(keras.Model):
    """A network together with its photographs: called with numbers of crops, it gives their losses.

    Args:
        network: a network of this package.
        atlas: of `photographs_atlas`.
        labels: arrays of `gpu_pack.tabulate`.
        size: height and width of the crops, multiples of 8.
        ranges: what to draw crops from, `Ranges` or a `keras_openpose.Augmentation`.
        skeleton: whose keypoints they are.
        weights: `{"heatmaps": (factor, most), ...}`; the loss of these maps counts `factor` times, and a cell
            that shows a keypoint or limb up to `most` times as much as others.
        seed: makes the crops repeatable.
    """

    def __init__(
        self,
        network: keras.Model,
        atlas: np.ndarray,
        labels: Mapping[str, np.ndarray],
        *,
        size: tuple[int, int] = (368, 368),
        ranges=Ranges(),
        skeleton: Skeleton = COCO_18,
        weights: Mapping[str, tuple[float, float]] | None = None,
        seed: int = 0,
    ):
        super().__init__(dtype="float32")  # of the coordinates; the network keeps its own policy
        self.network, self.size, self.ranges, self.skeleton = network, size, ranges, skeleton
        self.cell_weights = weights or {"heatmaps": (1.0, 1.0), "pafs": (1.0, 1.0)}
        self.page, self.num_crops = atlas.shape[1:3], len(labels["photographs"])
        self.region_cells = labels["counts"].shape[1]
        # As variables: a compiled step would hold constants a second time.
        self.pixels = _on_card(atlas.reshape(-1, 3))
        self.counts = _on_card(labels["counts"].reshape(-1))
        self.tables = {
            name: _on_card(labels[name]) for name in ("keypoints", "boxes", "photographs", "sizes")
        }
        self.random = keras.random.SeedGenerator(seed)

    def call(self, numbers, training=True):
        """`(batch,)` numbers of crops to the loss of each."""
        images, targets, mask = self.draw(numbers)
        maps, losses = self.network(images, training=training), 0.0
        for name, (factor, most) in self.cell_weights.items():
            target = targets[name]
            shown = ops.max(ops.abs(target[..., :-1] if name == "heatmaps" else target), axis=-1)
            squares = ops.mean(ops.sum(ops.square(maps[name] - target[:, None]), axis=-1), axis=1)
            losses = losses + factor * ops.mean(squares * mask * (1 + (most - 1) * shown), axis=(1, 2))
        self.add_loss(ops.mean(losses))
        return losses

    def draw(self, numbers):
        """Crops at random: images `(batch, height, width, 3)`, targets and mask as of `coco_dataset`."""
        uniform = keras.random.uniform((ops.shape(numbers)[0], 8), seed=self.random)
        affines = random_affines(ops.take(self.tables["boxes"], numbers, 0), uniform, self.size, self.ranges)
        images, targets, mask = self.draw_at(numbers, affines)
        if self.ranges.color_jitter:
            images = jitter_color(images, (2 * uniform[:, 5:] - 1) * self.ranges.color_jitter)
        return images, targets, mask

    def draw_at(self, numbers, affines):
        """The same, of given affine maps `(batch, 2, 3)` from photograph to input."""
        photographs = ops.take(self.tables["photographs"], numbers, 0)
        from_input = invert(affines)
        images = self._warp(photographs, from_input)
        keypoints = transform(affines, ops.take(self.tables["keypoints"], photographs, 0))
        mirrored = ops.take(keypoints, _constant(self.skeleton.flip_keypoints, "int32"), 2)
        mirrors = determinant(affines) < 0
        keypoints = ops.where(mirrors[:, None, None, None], mirrored, keypoints)
        cells = self.size[0] // STRIDE, self.size[1] // STRIDE
        targets = {
            "heatmaps": heatmap_targets(keypoints, cells),
            "pafs": paf_targets(keypoints, self.skeleton, cells),
        }
        return images, targets, self._mask(photographs, from_input, cells)

    def _warp(self, photographs, from_input):
        """Each pixel from four of the photograph, at the reduction that the loader would read."""
        step = ops.sqrt(ops.abs(determinant(from_input)))
        steps = _constant([2**n for n in range(1, REDUCTIONS)])
        reduction = ops.sum(ops.cast(step[:, None] >= steps, "int32"), axis=1)
        scale = (0.5 ** ops.cast(reduction, "float32"))[:, None, None]
        offset = resize_coordinates(from_input[..., 2:], scale)
        to_pixels = ops.concatenate([from_input[..., :2] * scale, offset], axis=2)
        corners = _constant([_corner(n, self.page[0]) for n in range(REDUCTIONS)], "int32")
        corner = ops.take(corners, reduction, 0)
        last = ops.ceil(ops.take(self.tables["sizes"], photographs, 0) * scale[:, 0]) - 1

        row, column = np.indices(self.size)
        points = transform(to_pixels, _constant(np.stack([column, row], axis=-1)))
        x, y = points[..., 0], points[..., 1]
        bottom, right = last[:, :1, None], last[:, 1:, None]
        inside = (x >= -0.5) & (x <= right + 0.5) & (y >= -0.5) & (y <= bottom + 0.5)
        x, y = ops.clip(x, 0.0, right), ops.clip(y, 0.0, bottom)
        x0, y0 = ops.floor(x), ops.floor(y)
        x1, y1 = ops.minimum(x0 + 1, right), ops.minimum(y0 + 1, bottom)
        start = photographs * self.page[0] + corner[:, 0]

        def read(y, x):
            rows = start[:, None, None] + ops.cast(y, "int32")
            columns = corner[:, 1, None, None] + ops.cast(x, "int32")
            return ops.cast(ops.take(self.pixels, rows * self.page[1] + columns, 0), "float32")

        across, down = (x - x0)[..., None], (y - y0)[..., None]
        upper = read(y0, x0) * (1 - across) + read(y0, x1) * across
        lower = read(y1, x0) * (1 - across) + read(y1, x1) * across
        mixed = ops.floor(upper * (1 - down) + lower * down + 0.5)
        return ops.where(inside[..., None], mixed, float(BORDER))

    def _mask(self, photographs, from_input, cells):
        rows, columns = np.indices(cells)
        middles = _constant(cell_to_pixel(np.stack([columns, rows], axis=-1), STRIDE))
        place = ops.round(pixel_to_cell(transform(from_input, middles), REGION_STRIDE))
        within = ops.all((place >= 0) & (place < self.region_cells), axis=-1)
        place = ops.cast(ops.clip(place, 0, self.region_cells - 1), "int32")
        row = photographs[:, None, None] * self.region_cells + place[..., 1]
        counts = ops.take(self.counts, row * self.region_cells + place[..., 0], 0)
        return ops.where(within, ops.cast(counts, "float32"), 1.0)


def _on_card(array: np.ndarray) -> keras.Variable:
    return keras.Variable(array, dtype=str(array.dtype), trainable=False)


def _constant(numbers, dtype: str = "float32"):
    return ops.convert_to_tensor(np.asarray(numbers, dtype))


def random_affines(boxes, uniform, size: Sequence[int], ranges):
    """Affine maps `(batch, 2, 3)` about people's boxes, from numbers `(batch, 5 or more)` between 0 and 1."""
    height, width = size
    turn, far = math.radians(ranges.rotation), ranges.shift * height
    limits = [ranges.scale, (-turn, turn), (-far, far), (-far, far), (ranges.flip - 1, ranges.flip)]
    numbers = [low + uniform[:, n] * (high - low) for n, (low, high) in enumerate(limits)]
    scale, angle, shift_x, shift_y, flip = numbers
    scale = scale * ranges.person_height * height / ops.maximum(boxes[:, 3], 1.0)
    cos, sin, side = scale * ops.cos(angle), scale * ops.sin(angle), ops.where(flip >= 0, -1.0, 1.0)
    x_axis, y_axis = ops.stack([side * cos, sin], axis=1), ops.stack([-side * sin, cos], axis=1)
    middle = boxes[:, :2] + boxes[:, 2:] / 2
    person = middle[:, :1] * x_axis + middle[:, 1:] * y_axis
    stays = _constant([mirror_x(0, width) / 2, mirror_x(0, height) / 2])
    offset = stays + ops.stack([shift_x, shift_y], axis=1) - person
    return ops.stack([x_axis, y_axis, offset], axis=2)


def determinant(affines):
    """Of the linear part of affine maps."""
    return affines[:, 0, 0] * affines[:, 1, 1] - affines[:, 0, 1] * affines[:, 1, 0]


def invert(affines):
    """The affine maps `(batch, 2, 3)` that undo others."""
    (a, b, x), (c, d, y) = ([affines[:, row, column] for column in range(3)] for row in range(2))
    rows = [ops.stack(row, axis=1) for row in ((d, -b, b * y - d * x), (-c, a, c * x - a * y))]
    return ops.stack(rows, axis=1) / determinant(affines)[:, None, None]


def transform(affines, points):
    """Where affine maps `(batch, 2, 3)` take points `([batch,] rows, columns, 2)`; NaN stays NaN."""
    affines = affines[:, None, None]
    return points[..., :1] * affines[..., 0] + points[..., 1:] * affines[..., 1] + affines[..., 2]


def heatmap_targets(keypoints, cells: tuple[int, int]):
    """`(batch, people, keypoints, 2)` in pixels of the input to `(batch, height, width, keypoints + 1)`."""

    def falloff(pixels, count):  # (batch, people, keypoints) -> (batch, people, cells, keypoints)
        middles = _constant(cell_to_pixel(np.arange(count), STRIDE))[:, None]
        gaussian = ops.exp(ops.square(middles - pixels[:, :, None]) / (-2 * SIGMA**2))
        return ops.where(ops.isnan(gaussian), 0.0, gaussian)

    rows, columns = falloff(keypoints[..., 1], cells[0]), falloff(keypoints[..., 0], cells[1])
    heatmaps = ops.max(rows[:, :, :, None] * columns[:, :, None], axis=1)
    heatmaps = ops.where(heatmaps > math.exp(-GAUSSIAN_CUTOFF), heatmaps, 0.0)
    return ops.concatenate([heatmaps, 1 - ops.max(heatmaps, axis=-1, keepdims=True)], axis=-1)


def paf_targets(keypoints, skeleton: Skeleton, cells: tuple[int, int]):
    """`(batch, people, keypoints, 2)` in pixels of the input to `(batch, height, width, 2 * limbs)`."""
    ends = (_constant(indices, "int32") for indices in np.transpose(skeleton.limb_indices))
    start, end = (pixel_to_cell(ops.take(keypoints, indices, 2), STRIDE) for indices in ends)
    low, high = ops.minimum(start, end), ops.maximum(start, end)  # (batch, people, limbs, xy)
    limits = _constant([cells[1] - 1, cells[0] - 1])
    in_sight = (low <= limits + LIMB_HALF_WIDTH) & (high >= -LIMB_HALF_WIDTH)  # False for NaN
    drawn = ops.all(in_sight, axis=-1) & ops.any(low < high, axis=-1)
    along = end - start
    vectors = along / ops.sqrt(ops.maximum(ops.sum(ops.square(along), -1, keepdims=True), 1e-12))

    def share(axis, count):  # of the distance from the limb's line, infinite outside of the limb's box
        cell = _constant(np.arange(count))[:, None]
        first, last = (x[:, :, None, :, axis] for x in (low - LIMB_HALF_WIDTH, high + LIMB_HALF_WIDTH))
        distance = (cell - start[:, :, None, :, axis]) * vectors[:, :, None, :, 1 - axis]
        within = (cell >= first) & (cell <= last) & drawn[:, :, None]
        return ops.where(within, distance, 1e9 * (1 - 2 * axis))

    across, down = share(0, cells[1]), share(1, cells[0])  # (batch, people, cells, limbs)
    inside = ops.abs(across[:, :, None] - down[:, :, :, None]) <= LIMB_HALF_WIDTH
    total = ops.maximum(ops.sum(ops.cast(inside, "float32"), axis=1), 1.0)
    # Not times 0 or 1: the vectors of limbs that are not drawn may be NaN.
    sums = [ops.sum(ops.where(inside, vectors[:, :, None, None, :, n], 0.0), axis=1) for n in (0, 1)]
    pafs = ops.stack(sums, axis=-1) / total[..., None]
    return ops.reshape(pafs, (-1, *cells, 2 * skeleton.num_limbs))


def jitter_color(images, changes):
    """Brightness (of 255), contrast and saturation (as factors) changed by numbers `(batch, 3)`."""
    brightness, contrast, saturation = (changes[:, n, None, None, None] for n in range(3))
    images = ops.clip(images + 255 * brightness, 0, 255)
    mean = ops.mean(images, axis=(1, 2), keepdims=True)
    images = ops.clip(mean + (images - mean) * (1 + contrast), 0, 255)
    brightest = ops.max(images, axis=-1, keepdims=True)
    return ops.clip(brightest - (brightest - images) * (1 + saturation), 0, 255)
