"""How many synthetic scenes one core draws in a second of processor time.

python benchmarks/synthetic.py [--size 192 192] [--people 1 4]
"""

import argparse
import statistics
import tempfile
import time

import cv2

from keras_openpose.synthetic import synthetic_people


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=2, default=(192, 192), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--people", type=int, nargs=2, default=(1, 4), metavar=("FEWEST", "MOST"))
    parser.add_argument("--count", type=int, default=200, help="scenes in each of the runs")
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    options = {"size": tuple(arguments.size), "people": tuple(arguments.people), "progress": False}

    def rate(seed, **where):
        start = time.process_time()
        synthetic_people(arguments.count, seed=seed, **options, **where)
        return arguments.count / (time.process_time() - start)

    rate(0)
    arrays = [rate(seed) for seed in range(arguments.runs)]
    with tempfile.TemporaryDirectory() as folder:
        files = [rate(seed, folder=folder, split=f"run{seed}") for seed in range(arguments.runs)]
    for name, rates in (("as arrays", arrays), ("to a folder", files)):
        print(f"{name}: {statistics.median(rates):.0f} scenes a second (median), {max(rates):.0f} (best)")


if __name__ == "__main__":
    main()
