"""Keras's own files, `.weights.h5` and `.keras`, into a model: all of the file, all of the model."""

import contextlib
import os
import warnings
import zipfile
from collections.abc import Iterator
from typing import IO

import h5py
import keras

from keras_openpose.models.layers import ImageNormalization


def load_keras_file(model: keras.Model, path: str | os.PathLike):
    """Load a weight file, or fail without a silent remainder.

    Args:
        model: the model to fill.
        path: a `.weights.h5` or `.keras` file of a model of the same layers.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or of another network.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"No such weight file: {path}")
    if not path.endswith((".weights.h5", ".keras")):
        raise ValueError(f"A weight file must end in .weights.h5 or .keras. Received: {path}.")
    try:
        with _open(path) as weights:
            found = _count(weights)
            if found != len(model.weights):
                raise ValueError(f"it holds {found} arrays, the network has {len(model.weights)}.")
            layers = _layers(weights)
            if "stem_norm_gamma" in layers:
                _load_0_1(model, layers)
                return
        with warnings.catch_warnings():
            # Keras warns of layers that keep their random weights.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
    except Exception as error:  # h5py, zipfile and Keras raise many kinds
        raise ValueError(f"{path} is not a weight file of {model.name}: {error}") from error


@contextlib.contextmanager
def _open(path: str) -> Iterator[h5py.File]:
    with contextlib.ExitStack() as stack:
        file: str | IO[bytes] = path
        if path.endswith(".keras"):
            archive = stack.enter_context(zipfile.ZipFile(path))
            file = stack.enter_context(archive.open("model.weights.h5"))
        yield stack.enter_context(h5py.File(file, "r"))


def _count(weights: h5py.File) -> int:
    """Arrays in the file, those of an optimizer aside."""
    names = []
    weights.visititems(lambda name, value: names.append(name) if isinstance(value, h5py.Dataset) else None)
    return sum(not name.startswith("optimizer/") for name in names)


def _layers(weights: h5py.File) -> dict[str, list[h5py.Dataset]]:
    """The arrays of each layer by its name."""
    groups = [layer["vars"] for layer in weights.get("layers", {}).values() if "vars" in layer]
    return {group.attrs.get("name"): [group[str(n)] for n in range(len(group))] for group in groups}


def _load_0_1(model: keras.Model, layers: dict[str, list[h5py.Dataset]]):
    """Fill a `mobilenet_openpose` from a file of version 0.1: scales and offsets were layers of their own."""
    for layer in model.layers:
        if isinstance(layer, ImageNormalization):
            (gamma,), (beta,) = (layers[f"{layer.name}_{part}"] for part in ("gamma", "beta"))
            layer.set_weights([gamma[0], beta[0]])
        elif layer.weights:
            layer.set_weights([array[()] for array in layers[layer.name]])
