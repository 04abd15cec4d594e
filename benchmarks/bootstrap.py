"""How sure a difference in AP is: draw the photographs again, with replacement, and look how it varies.

    python benchmarks/bootstrap.py LABELS FIRST.json SECOND.json [THIRD.json ...] [--draws 1000]

The files are those of `evaluate_coco(results=...)`. Prints the AP of each, and for each pair the difference
with its 95% interval and the share of draws in which the first is ahead.
"""

import argparse
import contextlib
import io
from itertools import combinations
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tqdm import tqdm


def match(truth: COCO, results: Path) -> COCOeval:
    """Match the detections of each photograph with its labels."""
    evaluation = COCOeval(truth, truth.loadRes(str(results)), "keypoints")
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluation.evaluate()
    return evaluation


def average_precision(evaluation: COCOeval, matches: list, drawn: np.ndarray) -> float:
    """AP over the drawn photographs, in percent."""
    evaluation.evalImgs = [matches[image] for image in drawn]
    evaluation.accumulate()
    precision = evaluation.eval["precision"]
    return 100 * precision[precision > -1].mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--draws", type=int, default=1000)
    arguments = parser.parse_args()

    rng = np.random.default_rng(0)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(arguments.labels))
        evaluations = [match(truth, path) for path in arguments.results]
        everything = [evaluation.evalImgs for evaluation in evaluations]
        count = len(truth.getImgIds())
        draws = [np.arange(count), *(rng.integers(count, size=count) for _ in range(arguments.draws))]
        scores = np.array(
            [
                [average_precision(*pair, drawn) for pair in zip(evaluations, everything, strict=True)]
                for drawn in tqdm(draws, desc="Drawing")
            ]
        )

    for path, score in zip(arguments.results, scores[0], strict=True):
        print(f"{path}: AP {score:.1f}")
    for first, second in combinations(range(len(arguments.results)), 2):
        differences = scores[:, first] - scores[:, second]
        low, high = np.percentile(differences[1:], [2.5, 97.5])
        ahead = 100 * (differences[1:] > 0).mean()
        print(
            f"{arguments.results[first]} - {arguments.results[second]}: {differences[0]:+.1f}, "
            f"95% between {low:+.1f} and {high:+.1f}, ahead in {ahead:.0f}% of the draws"
        )


if __name__ == "__main__":
    main()
