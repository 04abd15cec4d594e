"""Forward passes and training steps of four networks, checked and timed: for `gpu.py`."""

import contextlib
import time
from collections.abc import Iterable

import keras
import numpy as np
from gpu_contenders import CONTENDERS, Prepared, draw_batch
from gpu_measure import POLICIES, card, device_name, lost_alone, peak_share, record, redraw, seconds_of, wait
from networks import operations

import keras_openpose as ko

# How far maps may lie from those on a CPU, as a share of the largest value. Rounding to TF32
# or bfloat16 in every layer comes near; a padding or a weight in the wrong place is far beyond.
TOLERANCES = {"float32": 0.02, "bfloat16": 0.2}
NETWORKS = {
    "vgg19": lambda small, **shape: ko.openpose("vgg19", num_stages=2 if small else 6, **shape),
    "resnet50": lambda small, **shape: ko.openpose("resnet50", num_stages=1 if small else 6, **shape),
    "lightweight": lambda small, **shape: ko.lightweight_openpose(**shape),
    "own": lambda small, **shape: ko.efficientnet_openpose(weights="efficientnet_lite0_coco", **shape),
}


def measure_network(
    network: str, contender: str, dtype: str, *, batches: Iterable[int], size: int, small: bool = False
):
    """Check the maps, Keras against plain PyTorch, then time forward passes and steps: a row for each."""
    keras.config.set_dtype_policy(POLICIES[dtype])
    # Plain PyTorch takes only the weights: the card's memory is for its own copy.
    with keras.device("cpu") if contender == "torch" else contextlib.nullcontext():
        model = NETWORKS[network](small, input_shape=(size, size, 3))
        if network != "own":
            redraw(model)
    runs = CONTENDERS[contender]()
    what = {"part": "networks", "network": network, "contender": contender, "dtype": dtype, "size": size}
    jobs = [(kind, batch) for kind in ("forward", "step") for batch in batches]

    def prepare(kind, batch):
        start = time.perf_counter()
        with card(alone=False):
            prepared = getattr(runs, kind)(model, draw_batch(model, batch))
        return prepared, round(time.perf_counter() - start, 1)

    first = prepare(*jobs[0])
    check_maps(model, first[0].call(), jobs[0][1], what)
    for job in jobs:
        row = {**what, "kind": job[0], "batch": job[1]}
        prepared = None  # the memory of the one before is free then
        with lost_alone(**row):
            (prepared, seconds), first = first or prepare(*job), None
            measure(prepared, row, operations(model), small=small, prepare_s=seconds)


def measure(prepared: Prepared, row: dict, count: int, **others):
    """Time one function while no other process computes on the card, and record it."""
    small = others.pop("small")
    with card(alone=True):
        wait(prepared.call())
        median, least, most = seconds_of(prepared.call, **({"groups": 2, "least": 0.0} if small else {}))
    memory, batch = prepared.memory(), row["batch"]
    times = 1 if row["kind"] == "forward" else 3  # two gradients of each product
    record(
        **row,
        images_per_s=batch / median,
        ms=1000 * median,
        ms_range=[round(1000 * least, 3), round(1000 * most, 3)],
        peak_share=peak_share(times * batch * count, median, row["dtype"]),
        gib=memory and memory / 2**30,
        **others,
        device=device_name(),
    )


def check_maps(model: keras.Model, maps: dict, batch: int, what: dict):
    """Record how far the maps of `draw_batch` lie from the other's on the CPU: Keras's or plain PyTorch's.

    Raises:
        ValueError: too far.
    """
    images = draw_batch(model, batch)[0]
    if what["contender"] == "torch":
        with keras.device("cpu"):
            expected = model(images, training=False)
    else:
        expected = plain_maps(model, images)
    differences = []
    for name, values in maps.items():
        found, right = keras.ops.convert_to_numpy(values), keras.ops.convert_to_numpy(expected[name])
        differences.append(np.abs(found - right).max() / np.abs(right).max())
    difference = float(max(differences))
    record(**what, kind="check", difference=difference)
    if not difference < TOLERANCES[what["dtype"]]:
        raise ValueError(f"The maps differ by {difference:.2g} of the largest value.")


def plain_maps(model: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """Maps of the same network in plain PyTorch on the CPU, channels last."""
    import torch
    from gpu_plain import PlainNetwork

    with torch.no_grad(), torch.device("cpu"):
        maps = PlainNetwork(model).eval()(torch.as_tensor(images).permute(0, 3, 1, 2))
    return {name: values.permute(0, 1, 3, 4, 2).numpy() for name, values in maps.items()}
