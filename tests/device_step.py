"""The training step of `backend_step.py` on two devices, or in one of two processes.

    python tests/device_step.py two results.npz
    python tests/device_step.py process results.npz 127.0.0.1:9911 0

With `--backup folder`, four epochs of two steps instead, backed up after each; `--die-at 5` ends the
process by SIGKILL when it has done so many steps. `--optimizer CaffeSGD` or `ConvMuon` in place of SGD.

Without batch normalization, which on several devices goes by each device's share of the batch.
"""

import argparse
import contextlib
import os
import signal

parser = argparse.ArgumentParser()
parser.add_argument("how", choices=["two", "process"])
parser.add_argument("output")
parser.add_argument("address", nargs="?")
parser.add_argument("index", nargs="?", type=int)
parser.add_argument("--optimizer", default="SGD", choices=["SGD", "CaffeSGD", "ConvMuon"])
parser.add_argument("--backup")
parser.add_argument("--die-at", type=int)
arguments = parser.parse_args()
if arguments.how == "two":
    # Read when JAX first looks for devices.
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import keras  # noqa: E402
import numpy as np  # noqa: E402

import keras_openpose as ko  # noqa: E402
from backend_step import batch, compile_for_training, network  # noqa: E402

backend, scope, mine = keras.backend.backend(), contextlib.nullcontext(), slice(None)
if arguments.how == "two" and backend == "tensorflow":
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    scope = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()
if arguments.how == "process":
    mine = slice(2 * arguments.index, 2 * arguments.index + 2)
    if backend == "jax":
        keras.distribution.initialize(arguments.address, num_processes=2, process_id=arguments.index)
if backend == "jax":
    assert len(keras.distribution.list_devices()) == 2
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))

with scope:
    model = network(normalized=False)
    kinds = {"SGD": keras.optimizers.SGD, "CaffeSGD": ko.CaffeSGD, "ConvMuon": ko.ConvMuon}
    compile_for_training(model, kinds[arguments.optimizer](0.1, momentum=0.9))
images, targets, mask = batch()
images, mask = images[mine], mask[mine]
targets = {name: maps[mine] for name, maps in targets.items()}


class Die(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == arguments.die_at:
            os.kill(os.getpid(), signal.SIGKILL)


def fit() -> list[float]:
    """Losses of the epochs."""
    import tensorflow as tf

    data = tf.data.Dataset.from_tensors((images, targets, mask))
    if not arguments.backup:
        return model.fit(data, verbose=0).history["loss"]
    backup = keras.callbacks.BackupAndRestore(
        arguments.backup, double_checkpoint=True, delete_checkpoint=False
    )
    run = {"epochs": 4, "steps_per_epoch": 2, "callbacks": [backup, Die()]}
    return model.fit(data.repeat(), verbose=0, **run).history["loss"]


def step_of_distributed_data_parallel() -> list[float]:
    """The loss of the whole batch, in one of two PyTorch processes, as in `examples/torch_ddp.py`."""
    import torch

    place = {"init_method": f"tcp://{arguments.address}", "rank": arguments.index, "world_size": 2}
    torch.distributed.init_process_group("gloo", **place)
    parallel = torch.nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.1, momentum=0.9)
    maps = parallel(torch.as_tensor(images).float())
    loss = sum(ko.StageLoss()(torch.as_tensor(targets[name]), maps[name], mask) for name in targets)
    loss.backward()
    optimizer.step()
    whole = loss.detach() / 2
    torch.distributed.all_reduce(whole)
    torch.distributed.destroy_process_group()
    return [float(whole)]


losses = step_of_distributed_data_parallel() if backend == "torch" else fit()
weights = {f"weight {n}": np.asarray(value) for n, value in enumerate(model.get_weights())}
np.savez(arguments.output, loss=losses[-1], epochs=len(losses), **weights)
