"""The training step of `backend_step.py` on one device, on two, or in one of two processes.

    python tests/device_step.py one results.npz
    python tests/device_step.py two results.npz
    python tests/device_step.py process results.npz 127.0.0.1:9911 0

Without batch normalisation, which on several devices goes by each device's share of the batch.
"""

import contextlib
import os
import sys

how, output, *place = sys.argv[1:]
if how == "two":
    # Read when JAX first looks for devices.
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import keras  # noqa: E402
import numpy as np  # noqa: E402

from backend_step import batch, compile_for_training, network  # noqa: E402

scope, mine = contextlib.nullcontext(), slice(None)
if how == "two" and keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    scope = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()
if how == "process":
    address, number = place[0], int(place[1])
    keras.distribution.initialize(address, num_processes=2, process_id=number)
    mine = slice(2 * number, 2 * number + 2)
if how != "one" and keras.backend.backend() == "jax":
    assert len(keras.distribution.list_devices()) == 2
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))

with scope:
    model = network(normalized=False)
    compile_for_training(model, keras.optimizers.SGD(0.1, momentum=0.9))
images, targets, mask = batch()
import tensorflow as tf  # noqa: E402

data = tf.data.Dataset.from_tensors(
    (images[mine], {name: maps[mine] for name, maps in targets.items()}, mask[mine])
)
history = model.fit(data, verbose=0).history
weights = {f"weight {n}": np.asarray(value) for n, value in enumerate(model.get_weights())}
np.savez(output, loss=history["loss"][0], **weights)
