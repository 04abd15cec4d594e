"""
Title: Training on several hosts with JAX
Author: The keras-openpose authors
Date created: 2026/11/24
Last modified: 2026/11/27
Description: One process for each host, each with its share of the photographs; continues after a crash.
Accelerator: GPU
"""

"""
## Introduction

Start the script on every host with its own `--index` and the address of the first host. To try it on one
machine:

```
KERAS_BACKEND=jax python examples/multi_host_jax.py --address 127.0.0.1:9911 --hosts 2 --index 0 &
KERAS_BACKEND=jax python examples/multi_host_jax.py --address 127.0.0.1:9911 --hosts 2 --index 1
```

If a host fails, all stop. Started again, all continue from the last finished epoch. `--backup` is a folder
that every host can read.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import keras_openpose as ko
import keras

parser = argparse.ArgumentParser(description="Train on several hosts with JAX.")
parser.add_argument("--address", required=True, help="host and port of the first host")
parser.add_argument("--hosts", type=int, required=True)
parser.add_argument("--index", type=int, required=True)
parser.add_argument("--batch-size", type=int, default=4, help="of this host")
parser.add_argument("--steps", type=int, default=4)
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--backup", type=Path, default=Path("backup"))
arguments = parser.parse_args()

"""
## Backups

JAX needs the same operations on all hosts, so each host saves a backup. A host that was stopped while it
wrote is an epoch behind. Therefore every host starts from the backup of the first.
"""

backup = arguments.backup / f"host{arguments.index}"
first = arguments.backup / "host0"
if backup != first:
    shutil.rmtree(backup, ignore_errors=True)
    if first.exists():
        shutil.copytree(first, backup)

"""
## Devices

`initialize` must be the first call to Keras. It waits for all hosts. The data set is already this host's
share, so Keras must not divide it again: `auto_shard_dataset=False`.
"""

keras.distribution.initialize(arguments.address, num_processes=arguments.hosts, process_id=arguments.index)
keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))

"""
## Network

The seed gives equal weights on every host.
"""

keras.utils.set_random_seed(0)
model = ko.compact_openpose()
optimizer = keras.optimizers.Adam(1e-3, global_clipnorm=1.0)
model.compile(optimizer, loss=ko.StageLoss())

"""
## Training

`shard` selects this host's samples. `repeat=-1` with `steps_per_epoch` gives every host as many steps,
whatever its share. The backup has two copies, since one may be cut off. Remove it before another training.
"""

with tempfile.TemporaryDirectory() as folder:
    images, labels = ko.synthetic_people(16, size=(128, 128), folder=folder, progress=False)
    people = ko.coco_dataset(
        images,
        labels,
        input_size=(128, 128),
        batch_size=arguments.batch_size,
        shard=(arguments.index, arguments.hosts),
        repeat=-1,
    )
    keep_backup = keras.callbacks.BackupAndRestore(backup, double_checkpoint=True, delete_checkpoint=False)
    history = model.fit(
        people,
        steps_per_epoch=arguments.steps,
        epochs=arguments.epochs,
        callbacks=[keep_backup],
        verbose=0,
    ).history

"""
## Result

The losses are missing if all epochs were finished before.
"""

losses = [f"{loss:.4f}" for loss in history.get("loss", [])]
steps = int(model.optimizer.iterations)
print(f"host {arguments.index} of {arguments.hosts}, {steps} steps, losses {losses}")
