"""Where a network's weights come from: the published ones, downloaded once, or a file of one's own."""

import os
from pathlib import Path

import keras

from keras_openpose.converters.frozen_graph import load_frozen_graph
from keras_openpose.converters.keras_file import load_keras_file
from keras_openpose.presets import PRESETS, Preset

_LOADERS = {"frozen_graph": load_frozen_graph}


def load_weights(model: keras.Model, weights: str | os.PathLike | None, *, preset: str):
    """Load what a network's argument `weights` names: nothing, the weights of a preset, or a Keras file."""
    if weights is None:
        return
    if weights != "coco":
        load_keras_file(model, weights)
    elif preset in PRESETS:
        load_preset(model, PRESETS[preset])
    else:
        raise ValueError(
            f"`weights='coco'`: there are no published weights for {model.name}. There are for: "
            f"{', '.join(PRESETS)}."
        )


def load_preset(model: keras.Model, preset: Preset, file: str | os.PathLike | None = None):
    """Load published weights into the network that they belong to, from the file given or downloaded."""
    file = Path(_download(preset) if file is None else file)
    # Nothing that could be these weights is many times larger: bounds time and memory.
    if file.stat().st_size > 4 * preset.size:
        raise ValueError(
            f"{file} does not hold the weights of {preset.name}: it has {file.stat().st_size:,} bytes, the "
            f"published file {preset.size:,}."
        )
    _LOADERS[preset.source](model, file)


def _download(preset: Preset) -> str:
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    name = preset.name + Path(preset.urls[0]).suffix
    if not (home / "keras_openpose" / name).exists():
        print(f"Weights of {preset.name}, licence: {preset.licence}")
    problems = []
    for url in preset.urls:
        try:
            return keras.utils.get_file(
                name, url, cache_subdir="keras_openpose", cache_dir=home, file_hash=preset.sha256
            )
        except Exception as error:  # Keras raises a bare Exception when a download fails
            problems.append(f"{url} ({error})")
    raise ConnectionError(
        f"The weights of {preset.name} could not be downloaded from {' or '.join(problems)}. With a copy of "
        f"that file, sha256 {preset.sha256}: from_preset({preset.name!r}, file='path/to/the/file')."
    )
