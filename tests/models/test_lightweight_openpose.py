"""Lightweight OpenPose: its form, and its checkpoint against the same modules in PyTorch."""

import importlib.util

import keras
import numpy as np
import pytest

import published_modules
from keras_openpose import StageLoss, from_preset, lightweight_openpose
from keras_openpose.models.converters.lightweight import load_lightweight
from torch_files import CONTAINERS

IMAGES = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3)).astype("float32")
MAPS = ("heatmaps", "pafs")
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")


def parameters(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


# Facts of the published modules: 1,613,120 of the backbone, 265,856 of the features, 604,089 of the
# first stage and 1,608,633 of each other.
@pytest.mark.parametrize(("stages", "expected"), [(1, 4_091_698), (3, 7_308_964), (0, 2_483_065)])
def test_parameters_are_those_of_the_published_network(stages, expected):
    assert parameters(lightweight_openpose(stages)) == expected


def test_maps_have_stride_8_and_the_channels_of_the_skeleton(arm):
    model = lightweight_openpose(2, skeleton=arm)
    assert {name: maps.shape for name, maps in model(IMAGES).items()} == {
        "heatmaps": (1, 3, 8, 12, 4),
        "pafs": (1, 3, 8, 12, 4),
    }


def test_a_later_stage_reads_features_heatmaps_and_pafs_in_this_order(arm):
    names = [
        tensor._keras_history.operation.name
        for tensor in lightweight_openpose(skeleton=arm).get_layer("stage2_input").input
    ]
    assert names == ["features_conv4", "stage1_heatmaps_conv2", "stage1_pafs_conv2"]


@pytest.mark.slow
def test_every_weight_learns(arm):
    keras.utils.set_random_seed(1)
    model = lightweight_openpose(skeleton=arm)
    before = [np.asarray(weight) for weight in model.trainable_weights]
    model.compile(keras.optimizers.SGD(1.0), {name: StageLoss() for name in MAPS}, jit_compile=False)
    images = np.random.default_rng(2).integers(0, 256, (4, 64, 96, 3)).astype("float32")
    targets = {name: np.random.default_rng(3).normal(size=(4, 8, 12, 4)).astype("float32") for name in MAPS}
    model.fit(images, targets, verbose=0)
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert not np.array_equal(np.asarray(weight), old), weight.path


def test_maps_are_float32_under_mixed_precision(arm):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = lightweight_openpose(skeleton=arm)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {keras.backend.standardize_dtype(maps.dtype) for maps in model(IMAGES).values()} == {"float32"}


def test_a_saved_model_comes_back_equal(arm, tmp_path):
    model = lightweight_openpose(skeleton=arm)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    for name in MAPS:
        np.testing.assert_array_equal(np.asarray(loaded(IMAGES)[name]), np.asarray(model(IMAGES)[name]))


def test_a_negative_number_of_stages_is_an_error():
    with pytest.raises(ValueError, match=r"`num_refinement_stages` must be at least 0. Received: -1"):
        lightweight_openpose(-1)


# The published checkpoint


def random_weights(network):
    """Weights that keep the maps alive, by name, as arrays."""
    rng, arrays = np.random.default_rng(4), {}
    for name, tensor in network.state_dict().items():
        shape = tuple(tensor.shape)
        if name.endswith("num_batches_tracked"):
            arrays[name] = np.full(1, 7, np.int64).reshape(shape)
            continue
        if len(shape) == 4:
            array = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        elif name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
            array = rng.uniform(0.5, 1.5, shape)
        else:
            array = rng.uniform(-0.2, 0.2, shape)
        arrays[name] = array.astype(np.float32)
    return arrays


@pytest.fixture(scope="module")
def published():
    """The published network with random weights, and those."""
    import torch

    network = published_modules.lightweight_openpose(3)
    weights = random_weights(network)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return network, weights


@pytest.fixture
def file(published, tmp_path):
    def write(change=lambda name, array: array, container="zip"):
        weights = {name: change(name, array) for name, array in published[1].items()}
        checkpoint = {
            "state_dict": {name: array for name, array in weights.items() if array is not None},
            "optimizer": {"state": {"0": np.ones(3, np.float32)}},
            "iter": 370000,
        }
        (tmp_path / "checkpoint.pth").write_bytes(CONTAINERS[container](checkpoint))
        return tmp_path / "checkpoint.pth"

    return write


def largest_difference(model, network, size=(64, 96)):
    """Of any stage of either output, in parts of its largest value."""
    import torch

    images = np.random.default_rng(5).integers(0, 256, (2, *size, 3)).astype("float32")
    with torch.no_grad():
        bgr = np.ascontiguousarray(((images[..., ::-1] - 128) / 256).transpose(0, 3, 1, 2))
        stages = network(torch.from_numpy(bgr))
    maps, differences = model(images, training=False), []
    for kind, name in enumerate(MAPS):
        for stage in range(maps[name].shape[1]):
            expected = stages[stage][kind].numpy().transpose(0, 2, 3, 1)
            difference = np.abs(np.asarray(maps[name])[:, stage] - expected).max()
            differences.append(difference / np.abs(expected).max())
    return max(differences)


# Float32 sums in another order, through 60 layers.
SAME = 1e-4


@pytest.mark.slow
@needs_torch
@pytest.mark.parametrize(
    ("preset", "size", "container"),
    [
        ("lightweight_coco", (64, 96), "stream"),
        ("lightweight_coco", (104, 72), "zip"),
        ("lightweight_coco_3_stages", (64, 96), "zip"),
    ],
)
def test_the_network_gives_what_pytorch_gets_from_the_checkpoint(preset, size, container, published, file):
    model = from_preset(preset, file=file(container=container))
    assert largest_difference(model, published[0], size) < SAME


MISTAKES = {
    "BGR taken for RGB": ("model.0.0.weight", lambda a: a[:, ::-1]),
    "a transposed kernel": ("model.4.0.weight", lambda a: a.transpose(0, 1, 3, 2)),
    "a variance left out": ("model.9.4.running_var", np.ones_like),
    "a mean of the last stage left out": (
        "refinement_stages.0.trunk.4.trunk.1.1.running_mean",
        np.zeros_like,
    ),
}


@pytest.mark.slow
@needs_torch
@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_comparison_sees(mistake, published, file):
    end, change = MISTAKES[mistake]
    path = file(lambda name, array: np.ascontiguousarray(change(array)) if name == end else array)
    assert largest_difference(from_preset("lightweight_coco", file=path), published[0]) > 10 * SAME


@needs_torch
def test_stages_that_the_network_lacks_are_skipped_only_where_the_preset_says_so(file):
    with pytest.raises(ValueError, match=r"\d+ not used: refinement_stages.1.trunk.0.initial.0.weight"):
        load_lightweight(lightweight_openpose(), file())


@needs_torch
def test_all_that_does_not_fit_is_in_one_error(file):
    def change(name, array):
        if name == "cpm.conv.0.bias":
            return None
        return array[:5] if name == "model.3.1.running_var" else array

    with pytest.raises(
        ValueError, match="nothing was loaded: 1 not filled: features_conv4/bias; 1 of"
    ) as error:
        from_preset("lightweight_coco", file=file(change))
    assert "conv3_depthwise_norm/moving_variance is (5,), must be (128,)" in str(error.value)
