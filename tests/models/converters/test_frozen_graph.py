import contextlib
import time

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from keras_openpose import from_preset, mobilenet_openpose
from keras_openpose.models.converters.frozen_graph import load_frozen_graph, read_frozen_graph
from published_graph import published_graph, random_values, run_graph

IMAGES = np.random.default_rng(1).integers(0, 256, (1, 64, 96, 3)).astype("float32")


@pytest.fixture(scope="module")
def graph():
    """The published graph with random weights."""
    return published_graph(random_values(0))


@pytest.fixture(scope="module")
def model():
    return mobilenet_openpose()


@pytest.fixture
def saved(tmp_path):
    def save(graph):
        (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
        return tmp_path / "graph.pb"

    return save


def changed(graph, change):
    """A copy in which each array went through `change(name, array)`; None leaves the node out."""
    copy = tf.compat.v1.GraphDef()
    copy.CopyFrom(graph)
    del copy.node[:]
    for node in graph.node:
        if "__cf__" in node.name:
            array = change(node.name.split("/read/")[0], tf.make_ndarray(node.attr["value"].tensor))
            if array is None:
                continue
            node = tf.compat.v1.NodeDef.FromString(node.SerializeToString())
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.ascontiguousarray(array)))
        copy.node.append(node)
    return copy


def largest_difference(model, graph):
    expected = run_graph(graph)(IMAGES[..., ::-1])
    maps = model(IMAGES)
    ours = np.concatenate([np.asarray(maps[name])[:, -1] for name in ("heatmaps", "pafs")], axis=-1)
    return np.abs(ours - expected).max() / np.abs(expected).max()


# Float32 sums of some hundred products, through 70 layers: measured 2e-5 of the largest value.
SAME = 1e-4

MISTAKES = {
    "BGR taken for RGB": ("MobilenetV2/Conv/weights", lambda a: a[:, :, ::-1]),
    "a transposed kernel": ("expanded_conv_4/depthwise/depthwise_weights", lambda a: a.transpose(1, 0, 2, 3)),
    "a scale of the backbone left out": ("expanded_conv_7/expand/BatchNorm/gamma", np.ones_like),
    "an offset of the third stage left out": ("MConv_Stage3_L1_2_pointwise/BatchNorm/beta", np.zeros_like),
    "a variance of the last stage left out": (
        "MConv_Stage6_L2_5_pointwise/BatchNorm/moving_variance",
        np.ones_like,
    ),
}


def test_the_network_gives_what_tensorflow_gets_from_the_graph(graph, saved):
    model = from_preset("mobilenet_v2_small_coco", file=saved(graph))
    assert largest_difference(model, graph) < SAME


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_comparison_sees(mistake, graph, saved, model):
    end, change = MISTAKES[mistake]
    load_frozen_graph(model, saved(changed(graph, lambda name, a: change(a) if name.endswith(end) else a)))
    assert largest_difference(model, graph) > 10 * SAME


def test_all_that_does_not_fit_is_in_one_error_and_nothing_is_loaded(graph, saved, model):
    def change(name, array):
        if name == "MobilenetV2/Conv/weights":
            return None
        if name == "MobilenetV2/expanded_conv_3/project/weights":
            return array[..., :8]
        if name.startswith("Openpose/MConv_Stage6_L1_5_pointwise/BatchNorm/beta"):
            return None
        return array

    graph = changed(graph, change)
    stranger = graph.node.add(name="Elsewhere/weights", op="Const")
    stranger.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.ones((2, 3), np.float32)))
    before = [np.asarray(weight) for weight in model.weights]
    with pytest.raises(ValueError, match="nothing was loaded") as error:
        load_frozen_graph(model, saved(graph))
    text = str(error.value)
    assert "not used: Elsewhere/weights, Openpose/MConv_Stage6_L1_5_depthwise/depthwise_weights, " in text
    assert "3 not filled: stage6_pafs_conv5/bias, stage6_pafs_conv5/kernel, stem_conv/kernel" in text
    assert "1 of another shape: block3_project_conv/kernel is (1, 1, 96, 8), must be (1, 1, 96, 16)" in text
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), old)


def test_a_graph_of_another_network_is_an_error(saved, model):
    other = tf.compat.v1.GraphDef()
    node = other.node.add(name="conv1/weights", op="Const")
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.ones((3, 3, 3, 64), np.float32)))
    with pytest.raises(
        ValueError, match=r"mobilenet_openpose_v2_small, .* 1 not used: conv1/weights; 2\d\d not"
    ):
        load_frozen_graph(model, saved(other))


def test_values_are_read_in_every_form_that_tensorflow_writes():
    arrays = {
        "content": np.arange(6, dtype=np.float32).reshape(2, 3),  # tensor_content
        "one value for all": np.full((4, 2), 7, np.float32),  # a single float_val
        "a single number": np.full((1,), 3, np.float32),
    }
    graph = tf.compat.v1.GraphDef()
    for name, array in arrays.items():
        tensor = tf.make_tensor_proto(array)
        if name == "one value for all":
            tensor.ClearField("tensor_content")
            tensor.float_val.append(7)
        graph.node.add(name=name, op="Const").attr["value"].tensor.CopyFrom(tensor)
    graph.node.add(name="integers", op="Const").attr["value"].tensor.CopyFrom(tf.make_tensor_proto([1, 2]))
    found = _read(graph.SerializeToString())
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


_folder = None


@pytest.fixture(autouse=True, scope="module")
def _scratch(tmp_path_factory):
    global _folder
    _folder = tmp_path_factory.mktemp("graphs")


def _read(content: bytes):
    path = _folder / "graph.pb"
    path.write_bytes(content)
    return read_frozen_graph(path)


def _constant(shape, content=b"\0\0\0\0"):
    """A GraphDef of one constant, which may lie about its shape."""
    graph = tf.compat.v1.GraphDef()
    tensor = graph.node.add(name="weights", op="Const").attr["value"].tensor
    tensor.dtype, tensor.tensor_content = 1, content
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return graph.SerializeToString()


@pytest.mark.parametrize(
    ("what", "content", "reason"),
    [
        ("an empty file", b"", "it holds no weights"),
        ("zeros", bytes(1000), "Error parsing message"),
        ("text", b"node { name: 'x' }\n" * 9, "Error parsing message"),
        ("an HDF5 file", b"\x89HDF\r\n\x1a\n" + bytes(100), "Error parsing message"),
        ("a length beyond the end", b"\x0a\xff\xff\xff\xff\x0f", "Error parsing message"),
        ("an integer without end", b"\x0a" + b"\xff" * 20, "Error parsing message"),
        ("a graph without weights", tf.compat.v1.GraphDef(version=3).SerializeToString(), "no weights"),
        ("more values than the shape has", _constant((1, 2), bytes(12)), r"shape \(1, 2\) has 3 values"),
        ("an impossible size", _constant((-1,)), "negative"),
        ("half a float", _constant((1,), b"abc"), "multiple of element size"),
    ],
)
def test_what_is_no_graph_is_one_error_that_names_the_file(what, content, reason):
    with pytest.raises(ValueError, match=rf"graph.pb is not a frozen TensorFlow graph: .*({reason})"):
        _read(content)


def test_a_tensor_that_claims_to_be_huge_takes_no_memory(saved, model):
    huge = tf.compat.v1.GraphDef.FromString(_constant((2**30, 2**10, 2**10)))
    with pytest.raises(ValueError, match=r"a tensor of shape \(1073741824, 1024, 1024\) has 1 values"):
        load_frozen_graph(model, saved(huge))


@pytest.mark.parametrize(
    "name",
    [
        "MobilenetV2/Conv/weights",
        "MobilenetV2/expanded_conv_4/depthwise/depthwise_weights",
        "Openpose/MConv_Stage2_L1_4_depthwise/depthwise_weights",
        "Openpose/MConv_Stage2_L1_4_pointwise/weights",
    ],
)
def test_a_kernel_of_another_rank_is_an_error(name, graph, saved, model):
    flat = changed(graph, lambda other, array: array.reshape(-1) if other == name else array)
    with pytest.raises(ValueError, match="nothing was loaded"):
        load_frozen_graph(model, saved(flat))


def test_a_graph_whose_nodes_form_a_ring_or_a_long_chain_ends(graph, saved, model):
    copy = tf.compat.v1.GraphDef.FromString(graph.SerializeToString())
    (kernel,) = (node.name for node in copy.node if node.name.startswith("MobilenetV2/Conv/weights"))
    for n in range(5000):
        copy.node.add(name=f"chain{n}", op="Identity", input=[f"chain{n - 1}" if n else kernel])
    copy.node[-1].input.append("chain4999")
    load_frozen_graph(model, saved(copy))


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999999])
def test_a_cut_off_file_is_an_error(part, graph, saved, model):
    path = saved(graph)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ValueError, match="is not a frozen TensorFlow graph: Error parsing message"):
        load_frozen_graph(model, path)


def _small_graph():
    graph = tf.compat.v1.GraphDef.FromString(_constant((2, 3), np.arange(6, dtype=np.float32).tobytes()))
    node = graph.node.add(name="relu", op="Relu", input=["weights"])
    node.attr["T"].type = 1
    return graph.SerializeToString()


SMALL = _small_graph()


@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(data):
    damaged = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        assert all(array.dtype == np.float32 for array in _read(bytes(damaged)).values())


def test_a_file_of_nothing_but_tiny_nodes_is_read_in_linear_time():
    content = b"\x0a\x00" * 500_000  # 1 MB; about half a second here
    start = time.perf_counter()
    with pytest.raises(ValueError, match="no weights"):
        _read(content)
    assert time.perf_counter() - start < 20


def test_a_missing_file_is_named(model):
    with pytest.raises(FileNotFoundError, match=r"nowhere.pb"):
        load_frozen_graph(model, "nowhere.pb")
