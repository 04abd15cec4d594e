"""Title: Training on every device of a host
Description: MirroredStrategy on TensorFlow, DataParallel on JAX; drawn people, no download.

    python examples/multi_device.py
    KERAS_BACKEND=jax python examples/multi_device.py

Without several GPUs, two devices can be made of the CPU: `--cpus 2`. The batch is that of all devices.
"""

import argparse
import contextlib
import os
import tempfile

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--cpus", type=int, default=0, help="make so many devices of the CPU")
parser.add_argument("--batch-size", type=int, default=8)
parser.add_argument("--steps", type=int, default=4)
arguments = parser.parse_args()

# ## The devices
#
# JAX counts its devices when it is loaded, TensorFlow when it is first used.

if arguments.cpus:
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={arguments.cpus}"

import keras  # noqa: E402

import keras_openpose as ko  # noqa: E402

scope = contextlib.nullcontext()
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    devices = None  # every GPU
    if arguments.cpus:
        cpu = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * arguments.cpus
        tf.config.set_logical_device_configuration(cpu, parts)
        devices = [f"CPU:{n}" for n in range(arguments.cpus)]
    strategy = tf.distribute.MirroredStrategy(devices)
    scope, count = strategy.scope(), strategy.num_replicas_in_sync
else:
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    count = len(keras.distribution.list_devices())

# ## The network is built and compiled for all of them; `fit` is called as ever

with scope:
    model = ko.mobilenet_openpose("v2_small")
    model.compile(
        keras.optimizers.Adam(1e-3, global_clipnorm=1.0),
        loss=ko.StageLoss(),
    )
with tempfile.TemporaryDirectory() as folder:
    images, labels = ko.synthetic_people(16, size=(128, 128), folder=folder, progress=False)
    # Every batch must be whole, so that every device gets its share.
    people = ko.coco_dataset(
        images, labels, input_size=(128, 128), batch_size=arguments.batch_size, repeat=-1, drop_remainder=True
    )
    history = model.fit(people, steps_per_epoch=arguments.steps, verbose=0).history
print(f"{count} devices, loss {history['loss'][0]:.2f}")
