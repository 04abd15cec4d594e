"""Keras's own files, `.weights.h5` and `.keras`, into a model: all of the file, all of the model."""

import os
import warnings
import zipfile

import h5py
import keras


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
        raise ValueError(f"A weight file must end in .weights.h5 or .keras. Received: {path}")
    try:
        found = _count(path)
        if found != len(model.weights):
            raise ValueError(f"it holds {found} arrays, the network has {len(model.weights)}.")
        with warnings.catch_warnings():
            # Keras warns of layers that keep their random weights.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
    except Exception as error:  # h5py, zipfile and Keras raise many kinds
        raise ValueError(f"{path} is not a weight file of {model.name}: {error}") from error


def _count(path: str) -> int:
    """Arrays in the file, those of an optimizer aside."""
    if path.endswith(".keras"):
        with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as file:
            return _count_arrays(file)
    return _count_arrays(path)


def _count_arrays(file) -> int:
    names = []
    with h5py.File(file, "r") as weights:
        weights.visititems(
            lambda name, value: names.append(name) if isinstance(value, h5py.Dataset) else None
        )
    return sum(not name.startswith("optimizer/") for name in names)
