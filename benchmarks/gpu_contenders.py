"""Who runs a network in `gpu_networks.py`: Keras on JAX or PyTorch, and plain PyTorch.

A contender makes, of a model and a batch, functions without arguments that run on the card alone. Compiled
by `jax.jit` or `torch.compile`, but for `keras-torch`, which is what Keras does on PyTorch by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from gpu_measure import on_gpu

LEARNING_RATE = 1e-4


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
