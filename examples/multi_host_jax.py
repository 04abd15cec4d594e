"""Title: Training on several hosts with JAX
Description: One process a host, each with its own share of the photographs; goes on after a crash.

On every host, with its own `--index`; the first host's address is that of all. On one machine, to try:

    KERAS_BACKEND=jax python examples/multi_host_jax.py --address 127.0.0.1:9911 --hosts 2 --index 0 &
    KERAS_BACKEND=jax python examples/multi_host_jax.py --address 127.0.0.1:9911 --hosts 2 --index 1

If a host fails, all stop. Started again, all go on from the last epoch that was finished. `--backup` is a
folder that every host sees.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import keras

import keras_openpose as ko

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--address", required=True, help="host and port of the first host")
parser.add_argument("--hosts", type=int, required=True)
parser.add_argument("--index", type=int, required=True)
parser.add_argument("--batch-size", type=int, default=4, help="of this host")
parser.add_argument("--steps", type=int, default=4)
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--backup", type=Path, default=Path("backup"))
arguments = parser.parse_args()

# JAX wants all hosts to do the same, saving, too: each keeps a backup. But one that was stopped while it
# wrote is an epoch behind, so all begin from the first host's.
backup, first = arguments.backup / f"host{arguments.index}", arguments.backup / "host0"
if backup != first:
    shutil.rmtree(backup, ignore_errors=True)
    if first.exists():
        shutil.copytree(first, backup)

# Before anything else is asked of Keras. It waits until every host has come so far.
keras.distribution.initialize(arguments.address, num_processes=arguments.hosts, process_id=arguments.index)
# The data set is already this host's share; Keras must not divide it again.
keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))

keras.utils.set_random_seed(0)  # equal weights on every host
model = ko.compact_openpose()
model.compile(
    keras.optimizers.Adam(1e-3, global_clipnorm=1.0),
    loss=ko.StageLoss(),
)
with tempfile.TemporaryDirectory() as folder:
    images, labels = ko.synthetic_people(16, size=(128, 128), folder=folder, progress=False)
    people = ko.coco_dataset(
        images,
        labels,
        input_size=(128, 128),
        batch_size=arguments.batch_size,
        shard=(arguments.index, arguments.hosts),
        repeat=-1,  # as many steps on every host, whatever its share
    )
    history = model.fit(
        people,
        steps_per_epoch=arguments.steps,
        epochs=arguments.epochs,
        # Two copies, as one may be cut off. It stays: remove it before another training.
        callbacks=[keras.callbacks.BackupAndRestore(backup, double_checkpoint=True, delete_checkpoint=False)],
        verbose=0,
    ).history
losses = [f"{loss:.4f}" for loss in history.get("loss", [])]  # none if all epochs were finished before
print(
    f"host {arguments.index} of {arguments.hosts}, {int(model.optimizer.iterations)} steps, losses {losses}"
)
