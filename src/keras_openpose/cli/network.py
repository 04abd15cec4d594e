"""The network that the command line names, and how it is asked."""

import argparse
import os

import keras

from keras_openpose.cli.parser import PREDICT_OPTIONS
from keras_openpose.cli.problems import Problems
from keras_openpose.data.skeleton_file import read_skeleton
from keras_openpose.inference.forward import Network
from keras_openpose.inference.runtimes import is_exported, load_exported
from keras_openpose.models import from_preset
from keras_openpose.models.presets import DEFAULT_PRESET, PRESETS
from keras_openpose.skeletons import BODY_25, COCO_18, FACE_70, HAND_21, MPI_15, Skeleton

_SKELETONS = {skeleton.name: skeleton for skeleton in (BODY_25, COCO_18, FACE_70, HAND_21, MPI_15)}
_WEIGHTS_ALONE = (".weights.h5", ".pb", ".caffemodel", ".pt", ".pth")


def load_network(options: argparse.Namespace, problems: Problems) -> Network:
    """The network of `--preset` and `--file`, of `--model`, or the package's own. Exits if there is none."""
    if options.model:
        with problems.at(options.model, fatal=True):
            return _read_model(options.model)
    preset = options.preset or DEFAULT_PRESET
    file = options.file if preset in PRESETS else None  # else the preset is at fault, not the file
    with problems.at(file or f"--preset {preset}", fatal=True):
        return from_preset(preset, file=options.file)


def load_skeleton(options: argparse.Namespace, problems: Problems) -> Skeleton | None:
    """The skeleton of `--skeleton`: a known one by name, or from a file. None leaves it to the network."""
    if not options.skeleton or options.skeleton in _SKELETONS:
        return _SKELETONS.get(options.skeleton)
    with problems.at(options.skeleton, fatal=True):
        return read_skeleton(options.skeleton)


def load_parts(options: argparse.Namespace, problems: Problems) -> dict[str, Network]:
    """The networks of `--hands` and `--face`, by these names, and no others. Exits if one cannot be had."""
    presets = {"hands": "hand_21", "face": "face_70"}
    return {
        part: _read_part(part, preset, getattr(options, f"{part}_file"), problems)
        for part, preset in presets.items()
        if getattr(options, part)
    }


def _read_part(part: str, preset: str, file: str | None, problems: Problems) -> Network:
    with problems.at(file or f"--{part}", fatal=True):
        if file is None or file.endswith(_WEIGHTS_ALONE):
            return from_preset(preset, file=file)
        return _read_model(file)


def _read_model(path: str) -> Network:
    os.stat(path)  # or the reason why not
    if os.path.basename(path) == "saved_model.pb":
        raise ValueError("Of a SavedModel, name the folder")
    if path.endswith(_WEIGHTS_ALONE):
        raise ValueError("It holds weights alone; say of which network, --preset NAME --file and this file")
    if is_exported(path):
        return load_exported(path)
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # a damaged file fails anywhere in Keras, with errors of every kind
        raise ValueError(f"Not a network that Keras can load. {error}") from error


def predict_options(options: argparse.Namespace) -> dict:
    """Arguments of `predict_poses`: those given. The others keep its defaults."""
    return {name: getattr(options, name) for name in PREDICT_OPTIONS if name in options}
