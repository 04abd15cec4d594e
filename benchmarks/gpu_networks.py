"""Forward pass and training step of a network, as Keras and as plain PyTorch run them: for `gpu.py`.

A contender makes, of a model and a batch, functions without arguments that run on the card alone. Compiled
by `jax.jit` or `torch.compile`, but for `keras-torch`, which is what Keras does on PyTorch by itself.
"""

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import keras
import numpy as np
from gpu_measure import (
    POLICIES,
    card,
    device_name,
    lost_alone,
    on_gpu,
    peak_share,
    record,
    redraw,
    seconds_of,
    wait,
)
from networks import operations

import keras_openpose as ko

LEARNING_RATE = 1e-4
# How far maps may lie from those of plain PyTorch on a CPU, as a share of the largest value. Rounding to TF32
# or bfloat16 in every layer comes near; a padding or a weight in the wrong place is far beyond.
TOLERANCES = {"float32": 0.02, "bfloat16": 0.1}
NETWORKS = {
    "vgg19": lambda small, **shape: ko.openpose("vgg19", num_stages=2 if small else 6, **shape),
    "resnet50": lambda small, **shape: ko.openpose("resnet50", num_stages=1 if small else 6, **shape),
    "lightweight": lambda small, **shape: ko.lightweight_openpose(**shape),
    "own": lambda small, **shape: ko.efficientnet_openpose(weights="efficientnet_lite0_coco", **shape),
}


@dataclass
class Prepared:
    """Something that is compiled and has its arguments on the card."""

    call: Callable
    memory: Callable[[], float | None]  # bytes, after the call


def draw_batch(model: keras.Model, batch: int) -> tuple:
    """Images, targets and mask, of `fit`'s form, at random."""
    random = np.random.default_rng(0)
    images = random.uniform(0, 255, (batch, *model.input_shape[1:])).astype(np.float32)
    targets = {
        name: random.uniform(0, 1, (batch, *maps.shape[2:])).astype(np.float32)
        for name, maps in model.output.items()
    }
    mask = (random.uniform(0, 1, (batch, *model.output["heatmaps"].shape[2:4])) > 0.1).astype(np.float32)
    return images, targets, dict.fromkeys(targets, mask)


def _compile_for_training(model: keras.Model, batch: tuple):
    model.compile(keras.optimizers.AdamW(LEARNING_RATE), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    images, targets, mask = keras.tree.map_structure(lambda array: keras.ops.convert_to_tensor(array), batch)
    model.compute_loss(images, targets, {name: maps[:, None] for name, maps in targets.items()}, mask)


class KerasJax:
    """Keras on JAX: a jitted forward pass, and the step that `fit` runs."""

    def forward(self, model, batch):
        import jax

        @jax.jit
        def run(trainable, others, images):
            return model.stateless_call(trainable, others, images, training=False)[0]

        groups = model.trainable_variables, model.non_trainable_variables
        arguments = *([variable.value for variable in group] for group in groups), jax.device_put(batch[0])
        compiled = run.lower(*arguments).compile()
        return Prepared(lambda: compiled(*arguments), lambda: self._memory(compiled))

    def step(self, model, batch):
        import jax

        _compile_for_training(model, batch)
        groups = (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
        # Copies: a step takes the memory of the state that it gets.
        state = jax.tree.map(jax.numpy.copy, tuple([one.value for one in group] for group in groups))
        data = jax.device_put(batch)
        compiled = jax.jit(model.train_step, donate_argnums=0).lower(state, data).compile()

        def run():
            nonlocal state
            logs, state = compiled(state, data)
            return logs["loss"], state

        return Prepared(run, lambda: self._memory(compiled))

    @staticmethod
    def _memory(compiled):
        sizes = compiled.memory_analysis()
        return (
            sizes.argument_size_in_bytes
            + sizes.output_size_in_bytes
            + sizes.temp_size_in_bytes
            - sizes.alias_size_in_bytes
        )


class _Torch:
    """Common to all that PyTorch runs."""

    def __init__(self):
        import torch

        self.device = "cuda" if on_gpu() else "cpu"
        torch.backends.cudnn.benchmark = True  # tries algorithms, as XLA does

    def _compile(self, function):
        import torch

        torch._dynamo.reset()  # what is compiled for the batch before is not needed
        # On a CPU, compiling C++ takes minutes: there the way is tried, not the speed.
        backend = "inductor" if on_gpu() else "aot_eager"
        return torch.compile(function, dynamic=False, backend=backend)

    def _prepared(self, call):
        import torch

        if on_gpu():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        memory = torch.cuda.max_memory_allocated if on_gpu() else lambda: None
        call()  # compiles
        return Prepared(call, memory)

    def _on_card(self, batch):
        import torch

        return keras.tree.map_structure(lambda array: torch.as_tensor(array, device=self.device), batch)


class KerasTorch(_Torch):
    """Keras on PyTorch, as `predict_poses` and `fit` run it."""

    def _compile(self, function):
        return function  # as it is

    def forward(self, model, batch):
        import torch

        images = self._on_card(batch[0])
        run = self._compile(lambda: model(images, training=False))
        return self._prepared(torch.no_grad()(run))

    def step(self, model, batch):
        batch = self._on_card(batch)
        _compile_for_training(model, batch)
        run = self._compile(model.train_step)
        return self._prepared(lambda: run(batch))


class KerasTorchCompiled(KerasTorch):
    """The same by `torch.compile`, as `fit` does if asked for `jit_compile=True`."""

    _compile = _Torch._compile


class PlainTorch(_Torch):
    """The same architecture in modules of PyTorch, channels last, compiled."""

    def _network(self, model):
        import torch
        from gpu_plain import PlainNetwork

        return PlainNetwork(model).to(self.device, memory_format=torch.channels_last)

    def _images_first(self, images):
        # A view, whose memory is that of channels last.
        return self._on_card(images).permute(0, 3, 1, 2)

    def forward(self, model, batch):
        import torch

        network = self._compile(self._network(model).eval())
        images = self._images_first(batch[0])

        @torch.no_grad()
        def run():
            return {name: maps.permute(0, 1, 3, 4, 2) for name, maps in network(images).items()}

        return self._prepared(run)

    def step(self, model, batch):
        import torch
        from gpu_plain import stage_loss

        network = self._network(model).train()
        optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.004, fused=True)
        images, masks = self._images_first(batch[0]), self._on_card(batch[2])
        targets = {name: self._images_first(target) for name, target in batch[1].items()}
        loss_of = self._compile(lambda images: stage_loss(network(images), targets, masks["heatmaps"]))

        def run():
            optimizer.zero_grad()
            loss = loss_of(images)
            loss.backward()
            optimizer.step()
            return loss.detach()

        return self._prepared(run)


CONTENDERS = {
    "keras-jax": KerasJax,
    "keras-torch": KerasTorch,
    "keras-torch-compiled": KerasTorchCompiled,
    "torch": PlainTorch,
}


def measure_network(
    network: str, contender: str, dtype: str, *, batches: Iterable[int], size: int, small: bool = False
):
    """Check that the maps are those of plain PyTorch, then time forward passes and steps: a row for each."""
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
    """Record how far a contender's maps of `draw_batch` lie from those of plain PyTorch on the CPU.

    Raises:
        ValueError: too far.
    """
    import torch
    from gpu_plain import PlainNetwork

    images = torch.as_tensor(draw_batch(model, batch)[0]).permute(0, 3, 1, 2)
    with torch.no_grad(), torch.device("cpu"):
        plain = PlainNetwork(model).eval()(images)
    differences = []
    for name, expected in plain.items():
        expected = expected.permute(0, 1, 3, 4, 2).numpy()
        found = keras.ops.convert_to_numpy(maps[name])
        differences.append(np.abs(found - expected).max() / np.abs(expected).max())
    difference = float(max(differences))
    record(**what, kind="check", difference=difference)
    if not difference < TOLERANCES[what["dtype"]]:
        raise ValueError(f"The maps differ by {difference:.2g} of the largest value.")
