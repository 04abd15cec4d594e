"""Published networks with their published weights."""

import os
from collections.abc import Callable, Mapping
from functools import partial

from keras_openpose.models.body_25 import body_25
from keras_openpose.models.compact_openpose import compact_openpose
from keras_openpose.models.efficientnet_openpose import efficientnet_openpose
from keras_openpose.models.estimator import PoseEstimator
from keras_openpose.models.hand_and_face import face_openpose, hand_openpose
from keras_openpose.models.lightweight_openpose import lightweight_openpose
from keras_openpose.models.mobilenet_openpose import mobilenet_openpose
from keras_openpose.models.openpose import openpose
from keras_openpose.models.preset_folder import is_preset_folder, read_preset_folder
from keras_openpose.models.presets import DEFAULT_PRESET, PRESETS, list_presets
from keras_openpose.models.weights import fill, load_preset
from keras_openpose.skeletons import Skeleton
from keras_openpose.writing import write_whole

_NETWORKS: Mapping[str, Callable[..., PoseEstimator]] = {
    network.__name__: network
    for network in (
        body_25,
        compact_openpose,
        efficientnet_openpose,
        face_openpose,
        hand_openpose,
        lightweight_openpose,
        mobilenet_openpose,
        openpose,
    )
}


def from_preset(
    name: str | os.PathLike = DEFAULT_PRESET,
    *,
    file: str | os.PathLike | None = None,
    skeleton: Skeleton | None = None,
) -> PoseEstimator:
    """Build a network with trained weights: without a name, the one that comes with the package.

    The file of a published network is downloaded once, checked against its checksum, and kept in Keras's
    cache (`~/.keras`, or `KERAS_HOME`), the converted weights beside it.

    Args:
        name: a name of `list_presets()`; a folder that `PoseEstimator.save_to_preset` wrote; or
            `"hf://user/name"`, such a folder on the Hugging Face Hub, which needs `huggingface_hub`. Defaults
            to `"efficientnet_lite0_coco"`, which finds people in photographs and needs no download.
        file: a published file of these weights if it is there already, or one that `convert_weights`
            wrote; it is then read instead of a download.
        skeleton: keypoints and limbs of your own, to train. The features keep their weights, the stages
            start anew; but channels of keypoints and limbs that the preset knows by name are kept. Defaults
            to the preset's own.

    Returns:
        The network; see the function that builds it, such as `mobilenet_openpose`. Its `predict_options` are
        those that suit the weights.

    Raises:
        ValueError: the name is unknown, or the file does not hold these weights: it is damaged, of
            another format or of another network; or `file` or `skeleton` is given with a folder.
        ConnectionError: the file could not be downloaded; the message has its addresses and checksums.
        OSError: the file cannot be read.

    Example:
        ```python
        from keras_openpose import Skeleton, from_preset

        model = from_preset()
        rod = Skeleton("rod", keypoints=("base", "tip"), limbs=(("base", "tip"),))
        rod_model = from_preset(skeleton=rod)  # to be trained
        ```
    """
    if is_preset_folder(name):
        if file is not None or skeleton is not None:
            raise ValueError("`file` and `skeleton` are for presets by name. For a folder, leave them out.")
        return read_preset_folder(name)
    if name not in PRESETS:
        raise ValueError(
            f"`name` must be one of: {', '.join(list_presets())}; a folder of `save_to_preset`; or "
            f"hf://user/name. Received: {name!r}."
        )
    preset = PRESETS[name]
    build = partial(_NETWORKS[preset.network], **preset.arguments)
    model = build(skeleton=skeleton or preset.skeleton)
    fill(model, preset.skeleton, partial(load_preset, preset=preset, file=file), build)
    return model


def convert_weights(source: str | os.PathLike, preset: str, output: str | os.PathLike) -> None:
    """Turn a published file of weights into one of Keras's own.

    Args:
        source: the published file, in any of the formats that the preset is known in; recognised by its
            content.
        preset: a name of `list_presets()`.
        output: the file to write, replaced if it exists: `.weights.h5`, which the network's argument
            `weights` takes, or `.keras`, the network itself.

    Raises:
        ValueError: the preset is unknown, `output` ends in something else, or the source does not hold
            these weights.
        OSError: a file cannot be read or written.

    Example:
        ```python
        from keras_openpose import convert_weights, mobilenet_openpose

        convert_weights("graph_opt.pb", "mobilenet_v2_small_coco", "mobilenet.weights.h5")
        model = mobilenet_openpose("v2_small", weights="mobilenet.weights.h5")
        ```
    """
    if not os.fspath(output).endswith((".weights.h5", ".keras")):
        raise ValueError(f"`output` must end in .weights.h5 or .keras. Received: {os.fspath(output)!r}.")
    model = from_preset(preset, file=source)
    with write_whole(output) as part:
        if part.suffix == ".keras":
            model.save(part)
        else:
            model.save_weights(part)
