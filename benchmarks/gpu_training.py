"""Training on one GPU that the host does not limit: `device_training.CropTrainer`, measured, and for longer.

    python benchmarks/gpu_training.py crops FOLDER [DTYPE] [--small]
    python benchmarks/gpu_training.py train FOLDER WEIGHTS [--seconds 60] [--small]

`crops` compares `fit`, which draws its crops on the card, with the same step on crops that lie there ready.
`train` continues the training of the network that comes with the package for so many seconds, and writes
WEIGHTS, a `.weights.h5` for `efficientnet_openpose(weights=...)`. FOLDER is one that `gpu_pack.py` filled.
"""

import argparse
import math
import time
from pathlib import Path

import cv2
import keras
import numpy as np
from device_training import CropTrainer, Ranges, photographs_atlas
from gpu_contenders import CONTENDERS, draw_batch
from gpu_measure import POLICIES, card, device_name, record, say, seconds_of

import keras_openpose as ko

LENGTH = 384  # of photographs, as `gpu_pack.py` makes them
BATCH, SIZE = 64, 368
SMALL_BATCH, SMALL_SIZE, SMALL_PHOTOGRAPHS = 2, 64, 6
STEPS = 30  # that `crops` times, and between two looks at the clock
SMALL_STEPS = 2
# What the network that comes with the package was trained with (examples/train_photographs.py).
RANGES = Ranges(person_height=0.8, scale=(0.25, 1.35), rotation=30, color_jitter=0.25)
WEIGHTS = {"heatmaps": (2.0, 9.0), "pafs": (1.0, 5.0)}
LEARNING_RATE, WARM_UP = 3e-4, 0.1  # of a network that is trained already; a share of the time


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(dest="part", required=True)
    crops = parts.add_parser("crops", help="crops a second of `fit`")
    train = parts.add_parser("train", help="continue the training")
    for part in (crops, train):
        part.add_argument("folder", type=Path)
        part.add_argument("--small", action="store_true", help="for a CPU")
    crops.add_argument("dtype", nargs="?", choices=POLICIES, default="bfloat16")
    train.add_argument("weights", type=Path, help="file to write")
    train.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    if arguments.part == "crops":
        measure_crops(arguments.folder, arguments.dtype, small=arguments.small)
    else:
        train_on(arguments.folder, arguments.weights, arguments.seconds, small=arguments.small)


def trainer_of(folder: Path, small: bool) -> CropTrainer:
    """The network that comes with the package, its training and the photographs of the folder on the card."""
    size = (SMALL_SIZE if small else SIZE,) * 2
    network = ko.efficientnet_openpose(weights="efficientnet_lite0_coco", input_shape=(*size, 3))
    paths = sorted((folder / "photographs").glob("*.jpg"))
    labels = dict(np.load(folder / "labels.npz"))
    if small:
        paths = paths[:SMALL_PHOTOGRAPHS]
        few = labels["photographs"] < len(paths)
        labels |= {name: labels[name][few] for name in ("boxes", "photographs")}
        labels |= {name: labels[name][: len(paths)] for name in ("keypoints", "sizes", "counts")}
    start = time.perf_counter()
    atlas = photographs_atlas((cv2.imread(str(path))[..., ::-1] for path in paths), LENGTH)
    say(f"{len(paths)} photographs, {atlas.nbytes / 2**30:.2f} GiB, in {time.perf_counter() - start:.1f} s")
    trainer = CropTrainer(network, atlas, labels, size=size, ranges=RANGES, weights=WEIGHTS)
    trainer.compile(
        keras.optimizers.AdamW(LEARNING_RATE, weight_decay=0.01),
        jit_compile=keras.backend.backend() == "jax",
    )
    return trainer


def measure_crops(folder: Path, dtype: str, *, small: bool):
    """Crops a second of `fit`, and of the network's step alone on a batch that lies on the card."""
    keras.config.set_dtype_policy(POLICIES[dtype])
    trainer = trainer_of(folder, small)
    batch, steps = (SMALL_BATCH, SMALL_STEPS) if small else (BATCH, STEPS)
    numbers = np.resize(np.arange(trainer.num_crops, dtype=np.int32), steps * batch)

    def fit():
        trainer.fit(numbers, batch_size=batch, verbose=0)

    row = {"part": "crops", "backend": keras.backend.backend(), "dtype": dtype, "batch": batch}
    with card(alone=True):
        fit()  # compiles
        whole = seconds_of(fit, groups=3, least=0.0)[0] / steps
        record(**row, crops_per_s=batch / whole, ms=1000 * whole, device=device_name())
        contender = CONTENDERS[f"keras-{keras.backend.backend()}"]()
        step = contender.step(trainer.network, draw_batch(trainer.network, batch)).call
        step()
        alone = seconds_of(step, groups=3, least=0.0 if small else 0.5)[0]
    # Close to 1: neither the host nor the drawing holds the network up.
    record(**row, step_alone_per_s=batch / alone, step_alone_ms=1000 * alone, share_of_alone=alone / whole)


class ByTheClock(keras.callbacks.Callback):
    """The learning rate rises, falls to 0 by a cosine, and the training ends, when seconds have passed."""

    def __init__(self, seconds: float):
        super().__init__()
        self.seconds = seconds

    def on_train_begin(self, logs=None):
        self.start = time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        passed = min(1.0, (time.perf_counter() - self.start) / self.seconds)
        falling = (1 + math.cos(math.pi * passed)) / 2
        # A little at once: the first epoch, in which all is compiled, begins at 0 seconds.
        self.model.optimizer.learning_rate = LEARNING_RATE * min(falling, passed / WARM_UP + 0.01)

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.start
        record(part="training", epoch=epoch, seconds=seconds, loss=float(logs["loss"]))
        self.model.stop_training = seconds >= self.seconds


def train_on(folder: Path, weights: Path, seconds: float, *, small: bool):
    """Continue the training for so many seconds and write the weights."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(POLICIES["bfloat16"])
    trainer = trainer_of(folder, small)
    batch, steps = (SMALL_BATCH, SMALL_STEPS) if small else (BATCH, STEPS)

    random = np.random.default_rng(0)

    class Numbers(keras.utils.PyDataset):
        """Batches of numbers of crops, others in every epoch."""

        def __len__(self):
            return steps

        def __getitem__(self, index):
            return (random.integers(0, trainer.num_crops, batch).astype(np.int32),)

    with card(alone=True):
        history = trainer.fit(Numbers(), epochs=10**6, verbose=0, callbacks=[ByTheClock(seconds)])
    trainer.network.save_weights(weights)
    count = len(history.history["loss"]) * steps * batch
    record(part="training", crops=count, weights=weights.name, device=device_name())


if __name__ == "__main__":
    main()
