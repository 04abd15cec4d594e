"""AP on photographs of two networks, side by side, at each quality: the package's own and a published one.

    python benchmarks/photographs.py [--shared ../shared] [--looks fast balanced best] [--every 1]

Needs 335 photographs of COCO val2017 with official labels and tf-pose's `mobilenet_v2_small` graph. None of
these photographs was trained on; others of val2017 were. False positives are people whose OKS with everyone
labeled is under 0.1.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from detection import alternate_ms, false_positives
from pycocotools.coco import COCO

import keras_openpose as ko
from keras_openpose.evaluation import coco_figures
from keras_openpose.inference.forward import forward_pass

INPUT_SIZE = (368, 432)
LOOKS = {
    "fast": {},
    "mirrored, refined": {"flip": True, "refine": True},
    "balanced": {"quality": "balanced"},
    "scales 1 and 2, mirrored, refined": {"scales": (1, 2), "flip": True, "refine": True},
    "best": {"quality": "best"},
}
FIGURES = ("AP", "AP50", "AP75", "APm", "APl", "AR")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    parser.add_argument("--weights", help="a file for the package's own network, in place of its weights")
    parser.add_argument("--networks", nargs="+", default=["own", "published"])
    parser.add_argument("--looks", nargs="+", choices=LOOKS, default=list(LOOKS))
    parser.add_argument("--split", default="val", choices=("val", "train"))
    parser.add_argument("--every", type=int, default=1, help="only every so many photographs")
    parser.add_argument("--options", type=json.loads, default={}, help="more of predict_poses, as JSON")
    arguments = parser.parse_args()
    folder = arguments.shared / "data" / "photographs"
    images, labels = folder / arguments.split, folder / f"{arguments.split}.json"
    truth = COCO(str(labels))
    image_ids = sorted(truth.imgs)[:: arguments.every]
    truth.imgs = {image_id: truth.imgs[image_id] for image_id in image_ids}
    graph = arguments.shared / "weights" / "mobilenet_v2_small_graph_opt.pb"
    networks = {
        "own": lambda: ko.from_preset("efficientnet_lite0_coco", file=arguments.weights),
        "published": lambda: ko.from_preset("mobilenet_v2_small_coco", file=graph),
    }
    models = {name: networks[name]() for name in arguments.networks}

    canvas = np.random.default_rng(0).uniform(0, 255, (1, *INPUT_SIZE, 3)).astype("float32")
    passes = [forward_pass(model, ko.COCO_18) for model in models.values()]
    times = alternate_ms([lambda run=run: run(canvas) for run in passes])
    for name, milliseconds in zip(models, times, strict=True):
        print(f"Forward pass of {name} at {INPUT_SIZE}: {milliseconds:.1f} ms")

    print(f"\n| network | look | {' | '.join(FIGURES)} | false positives | s a photograph |")
    print("|---" * (len(FIGURES) + 4) + "|")
    for look in arguments.looks:
        for name, model in models.items():
            start = time.perf_counter()
            with tempfile.TemporaryDirectory() as temporary:
                results = Path(temporary, "results.json")
                options = {"input_size": INPUT_SIZE, **LOOKS[look], **arguments.options}
                ko.evaluate_coco(
                    model, images, labels, image_ids=image_ids, results=results, verbose=False, **options
                )
                found = json.loads(results.read_text())
            seconds = (time.perf_counter() - start) / len(image_ids)
            figures = coco_figures(truth, found, image_ids)
            numbers = " | ".join(f"{figures[figure]:.1f}" for figure in FIGURES)
            wrong = false_positives(truth, found)
            print(f"| {name} | {look} | {numbers} | {wrong:.2f} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
