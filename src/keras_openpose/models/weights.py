"""Where a network's weights come from: the published ones, downloaded once, or a file of one's own."""

import contextlib
import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

import h5py
import keras

from keras_openpose.models import converters
from keras_openpose.models.converters.cmu import load_cmu
from keras_openpose.models.converters.frozen_graph import load_frozen_graph
from keras_openpose.models.converters.keras_file import load_keras_file
from keras_openpose.models.converters.lightweight import load_lightweight
from keras_openpose.models.estimator import PoseEstimator
from keras_openpose.models.presets import PRESETS, Preset
from keras_openpose.models.transfer import transfer_weights
from keras_openpose.skeletons import Skeleton
from keras_openpose.writing import write_whole


def load_weights(
    model: PoseEstimator, weights: str | os.PathLike | None, build: "partial[PoseEstimator]"
) -> None:
    """Load what a builder's argument `weights` names: nothing, a preset of the network, or a Keras file.

    Args:
        model: the network to fill.
        weights: the argument.
        build: the builder with all arguments of the network but the skeleton.
    """
    if weights is None:
        return
    network = build.func.__name__
    if weights in PRESETS:
        preset = PRESETS[weights]
        if preset.network != network:
            raise ValueError(f"`weights` are of another network. {_choices(network)} Received: {weights!r}.")
        fill(model, preset.skeleton, partial(load_preset, preset=preset), build)
    elif os.fspath(weights).endswith((".weights.h5", ".keras")):
        skeleton = _skeleton_in(weights) or model.skeleton
        fill(model, skeleton, partial(load_keras_file, path=weights), build)
    else:
        raise ValueError(f"`weights` must be trained ones. {_choices(network)} Received: {weights!r}.")


def fill(
    model: PoseEstimator,
    skeleton: Skeleton,
    load: Callable[[PoseEstimator], None],
    build: Callable[..., PoseEstimator],
) -> None:
    """Load weights that were trained for a skeleton, which may be another than the network's."""
    if skeleton.has_maps_of(model.skeleton):
        load(model)
        return
    source = build(skeleton=skeleton)
    load(source)
    transfer_weights(source, model)


def _choices(network: str) -> str:
    presets = [f"{preset.name!r}" for preset in PRESETS.values() if preset.network == network]
    return f"Choose {', '.join(presets)}, or a file that ends in .weights.h5 or .keras."


def _skeleton_in(path: str | os.PathLike) -> Skeleton | None:
    """The skeleton of the network that a `.keras` file holds; weights alone, and version 0.1, have none."""
    if not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            layers = json.loads(archive.read("config.json"))["config"]["layers"]
    except (KeyError, ValueError):  # damaged: whoever loads the weights says so
        return None
    skeletons = [layer["config"]["skeleton"] for layer in layers if "skeleton" in layer["config"]]
    return Skeleton(**skeletons[0]) if skeletons else None


def load_preset(model: PoseEstimator, preset: Preset, file: str | os.PathLike | None = None) -> None:
    """Load weights of a preset: from a file, the package, or a download, which is converted once."""
    model.predict_options = preset.predict
    if file is not None:
        _load_file(model, preset, file)
    elif preset.downloads:
        _load_download(model, preset)
    else:
        load_keras_file(model, Path(__file__).parents[1] / f"weights/{preset.name}.weights.h5")


def _load_download(model: PoseEstimator, preset: Preset):
    folder = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"), "keras_openpose")
    converted = folder / f"{preset.name}.weights.h5"
    made_of = _fingerprint(preset)
    if _label(converted) == made_of:
        with contextlib.suppress(ValueError):  # damaged, or of another version of the network
            load_keras_file(model, converted)
            return
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)  # else Keras downloads to /tmp
    _load_file(model, preset, _download(preset, folder))
    with contextlib.suppress(OSError), write_whole(converted) as part:  # without room, not kept
        model.save_weights(part)
        with h5py.File(part, "a") as weights:
            weights.attrs["made_of"] = made_of


def _fingerprint(preset: Preset) -> str:
    """Digest of what converted weights depend on: the published files, and the code that converts them."""
    digest = hashlib.sha256(repr((preset.downloads, preset.skipped)).encode())
    for path in sorted(Path(converters.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _label(converted: Path) -> str | None:
    """The digest that a file of converted weights was given."""
    try:
        with h5py.File(converted) as weights:
            return weights.attrs.get("made_of")
    except OSError:  # not there, or damaged
        return None


def _load_file(model: PoseEstimator, preset: Preset, file: str | os.PathLike):
    """Load published weights into the network that they belong to, from a file in any of their formats."""
    size = os.stat(file).st_size
    # No file of these weights is many times larger. The limit bounds time and memory.
    if size > 4 * preset.size:
        raise ValueError(
            f"{file} does not hold the weights of {preset.name}: it has {size:,} bytes, the published file "
            f"{preset.size:,}."
        )
    if os.fspath(file).endswith((".weights.h5", ".keras")):
        load_keras_file(model, file)
    elif not preset.downloads:
        raise ValueError(
            f"The weights of {preset.name} come as .weights.h5 or .keras files only. Received: {file}."
        )
    elif preset.network == "mobilenet_openpose":
        load_frozen_graph(model, file)
    elif preset.network == "lightweight_openpose":
        load_lightweight(model, file, skipped=preset.skipped)
    else:
        load_cmu(model, file, network=preset.network, skipped=preset.skipped)


def _download(preset: Preset, folder: Path) -> str:
    problems: list[str] = []
    for download in preset.downloads:
        # Two networks may share a file, and files of two networks a name.
        name = "_".join(PurePosixPath(download.url).parts[-2:])
        if not (folder / name).exists() and not problems:
            print(f"Weights of {preset.name}, license: {preset.license}")
        algorithm, _, digest = download.checksum.partition(":")
        try:
            return keras.utils.get_file(
                name,
                download.url,
                cache_subdir=folder.name,
                cache_dir=folder.parent,
                file_hash=digest or None,
                hash_algorithm=algorithm or "auto",
            )
        except Exception as error:  # Keras raises a bare Exception when a download fails
            problems.append(f"{download.url} ({download.checksum or 'no checksum known'}): {error}")
    raise ConnectionError(
        "\n  ".join([f"The weights of {preset.name} could not be downloaded:", *problems])
        + "\nWith a copy of one of these files, whatever its name: "
        + f"from_preset({preset.name!r}, file='path/to/the/file'), or on the command line --file (for hands "
        + "and faces, --hands-file and --face-file)."
    )
