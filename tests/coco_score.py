"""COCO's ten keypoint figures by pycocotools alone: an outside check of `keras_openpose.evaluation`.

    python tests/coco_score.py LABELS.json RESULTS.json [--with-people]

All images of the labels count, those without people and without detections too. `--with-people` leaves out
those on which no one is labeled.
"""

import argparse
import contextlib
import io
import json
from pathlib import Path

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

FIGURES = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")


def with_people(labels):
    """Ids of the images on which a person is labeled."""
    rows = json.loads(Path(labels).read_text())["annotations"]
    return sorted({row["image_id"] for row in rows if row["category_id"] == 1})


def score(labels, results, image_ids=None):
    """The figures by name, in percent. `results`: a list, or a file of one. `image_ids`: all by default."""
    if not isinstance(results, list):
        results = json.loads(Path(results).read_text())
    if not results:
        return dict.fromkeys(FIGURES, 0.0)  # pycocotools refuses an empty list
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(labels))
        judge = COCOeval(truth, truth.loadRes(results), "keypoints")
        if image_ids is not None:
            judge.params.imgIds = list(image_ids)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return {figure: 100 * float(share) for figure, share in zip(FIGURES, judge.stats, strict=True)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels")
    parser.add_argument("results")
    parser.add_argument("--with-people", action="store_true")
    arguments = parser.parse_args()
    ids = with_people(arguments.labels) if arguments.with_people else None
    for figure, percent in score(arguments.labels, arguments.results, ids).items():
        print(f"{figure:5}{percent:6.1f}")
