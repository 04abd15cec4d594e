"""Published networks with their published weights."""

import os

import keras

from keras_openpose.models.mobilenet_openpose import mobilenet_openpose
from keras_openpose.models.weights import load_preset
from keras_openpose.presets import PRESETS, list_presets

_NETWORKS = {"mobilenet_openpose": mobilenet_openpose}


def from_preset(name: str, *, file: str | os.PathLike | None = None) -> keras.Model:
    """Build a published network with its published weights.

    The file is downloaded once, checked against its sha256, and kept in Keras's cache (`~/.keras`, or
    `KERAS_HOME`).

    Args:
        name: a name of `list_presets()`.
        file: the published file if it is there already; it is then read instead of downloaded.

    Returns:
        The network; see the function that builds it, such as `mobilenet_openpose`.

    Raises:
        ValueError: the name is unknown, or the file does not hold these weights: it is damaged, of
            another format or of another network.
        ConnectionError: the file could not be downloaded; the message tells where else to put it.
        OSError: the file cannot be read.

    Example:
        ```python
        from keras_openpose import from_preset

        model = from_preset("mobilenet_v2_small_coco")
        ```
    """
    if name not in PRESETS:
        raise ValueError(f"`name` must be one of: {', '.join(list_presets())}. Received: {name!r}.")
    preset = PRESETS[name]
    model = _NETWORKS[preset.network](**preset.arguments, skeleton=preset.skeleton)
    load_preset(model, preset, file)
    return model
