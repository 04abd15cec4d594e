"""Networks that `export_model` wrote, each in the runtime of its format."""

import importlib
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_openpose.skeletons import Skeleton

MAPS = ("heatmaps", "pafs")
# Under these names a file holds the network's skeleton and options, as JSON.
CARD = "keras_openpose"
SAVED_MODEL_CARD = f"assets/{CARD}.json"


@dataclass(frozen=True, eq=False)
class ExportedNetwork:
    """An exported network, for `predict_poses` in place of a Keras model.

    Args:
        input_shape: `(batch, height, width, 3)`, None where any number fits.
        channels: channels of `heatmaps` and, if there are PAFs, of `pafs`.
        call: the runtime: from images in float32 to a mapping that holds both maps.
        skeleton: that of the maps; None for a plain model.
        predict_options: arguments of `predict_poses` that suit the network.
    """

    input_shape: tuple[int | None, ...]
    channels: dict[str, int]
    call: Callable[[np.ndarray], dict[str, np.ndarray]]
    skeleton: Skeleton | None = None
    predict_options: dict = field(default_factory=dict)

    @property
    def output(self) -> dict[str, int]:
        """Its maps by name, as a Keras model has them."""
        return self.channels

    def run(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Heatmaps and PAFs, `(batch, height / 8, width / 8, channels)`, of a batch of images."""
        if self.input_shape[0] in (None, len(images)):
            maps = self.call(images)
            heatmaps = np.asarray(maps["heatmaps"])
            return heatmaps, np.asarray(maps["pafs"]) if "pafs" in maps else heatmaps[..., :0]
        each = [self.run(images[n : n + 1]) for n in range(len(images))]
        heatmaps, pafs = (np.concatenate(maps) for maps in zip(*each, strict=True))
        return heatmaps, pafs


def load_exported(path: str | os.PathLike) -> ExportedNetwork:
    """Load what `export_model` wrote, in the runtime of its format.

    `KERAS_BACKEND=numpy` keeps TensorFlow from loading, except for a SavedModel.

    Args:
        path: a file that ends in `.onnx` (run by onnxruntime), `.tflite` (ai-edge-litert) or `.xml`
            (OpenVINO, in float32 on the CPU), or the folder of a SavedModel (TensorFlow).

    Returns:
        A network that `predict_poses` and `evaluate_coco` take in place of a Keras model.

    Raises:
        FileNotFoundError: the path does not exist.
        ValueError: the file has another suffix, holds no network with these inputs and outputs, or takes
            a fixed batch of several.
        ImportError: the runtime is not installed.

    Example:
        ```python
        import numpy as np
        from keras_openpose import export_model, load_exported, openpose, predict_poses

        model = openpose("mobilenet", num_stages=1)
        export_model(model, "network", format="tf_saved_model", size=(96, 128))
        poses = predict_poses(load_exported("network"), np.zeros((120, 160, 3), "uint8"))
        ```
    """
    path = Path(path)
    path.stat()  # raises if it does not exist
    load = _load_saved_model if path.is_dir() else _LOADERS.get(path.suffix.lower())
    if load is None:
        raise ValueError(
            f"An exported network must be a folder or end in {', '.join(_LOADERS)}. Received: {path}."
        )
    try:
        network = load(path)
    except ImportError:
        raise
    except Exception as error:  # each runtime has errors of its own for files that it cannot read
        raise ValueError(f"Not a network of `export_model`, or a damaged one: {path}. {error}") from error
    if not {"heatmaps"} <= set(network.channels) <= set(MAPS):
        raise ValueError(f"{path} must give `heatmaps` and `pafs`. It gives: {', '.join(network.channels)}.")
    if network.input_shape[0] not in (None, 1):
        raise ValueError(
            f"{path} must take images one by one, or batches of any size. It takes {network.input_shape[0]}."
        )
    return network


def is_exported(path: str | os.PathLike) -> bool:
    """Whether a path is that of an exported network rather than of one that Keras saved."""
    return Path(path).is_dir() or Path(path).suffix.lower() in _LOADERS


def _known(card: str | None) -> dict:
    """Arguments of `ExportedNetwork` from the card of a file."""
    known = json.loads(card or "{}")
    if "skeleton" in known:
        known["skeleton"] = Skeleton(**known["skeleton"])
    return known


def _runtime(name: str):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.split(".")[0].replace("_", "-")
        raise ImportError(f"To run this network: pip install {package}. The reason given: {error}") from error


def _shape(sides) -> tuple[int | None, ...]:
    """Sides as numbers; those that runtimes give as names, −1 or None fit any."""
    return tuple(side if isinstance(side, int) and side > 0 else None for side in sides)


def _load_onnx(path: Path) -> ExportedNetwork:
    onnxruntime = _runtime("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=onnxruntime.get_available_providers())
    names = [output.name for output in session.get_outputs()]

    def call(images):
        return dict(zip(names, session.run(names, {"images": images}), strict=True))

    channels = {output.name: output.shape[-1] for output in session.get_outputs()}
    known = _known(session.get_modelmeta().custom_metadata_map.get(CARD))
    return ExportedNetwork(_shape(session.get_inputs()[0].shape), channels, call, **known)


def _load_litert(path: Path) -> ExportedNetwork:
    interpreter = _runtime("ai_edge_litert.interpreter").Interpreter(
        model_path=str(path), num_threads=os.cpu_count()
    )
    runner = interpreter.get_signature_runner()
    images_in = runner.get_input_details()["images"]
    whole_numbers = images_in["dtype"] == np.uint8

    def call(images):
        images = np.clip(np.rint(images), 0, 255).astype(np.uint8) if whole_numbers else images
        return runner(images=images)

    channels = {name: int(out["shape"][-1]) for name, out in runner.get_output_details().items()}
    return ExportedNetwork(
        _shape(images_in["shape_signature"].tolist()), channels, call, **_known(_read_packed(path))
    )


def _read_packed(path: Path) -> str | None:
    """The card that `export_model` packed into a LiteRT file; others have none."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        return archive.read(f"{CARD}.json").decode() if f"{CARD}.json" in archive.namelist() else None


def _load_openvino(path: Path) -> ExportedNetwork:
    openvino = _runtime("openvino")
    # Else processors with bfloat16 would compute in it, and the maps would differ.
    exactly = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    core = openvino.Core()
    read = core.read_model(path)
    network = core.compile_model(read, "CPU", exactly)

    def call(images):
        found = network({"images": images}, share_outputs=False)
        return {name: found[name] for name in channels}

    channels = {
        name: output.partial_shape[-1].get_length()
        for output in network.outputs
        for name in output.get_names() & set(MAPS)
    }
    sides = [None if side.is_dynamic else side.get_length() for side in network.inputs[0].partial_shape]
    card = read.get_rt_info(CARD).astype(str) if read.has_rt_info(CARD) else None
    return ExportedNetwork(_shape(sides), channels, call, **_known(card))


def _load_saved_model(path: Path) -> ExportedNetwork:
    tensorflow = _runtime("tensorflow")
    loaded = tensorflow.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]

    def call(images, loaded=loaded):  # keeps the variables alive
        return serve(images=tensorflow.constant(images))

    channels = {name: maps.shape[-1] for name, maps in serve.structured_outputs.items()}
    card = path / SAVED_MODEL_CARD
    known = _known(card.read_text() if card.is_file() else None)
    shape = _shape(serve.structured_input_signature[1]["images"].shape)
    return ExportedNetwork(shape, channels, call, **known)


_LOADERS = {".onnx": _load_onnx, ".tflite": _load_litert, ".xml": _load_openvino}
