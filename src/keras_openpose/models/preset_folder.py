"""A network as a folder to share: architecture, weights, skeleton, options and license, in readable files."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from keras_openpose.models.converters.keras_file import load_keras_file
from keras_openpose.skeletons import Skeleton
from keras_openpose.writing import write_whole

if TYPE_CHECKING:
    from keras_openpose.models.estimator import PoseEstimator

# What is in the folder.
_CARD, _ARCHITECTURE, _WEIGHTS = "preset.json", "model.json", "model.weights.h5"
_HUB = "hf://"


def is_preset_folder(name: str | os.PathLike) -> bool:
    """Whether it is a folder that `write_preset_folder` wrote, here or on the Hugging Face Hub."""
    return os.fspath(name).startswith(_HUB) or Path(name, _CARD).is_file()


def write_preset_folder(model: "PoseEstimator", folder: str | os.PathLike, license: str) -> Path:
    """Write a network for `read_preset_folder`; see `PoseEstimator.save_to_preset`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    card = {
        "name": model.name,
        "license": license,
        "skeleton": model.skeleton.as_dict(),
        "predict_options": model.predict_options,
    }
    with write_whole(folder / _ARCHITECTURE) as part:
        part.write_text(json.dumps(json.loads(model.to_json()), indent=1))
    with write_whole(folder / _WEIGHTS) as part:
        model.save_weights(part)
    with write_whole(folder / _CARD) as part:  # last: with it, the folder is complete
        part.write_text(json.dumps(card, indent=2))
    return folder


def read_preset_folder(name: str | os.PathLike) -> "PoseEstimator":
    """The network of such a folder, or of `hf://user/name`.

    Raises:
        ValueError: the files are damaged, or not of such a network.
        ImportError: `huggingface_hub`, which `hf://` needs, is not installed.
    """
    folder = _download(os.fspath(name)) if os.fspath(name).startswith(_HUB) else Path(name)
    try:
        model = keras.models.model_from_json((folder / _ARCHITECTURE).read_text())
        card = json.loads((folder / _CARD).read_text())
        model.predict_options = card["predict_options"]  # which may have been edited in the file
        if Skeleton(**card["skeleton"]) != model.skeleton:
            raise ValueError(f"{_CARD} and {_ARCHITECTURE} have different skeletons.")
    except FileNotFoundError:
        raise
    except Exception as error:  # Keras raises many kinds for a damaged architecture
        raise ValueError(f"{folder} does not hold a network that `save_to_preset` wrote: {error}") from error
    load_keras_file(model, folder / _WEIGHTS)
    return model


def _download(address: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ImportError(f"{address} needs huggingface_hub: pip install huggingface_hub") from error
    return Path(snapshot_download(address.removeprefix(_HUB)))
