"""The network that the command line names, and how it is asked."""

import argparse
import contextlib
import os

import keras

from keras_openpose.cli.problems import Problems
from keras_openpose.inference.forward import Network, forward_pass
from keras_openpose.inference.runtimes import is_exported, load_exported
from keras_openpose.models import from_preset
from keras_openpose.models.presets import DEFAULT_PRESET, PRESETS
from keras_openpose.skeletons import BODY_25, COCO_18, FACE_70, HAND_21, MPI_15, Skeleton

_PREDICT_OPTIONS = (
    "input_size", "scales", "flip", "refine", "batch_size", "max_people",
    "heatmap_sigma", "peak_threshold", "peak_weight", "sample_threshold", "sample_fraction",
    "merge_distance", "min_score", "min_keypoints", "min_peak_score",
)  # fmt: skip

_WEIGHTS_ALONE = (".weights.h5", ".pb", ".caffemodel", ".pt", ".pth", ".npy")


def load_network(options: argparse.Namespace, problems: Problems) -> tuple[Network, Skeleton]:
    """The network that was asked for, and the skeleton it finds. Exits if there is none."""
    model = read_network(options, problems)
    if options.preset:
        return model, PRESETS[options.preset].skeleton
    with problems.at(options.model, fatal=True):
        return model, _skeleton_of(model)


def read_network(options: argparse.Namespace, problems: Problems) -> Network:
    """The network of `--preset` and `--file`, of `--model`, or the package's own. Exits if there is none."""
    if not options.model:
        options.preset = options.preset or DEFAULT_PRESET
        file = options.file if options.preset in PRESETS else None  # or the mistake is not the file's
        with problems.at(file or f"--preset {options.preset}", fatal=True):
            return from_preset(options.preset, file=options.file)
    with problems.at(options.model, fatal=True):
        return _read_model(options.model)


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


def _skeleton_of(model: Network) -> Skeleton:
    """The skeleton, of those that presets have, whose maps the network gives."""
    for skeleton in (BODY_25, MPI_15, HAND_21, FACE_70):
        with contextlib.suppress(ValueError):
            forward_pass(model, skeleton)
            return skeleton
    try:
        forward_pass(model, COCO_18)
    except ValueError as error:
        advice = "Only Python can: the command line knows the skeletons of the presets."
        raise ValueError(f"{error} {advice}") from error
    return COCO_18


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
    return {name: getattr(options, name) for name in _PREDICT_OPTIONS if name in options}
