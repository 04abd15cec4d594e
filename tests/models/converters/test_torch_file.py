"""PyTorch files: both containers, with PyTorch and without, and nothing of them is run."""

import collections
import contextlib
import importlib.util
import io
import os
import pickle
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_openpose.models.converters.torch_file import read_torch_file, read_without_torch
from torch_files import CONTAINERS, Call, dump, stream_file, zip_file

WEIGHTS = {
    "conv1_1.weight": np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3),
    "conv1_1.bias": np.array([1, 2], np.float32),
    "norm.num_batches_tracked": np.array([7], np.int64),
}
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")


@pytest.fixture(params=["torch", "no torch"])
def read(request, tmp_path, monkeypatch):
    """Reads the bytes of a file, with PyTorch or as if it were not installed."""
    if request.param == "no torch":
        monkeypatch.setitem(sys.modules, "torch", None)
    elif importlib.util.find_spec("torch") is None:
        pytest.skip("needs torch")

    def read(content):
        (tmp_path / "weights.pth").write_bytes(content)
        return read_torch_file(tmp_path / "weights.pth")

    return read


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("checkpoint", [WEIGHTS, {"iter": 370000, "state_dict": WEIGHTS, "optimizer": {}}])
def test_the_tensors_of_a_state_dict_or_checkpoint_are_read(container, checkpoint, read):
    assert_equal(read(CONTAINERS[container](checkpoint)), WEIGHTS)


@needs_torch
@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("reader", ["with", "without"])
def test_files_that_torch_itself_wrote_are_read(new, reader, tmp_path):
    import torch

    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.PReLU(8))
    state = network.state_dict()
    state["view"] = torch.arange(12.0).reshape(3, 4).T[1:]
    state["parameter"] = torch.nn.Parameter(torch.ones(2))
    # As torch.optim.Adam and MultiStepLR tell their state.
    optimizer = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(8)}}, "param_groups": [{}]}
    schedule = {"milestones": collections.Counter({100: 1, 200: 2}), "gamma": 0.333, "last_epoch": 3}
    checkpoint = {"state_dict": state, "optimizer": optimizer, "scheduler": schedule, "iter": 370000}
    path = tmp_path / "checkpoint.pth"
    torch.save(checkpoint, path, _use_new_zipfile_serialization=new)
    found = read_torch_file(path) if reader == "with" else read_without_torch(path.read_bytes())
    assert_equal(found, {name: tensor.detach().numpy() for name, tensor in state.items()})


class _Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def in_zip(index):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("weights/data.pkl", index)
    return file.getvalue()


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("place", ["zip", "stream", "first pickle of the stream"])
def test_a_malicious_pickle_does_not_run(place, protocol, read, tmp_path):
    target = tmp_path / "was here"
    evil = pickle.dumps({"conv1_1.weight": _Evil(str(target))}, protocol)
    head, index = stream_file({}), dump({}, stream=True)[0]
    content = {
        "zip": in_zip(evil),
        "stream": head.replace(index, evil),
        "first pickle of the stream": head[:14] + b"0" + evil[2:] + head[15:],  # POP, then the evil
    }[place]
    with pytest.raises(ValueError, match=r"weights.pth is not a PyTorch file of weights"):
        read(content)
    assert not target.exists()
    pickle.loads(evil)  # it would have run
    assert target.exists()


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "torch.load", "numpy.load"])
def test_a_call_that_is_not_in_the_table_is_named(name):
    module, _, function = name.rpartition(".")
    with pytest.raises(ValueError, match=f"it holds more than weights: it would call .*{name}"):
        read_without_torch(zip_file({"a": Call(module, function, "x")}))


def test_a_tensor_must_lie_within_its_storage():
    index, _ = dump({"a": np.zeros(2, np.float32)}, stream=False)
    good = zip_file({"a": np.zeros(2, np.float32)})
    assert_equal(read_without_torch(good), {"a": np.zeros(2)})
    small = in_zip(index)
    with zipfile.ZipFile(file := io.BytesIO(small), "a") as archive:
        archive.writestr("weights/data/0", bytes(4))
    with pytest.raises(ValueError, match=r"shape \(2,\) does not lie within its 1 values"):
        read_without_torch(file.getvalue())


def test_a_tensor_that_claims_to_be_huge_takes_no_memory():
    huge = np.broadcast_to(np.float32(0), (2**20, 2**10))  # 4 GB, of stride 0
    index, _ = dump({"a": huge}, stream=False)
    with pytest.raises(ValueError, match=r"larger than the file"):
        read_without_torch(in_zip(index))


NO_WEIGHTS = {
    "an empty file": b"",
    "zeros": bytes(1000),
    "a zip of something else": in_zip(b""),
    "a pickle of a number": in_zip(pickle.dumps(3, 2)),
    "a dictionary without tensors": zip_file({"a": 1}),
    "an empty dictionary": zip_file({}),
    "a list of tensors": zip_file((np.zeros(2, np.float32),)),
    "half a zip": zip_file(WEIGHTS)[:300],
    "half a stream": stream_file(WEIGHTS)[:-20],
    "a third of a stream": stream_file(WEIGHTS)[:100],
}


@pytest.mark.parametrize("what", NO_WEIGHTS)
def test_what_is_no_file_of_weights_is_one_error_that_names_the_file(what, read):
    with pytest.raises(ValueError, match=r"weights.pth is not a PyTorch file of weights: ."):
        read(NO_WEIGHTS[what])


@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path_factory, data):
    content = CONTAINERS[data.draw(st.sampled_from(sorted(CONTAINERS)))](WEIGHTS)
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.pth"
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    with contextlib.suppress(ValueError), pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch", None)
        assert all(array.size < 1000 for array in read_torch_file(path).values())
