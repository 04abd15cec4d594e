"""A training step on two devices or in two processes is that of one device on the same global batch."""

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_openpose as ko
from backend_step import batch, compile_for_training, network

pytestmark = pytest.mark.slow
STEP = Path(__file__).with_name("device_step.py")
EXAMPLES = Path(__file__).parents[1] / "examples"


def start(backend, *command):
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        env={**os.environ, "KERAS_BACKEND": backend},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(*processes):
    """What they print, when all have ended well."""
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output[-3000:]
    return outputs


def train_on_one_device(optimizer, **more):
    """As `device_step.py` does, here: the last loss and the weights."""
    model = network(normalized=False)
    compile_for_training(model, optimizer)
    history = model.fit(tf.data.Dataset.from_tensors(batch()).repeat(), verbose=0, **more).history
    return {"loss": history["loss"][-1], **{f"weight {n}": one for n, one in enumerate(model.get_weights())}}


@pytest.fixture(scope="module")
def one_device():
    return train_on_one_device(keras.optimizers.SGD(0.1, momentum=0.9), steps_per_epoch=1)


def assert_equal_steps(path, one_device):
    with np.load(path) as results:
        assert results["loss"] == pytest.approx(one_device["loss"], rel=1e-5)
        for n, old in enumerate(network(normalized=False).get_weights()):
            update, expected = results[f"weight {n}"] - old, one_device[f"weight {n}"] - old
            # Updates of 1e-4 to 1e-2 of weights of up to 1, in float32 sums of two halves.
            np.testing.assert_allclose(update, expected, atol=1e-3 * np.abs(expected).max() + 1e-7)
            assert np.abs(update).max() > 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices(backend, one_device, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"needs {backend}")
    finish(start(backend, STEP, "two", tmp_path / "two.npz"))
    assert_equal_steps(tmp_path / "two.npz", one_device)


@pytest.mark.parametrize("optimizer", [ko.CaffeSGD, ko.ConvMuon])
def test_our_optimizers_on_two_devices(optimizer, tmp_path):
    """TensorFlow gives them the copies of a variable on each device."""
    finish(start("tensorflow", STEP, "two", tmp_path / "two.npz", "--optimizer", optimizer.__name__))
    one = train_on_one_device(optimizer(0.1, momentum=0.9), steps_per_epoch=1)
    assert_equal_steps(tmp_path / "two.npz", one)


def free_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def test_two_processes_of_pytorch(one_device, tmp_path):
    """Those of JAX are killed and started again, below."""
    pytest.importorskip("torch")
    address = free_address()
    finish(*(start("torch", STEP, "process", tmp_path / f"{n}.npz", address, n) for n in range(2)))
    for n in range(2):
        assert_equal_steps(tmp_path / f"{n}.npz", one_device)


def test_the_example_of_two_devices_runs():
    options = ["--cpus", 2, "--steps", 2, "--batch-size", 4]
    (output,) = finish(start("tensorflow", EXAMPLES / "multi_device.py", *options))
    assert re.search(r"2 devices, loss \d", output)


def test_the_example_of_jax_runs_in_two_processes(tmp_path):
    pytest.importorskip("jax")
    options = ["--address", free_address(), "--hosts", 2, "--steps", 2, "--backup", tmp_path]
    hosts = [start("jax", EXAMPLES / "multi_host_jax.py", *options, "--index", n) for n in range(2)]
    for n, output in enumerate(finish(*hosts)):
        assert re.search(rf"host {n} of 2, 2 steps, losses \['\d\.\d{{4}}'\]", output)


def test_the_example_of_pytorch_runs_in_two_processes():
    pytest.importorskip("torch")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2]
    (output,) = finish(start("torch", *torchrun, EXAMPLES / "torch_ddp.py", "--steps", 2))
    assert sorted(re.findall(r"process (\d) of 2, loss \d", output)) == ["0", "1"]


def test_killed_processes_go_on_from_the_backup(tmp_path):
    pytest.importorskip("jax")

    def start_both(*more):
        address = free_address()
        places = [(tmp_path / f"{n}.npz", address, n, "--backup", tmp_path / f"backup{n}") for n in range(2)]
        return [start("jax", STEP, "process", *place, *more) for place in places]

    processes = start_both("--die-at", 5)  # in the middle of the third epoch
    for process in processes:
        process.wait(timeout=300)
        assert process.returncode == -signal.SIGKILL, process.stdout.read()[-3000:]
    finish(*start_both())

    sgd = keras.optimizers.SGD(0.1, momentum=0.9)
    uninterrupted = train_on_one_device(sgd, epochs=4, steps_per_epoch=2)
    for n in range(2):
        with np.load(tmp_path / f"{n}.npz") as results:
            assert results["epochs"] == 2
        assert_equal_steps(tmp_path / f"{n}.npz", uninterrupted)


STEPS = 200


def learn(policy, optimizer):
    """Losses of a small network's steps on one small crop, under a dtype policy."""
    keras.config.set_dtype_policy(policy)
    try:
        model = network(normalized=False)
    finally:
        keras.config.set_dtype_policy("float32")
    compile_for_training(model, optimizer)
    # Of 16×16 pixels: a convolution in float16 takes a CPU many times as long as one in float32.
    images, targets, mask = batch()
    crop = images[:1, :16, :16], {name: maps[:1, :2, :2] for name, maps in targets.items()}, mask[:1, :2, :2]
    data = tf.data.Dataset.from_tensors(crop).repeat()
    losses = model.fit(data, epochs=STEPS, steps_per_epoch=1, verbose=0).history["loss"]
    maps = model(crop[0].astype("float32"))
    assert {keras.backend.standardize_dtype(one.dtype) for one in maps.values()} == {"float32"}
    return np.array(losses)


@pytest.fixture(scope="module")
def in_float32():
    # At a rate at which the loss falls smoothly: where it jumps, any rounding soon makes two runs differ.
    losses = learn("float32", keras.optimizers.SGD(0.002))
    assert losses[-1] < 0.7 * losses[0]
    return losses


def test_bfloat16_learns_as_float32_does(in_float32):
    losses = learn("mixed_bfloat16", keras.optimizers.SGD(0.002))
    # It has 8 bits: a map is off by up to 1/512, either way.
    np.testing.assert_allclose(losses, in_float32, rtol=2e-3)


@pytest.mark.slow
def test_float16_learns_as_float32_does_once_the_loss_scale_fits(in_float32):
    # Gradients of 2^30 times the loss are infinite in float16: steps are skipped until they no longer are.
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.002), initial_scale=2**30)
    losses = learn("mixed_float16", optimizer)
    skipped = STEPS - int(optimizer.iterations)
    assert 10 < skipped < 20
    assert float(optimizer.dynamic_scale) == 2.0 ** (30 - skipped)
    # It has 11 bits: a map is off by up to 1/4096, and what the steps lose adds up.
    np.testing.assert_allclose(losses[:skipped], in_float32[0], rtol=5e-4)
    np.testing.assert_allclose(losses[skipped:], in_float32[:-skipped], rtol=1e-3)


def test_an_overflow_halves_the_loss_scale_and_leaves_the_weights():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = network(normalized=False)
    finally:
        keras.config.set_dtype_policy("float32")
    # Gradients of 1e38 times the loss are infinite in float16.
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=1e38)
    compile_for_training(model, optimizer)
    before = model.get_weights()
    images, targets, mask = batch()
    model.train_on_batch(images, targets, dict.fromkeys(targets, mask))
    assert float(optimizer.dynamic_scale) == pytest.approx(0.5e38)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
