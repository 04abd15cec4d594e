import os
import subprocess
import sys

import cv2
import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_openpose import StageLoss, mobilenet_openpose
from keras_openpose.models.layers import ImageNormalization
from published_graph import run_exactly, run_graph

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3)).astype("float32")
MAPS = ("heatmaps", "pafs")
SIZE = (368, 432)  # that the network was trained with


@pytest.fixture(scope="module")
def model():
    """Random weights, those of the normalization not left at 1 and 0."""
    keras.utils.set_random_seed(0)
    model = mobilenet_openpose()
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "_norm/" in weight.path:
            weight.assign(weight.numpy() + rng.uniform(-0.3, 0.3, weight.shape))
    return model


def largest_difference(maps, others):
    return max(np.abs(np.asarray(maps[name]) - np.asarray(others[name])).max() for name in MAPS)


def test_parameters_are_those_of_the_published_graph(model):
    # The published variables: kernels and depthwise kernels of the backbone, its scales and offsets;
    # pointwise and depthwise kernels of the stages, their offsets. The 1×1 depthwise kernels, two for
    # each of two branches of six stages, are folded into the pointwise ones: 64 and 256 numbers in the
    # first stage, 64 and 64 in the others.
    backbone, stages = 126_128 + 16_992 + 2 * 4_136, 290_496 + 27_786 + 3_798
    folded = 2 * (64 + 256) + 2 * 5 * (64 + 64)
    assert model.count_params() == backbone + stages - folded
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == model.count_params()


def test_maps_have_stride_8_and_the_channels_of_the_skeleton(model, arm):
    assert {name: maps.shape for name, maps in model(IMAGES).items()} == {
        "heatmaps": (3, 6, 8, 12, 19),
        "pafs": (3, 6, 8, 12, 38),
    }
    assert {name: maps.shape[-1] for name, maps in mobilenet_openpose(skeleton=arm).output.items()} == {
        "heatmaps": 4,
        "pafs": 4,
    }


def test_the_stage_axis_runs_from_the_first_stage_to_the_last(model):
    stages = keras.Model(model.input, [model.get_layer(f"stage{n}_pafs_conv5").output for n in range(1, 7)])
    np.testing.assert_array_equal(np.stack(stages(IMAGES), axis=1), np.asarray(model(IMAGES)["pafs"]))


def test_a_block_is_a_handful_of_operations(model):
    # Expansion, depthwise and projection: a convolution and a normalization each, after the first two ReLU6.
    inner, same_size = 8, 9  # one more where input and output are added
    first = inner - 3  # without expansion
    blocks = first + (inner + same_size) + (inner + 2 * same_size) + (inner + 3 * same_size)
    blocks += inner + 2 * same_size
    stem, enlargement, features = 3, 2, 1
    stages = 6 * 2 * 5 + 5  # five convolutions for each kind of map; what the next stage sees
    images, outputs = 1, 2
    assert len(model.operations) == images + stem + blocks + enlargement + features + stages + outputs == 183


def test_every_image_is_normalized_by_its_own_mean_and_variance():
    ours, keras_layer = ImageNormalization(), layers.GroupNormalization(-1, epsilon=1e-3)
    rng = np.random.default_rng(1)
    maps = rng.normal(rng.uniform(-3, 3, (4, 1, 1, 6)), rng.uniform(0.01, 3, (4, 1, 1, 6)), (4, 9, 11, 6))
    for layer in (ours, keras_layer):
        layer.build(maps.shape)
    gamma, beta = rng.uniform(0.5, 1.5, 6), rng.uniform(-1, 1, 6)
    for layer in (ours, keras_layer):
        layer.set_weights([gamma, beta])
    expected = np.asarray(keras_layer(maps.astype("float32")))
    # Rounding of squares of about 10 under a variance down to 1e-4.
    np.testing.assert_allclose(np.asarray(ours(maps.astype("float32"))), expected, atol=1e-3)


def test_the_variance_of_an_even_map_is_zero_not_less():
    for value in (0.0, 1e3, 12345.678):
        maps = np.full((1, 23, 27, 1), value, "float32")
        assert np.isfinite(np.asarray(ImageNormalization()(maps))).all()


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_image_of_one_color_gives_finite_maps(value, model):
    maps = model(np.full((1, 64, 96, 3), value, "float32"))
    assert all(np.isfinite(np.asarray(maps[name])).all() for name in MAPS)


def test_a_batch_gives_what_its_images_give_one_by_one(model):
    together = model(IMAGES)
    for n in range(len(IMAGES)):
        alone = model(IMAGES[n : n + 1])
        one = {name: np.asarray(together[name])[n : n + 1] for name in MAPS}
        # Float32 sums in another order.
        assert largest_difference(alone, one) < 1e-4


def test_training_mode_gives_the_same_maps(model):
    assert largest_difference(model(IMAGES, training=True), model(IMAGES, training=False)) == 0


def test_features_of_stride_16_are_enlarged_by_tensorflows_first_rule(model):
    enlarge = keras.Model(model.get_layer("enlarge").input, model.get_layer("enlarge_between").output)
    maps = np.random.default_rng(2).normal(size=(1, 3, 4, 48)).astype("float32")
    # Cell n of the result lies at n / 2 of the source, which goes on beyond its last cell.
    expected = maps
    for axis, length in ((1, 3), (2, 4)):
        expected = np.apply_along_axis(
            lambda line, n=length: np.interp(np.arange(2 * n) / 2, np.arange(n), line), axis, expected
        )
    np.testing.assert_allclose(np.asarray(enlarge(maps)), expected, atol=1e-6)


@pytest.mark.slow
def test_every_weight_learns(arm):
    keras.utils.set_random_seed(1)
    model = mobilenet_openpose(skeleton=arm)
    before = [weight.numpy() for weight in model.trainable_weights]
    model.compile(keras.optimizers.SGD(1.0), StageLoss(), jit_compile=False)
    targets = {name: np.random.default_rng(3).normal(size=(3, 8, 12, 4)).astype("float32") for name in MAPS}
    model.fit(IMAGES, targets, verbose=0)
    still = [
        weight.path
        for weight, old in zip(model.trainable_weights, before, strict=True)
        if np.array_equal(weight.numpy(), old)
    ]
    assert still == []


@pytest.mark.slow
def test_a_saved_model_comes_back_equal_once_the_package_is_imported(model, tmp_path):
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", IMAGES)
    code = (
        "import keras_openpose, keras, numpy as np\n"
        "model = keras.models.load_model('model.keras', safe_mode=True)\n"
        "maps = model(np.load('images.npy'))\n"
        "np.savez('maps.npz', **{name: np.asarray(maps[name]) for name in maps})\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env=os.environ)
    with np.load(tmp_path / "maps.npz") as maps:
        assert largest_difference(model(IMAGES), maps) == 0


def test_weights_come_from_a_file(model, tmp_path):
    model.save_weights(tmp_path / "mine.weights.h5")
    other = mobilenet_openpose(weights=tmp_path / "mine.weights.h5")
    assert largest_difference(model(IMAGES), other(IMAGES)) == 0


def in_the_form_of_0_1(path):
    """Rewrite a weight file: scales and offsets were kernels, `(1, channels)`, of dense layers."""
    with h5py.File(path, "a") as file:
        stored = file["layers"]
        normalizations = [stored[name]["vars"] for name in stored if name.startswith("image_normalization")]
        for n, variables in enumerate(normalizations):
            for m, part in enumerate(("gamma", "beta")):
                dense = stored.create_group(f"dense_{2 * n + m}/vars")
                dense.attrs["name"] = f"{variables.attrs['name']}_{part}"
                dense["0"] = variables[str(m)][()].reshape(1, -1)
        for variables in normalizations:
            del stored[variables.parent.name]


def test_weights_of_version_0_1_are_read(model, tmp_path):
    model.save_weights(tmp_path / "old.weights.h5")
    in_the_form_of_0_1(tmp_path / "old.weights.h5")
    other = mobilenet_openpose(weights=tmp_path / "old.weights.h5")
    assert largest_difference(model(IMAGES), other(IMAGES)) == 0
    with pytest.raises(ValueError, match=r"old\.weights\.h5 is not a weight file of .*_v2_large"):
        mobilenet_openpose("v2_large", weights=tmp_path / "old.weights.h5")


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_maps_are_float32_and_close_under(policy, model):
    keras.config.set_dtype_policy(policy)
    try:
        half = mobilenet_openpose()
    finally:
        keras.config.set_dtype_policy("float32")
    half.set_weights(model.get_weights())
    expected, maps = model(IMAGES), half(IMAGES)
    for name in MAPS:
        assert keras.backend.standardize_dtype(maps[name].dtype) == "float32"
        # bfloat16 has 8 bits: through 60 layers some per cent.
        assert np.abs(np.asarray(maps[name]) - np.asarray(expected[name])).mean() < 0.1 * np.std(
            expected[name]
        )


@pytest.mark.parametrize("shape", [(368, 424, 3), (360, 432, 3), (0, 16, 3), (96, 96, 1), (96, 96)])
def test_a_size_that_stride_16_does_not_divide_is_an_error(shape):
    with pytest.raises(ValueError, match=r"`input_shape` must be .* multiples of 16 or None. Received"):
        mobilenet_openpose(input_shape=shape)


def test_an_unknown_variant_is_answered_with_the_known_ones():
    with pytest.raises(
        ValueError, match=r"`variant` must be one of: thin, v2_large, v2_small. Received: 'v9'"
    ):
        mobilenet_openpose("v9")


def photographs(shared, step=1):
    """The COCO photographs as the published graph takes them: BGR, squashed to its size."""
    paths = sorted((shared / "data/coco/val2017").glob("*.jpg"))[::step]
    return [cv2.resize(cv2.imread(str(path)), SIZE[::-1]).astype("float32") for path in paths]


def published_maps(model, bgr):
    """Last stage in the form of the published graph."""
    maps = model(np.ascontiguousarray(bgr[..., ::-1]), training=False)
    return np.concatenate([np.asarray(maps[name])[:, -1] for name in MAPS], axis=-1)


@pytest.fixture(scope="module")
def graph(shared):
    content = (shared / "weights/mobilenet_v2_small_graph_opt.pb").read_bytes()
    return tf.compat.v1.GraphDef.FromString(content)


def assert_equal_but_for_rounding(differences):
    """Measured: median 4e-5, and 54 of the 57 photographs within 1e-3.

    On the others, up to 3e-3, it is the graph whose rounding is that large: see the test of what it means.
    """
    assert np.median(differences) < 1e-4
    assert np.mean(np.array(differences) < 1e-3) > 0.8  # of a batch of eight, seven
    assert np.max(differences) < 1e-2


@pytest.mark.shared
@pytest.mark.slow
def test_photographs_give_what_tensorflow_gets_from_the_published_graph(shared, mobilenet, graph):
    run = run_graph(graph)
    differences = [
        np.abs(published_maps(mobilenet, image[None]) - run(image[None])).max()
        for image in photographs(shared, step=2)
    ]
    assert_equal_but_for_rounding(differences)


@pytest.mark.shared
@pytest.mark.slow
def test_photographs_give_what_the_published_graph_means(shared, mobilenet, graph):
    # Every photograph: largest difference 4e-4. TensorFlow's own run of the graph: 2.7e-3.
    for image in photographs(shared, step=3):
        exact = run_exactly(graph, image[None])
        assert np.abs(published_maps(mobilenet, image[None]) - exact).max() < 1e-3


@pytest.mark.shared
@pytest.mark.slow
def test_a_batch_of_eight_photographs_gives_what_each_gives_in_the_published_graph(shared, mobilenet, graph):
    run = run_graph(graph)
    images = np.stack(photographs(shared, step=7)[:8])
    expected = np.concatenate([run(image[None]) for image in images])
    assert_equal_but_for_rounding(np.abs(published_maps(mobilenet, images) - expected).max(axis=(1, 2, 3)))
