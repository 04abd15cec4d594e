"""Time of `decode_poses` by number of people, beside enlarging the same maps eightfold.

    python benchmarks/decoder.py

Enlarging is what the decoders of OpenPose's ports do before they start; they pay at least that.
The maps are drawn from the labels of standing people on a grid.
"""

import statistics
import time

import cv2
import numpy as np

from keras_openpose import COCO_18, decode_poses
from keras_openpose.geometry import cell_to_pixel

HEIGHT, WIDTH, STRIDE, SIGMA = 368, 432, 8, 7
# A standing figure, in pixels from its middle, in the order of COCO_18.
FIGURE = np.array(
    [
        (0, -40), (0, -25), (-12, -25), (-18, -10), (-20, 5), (12, -25), (18, -10), (20, 5), (-8, 5),
        (-9, 25), (-9, 45), (8, 5), (9, 25), (9, 45), (-3, -43), (3, -43), (-6, -41), (6, -41),
    ]
)  # fmt: skip


def crowd(count: int) -> np.ndarray:
    """People on a grid that fills the image, `(count, 18, 2)`."""
    columns = int(np.ceil(np.sqrt(1.5 * count)))
    rows = -(-count // columns)
    n = np.arange(count)
    middle = np.stack([(n % columns + 0.5) * WIDTH / columns, (n // columns + 0.5) * HEIGHT / rows], axis=1)
    figure = FIGURE * 1.1 * min(WIDTH / columns / 50, HEIGHT / rows / 100)
    return figure + middle[:, None] + np.random.default_rng(0).normal(0, 1, (count, 18, 2))


def draw(people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heatmaps and PAFs of people."""
    y, x = cell_to_pixel(np.mgrid[: HEIGHT // STRIDE, : WIDTH // STRIDE], STRIDE)
    square = (x[..., None, None] - people[..., 0]) ** 2 + (y[..., None, None] - people[..., 1]) ** 2
    bumps = np.exp(-square / (2 * SIGMA**2)).max(axis=2)
    heatmaps = np.concatenate([bumps, 1 - bumps.max(axis=-1, keepdims=True)], axis=-1)
    pafs = np.zeros((*x.shape, 2 * COCO_18.num_limbs), np.float32)
    for n, (start, end) in enumerate(COCO_18.limb_indices):
        for a, b in zip(people[:, start], people[:, end], strict=True):
            length = np.hypot(*(b - a))
            u = (b - a) / length
            along, across = ((x - a[0]) * u[0] + (y - a[1]) * u[1], (x - a[0]) * u[1] - (y - a[1]) * u[0])
            inside = (abs(across) <= STRIDE) & (along >= -STRIDE) & (along <= length + STRIDE)
            pafs[inside, 2 * n : 2 * n + 2] = u
    return heatmaps.astype(np.float32), pafs


def median_ms(function, repeats: int = 25) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def main():
    print("| people | found | decode | share of x8 enlargement |")
    print("|---|---|---|---|")
    for count in (0, 1, 3, 10, 30, 60, 100):
        heatmaps, pafs = draw(crowd(count)) if count else draw(crowd(1) + 10_000)
        maps = np.concatenate([heatmaps, pafs], axis=-1)
        found = len(decode_poses(heatmaps, pafs))
        decode = median_ms(lambda maps=(heatmaps, pafs): decode_poses(*maps))
        enlarge = median_ms(
            lambda maps=maps: cv2.resize(maps, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC), 5
        )
        print(f"| {count} | {found} | {decode:.2f} ms | {decode / enlarge:.3f} |")


if __name__ == "__main__":
    main()
