"""Parameters, operations and time of the published networks, beside the runtimes that they come from.

    python benchmarks/networks.py [NAME ...] [--size 368 368] [--repeats 7] [--rivals]

Random weights, one image, the Keras backend in use. Operations are multiply-adds of the convolutions.
`--rivals` also times OpenCV DNN and, if it is installed, PyTorch on `openpose_vgg19_coco` and
`lightweight_coco`; runtimes take turns, so that a busy machine slows all of them.
"""

import argparse
import importlib.util
import statistics
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

import keras_openpose as ko
from keras_openpose.inference.forward import forward_pass
from keras_openpose.models.presets import PRESETS

TESTS = Path(__file__).parents[1] / "tests"


def build(name: str, input_shape=(None, None, 3)) -> keras.Model:
    preset = PRESETS[name]
    network = getattr(ko, preset.network)
    return network(**preset.arguments, skeleton=preset.skeleton, input_shape=input_shape)


def operations(model: keras.Model) -> int:
    """Multiply-adds of the convolutions of a model of fixed size."""
    total = 0
    for layer in model.layers:
        kernels = [weight for weight in layer.weights if "kernel" in weight.name and len(weight.shape) == 4]
        if kernels:
            # Where the layer stands in this model; a backbone's layers stood in another one before.
            _, height, width, _ = layer._inbound_nodes[-1].outputs[0].shape
            total += height * width * sum(int(np.prod(kernel.shape)) for kernel in kernels)
    return total


def rivals(name: str, size: tuple[int, int]) -> dict:
    """Functions that run the same network elsewhere."""
    sys.path.insert(0, str(TESTS))
    found = {}
    if name == "openpose_vgg19_coco":
        import caffe_network

        network = caffe_network.openpose(ko.COCO_18.num_keypoints, ko.COCO_18.num_limbs)
        folder = tempfile.TemporaryDirectory()
        net = network.read(Path(folder.name))
        image = np.zeros((1, 3, *size), np.float32)

        def opencv():
            net.setInput(image)
            net.forward()

        found["OpenCV DNN"] = opencv
    if importlib.util.find_spec("torch"):
        import torch

        import published_modules

        modules = {
            "openpose_vgg19_coco": published_modules.openpose,
            "lightweight_coco": lambda: published_modules.lightweight_openpose(1),
        }[name]()
        tensor = torch.zeros(1, 3, *size)

        def pytorch():
            with torch.no_grad():
                modules(tensor)

        found["PyTorch"] = pytorch
    return found


def measure(runs: dict, repeats: int) -> dict[str, float]:
    """Median seconds of each, taken in turns."""
    times = {name: [] for name in runs}
    for repeat in range(repeats + 1):  # the first warms up
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if repeat:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", default=ko.list_presets())
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), default=(368, 368))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--rivals", action="store_true")
    options = parser.parse_args()
    size = tuple(options.size)
    print(f"Keras {keras.__version__} on {keras.backend.backend()}, {size[0]}×{size[1]}, batch 1")
    for name in options.names:
        fixed = build(name, (*size, 3))
        print(f"{name}: {fixed.count_params():,} parameters, {operations(fixed) / 1e9:.1f} G multiply-adds")
        image = np.zeros((1, *size, 3), np.float32)
        forward = forward_pass(model := build(name), PRESETS[name].skeleton)
        runs = {"Keras": lambda forward=forward, image=image: forward(image)}
        if options.rivals and name in ("openpose_vgg19_coco", "lightweight_coco"):
            runs |= rivals(name, size)
        for runtime, seconds in measure(runs, options.repeats).items():
            print(f"  {runtime:<10}  {1000 * seconds:,.0f} ms")
        del model


if __name__ == "__main__":
    main()
