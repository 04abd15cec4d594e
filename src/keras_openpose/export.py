"""Networks for production: SavedModel, ONNX, LiteRT and OpenVINO, by the converters of each format."""

import importlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

from keras_openpose.inference.looks import letterbox
from keras_openpose.inference.predict import Photograph, load_photograph
from keras_openpose.inference.runtimes import CARD, SAVED_MODEL_CARD
from keras_openpose.writing import write_whole

# Each format with the suffix of its path, and the package beside TensorFlow that writes it.
FORMATS = {
    "tf_saved_model": ("", None),
    "onnx": (".onnx", "tf2onnx"),
    "litert": (".tflite", None),
    "openvino": (".xml", "openvino"),
}
# What lies in the folder of a SavedModel.
_SAVED_MODEL = {
    "saved_model.pb",
    "fingerprint.pb",
    "keras_metadata.pb",
    "variables",
    "assets",
    "assets.extra",
}
PRECISIONS = ("float32", "float16", "int8")


def export_model(
    model: keras.Model,
    path: str | os.PathLike,
    *,
    format: str | None = None,
    size: tuple[int, int] | None = None,
    precision: str = "float32",
    calibration: Sequence[Photograph] = (),
) -> Path:
    """Write a network for a runtime other than Keras.

    The written network takes `images`, RGB from 0 to 255, and gives `heatmaps` and `pafs` of the last stage,
    each `(batch, height / 8, width / 8, channels)` in float32. `decode_poses` takes them image by image.
    `load_exported` reads the file for `predict_poses`. The network's skeleton and `predict_options` go along
    as JSON: in the properties of an ONNX model, the runtime information of OpenVINO, the assets of a
    SavedModel, or a file packed into that of LiteRT.

    Args:
        model: a network of this package, or any model with its inputs and outputs. Keras must run on
            TensorFlow; a network trained on another backend is saved as `.keras` and loaded there.
        path: file to write, ending in `.onnx`, `.tflite` (LiteRT) or `.xml` (OpenVINO, which puts a
            `.bin` beside it), or the folder of a SavedModel. An existing file or SavedModel is
            replaced.
        format: `"onnx"`, `"litert"`, `"openvino"` or `"tf_saved_model"`. Defaults to that of the
            path's suffix.
        size: `(height, width)` of the one image that is taken at a time, multiples of 16 or the model's
            own. Defaults to the model's own, or to batches of any size if that is not fixed; LiteRT
            needs a fixed one.
        precision: `"float32"`; or, for LiteRT, `"float16"` for weights of half the size, or `"int8"` for
            whole numbers throughout, with `uint8` images.
        calibration: for `"int8"`, photographs of the kind that it will see (paths or arrays), to
            measure the ranges of all layers; some hundred are usual.

    Returns:
        The path.

    Raises:
        ValueError: an argument is none of the above, or Keras runs on another backend.
        FileNotFoundError: the folder of `path` is not there.
        FileExistsError: a SavedModel would replace a file, or a folder with something else.
        ImportError: the converter is not installed.

    Example:
        ```python
        from keras_openpose import compact_openpose, export_model

        model = compact_openpose()
        export_model(model, "network.tflite", size=(64, 96), precision="float16")
        ```
    """
    path = Path(path)
    format = format or {suffix: name for name, (suffix, _) in FORMATS.items()}.get(path.suffix)
    format = _check(model, path, format, precision, calibration)
    spec = _input_spec(model, format, size)
    network, card = _last_stage(model), _card(model)
    if format == "tf_saved_model":
        _replace_folder(path, lambda folder: _save(network, folder, spec, card))
    elif format == "onnx":
        with write_whole(path) as temporary:
            network.export(str(temporary), format="onnx", input_signature=[spec], verbose=False)
            _label_onnx(temporary, card)
    else:
        with tempfile.TemporaryDirectory() as folder:
            _save(network, folder, spec, card)
            if format == "openvino":
                _write_openvino(folder, path, card)
            else:
                images = _calibration_images(calibration, spec.shape[1:3])
                with write_whole(path) as temporary:
                    temporary.write_bytes(_convert_litert(folder, precision, images))
                    with zipfile.ZipFile(temporary, "a") as archive:  # as TensorFlow Lite packs files
                        archive.writestr(f"{CARD}.json", card)
    return path


def _check(model, path: Path, format: str | None, precision: str, calibration) -> str:
    """The format; refuses what cannot be exported."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a Keras network. Received: {type(model).__name__}.")
    if not isinstance(model.output, dict) or "heatmaps" not in model.output:
        raise ValueError(f"`model` must give `heatmaps`, by name. {model.name} gives: {model.output}.")
    if format not in FORMATS:
        raise ValueError(
            f"`format` must be one of: {', '.join(FORMATS)}. Received: {format!r} for {path.name!r}."
        )
    suffix, package = FORMATS[format]
    if suffix and path.suffix != suffix:
        raise ValueError(f"`path` must end in {suffix} for format {format!r}. Received: {path}.")
    is_saved_model = path.is_dir() and {file.name for file in path.iterdir()} <= _SAVED_MODEL
    if format == "tf_saved_model" and path.exists() and not is_saved_model:
        raise FileExistsError(f"`path` must be a new folder, or one with nothing but a SavedModel: {path}.")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"`path` must lie in a folder that exists. Received: {path}.")
    if precision not in PRECISIONS:
        raise ValueError(f"`precision` must be one of: {', '.join(PRECISIONS)}. Received: {precision!r}.")
    if precision != "float32" and format != "litert":
        raise ValueError(f"`precision={precision!r}` needs format 'litert'. Received: {format!r}.")
    if (precision == "int8") != (len(calibration) > 0):
        raise ValueError(
            "`calibration` must hold photographs for `precision='int8'`, and only for that. "
            f"Received: {len(calibration)} photographs for {precision!r}."
        )
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"Exporting needs Keras on TensorFlow; it runs on {keras.backend.backend()}. Save the network "
            "with `model.save('network.keras')`, then run `KERAS_BACKEND=tensorflow keras-openpose export`."
        )
    if package:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ImportError(
                f"Format {format!r} needs {package}: pip install 'keras-openpose[export]'"
            ) from error
    return format


def _input_spec(model: keras.Model, format: str, size: tuple[int, int] | None) -> keras.InputSpec:
    own = model.input_shape[1:3]
    if size is not None and (np.shape(size) != (2,) or min(size) < 16):
        raise ValueError(f"`size` must be (height, width), at least 16. Received: {size}.")
    sides: tuple[int | None, ...] = own if size is None else tuple(map(int, size))
    for side, given in zip(own, sides, strict=True):
        if side not in (None, given):
            raise ValueError(f"`size` must be that of the network, {own}. Received: {sides}.")
        if side is None and given and given % 16:
            raise ValueError(f"`size` must be (height, width), multiples of 16. Received: {sides}.")
    if format == "litert" and None in sides:
        raise ValueError("`size` must be given for format 'litert', such as (368, 432): it takes one only.")
    batch = None if None in sides else 1
    return keras.InputSpec(shape=(batch, *sides, 3), dtype="float32", name="images")


def _last_stage(model: keras.Model) -> keras.Model:
    images = keras.Input(model.input_shape[1:], name="images")
    maps = model(images)
    return keras.Model(images, {name: stages[:, -1] for name, stages in maps.items()})


def _card(model: keras.Model) -> str:
    """The network's skeleton and options, as JSON; empty for a plain model."""
    skeleton = getattr(model, "skeleton", None)
    known = {"skeleton": skeleton.as_dict(), "predict_options": model.predict_options} if skeleton else {}
    return json.dumps(known)


def _save(network: keras.Model, folder: str | os.PathLike, spec: keras.InputSpec, card: str):
    network.export(str(folder), format="tf_saved_model", input_signature=[spec], verbose=False)
    path = Path(folder, SAVED_MODEL_CARD)
    path.parent.mkdir(exist_ok=True)
    path.write_text(card)


def _label_onnx(path: Path, card: str):
    import onnx

    network = onnx.load(path)
    onnx.helper.set_model_props(network, {CARD: card})
    onnx.save(network, path)


def _replace_folder(path: Path, write):
    """Write a folder beside its place first, so that a failure keeps what was there."""
    with tempfile.TemporaryDirectory(dir=path.absolute().parent) as folder:
        new, old = Path(folder, "new"), Path(folder, "old")
        write(new)
        if path.exists():
            path.rename(old)
        try:
            shutil.move(new, path)
        except BaseException:  # Ctrl-C, too
            if old.exists():
                old.rename(path)
            raise


def _write_openvino(folder: str, path: Path, card: str):
    import openvino

    network = openvino.convert_model(folder)
    network.set_rt_info(card, CARD)
    openvino.save_model(network, path, compress_to_fp16=False)


def _convert_litert(folder: str, precision: str, images) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8  # images are; the maps stay float32 for the decoder
        converter.representative_dataset = images
    return converter.convert()


def _calibration_images(calibration: Sequence[Photograph], size: tuple[int, int]):
    """The function that gives the converter images, fitted as in `predict_poses`."""

    def images() -> Iterator[list[np.ndarray]]:
        for photograph in calibration:
            yield [letterbox([load_photograph(photograph)], size, 1, multiples=size)[0]]

    return images
