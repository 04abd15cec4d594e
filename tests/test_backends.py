"""The whole way on the backend that Keras runs on: weights, maps, training, people, AP, files.

KERAS_BACKEND=jax pytest -m backend
"""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_openpose as ko
from backend_step import ARM, SIZE, compile_for_training, network, step
from keras_openpose.inference.forward import forward_pass
from published_graph import run_exactly

pytestmark = pytest.mark.backend
BACKEND = keras.backend.backend()


def python(code, **environment):
    process = subprocess.run(
        [sys.executable, *code], capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def on_tensorflow(tmp_path_factory):
    if BACKEND == "tensorflow":
        pytest.skip("what the other backends are compared with")
    path = tmp_path_factory.mktemp("step") / "results.npz"
    python([Path(__file__).with_name("backend_step.py"), path], KERAS_BACKEND="tensorflow")
    with np.load(path) as results:
        return dict(results)


@pytest.fixture(scope="module")
def results():
    return step(network())


@pytest.mark.parametrize("name", ["heatmaps", "pafs"])
def test_equal_weights_give_equal_maps(name, results, on_tensorflow):
    largest = np.abs(on_tensorflow[name]).max()
    # Float32 sums of up to 49 * 128 products in another order, through 20 layers.
    assert np.abs(results[name] - on_tensorflow[name]).max() < 1e-5 * largest


def own_network_on_a_photograph():
    image = ko.read_image(Path(ko.__file__).parent / "photographs" / "photographer.jpg")
    return forward_pass(ko.from_preset(), ko.COCO_18)(image[None])


def test_the_network_of_the_package_gives_the_maps_that_it_gives_on_tensorflow(tmp_path):
    if BACKEND == "tensorflow":
        pytest.skip("what the other backends are compared with")
    code = (
        "import sys, numpy; sys.path.insert(0, sys.argv[2]); import test_backends; "
        "numpy.savez(sys.argv[1], *test_backends.own_network_on_a_photograph())"
    )
    python(["-c", code, tmp_path / "maps.npz", Path(__file__).parent], KERAS_BACKEND="tensorflow")
    with np.load(tmp_path / "maps.npz") as expected:
        for maps, others in zip(own_network_on_a_photograph(), expected.values(), strict=True):
            # Maps within 1 of float32 sums through 40 layers; the enlargement is each backend's own.
            np.testing.assert_allclose(maps, others, atol=1e-4)


def test_a_training_step_gives_equal_losses_and_weights(results, on_tensorflow):
    assert results["loss"] == pytest.approx(on_tensorflow["loss"], rel=1e-5)
    assert results.keys() == on_tensorflow.keys()
    before = network().get_weights()
    for n, old in enumerate(before):
        update, expected = results[f"weight {n}"] - old, on_tensorflow[f"weight {n}"] - old
        # A step moves weights of up to 1 by 1e-4 to 1e-2, and float32 tells 1 from 1 + 1e-7.
        np.testing.assert_allclose(update, expected, atol=1e-3 * np.abs(expected).max() + 1e-7)
    moved = [np.abs(results[f"weight {n}"] - old).max() > 1e-6 for n, old in enumerate(before)]
    assert all(moved)


def painted_arm(seed):
    """A sample: an arm of red, green and blue dots, and where they are."""
    rng = np.random.default_rng(seed)
    keypoints = np.cumsum([(rng.uniform(10, 38), 6), (0, 10), (0, 10)], axis=0)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    image = np.stack([255 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / 18) for u, v in keypoints], axis=-1)
    return ko.PoseSample(image.astype("uint8"), keypoints=[keypoints])


def test_fit_on_the_data_set_learns():
    people = ko.pose_dataset(
        [painted_arm(n) for n in range(8)],
        skeleton=ARM,
        input_size=SIZE,
        batch_size=4,
        augment=False,
        repeat=5,
    )
    model = network(normalized=False)
    compile_for_training(model, keras.optimizers.Adam(1e-3))
    losses = model.fit(people, epochs=2, verbose=0).history["loss"]
    assert losses[1] < 0.8 * losses[0]


def test_people_are_found(arm, arm_model, photograph_arms):
    arms = np.array([[[60, 50], [64, 110], [58, 180]], [[160, 40], [158, 100], [165, 160]]])
    image = photograph_arms((240, 320), arms, sigma=10.0)
    poses = ko.predict_poses(
        arm_model, image, skeleton=arm, input_size=(240, 320), scales=(1, 1.5), flip=True, refine=True
    )
    found = poses.keypoints[np.argsort(poses.keypoints[:, 0, 0])]
    np.testing.assert_allclose(found, arms, atol=1.5)  # a fifth of a cell


def test_ap_is_measured(tmp_path):
    images, labels = ko.synthetic_people(3, size=(96, 128), folder=tmp_path, progress=False)
    model = ko.openpose("mobilenet", num_stages=1)
    figures = ko.evaluate_coco(model, images, labels, input_size=(96, 128), verbose=False)
    assert 0 <= figures["AP"] <= 100


def test_a_saved_network_gives_the_same_maps(tmp_path):
    model = network()
    model.save(tmp_path / "network.keras")
    model.save_weights(tmp_path / "network.weights.h5")
    images = np.random.default_rng(2).uniform(0, 255, (1, *SIZE, 3)).astype("float32")
    expected = forward_pass(model, ARM)(images)
    loaded = keras.models.load_model(tmp_path / "network.keras")
    fresh = network()
    for weight in fresh.weights:
        weight.assign(np.zeros(weight.shape, "float32"))
    fresh.load_weights(tmp_path / "network.weights.h5")
    for other in (loaded, fresh):
        for maps, others in zip(expected, forward_pass(other, ARM)(images), strict=True):
            np.testing.assert_array_equal(maps, others)


def test_tensorflow_takes_no_gpu_where_it_only_loads_data():
    if BACKEND == "tensorflow":
        pytest.skip("TensorFlow computes here")
    code = (
        "import keras, tensorflow as tf\n"  # PyTorch crashes if TensorFlow was loaded before it
        "tf.config.set_visible_devices = lambda *arguments: print(*arguments)\n"
        "import keras_openpose.data.dataset\n"
    )
    assert python(["-c", code]).endswith("[] GPU\n")


@pytest.mark.shared
def test_real_photographs_give_what_the_published_graph_means(shared, mobilenet):
    content = (shared / "weights/mobilenet_v2_small_graph_opt.pb").read_bytes()
    graph = tf.compat.v1.GraphDef.FromString(content)
    for path in sorted((shared / "data/coco/val2017").glob("*.jpg"))[::20]:
        bgr = cv2.resize(cv2.imread(str(path)), (432, 368)).astype("float32")[None]
        exact = run_exactly(graph, bgr)
        maps = forward_pass(mobilenet, ko.COCO_18)(np.ascontiguousarray(bgr[..., ::-1]))
        assert np.abs(np.concatenate(maps, axis=-1) - exact).max() < 1e-3 * np.abs(exact).max()


@pytest.mark.shared
def test_real_photographs_give_the_same_people_together_and_alone(shared, mobilenet):
    paths = sorted((shared / "data/coco/val2017").glob("*.jpg"))[::15]
    together = ko.predict_poses(mobilenet, paths)
    for path, poses in zip(paths, together, strict=True):
        alone = ko.predict_poses(mobilenet, path)
        np.testing.assert_allclose(poses.keypoints, alone.keypoints, atol=0.1)
