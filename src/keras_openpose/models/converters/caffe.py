"""Caffe models (`.caffemodel`) of CMU OpenPose: read, not run, and without Caffe.

Messages and field numbers: BVLC/caffe, src/caffe/proto/caffe.proto.
"""

import math
import os
from pathlib import Path

import numpy as np

from keras_openpose.models.converters.protobuf import fields, integers

# NetParameter: the field that its layers stand in, and in them the fields of name and blobs. The second
# generation is LayerParameter, the first V1LayerParameter.
_GENERATIONS = {100: (1, 7), 2: (4, 6)}
# Caffe does not name the blobs of a layer: these are PyTorch's names, which ports of the files have too.
_BLOBS = ("weight", "bias")


def read_caffemodel(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Weights of a Caffe model, as `conv1_1.weight` and `conv1_1.bias`.

    Args:
        path: the `.caffemodel` file, a binary NetParameter.

    Returns:
        Kernels are `(out, in, height, width)`, biases and the slopes of PReLU `(channels,)`, after three
        ones in files of the first generation.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such model; the message names the file.
    """
    arrays = {}
    try:
        for number, layer in fields(memoryview(Path(path).read_bytes())):
            if number in _GENERATIONS and not isinstance(layer, int):
                name, blobs = _layer(layer, *_GENERATIONS[number])
                for n, blob in enumerate(blobs):
                    key = f"{name}.{_BLOBS[n] if n < len(_BLOBS) else n}"
                    if key in arrays:
                        raise ValueError(f"the layer {name} stands twice")
                    arrays[key] = _array(blob)
        if not arrays:
            raise ValueError("it holds no weights")
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)} is not a Caffe model: {error}.") from error
    return arrays


def _layer(message: memoryview, name_field: int, blobs_field: int) -> tuple[str, list[memoryview]]:
    name, blobs = "", []
    for number, value in fields(message):
        if number == name_field and not isinstance(value, int):
            name = str(value, "utf-8")
        elif number == blobs_field and not isinstance(value, int):
            blobs.append(value)
    return name, blobs


def _array(blob: memoryview) -> np.ndarray:
    legacy, shape, values = [1, 1, 1, 1], None, [np.zeros(0, "<f4")]
    for number, value in fields(blob):
        if 1 <= number <= 4 and isinstance(value, int):  # num, channels, height, width
            legacy[number - 1] = value
        elif number == 5 and not isinstance(value, int):  # data, packed or one by one
            values.append(np.frombuffer(value, "<f4"))
        elif number == 7 and not isinstance(value, int):
            shape = _shape(value)
    values = values[1] if len(values) == 2 else np.concatenate(values)  # one piece is not copied
    shape = legacy if shape is None else shape
    if 0 in shape or math.prod(shape) != values.size:
        raise ValueError(f"a blob of shape {tuple(shape)} has {values.size} values")
    return values.reshape(shape)


def _shape(message: memoryview) -> list[int]:
    """Sizes of a BlobShape, packed or one by one."""
    sizes = []
    for number, value in fields(message):
        if number == 1:
            sizes += [value] if isinstance(value, int) else integers(value)
    return sizes
