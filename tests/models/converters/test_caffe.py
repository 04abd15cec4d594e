"""The reader of Caffe models: what it takes in every form that Caffe writes, and what it refuses."""

import contextlib
import time

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffe_network import blob, caffemodel, message, varint
from keras_openpose import MPI_15, from_preset, openpose
from keras_openpose.models.converters.caffe import read_caffemodel
from keras_openpose.models.converters.cmu import load_cmu

WEIGHTS = {
    "conv1_1.weight": np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3),
    "conv1_1.bias": np.array([1, 2], np.float32),
    "prelu4_2.weight": np.array([0.1, 0.2, 0.3], np.float32),
}
_folder = None


@pytest.fixture(autouse=True, scope="module")
def _scratch(tmp_path_factory):
    global _folder
    _folder = tmp_path_factory.mktemp("caffe")


def read(content: bytes):
    (_folder / "net.caffemodel").write_bytes(content)
    return read_caffemodel(_folder / "net.caffemodel")


def one_by_one(content):
    """A repeated field of floats that is not packed."""
    return b"".join(b"\x2d" + content[n : n + 4] for n in range(0, len(content), 4))


def layer(*blobs, name="conv"):
    return message(100, message(1, name) + b"".join(message(7, content) for content in blobs))


def test_layers_of_the_second_generation_are_read():
    found = read(caffemodel(WEIGHTS))
    assert found.keys() == WEIGHTS.keys()
    for name, array in WEIGHTS.items():
        np.testing.assert_array_equal(found[name], array)


def test_layers_of_the_first_generation_are_read_with_their_four_sizes():
    found = read(caffemodel(WEIGHTS, generation=1))
    assert found["conv1_1.bias"].shape == (1, 1, 1, 2)
    for name, array in WEIGHTS.items():
        np.testing.assert_array_equal(found[name].reshape(array.shape), array)


def test_unpacked_sizes_and_values_are_read():
    sizes = message(7, b"\x08\x02\x08\x03")
    values = np.arange(6, dtype="<f4")
    found = read(layer(sizes + one_by_one(values.tobytes())))
    np.testing.assert_array_equal(found["conv.weight"], values.reshape(2, 3))


def test_layers_without_weights_are_passed_over():
    pool = message(100, message(1, "pool1") + message(2, "Pooling"))
    assert read(pool + caffemodel(WEIGHTS)).keys() == WEIGHTS.keys()


HUGE = message(7, message(1, varint(2**62) * 2)) + message(5, bytes(4))


@pytest.mark.parametrize(
    ("what", "content", "reason"),
    [
        ("an empty file", b"", "it holds no weights"),
        ("zeros", bytes(1000), "Error parsing message"),
        ("a PyTorch file", b"PK\x03\x04" + bytes(100), "Error parsing message"),
        ("a net without weights", message(1, "net"), "it holds no weights"),
        ("a length beyond the end", b"\xa2\x06\xff\xff\xff\xff\x0f", "Error parsing message"),
        ("more values than the shape has", layer(message(7, message(1, b"\1\2")) + message(5, bytes(12))),
         r"shape \(1, 2\) has 3 values"),
        ("a size of zero", layer(message(7, message(1, b"\0\2"))), r"shape \(0, 2\) has 0 values"),
        ("a tensor that claims to be huge", layer(HUGE), "has 1 values"),
        ("half a float", layer(message(7, message(1, b"\1")) + message(5, b"abc")), "Error parsing message"),
        ("a layer twice", layer(blob(np.ones(1))) * 2, "the layer conv stands twice"),
    ],
)  # fmt: skip
def test_what_is_no_caffe_model_is_one_error_that_names_the_file(what, content, reason):
    with pytest.raises(ValueError, match=rf"net.caffemodel is not a Caffe model: .*({reason})"):
        read(content)


@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(data):
    damaged = bytearray(caffemodel(WEIGHTS, generation=data.draw(st.sampled_from([1, 2]))))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))]
    with contextlib.suppress(ValueError):
        assert all(array.dtype == np.float32 for array in read(bytes(damaged)).values())


def test_a_file_of_nothing_but_tiny_layers_is_read_in_linear_time():
    start = time.perf_counter()
    with pytest.raises(ValueError, match="no weights"):
        read(b"\xa2\x06\x00" * 300_000)  # 1 MB; about half a second here
    assert time.perf_counter() - start < 20


@pytest.fixture(scope="module")
def model():
    return openpose(skeleton=MPI_15, num_stages=1)


def test_all_that_does_not_fit_is_in_one_error_and_nothing_is_loaded(model, tmp_path):
    weights = {}
    for variable in model.weights:
        name, kind = variable.path.split("/")
        name = name.replace("block", "conv").replace("_conv", "_") if "block" in name else name
        shape = variable.shape if kind == "bias" else [variable.shape[n] for n in (3, 2, 0, 1)]
        name = name.replace("features_conv1", "conv4_3_CPM").replace("features_conv2", "conv4_4_CPM")
        name = name.replace("stage1_pafs_conv", "conv5_").replace("stage1_heatmaps_conv", "conv5_")
        if name.startswith("conv5_"):
            name += "_CPM_L1" if "pafs" in variable.path else "_CPM_L2"
        weights[f"{name}.{'bias' if kind == 'bias' else 'weight'}"] = np.zeros(shape, np.float32)
    del weights["conv1_2.bias"]
    weights["conv4_4_CPM.weight"] = weights["conv4_4_CPM.weight"][:, :7]
    weights["Mconv1_stage2_L1.weight"] = np.zeros((1, 1, 1, 1), np.float32)
    (tmp_path / "net.caffemodel").write_bytes(caffemodel(weights))
    before = [np.asarray(weight) for weight in model.weights]
    with pytest.raises(ValueError, match="nothing was loaded") as error:
        load_cmu(model, tmp_path / "net.caffemodel", network="openpose")
    text = str(error.value)
    assert "1 not used: Mconv1_stage2_L1.weight" in text
    assert "1 not filled: block1_conv2/bias" in text
    assert "1 of another shape: features_conv2/kernel is (3, 3, 7, 128), must be (3, 3, 256, 128)" in text
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), old)


def test_a_kernel_of_another_rank_is_an_error(model, tmp_path):
    (tmp_path / "net.caffemodel").write_bytes(caffemodel({"conv1_1.weight": np.zeros(1728, np.float32)}))
    with pytest.raises(ValueError, match=r"block1_conv1/kernel is \(1728,\), must be \(3, 3, 3, 64\)"):
        load_cmu(model, tmp_path / "net.caffemodel", network="openpose")


@pytest.mark.parametrize("name", ["weights.h5", "weights.npy", "weights.caffemodel"])
def test_a_file_of_another_form_is_told_which_are_read(name, model, tmp_path):
    if name == "weights.h5":  # of Keras 2
        with h5py.File(tmp_path / name, "w") as file:
            file.create_dataset("conv1_1/conv1_1/kernel:0", data=np.zeros((3, 3, 3, 64), np.float32))
    elif name == "weights.npy":  # of tf-pose
        np.save(tmp_path / name, np.array({"conv1_1": {"weights": np.ones(3)}}, dtype=object))
    else:
        (tmp_path / name).write_bytes(b"")
    forms = r"These are read: .caffemodel, .pth, .weights.h5, .keras.$"
    with pytest.raises(ValueError, match=forms) as error:
        load_cmu(model, tmp_path / name, network="openpose")
    assert str(error.value).startswith(f"{tmp_path / name} is not a Caffe model: ")


def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"nowhere.caffemodel"):
        from_preset("openpose_vgg19_coco", file="nowhere.caffemodel")
