"""Exported networks: each format in its own runtime gives the maps that Keras gives."""

import errno
import functools
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import keras_openpose as ko
from keras_openpose.export import _replace_folder
from keras_openpose.inference.forward import forward_pass
from keras_openpose.inference.looks import letterbox
from keras_openpose.inference.runtimes import ExportedNetwork
from keras_openpose.models.stages import stage_outputs

EXAMPLES = Path(__file__).parents[1] / "examples"
SIZE = (64, 96)
IMAGES = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3)).astype("float32")
SUFFIXES = {"onnx": ".onnx", "litert": ".tflite", "openvino": ".xml", "tf_saved_model": ""}
NEEDS = {
    "onnx": "onnxruntime",
    "litert": "ai_edge_litert",
    "openvino": "openvino",
    "tf_saved_model": "tensorflow",
}
FORMATS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"needs {package}"),
    )
    for name, package in NEEDS.items()
]

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports on TensorFlow only")


@pytest.fixture(scope="module")
def network(arm):
    """Two stages of random weights that differ, on a backbone of three convolutions."""
    keras.utils.set_random_seed(0)
    images = keras.Input((None, None, 3), name="images")
    x = layers.Rescaling(1 / 255)(images)
    for channels in (8, 12, 16):
        x = layers.Conv2D(channels, 3, strides=2, padding="same", activation="relu")(x)
    maps = {"heatmaps": [], "pafs": []}
    for _ in range(2):
        maps["heatmaps"].append(layers.Conv2D(arm.num_keypoints + 1, 3, padding="same")(x))
        maps["pafs"].append(layers.Conv2D(2 * arm.num_limbs, 3, padding="same")(x))
        x = layers.Concatenate()([x, *(stages[-1] for stages in maps.values())])
    model = ko.PoseEstimator(images, stage_outputs(arm, maps))
    model.predict_options = {"input_size": SIZE, "min_score": 0.0}
    return model


@pytest.fixture(scope="module")
def written(network, tmp_path_factory):
    """The path of the network in a format, of a fixed size or of any; each is written once."""
    folder = tmp_path_factory.mktemp("written")

    @functools.cache
    def write(format, size=SIZE):
        name = f"{'fixed' if size else 'any'}{SUFFIXES[format]}"
        return ko.export_model(network, folder / name, format=format, size=size)

    return write


def last_stage(model, images):
    maps = model(images, training=False)
    return [np.asarray(maps[name])[:, -1] for name in ("heatmaps", "pafs")]


def largest_difference(maps, others):
    return max(np.abs(one - other).max() for one, other in zip(maps, others, strict=True))


@pytest.mark.parametrize("format", FORMATS)
def test_a_fixed_size_gives_the_last_stage_of_keras(format, network, written):
    exported = ko.load_exported(written(format))
    assert exported.input_shape == (1, *SIZE, 3)
    assert exported.channels == {"heatmaps": 4, "pafs": 4}
    maps = exported.run(IMAGES)  # one by one, as the network takes them
    assert [one.dtype for one in maps] == [np.float32] * 2
    # Float32 sums of some hundred products in another order.
    assert largest_difference(maps, last_stage(network, IMAGES)) < 1e-5


@pytest.mark.parametrize("format", FORMATS)
def test_the_skeleton_and_the_options_go_along(format, written, arm, arm_model, tmp_path):
    exported = ko.load_exported(written(format))
    assert exported.skeleton == arm
    assert exported.predict_options == {"input_size": [*SIZE], "min_score": 0.0}
    assert ko.predict_poses(exported, IMAGES[0]).skeleton == arm
    with pytest.raises(ValueError, match=r"that of the network, arm, .* Received: COCO_18"):
        ko.predict_poses(exported, IMAGES[0], skeleton=ko.COCO_18)
    path = ko.export_model(arm_model, tmp_path / f"plain{SUFFIXES[format]}", format=format, size=SIZE)
    assert ko.load_exported(path).skeleton is None


@pytest.mark.parametrize("format", [one for one in FORMATS if one.values[0] != "litert"])
def test_without_a_size_it_takes_batches_of_any(format, network, written):
    exported = ko.load_exported(written(format, size=None))
    assert exported.input_shape == (None, None, None, 3)
    for images in (IMAGES, IMAGES[:1, :48], IMAGES[:, :, :32]):
        assert largest_difference(exported.run(images), last_stage(network, images)) < 1e-5


# Straight from the runtimes, as somebody without this package would use the files.


def test_onnxruntime_finds_inputs_and_outputs_by_name(network, written):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(written("onnx", size=None), providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["images"]
    assert {one.name for one in session.get_outputs()} == {"heatmaps", "pafs"}
    maps = session.run(["heatmaps", "pafs"], {"images": IMAGES})
    assert largest_difference(maps, last_stage(network, IMAGES)) < 1e-5


def test_litert_finds_inputs_and_outputs_by_name(network, written):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    maps = litert.Interpreter(str(written("litert"))).get_signature_runner()(images=IMAGES[:1])
    assert largest_difference([maps["heatmaps"], maps["pafs"]], last_stage(network, IMAGES[:1])) < 1e-5


def test_openvino_finds_inputs_and_outputs_by_name(network, written):
    openvino = pytest.importorskip("openvino")
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(written("openvino", size=None), "CPU", precision)
    maps = compiled({"images": IMAGES})
    assert largest_difference([maps["heatmaps"], maps["pafs"]], last_stage(network, IMAGES)) < 1e-5


@pytest.mark.parametrize(
    # Float16 keeps 11 bits of each weight. Whole numbers are 256 steps of each layer's range, of which
    # two or three add up here.
    ("precision", "share_of_range"),
    [("float16", 2e-3), ("int8", 0.03)],
)
def test_narrower_litert_is_smaller_and_near(precision, share_of_range, network, written, tmp_path):
    pytest.importorskip("ai_edge_litert")
    calibration = IMAGES.astype("uint8") if precision == "int8" else ()
    path = ko.export_model(
        network, tmp_path / "narrow.tflite", size=SIZE, precision=precision, calibration=calibration
    )
    assert path.stat().st_size < 0.9 * written("litert").stat().st_size
    expected = last_stage(network, IMAGES)
    for maps, others in zip(ko.load_exported(path).run(IMAGES), expected, strict=True):
        assert 0 < np.abs(maps - others).max() < share_of_range * np.ptp(others)


def test_int8_takes_images_as_they_are(network, tmp_path):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    path = ko.export_model(
        network, tmp_path / "network.tflite", size=SIZE, precision="int8", calibration=[IMAGES[0]]
    )
    interpreter = litert.Interpreter(str(path))
    assert interpreter.get_input_details()[0]["dtype"] == np.uint8
    interpreter.allocate_tensors()
    in_floats = [one["index"] for one in interpreter.get_tensor_details() if one["dtype"] == np.float32]
    assert sorted(in_floats) == sorted(one["index"] for one in interpreter.get_output_details())


def test_exported_networks_find_people(arm, arm_model, photograph_arms, tmp_path):
    pytest.importorskip("ai_edge_litert")
    arms = np.array([[[30, 10], [32, 30], [30, 50]], [[70, 8], [68, 28], [71, 48]]])
    image = photograph_arms(SIZE, arms, sigma=7.0)
    exported = ko.load_exported(ko.export_model(arm_model, tmp_path / "arms.tflite", size=SIZE))
    expected = ko.predict_poses(arm_model, [image, image], skeleton=arm, input_size=SIZE, flip=True)
    found = ko.predict_poses(exported, [image, image], skeleton=arm, flip=True)
    assert [len(poses) for poses in found] == [2, 2]
    np.testing.assert_allclose(found[1].keypoints, expected[1].keypoints, atol=1e-3)


def test_a_fixed_network_is_asked_for_no_other_size(written, arm):
    exported = ko.load_exported(written("tf_saved_model"))
    with pytest.raises(ValueError, match=r"takes images of height and width \(64, 96\) only"):
        ko.predict_poses(exported, IMAGES[0], skeleton=arm, scales=(1, 2))
    with pytest.raises(ValueError, match="must give the maps of COCO_18"):
        forward_pass(exported, ko.COCO_18)


def test_an_existing_file_or_folder_is_replaced_whole(network, tmp_path):
    pytest.importorskip("ai_edge_litert")
    for name in ("network", "network.tflite"):
        for size in (SIZE, (32, 32)):
            path = ko.export_model(network, tmp_path / name, size=size)
            assert ko.load_exported(path).input_shape == (1, *size, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network", "network.tflite"]


def test_a_folder_that_holds_something_else_is_left_alone(arm_model, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/thesis.txt").write_text("all of it")
    (tmp_path / "file").write_text("of value")
    ko.export_model(arm_model, tmp_path / "more", size=SIZE)
    (tmp_path / "more/notes.txt").write_text("on the network")
    for name in ("models", "file", "more"):
        with pytest.raises(FileExistsError, match="`path` must be a new folder, or one with nothing but"):
            ko.export_model(arm_model, tmp_path / name, format="tf_saved_model", size=SIZE)
    assert (tmp_path / "models/thesis.txt").read_text() == "all of it"
    assert (tmp_path / "file").read_text() == "of value"
    assert (tmp_path / "more/notes.txt").read_text() == "on the network"


WRONG = {
    "an unknown format": ({"format": "caffe"}, r"`format` must be one of: tf_saved_model, onnx, .*'caffe'"),
    "an end that says nothing": (
        {"path": "network.bin"},
        r"`format` must .* None for 'network.bin'",
    ),
    "another end": ({"format": "onnx", "path": "n.xml"}, r"`path` must end in .onnx .* Received: n.xml"),
    "an unknown precision": ({"precision": "int4"}, r"`precision` must be one of: .*Received: 'int4'"),
    "a precision of another format": (
        {"precision": "float16", "path": "n.onnx"},
        r"`precision='float16'` needs format 'litert'. Received: 'onnx'",
    ),
    "no calibration": (
        {"precision": "int8"},
        r"`calibration` must hold .* 0 photographs for 'int8'",
    ),
    "calibration for nothing": (
        {"calibration": IMAGES},
        r"`calibration` must .* Received: 2 photographs",
    ),
    "LiteRT of any size": ({"size": None}, r"`size` must be given for format 'litert'"),
    "an odd size": ({"size": (60, 96)}, r"`size` must be .* multiples of 16. Received: \(60, 96\)"),
    "another network": ({"model": "network.onnx"}, r"`model` must be a Keras network. Received: str"),
}


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_exported_is_told(changes, message, network):
    with pytest.raises(ValueError, match=message):
        ko.export_model(**{"model": network, "path": "network.tflite", "size": SIZE, **changes})


def test_a_folder_that_is_not_there_is_told_before_the_conversion(network, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`path` must lie in a folder that exists.*nowhere"):
        ko.export_model(network, tmp_path / "nowhere" / "network.onnx")


@pytest.mark.parametrize("size", [(64, 96), (72, 104)], ids=["multiples of 16", "of 8 only"])
def test_the_size_of_a_fixed_network_is_its_own(size, arm, arm_model, photograph_arms, tmp_path):
    images = keras.Input((*size, 3), name="images")
    model = keras.Model(images, arm_model(images))
    with pytest.raises(ValueError, match=rf"`size` must be that of the network, \({size[0]}, {size[1]}\)"):
        ko.export_model(model, tmp_path / "network", size=(96, 96))
    exported = ko.load_exported(ko.export_model(model, tmp_path / "network"))
    assert exported.input_shape == (1, *size, 3)
    image = photograph_arms(size, [[[40, 20], [41, 40], [40, 60]]])
    assert len(ko.predict_poses(exported, image, skeleton=arm)) == 1


@pytest.mark.parametrize("name", ["network.onnx", "network.tflite", "network.xml"])
def test_a_damaged_file_is_told(name, tmp_path):
    if importlib.util.find_spec(NEEDS[{".onnx": "onnx", ".xml": "openvino"}.get(name[7:], "litert")]) is None:
        pytest.skip("needs the runtime")
    (tmp_path / name).write_bytes(b"no network" * 100)
    with pytest.raises(ValueError, match=f"Not a network of `export_model`, or a damaged one: .*{name}"):
        ko.load_exported(tmp_path / name)


def test_what_is_no_exported_network_is_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        ko.load_exported(tmp_path / "missing.onnx")
    (tmp_path / "network.pt").touch()
    with pytest.raises(ValueError, match=r"must be a folder or end in .onnx, .tflite, .xml"):
        ko.load_exported(tmp_path / "network.pt")


def test_a_fixed_batch_of_several_is_refused(arm_model, tmp_path):
    spec = keras.InputSpec(shape=(4, *SIZE, 3), dtype="float32", name="images")
    arm_model.export(tmp_path / "network", format="tf_saved_model", input_signature=[spec], verbose=False)
    with pytest.raises(ValueError, match=r"one by one, or batches of any size\. It takes 4"):
        ko.load_exported(tmp_path / "network")


def test_a_batch_is_run_one_by_one_where_the_network_takes_one():
    seen = []

    def call(images):
        seen.append(images.shape)
        return {"heatmaps": images[:, ::8, ::8], "pafs": images[:, ::8, ::8]}

    network = ExportedNetwork((1, *SIZE, 3), {"heatmaps": 3, "pafs": 3}, call)
    heatmaps, _ = network.run(IMAGES)
    assert seen == [(1, *SIZE, 3)] * 2
    np.testing.assert_array_equal(heatmaps, IMAGES[:, ::8, ::8])


def test_a_network_without_pafs_is_exported_too(tmp_path):
    images = keras.Input((*SIZE, 3), name="images")
    maps = layers.Conv2D(22, 1)(layers.AveragePooling2D(8)(images))[:, None]
    model = keras.Model(images, {"heatmaps": maps})
    exported = ko.load_exported(ko.export_model(model, tmp_path / "hand"))
    heatmaps, pafs = exported.run(IMAGES)
    assert (heatmaps.shape, pafs.shape) == ((2, 8, 12, 22), (2, 8, 12, 0))
    assert len(ko.predict_poses(exported, IMAGES[0], skeleton=ko.HAND_21, min_peak_score=0)) <= 1


def run(code, cwd, *arguments):
    process = subprocess.run(
        [sys.executable, *code, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, env=os.environ
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.slow
def test_people_are_found_without_loading_a_backend_of_keras(arm_model, photograph_arms, tmp_path):
    pytest.importorskip("ai_edge_litert")
    ko.export_model(arm_model, tmp_path / "arms.tflite", size=SIZE)
    np.save(tmp_path / "image.npy", photograph_arms(SIZE, [[[30, 10], [32, 30], [30, 50]]], sigma=7.0))
    code = (
        "import os, sys; os.environ['KERAS_BACKEND'] = 'numpy'\n"
        "import numpy as np, keras_openpose as ko\n"
        "arm = ko.Skeleton('arm', keypoints=('a', 'b', 'c'), limbs=(('a', 'b'), ('b', 'c')))\n"
        "poses = ko.predict_poses(ko.load_exported('arms.tflite'), np.load('image.npy'), skeleton=arm)\n"
        "print(len(poses), {'tensorflow', 'torch'} & set(sys.modules))\n"
    )
    assert run(["-c", code], tmp_path) == "1 set()\n"


def test_a_folder_that_cannot_be_replaced_keeps_what_it_had(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "network").mkdir()
    (tmp_path / "network/saved_model.pb").write_text("old")
    monkeypatch.setattr("shutil.move", full)
    with pytest.raises(OSError, match="No space left"):
        _replace_folder(tmp_path / "network", lambda folder: folder.mkdir())
    assert (tmp_path / "network/saved_model.pb").read_text() == "old"


# The real network on real photographs.


@pytest.fixture(scope="module")
def photographs(shared, mobilenet):
    """Photographs with the maps that Keras gives of them."""
    paths = sorted((shared / "data/coco/val2017").glob("*.jpg"))[::8]
    forward = forward_pass(mobilenet, ko.COCO_18)
    images = [letterbox([ko.read_image(path)], (368, 432), 1)[0] for path in paths]
    return [(image, forward(image)) for image in images]


@pytest.fixture(scope="module")
def write_mobilenet(mobilenet, tmp_path_factory):
    """Writes the network in a format, once."""
    folder = tmp_path_factory.mktemp("mobilenet")
    return functools.cache(
        lambda format: ko.export_model(mobilenet, folder / f"network{SUFFIXES[format]}", size=(368, 432))
    )


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_photographs_give_the_maps_of_keras(format, photographs, write_mobilenet):
    exported = ko.load_exported(write_mobilenet(format))
    differences = [largest_difference(exported.run(image), maps) for image, maps in photographs]
    # The network divides by the deviation of each channel, which enlarges rounding where a channel is
    # nearly even; OpenVINO sums in an order that rounds more (0.014 on one photograph).
    assert np.median(differences) < (1e-2 if format == "openvino" else 1e-3)
    assert np.max(differences) < (0.1 if format == "openvino" else 1e-2)


@pytest.mark.shared
@pytest.mark.slow
def test_the_example_finds_people_with_onnxruntime(mobilenet, shared, write_mobilenet, tmp_path):
    pytest.importorskip("onnxruntime")
    photo = shared / "data/coco/val2017/000000034417.jpg"
    words = run([EXAMPLES / "export_onnx.py"], tmp_path, write_mobilenet("onnx"), photo, "people.jpg")
    poses = ko.predict_poses(mobilenet, photo)
    assert len(poses) > 0
    assert words == f"{len(poses)} people\n"
    assert (tmp_path / "people.jpg").stat().st_size
