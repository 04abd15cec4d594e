"""Where a network's weights come from: the published ones, downloaded once, or a file of one's own."""

import contextlib
import hashlib
import os
from pathlib import Path, PurePosixPath

import h5py
import keras

from keras_openpose.models import converters
from keras_openpose.models.converters.cmu import load_cmu
from keras_openpose.models.converters.frozen_graph import load_frozen_graph
from keras_openpose.models.converters.keras_file import load_keras_file
from keras_openpose.models.converters.lightweight import load_lightweight
from keras_openpose.models.presets import PRESETS, Preset
from keras_openpose.writing import write_whole


def load_weights(
    model: keras.Model, weights: str | os.PathLike | None, *, preset: str, published: str = "coco"
):
    """Load what a network's argument `weights` names: nothing, those published for it, or a Keras file."""
    if weights is None:
        return
    if weights != published:
        load_keras_file(model, weights)
    elif preset in PRESETS:
        load_preset(model, PRESETS[preset])
    else:
        raise ValueError(
            f"`weights={published!r}`: there are no published weights for {model.name}. There are for: "
            f"{', '.join(PRESETS)}."
        )


def load_preset(model: keras.Model, preset: Preset):
    """Load published weights into the network that they belong to: downloaded and converted once."""
    if not preset.downloads:
        load_keras_file(model, Path(__file__).parents[1] / f"weights/{preset.name}.weights.h5")
        return
    folder = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"), "keras_openpose")
    converted = folder / f"{preset.name}.weights.h5"
    made_of = _fingerprint(preset)
    if _label(converted) == made_of:
        with contextlib.suppress(ValueError):  # damaged, or of another version of the network
            load_keras_file(model, converted)
            return
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)  # else Keras downloads to /tmp
    load_file(model, preset, _download(preset, folder))
    with contextlib.suppress(OSError), write_whole(converted) as part:  # no room: then without
        model.save_weights(part)
        with h5py.File(part, "a") as weights:
            weights.attrs["made_of"] = made_of


def _fingerprint(preset: Preset) -> str:
    """Digest of what converted weights follow from: the published files, and the code that converts them."""
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


def load_file(model: keras.Model, preset: Preset, file: str | os.PathLike):
    """Load published weights into the network that they belong to, from a file in any of their formats."""
    size = os.stat(file).st_size
    # Nothing that could be these weights is many times larger: bounds time and memory.
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
    problems = []
    for download in preset.downloads:
        # Two networks may share a file, and files of two networks a name.
        name = "_".join(PurePosixPath(download.url).parts[-2:])
        if not (folder / name).exists() and not problems:
            print(f"Weights of {preset.name}, licence: {preset.licence}")
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
        + f"from_preset({preset.name!r}, file='path/to/the/file'), or on the command line --file (of hands "
        + "and faces, --hands-file and --face-file)."
    )
