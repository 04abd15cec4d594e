"""Weight files of Keras 2 and of NumPy, and nothing of the pickle in the latter is run."""

import contextlib
import io
import os
import pickle

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_openpose.models.converters.keras2_file import read_keras2_file
from keras_openpose.models.converters.npy_file import read_npy_file

KERNEL, BIAS = np.arange(54, dtype=np.float32).reshape(3, 3, 3, 2), np.array([1, 2], np.float32)
# As in Caffe: (out, in, height, width).
EXPECTED = {"conv1_1.weight": KERNEL.transpose(3, 2, 0, 1), "conv1_1.bias": BIAS}
LAYERS = {"conv1_1": {"weights": KERNEL, "biases": BIAS}}


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def npy(value, protocol=4):
    """The bytes of numpy.save, of any protocol."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    holder = np.empty((), object)
    holder[()] = value
    return file.getvalue() + pickle.dumps(holder, protocol)


@pytest.fixture
def read_npy(tmp_path):
    def read(content):
        (tmp_path / "weights.npy").write_bytes(content)
        return read_npy_file(tmp_path / "weights.npy")

    return read


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_a_dictionary_of_layers_is_read(protocol, read_npy):
    assert_equal(read_npy(npy(LAYERS, protocol)), EXPECTED)


def test_what_numpy_save_writes_is_read(tmp_path):
    np.save(tmp_path / "weights.npy", np.array(LAYERS, dtype=object))
    assert_equal(read_npy_file(tmp_path / "weights.npy"), EXPECTED)


def test_a_dictionary_that_python_2_wrote_is_read(read_npy):
    """By hand: text and bytes are both strings there, and NumPy's module has its old name."""

    def text(value):
        return b"T" + len(value).to_bytes(4, "little") + value

    def array(values):
        shape = b"(" + b"".join(b"K" + bytes([size]) for size in values.shape) + b"t"
        state = b"(K\1" + shape + floats + b"\x89" + text(values.tobytes()) + b"t"
        return new + state + b"b"

    new = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0t" + text(b"b") + b"tR"
    floats = b"cnumpy\ndtype\n(" + text(b"f4") + b"K\0K\1tR(K\3" + text(b"<") + b"NNNK\0K\0K\0tb"
    objects = b"cnumpy\ndtype\n(" + text(b"O8") + b"K\0K\1tR"
    layer = b"}(" + text(b"weights") + array(KERNEL) + text(b"biases") + array(BIAS) + b"u"
    holder = new + b"(K\1)" + objects + b"\x89]}" + text(b"conv1_1") + layer + b"satb."
    header = npy(0, 2).partition(b"\x80\x02")[0]
    assert_equal(read_npy(header + b"\x80\x02" + holder), EXPECTED)


class _Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_malicious_pickle_does_not_run(protocol, read_npy, tmp_path):
    content = npy({"conv1_1": {"weights": _Evil(str(tmp_path / "was here")), "biases": BIAS}}, protocol)
    with pytest.raises(
        ValueError, match=r"weights.npy is not a NumPy file of weights: .* would call \w+.mkdir"
    ):
        read_npy(content)
    assert not (tmp_path / "was here").exists()
    np.load(io.BytesIO(content), allow_pickle=True)  # it would have run
    assert (tmp_path / "was here").exists()


@pytest.mark.parametrize("change", [{"weights": KERNEL}, {**LAYERS["conv1_1"], "more": BIAS}, BIAS, 3])
def test_layers_of_another_form_are_an_error(change, read_npy):
    with pytest.raises(ValueError, match=r"weights.npy is not a NumPy file of weights: ."):
        read_npy(npy({"conv1_1": change}))


def test_bytes_that_stand_for_many_arrays_take_no_memory(read_npy):
    array = np.zeros(10_000, np.float32)
    content = npy({f"conv{n}": {"weights": array, "biases": array} for n in range(1000)})
    assert len(content) < 500_000  # the pickle holds the array once
    with pytest.raises(ValueError, match="larger than the file"):
        read_npy(content)


def test_an_array_of_numbers_is_an_error(tmp_path):
    np.save(tmp_path / "weights.npy", KERNEL)
    with pytest.raises(ValueError, match="it holds an array of numbers, not a dictionary"):
        read_npy_file(tmp_path / "weights.npy")


@given(st.data())
def test_a_damaged_npy_file_is_read_or_refused_and_nothing_else(tmp_path_factory, data):
    damaged = bytearray(npy(LAYERS, data.draw(st.sampled_from([2, 4]))))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    with contextlib.suppress(ValueError):
        assert all(array.size < 1000 for array in read_npy_file(path).values())


# Keras 2


def keras2_file(path, layers, *, saved_model=False, text=False):
    """Written as Keras 2 writes: `layers` by name, their arrays under the names of variables."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if saved_model else file
        encode = str if text else str.encode
        root.attrs["layer_names"] = [encode(name) for name in layers]
        for name, (kernel, bias) in layers.items():
            group = root.create_group(name)
            names = [f"{name}/kernel:0", f"{name}/bias:0"] if kernel is not None else []
            group.attrs["weight_names"] = [encode(one) for one in names]
            for one, array in zip(names, (kernel, bias), strict=False):
                group[one] = array
    return path


@pytest.mark.parametrize("form", [{}, {"saved_model": True}, {"text": True}])
def test_kernels_and_biases_of_a_keras_2_file_are_read(form, tmp_path):
    layers = {"input_1": (None, None), "conv1_1": (KERNEL, BIAS), "pool1_1": (None, None)}
    assert_equal(read_keras2_file(keras2_file(tmp_path / "model.h5", layers, **form)), EXPECTED)


@pytest.mark.parametrize("name", ["Mconv3_stage1_L2", "conv5_3_CPM_L2"])
def test_the_first_stage_is_known_by_either_name(name, tmp_path):
    found = read_keras2_file(keras2_file(tmp_path / "model.h5", {name: (KERNEL, BIAS)}))
    assert found.keys() == {"conv5_3_CPM_L2.weight", "conv5_3_CPM_L2.bias"}


def test_what_is_no_keras_2_file_is_one_error_that_names_the_file(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["array"] = KERNEL
    (tmp_path / "bad.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    for name in ("other.h5", "bad.h5"):
        with pytest.raises(ValueError, match=f"{name} is not a weight file of Keras 2: ."):
            read_keras2_file(tmp_path / name)


def test_an_array_that_claims_to_be_huge_takes_no_memory(tmp_path):
    path = keras2_file(tmp_path / "model.h5", {"conv1_1": (KERNEL, BIAS)})
    with h5py.File(path, "a") as file:
        del file["conv1_1/conv1_1/kernel:0"]
        file.create_dataset("conv1_1/conv1_1/kernel:0", (2**20, 2**20), "f4", chunks=True)  # never written
    with pytest.raises(ValueError, match="an array of 4398046511104 bytes is larger than the file"):
        read_keras2_file(path)


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.95])
def test_a_cut_off_keras_2_file_is_an_error(part, tmp_path):
    content = keras2_file(tmp_path / "model.h5", {"conv1_1": (KERNEL, BIAS)}).read_bytes()
    (tmp_path / "model.h5").write_bytes(content[: int(part * len(content))])
    with pytest.raises(ValueError, match="is not a weight file of Keras 2"):
        read_keras2_file(tmp_path / "model.h5")
