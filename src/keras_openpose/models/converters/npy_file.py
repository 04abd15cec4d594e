"""NumPy files (`.npy`) of tf-pose-estimation: a pickled dictionary, read without running it.

The form of the pickle: numpy/_core/multiarray.py, `ndarray.__reduce__` and `dtype.__reduce__`.
"""

import io
import os
from pathlib import Path

import numpy as np

from keras_openpose.models.converters.pickled import read_pickle

NPY_START = b"\x93NUMPY"
_PARTS = {"weights": "weight", "biases": "bias"}


def read_npy_file(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Arrays of a dictionary `{layer: {"weights": ..., "biases": ...}}`, as `conv1_1.weight`.

    Args:
        path: the file.

    Returns:
        Kernels are `(out, in, height, width)`, as in Caffe; the file has TensorFlow's order.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds no such dictionary, or more than arrays and text; nothing of it is run.
    """
    content = Path(path).read_bytes()
    try:
        return _read(content)
    except Exception as error:  # NumPy raises many kinds
        reason = str(error).split("\n")[0]
        raise ValueError(f"{os.fspath(path)} is not a NumPy file of weights: {reason}") from error


def _read(content: bytes) -> dict[str, np.ndarray]:
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(file)
    if shape != () or dtype != np.dtype(object):
        raise ValueError("it holds an array of numbers, not a dictionary.")
    calls = {
        "numpy.core.multiarray._reconstruct": lambda *_: _Array(),
        "numpy._core.multiarray._reconstruct": lambda *_: _Array(),
        "numpy.dtype": lambda kind, *_: _Type(kind),
        "_codecs.encode": lambda text, _: text,  # bytes, as Python 3 writes them for Python 2
    }
    (layers,) = read_pickle(file, calls).content
    arrays, left = {}, len(content)
    for layer, parts in layers.items():
        if parts.keys() != _PARTS.keys():
            raise ValueError(f"the layer {layer} does not have {' and '.join(_PARTS)}.")
        for part, array in parts.items():
            left -= len(array.content)
            if left < 0:  # the same bytes again and again would fill any memory
                raise ValueError("its arrays are larger than the file.")
            arrays[f"{layer}.{_PARTS[part]}"] = array.to_numpy()
    return arrays


class _Type:
    """A dtype, of floats of either byte order."""

    def __init__(self, kind: str):
        self.kind, self.order = kind, "<"

    def set_state(self, version: int, order: str, *_):
        self.order = order


class _Array:
    """An array whose content is bytes, or text of the same codes, or a list of objects."""

    def set_state(self, version: int, shape: tuple, dtype: _Type, fortran: bool, content):
        self.shape, self.dtype, self.fortran, self.content = shape, dtype, fortran, content

    def to_numpy(self) -> np.ndarray:
        if self.dtype.kind not in ("f2", "f4", "f8"):
            raise ValueError("it holds arrays that are not of floats.")
        content = self.content.encode("latin1") if isinstance(self.content, str) else self.content
        values = np.frombuffer(content, self.dtype.order + self.dtype.kind)
        values = values.reshape(self.shape, order="F" if self.fortran else "C")
        return values.transpose(3, 2, 0, 1) if values.ndim == 4 else values
