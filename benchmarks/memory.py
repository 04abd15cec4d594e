"""Memory of long runs: photographs through `predict_poses`, frames through `predict_video`.

    python benchmarks/memory.py [--images 5000] [--frames 2000]

A small network of random weights; photographs of a hundred sizes. Prints the memory of the process in five
places of each run: it must not rise after the first.
"""

import argparse
import gc
from pathlib import Path

import numpy as np

from keras_openpose import mobilenet_openpose, predict_poses, predict_video

SIZE = (96, 128)
PLACES = 5


def megabytes() -> float:
    """What the process holds in memory (Linux)."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def photographs(count: int):
    rng = np.random.default_rng(0)
    for n in range(count):
        yield rng.integers(0, 256, (80 + n % 10, 100 + n // 10 % 10, 3), np.uint8)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--frames", type=int, default=2000)
    arguments = parser.parse_args()
    model = mobilenet_openpose("v2_small")

    held = []
    for n, image in enumerate(photographs(arguments.images), 1):
        predict_poses(model, image, input_size=SIZE)
        if n % (arguments.images // PLACES) == 0:
            held.append(f"{megabytes():.0f}")
    print(f"{arguments.images} photographs, MB: {' '.join(held)}", flush=True)

    held = []
    frames = (np.full((*SIZE, 3), n % 256, np.uint8) for n in range(arguments.frames))
    for n, _ in enumerate(predict_video(model, frames, input_size=SIZE), 1):
        if n % (arguments.frames // PLACES) == 0:
            held.append(f"{megabytes():.0f}")
    print(f"{arguments.frames} frames, MB: {' '.join(held)}")


if __name__ == "__main__":
    main()
