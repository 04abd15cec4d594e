"""Reading, network and drawing of a video: the time together against one after the other.

    python benchmarks/video.py [--frames 96] [--repeats 3]

A synthetic video of 640×480 in MPEG-4; the network is `compact_openpose` with weights for synthetic people,
in 256×320, in batches of 8. The people found are drawn and written as a video. Both ways in turns. Prints the
seconds of each part alone, of the parts one after the other, of `predict_video`, and the ratio.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from keras_openpose import draw_poses, from_preset, predict_poses, predict_video, synthetic_people
from keras_openpose.inference.video import VideoReader, write_video

SIZE, BATCH = (256, 320), 8


def drawn_video(path: Path, count: int):
    """Scenes of synthetic people that move to the right."""
    scenes, _ = synthetic_people(4, size=(480, 640), progress=False)
    frames = (np.roll(scenes[n // 24 % len(scenes)], 4 * (n % 24), axis=1) for n in range(count))
    write_video(path, frames, fps=25)


def timed(work):
    """Seconds, and the result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    model = from_preset("demo_synthetic")

    with tempfile.TemporaryDirectory() as folder:
        video, output = Path(folder, "video.mp4"), Path(folder, "found.mp4")
        drawn_video(video, arguments.frames)

        def write(found):
            write_video(output, (draw_poses(frame, poses) for frame, poses in found), fps=25)

        def network(frames):
            return predict_poses(model, frames, input_size=SIZE, batch_size=BATCH)

        network(list(VideoReader(video))[:BATCH])  # compiles
        rows = []
        for _ in range(arguments.repeats):
            reading, frames = timed(lambda: list(VideoReader(video)))
            finding, found = timed(lambda frames=frames: network(frames))
            writing, _ = timed(lambda frames=frames, found=found: write(zip(frames, found, strict=True)))
            together, _ = timed(lambda: write(predict_video(model, video, input_size=SIZE)))
            apart = reading + finding + writing
            rows.append((reading, finding, writing, apart, together, together / apart))
    names = ("reading", "network", "drawing and writing", "one after the other", "together", "ratio")
    print(f"{arguments.frames} frames, {os.cpu_count()} cores, median of {arguments.repeats}")
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        print(f"{name}: {statistics.median(values):.2f}")


if __name__ == "__main__":
    main()
