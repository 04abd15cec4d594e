"""Weights of Lightweight OpenPose from its PyTorch checkpoint: names of its modules and our layers."""

import os
import re
from collections.abc import Iterator

import keras

from keras_openpose.models.converters.assignment import assign
from keras_openpose.models.converters.torch_file import read_torch_file

_KINDS = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "bias": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_COUNTERS = r".*\.num_batches_tracked"  # which PyTorch keeps for averages without momentum
_NUM_REFINEMENT_STAGES = 3  # at most, in the published checkpoint


def load_lightweight(model: keras.Model, path: str | os.PathLike, *, skipped: str = ""):
    """Fill a `lightweight_openpose` from a PyTorch checkpoint.

    The network takes BGR: the first kernel is reversed.

    Args:
        model: the model to fill.
        path: the `.pth` file.
        skipped: pattern of the tensors that the file has and the model needs not.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no PyTorch file of weights, or one of another network.
    """
    tensors, modules = read_torch_file(path), dict(_modules())
    arrays, used = {}, set()
    for variable in model.weights:
        layer, kind = variable.path.split("/")
        name = f"{modules.get(layer)}.{_KINDS[kind]}"
        if name in tensors:
            used.add(name)
            array = tensors[name]
            if kind == "kernel" and array.ndim == 4:  # (out, in, height, width)
                array = array.transpose((2, 3, 0, 1) if layer.endswith("_depthwise") else (2, 3, 1, 0))
            arrays[variable.path] = array
    first = arrays.get("conv0/kernel")
    if first is not None and first.ndim == 4:
        arrays["conv0/kernel"] = first[:, :, ::-1]
    unused = [
        name for name in tensors if name not in used and not re.fullmatch(f"{skipped}|{_COUNTERS}", name)
    ]
    assign(model, arrays, unused=unused, source=os.fspath(path))


def _modules() -> Iterator[tuple[str, str]]:
    """Our layers and its modules (models/with_mobilenet.py and modules/conv.py), counted from 0."""
    yield from (("conv0", "model.0.0"), ("conv0_norm", "model.0.1"))
    for n in range(1, 12):
        for m, part in ((0, "depthwise"), (3, "pointwise")):
            yield f"conv{n}_{part}", f"model.{n}.{m}"
            yield f"conv{n}_{part}_norm", f"model.{n}.{m + 1}"
    yield from (("features_align", "cpm.align.0"), ("features_conv4", "cpm.conv.0"))
    for n in range(3):
        yield f"features_conv{n + 1}_depthwise", f"cpm.trunk.{n}.0"
        yield f"features_conv{n + 1}_pointwise", f"cpm.trunk.{n}.2"
        yield f"stage1_trunk_conv{n + 1}", f"initial_stage.trunk.{n}.0"
    yield from _heads("stage1", "initial_stage")
    for stage in range(_NUM_REFINEMENT_STAGES):
        ours, theirs = f"stage{stage + 2}", f"refinement_stages.{stage}"
        for n in range(5):
            yield f"{ours}_block{n + 1}_conv1", f"{theirs}.trunk.{n}.initial.0"
            for m in range(2):
                yield f"{ours}_block{n + 1}_conv{m + 2}", f"{theirs}.trunk.{n}.trunk.{m}.0"
                yield f"{ours}_block{n + 1}_conv{m + 2}_norm", f"{theirs}.trunk.{n}.trunk.{m}.1"
        yield from _heads(ours, theirs)


def _heads(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    for maps in ("heatmaps", "pafs"):
        for n in range(2):
            yield f"{ours}_{maps}_conv{n + 1}", f"{theirs}.{maps}.{n}.0"
