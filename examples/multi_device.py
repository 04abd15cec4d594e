"""
Title: Training on every device of a host
Author: The keras-openpose authors
Date created: 2026/11/24
Last modified: 2026/11/27
Description: MirroredStrategy on TensorFlow and DataParallel on JAX, with synthetic people.
Accelerator: GPU
"""

"""
## Introduction

```
python examples/multi_device.py
KERAS_BACKEND=jax python examples/multi_device.py
```

Without several GPUs, `--cpus 2` makes two devices of the CPU. The batch size is that of all devices together.
"""

import argparse
import contextlib
import os
import tempfile

parser = argparse.ArgumentParser(description="Train on every device of a host.")
parser.add_argument("--cpus", type=int, default=0, help="make so many devices of the CPU")
parser.add_argument("--batch-size", type=int, default=8)
parser.add_argument("--steps", type=int, default=4)
arguments = parser.parse_args()

"""
JAX counts its devices when it is loaded, so the flag comes before the imports.
"""

if arguments.cpus:
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={arguments.cpus}"

import keras_openpose as ko
import keras

"""
## Devices

On TensorFlow, a strategy holds the devices, and the network is built in its scope. `None` stands for every
GPU.
"""


def mirrored_strategy(cpus: int):
    """A strategy for every GPU, or for parts of the CPU."""
    import tensorflow as tf

    if not cpus:
        return tf.distribute.MirroredStrategy(None)
    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * cpus
    tf.config.set_logical_device_configuration(cpu, parts)
    return tf.distribute.MirroredStrategy([f"CPU:{n}" for n in range(cpus)])


"""
On JAX, `DataParallel` is set for the whole process.
"""

if keras.backend.backend() == "tensorflow":
    strategy = mirrored_strategy(arguments.cpus)
    scope = strategy.scope()
    count = strategy.num_replicas_in_sync
else:
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    scope = contextlib.nullcontext()
    count = len(keras.distribution.list_devices())

"""
## Network

Build and compile it in the scope.
"""

with scope:
    model = ko.compact_openpose()
    optimizer = keras.optimizers.Adam(1e-3, global_clipnorm=1.0)
    model.compile(optimizer, loss=ko.StageLoss())

"""
## Training

`fit` is called as on one device. Every batch must be full, so that every device gets its share:
`drop_remainder=True`.
"""

with tempfile.TemporaryDirectory() as folder:
    images, labels = ko.synthetic_people(16, size=(128, 128), folder=folder, progress=False)
    people = ko.coco_dataset(
        images,
        labels,
        input_size=(128, 128),
        batch_size=arguments.batch_size,
        repeat=-1,
        drop_remainder=True,
    )
    history = model.fit(people, steps_per_epoch=arguments.steps, verbose=0).history

print(f"{count} devices, loss {history['loss'][0]:.2f}")
