"""What the benchmarks of a GPU share: the card for itself, times, rows that are out as soon as measured."""

import contextlib
import fcntl
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

# Multiplications and additions a second of the SXM cards, without sparsity. NVIDIA's datasheets "H100 Tensor
# Core GPU" and "H200 Tensor Core GPU" print twice as much for bfloat16 and TF32, with sparsity.
# JAX and PyTorch compute convolutions of float32 in TF32, of which 494 are the limit; without it 67e12 were.
PEAKS = {"bfloat16": 989e12, "float32": 494e12}
CARDS = ("H100", "H200")
POLICIES = {"bfloat16": "mixed_bfloat16", "float32": "float32"}


def record(**row):
    """Print a row, and append it to the file that `GPU_RESULTS` names."""
    line = json.dumps({name: _short(value) for name, value in row.items()})
    print(line, flush=True)
    if results := os.environ.get("GPU_RESULTS"):
        with open(results, "a") as file:
            file.write(line + "\n")


def _short(value):
    return float(f"{value:.4g}") if isinstance(value, float) else value


@contextlib.contextmanager
def card(*, alone: bool):
    """Hold the card: alone to measure, else with all others that are not alone, to compile.

    Compiling takes most of the time and several processor cores, so processes compile at the same time.
    """
    folder = Path(os.environ.get("GPU_RESULTS") or tempfile.gettempdir()).parent
    # Whoever waits to be alone holds the gate, so that no more others come in.
    with open(folder / "gate.lock", "w") as gate, open(folder / "card.lock", "w") as held:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(held, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield


@contextlib.contextmanager
def lost_alone(**row):
    """An error, such as too little memory, costs one row."""
    try:
        yield
    except Exception as error:
        message = str(error).strip().splitlines()[:1]
        record(**row, error=f"{type(error).__name__}: {''.join(message)[:200]}")


def wait(outputs=None):
    """Until the card has computed everything."""
    if keras.backend.backend() == "jax":
        import jax

        jax.block_until_ready(outputs)
    elif on_gpu():
        import torch

        torch.cuda.synchronize()


def on_gpu() -> bool:
    """Whether the backend computes on a GPU."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "gpu"
    import torch

    return torch.cuda.is_available()


def device_name() -> str:
    """The card's name, or `"cpu"`."""
    if not on_gpu():
        return "cpu"
    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].device_kind
    import torch

    return torch.cuda.get_device_name()


def peak_share(operations: float, seconds: float, dtype: str) -> float | None:
    """How much of the card's peak so many multiply-adds in so many seconds are; None on other cards."""
    name = device_name()
    if "PCIe" in name or not any(card in name for card in CARDS):
        return None
    return 2 * operations / seconds / PEAKS[dtype]


def seconds_of(call: Callable, *, groups: int = 5, least: float = 0.1) -> tuple[float, float, float]:
    """Seconds of a call that has run before: median, least and most of groups of calls.

    The card is waited for after each group, as in a training, not after each call.

    Args:
        call: returns what it has the card compute.
        groups: how many times to measure.
        least: seconds that a group should take.
    """
    start = time.perf_counter()
    wait(call())
    calls = max(1, round(least / (time.perf_counter() - start)))
    times = []
    for _ in range(groups):
        start = time.perf_counter()
        for _ in range(calls):
            outputs = call()
        wait(outputs)
        times.append((time.perf_counter() - start) / calls)
    return statistics.median(times), min(times), max(times)


def redraw(model: keras.Model, seed: int = 0):
    """Weights that let something through: kernels that begin at 0, and biases of 0, would hide a mistake."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        shape = tuple(variable.shape)
        if len(shape) == 4:
            fan_in = np.prod(shape[:2] if variable.path.split("/")[-2].endswith("depthwise") else shape[:3])
            values = random.normal(0, np.sqrt(2 / fan_in), shape)
        elif variable.name in ("gamma", "moving_variance"):
            values = random.uniform(0.5, 1.5, shape)
        else:
            values = random.normal(0, 0.1, shape)
        variable.assign(values.astype("float32"))


def say(*words):
    """To standard error, at once: progress that is no row."""
    print(*words, file=sys.stderr, flush=True)
