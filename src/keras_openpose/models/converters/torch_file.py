"""PyTorch files (`.pth`, `.pt`): read as PyTorch does where it is installed, and without it.

Both containers: the zip of today, and the stream that torch wrote before 1.6 (torch/serialization.py).
"""

import io
import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from keras_openpose.models.converters.pickled import Global, as_dict, read_pickle

# What a file begins with. The stream begins with a pickle of torch's magic number.
ZIP_START = b"PK\x03\x04"
STREAM_START = bytes.fromhex("80028a0a6cfc9c46f9206aa85019")
_DTYPES = {
    Global(f"torch.{name}Storage"): np.dtype(dtype)
    for name, dtype in (
        ("Float", "<f4"), ("Double", "<f8"), ("Half", "<f2"), ("Long", "<i8"), ("Int", "<i4"),
        ("Short", "<i2"), ("Char", "i1"), ("Byte", "u1"), ("Bool", "?"),
    )
}  # fmt: skip


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype
    length: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_file(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Tensors of a state dict, or of the `state_dict` of a checkpoint, by name.

    Args:
        path: the file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds no such dictionary, or more than tensors, numbers and text; nothing of it
            is run.
    """
    content = Path(path).read_bytes()
    torch = _torch()
    try:
        if torch is None:
            return read_without_torch(content)
        checkpoint = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        tensors = _state_dict(checkpoint, torch.Tensor)
        return {name: tensor.detach().numpy() for name, tensor in tensors.items()}
    except Exception as error:  # zipfile, NumPy and PyTorch raise many kinds
        reason = str(error).split("\n")[0] or type(error).__name__
        raise ValueError(f"{os.fspath(path)} is not a PyTorch file of weights: {reason}") from error


def _torch() -> ModuleType | None:
    """PyTorch, if it is installed."""
    try:
        import torch
    except ImportError:
        return None
    return torch


def read_without_torch(content: bytes) -> dict[str, np.ndarray]:
    """The tensors in the bytes of a file, for `read_torch_file`; errors may be of any kind."""
    if content.startswith(STREAM_START):
        checkpoint, storages = _read_stream(content)
    else:
        checkpoint, storages = _read_zip(content)
    tensors = _state_dict(checkpoint, _Tensor)
    return {name: _array(tensor, storages) for name, tensor in tensors.items()}


def _state_dict(checkpoint, kind: type) -> dict:
    tensors = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(tensors, dict) or not tensors:
        raise ValueError("it holds no dictionary of tensors.")
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, kind):
            raise ValueError(f"{str(name)[:100]} is not a named tensor.")
    return tensors


def _read_zip(content: bytes) -> tuple[object, dict]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (index,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = index.removesuffix("data.pkl")
        storages: dict[str, _Storage] = {}
        checkpoint = _read_checkpoint(io.BytesIO(_stored(archive, index)), storages)
        # PyTorch writes no part twice: files whose parts overlap would fill any memory.
        if sum(storage.length * storage.dtype.itemsize for storage in storages.values()) > len(content):
            raise ValueError("its tensors are larger than the file.")
        values = {
            key: np.frombuffer(_stored(archive, f"{folder}data/{key}"), storage.dtype)
            for key, storage in storages.items()
        }
    return checkpoint, values


def _stored(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed, which PyTorch never does.")
    return archive.read(name)


def _read_stream(content: bytes) -> tuple[object, dict]:
    file, values = io.BytesIO(content), {}
    storages: dict[str, _Storage] = {}
    for _ in range(2):
        read_pickle(file, {})  # the magic number and the version of the format
    system = read_pickle(file, {})
    if system.get("little_endian") is not True:
        raise ValueError("it was written on a big-endian machine.")
    checkpoint = _read_checkpoint(file, storages)
    for key in read_pickle(file, {}):
        storage, length = storages[key], int.from_bytes(file.read(8), "little")
        size = length * storage.dtype.itemsize
        if size > len(content) - file.tell():
            raise ValueError(f"cut off: a tensor needs {size} bytes, {len(content) - file.tell()} are left.")
        values[key] = np.frombuffer(content, storage.dtype, length, file.tell())
        file.seek(size, io.SEEK_CUR)
    return checkpoint, values


def _read_checkpoint(file: io.BytesIO, storages: dict[str, _Storage]) -> object:
    """The pickle that names the tensors. The storages it refers to are noted in `storages`."""

    def storage(reference):
        kind, dtype, key, _, length, *view = reference
        if (
            kind != "storage"
            or dtype not in _DTYPES
            or not isinstance(length, int)
            or view not in ([], [None])
        ):
            raise ValueError("it refers to something other than a plain tensor.")
        storages[key] = _Storage(key, _DTYPES[dtype], length)
        return storages[key]

    calls: dict[str, Callable] = {
        "torch._utils._rebuild_tensor_v2": lambda storage, offset, shape, strides, *_: _Tensor(
            storage, offset, shape, strides
        ),
        "torch._utils._rebuild_tensor": _Tensor,
        "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
        "torch.Size": tuple,
        "collections.OrderedDict": as_dict,
        "collections.Counter": lambda *_: {},  # of schedules of the learning rate
    }
    return read_pickle(file, calls, storage)


def _array(tensor: _Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    values = storages[tensor.storage.key]
    if len(tensor.shape) != len(tensor.strides) or min((tensor.offset, *tensor.shape, *tensor.strides)) < 0:
        raise ValueError("a tensor has an impossible shape.")
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    if last >= values.size or not 0 < math.prod(tensor.shape) <= values.size:
        raise ValueError(f"a tensor of shape {tensor.shape} does not lie within its {values.size} values.")
    strides = [step * values.itemsize for step in tensor.strides]
    return np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides, writeable=False)
