"""The forward pass: a network as a compiled function, NumPy in and out, on any Keras backend."""

import functools
import weakref
from collections.abc import Callable
from typing import TypeAlias

import keras
import numpy as np

from keras_openpose.inference.runtimes import ExportedNetwork
from keras_openpose.skeletons import Skeleton

Network: TypeAlias = keras.Model | ExportedNetwork
Maps = tuple[np.ndarray, np.ndarray]
Forward = Callable[[np.ndarray], Maps]

# The compiled forward pass of each model, gone with the model.
_compiled: weakref.WeakKeyDictionary[keras.Model, Forward] = weakref.WeakKeyDictionary()


def find_skeleton(model: Network, skeleton: Skeleton | None) -> Skeleton:
    """The skeleton of a network's maps: its own, or the one given for it.

    Raises:
        ValueError: neither is there, or they contradict each other.
    """
    own = getattr(model, "skeleton", None)
    if skeleton is None:
        if own is not None:
            return own
        if "heatmaps" not in _channels(model):
            raise ValueError(f"The model must give `heatmaps` by name, and `pafs`. It gives: {model.output}.")
        raise ValueError(
            "`skeleton` must be given for this network: it is a plain model, which has none. Networks that "
            "the package builds, and their files, have one."
        )
    if own is not None and not own.has_maps_of(skeleton):
        raise ValueError(
            f"`skeleton` must be that of the network, {own.name}, or be left out. Received: {skeleton.name}, "
            f"which differs in {_difference(own, skeleton)}."
        )
    return skeleton  # its OKS constants may differ


def _difference(own: Skeleton, other: Skeleton) -> str:
    for kind in ("keypoints", "limbs"):
        ours, theirs = getattr(own, kind), getattr(other, kind)
        if strangers := set(ours) ^ set(theirs):
            return f"its {kind}, such as {min(strangers)}"
        if ours != theirs:
            return f"the order of its {kind}"
    return "nothing"


def forward_pass(model: Network, skeleton: Skeleton) -> Forward:
    """Last stage of a model as a compiled function, NumPy in and out, made once for each model.

    A model without PAFs gives PAFs without channels.
    """
    expected = {"heatmaps": skeleton.num_keypoints + 1, "pafs": 2 * skeleton.num_limbs}
    found = _channels(model)
    if found not in (expected, {"heatmaps": expected["heatmaps"]}):
        raise ValueError(
            f"The model must give the maps of {skeleton.name}: {expected['heatmaps']} heatmaps "
            f"({skeleton.num_keypoints} keypoints and background) and {expected['pafs']} PAF channels "
            f"({skeleton.num_limbs} limbs). Received a model with: {found or 'no outputs by name'}. "
            "Pass the `skeleton` that the model was made for."
        )
    if isinstance(model, ExportedNetwork):
        return _sized(model.run, model.input_shape[1:3])
    if model not in _compiled:
        _compiled[model] = _sized(_compile(model), model.input_shape[1:3])
    return _compiled[model]


def _channels(model: Network) -> dict[str, int]:
    if isinstance(model, ExportedNetwork):
        return model.channels
    outputs = getattr(model, "output", None)
    return {name: maps.shape[-1] for name, maps in outputs.items()} if isinstance(outputs, dict) else {}


def _sized(run: Forward, own: tuple[int | None, ...]) -> Forward:
    """The function, refusing images of another size than the network's own."""

    def forward(images: np.ndarray) -> Maps:
        if any(side not in (None, given) for side, given in zip(own, images.shape[1:3], strict=True)):
            raise ValueError(
                f"The network takes images of height and width {own} only. Asked for: {images.shape[1:3]}. "
                "Leave out `input_size`, `quality`, `scales` and `refine`, or build the network with "
                "`input_shape=(None, None, 3)`, or export it without a size."
            )
        return run(np.asarray(images, np.float32))

    return forward


def _compile(model: keras.Model) -> Forward:
    # Not the model itself, or the table's value would keep its key alive.
    network = _without_earlier_stages(model) or weakref.proxy(model)
    backend = keras.backend.backend()

    def last_maps(maps):
        heatmaps = maps["heatmaps"][:, -1]
        return heatmaps, maps["pafs"][:, -1] if "pafs" in maps else heatmaps[..., :0]

    def last_stage(images):
        return last_maps(network(images, training=False))

    if backend == "tensorflow":
        import tensorflow as tf

        own = model.input_shape[1:3]

        @functools.cache
        def compiled(height: int | None, width: int | None):
            # Not through XLA, which is several times slower on CPUs.
            images = tf.TensorSpec((None, height, width, 3), tf.float32)
            return tf.function(last_stage, autograph=False).get_concrete_function(images)

        @functools.cache
        def takes_all_sizes() -> bool:
            try:
                compiled(*own)
            except Exception:  # resizing layers in a user's backbone fail with many kinds of errors
                return False
            return True

        def run(images):
            size = own if takes_all_sizes() else images.shape[1:3]
            return compiled(*size)(tf.constant(images))

    elif backend == "jax":
        import jax

        @jax.jit
        def stateless(trainable, non_trainable, images):
            maps, _ = network.stateless_call(trainable, non_trainable, images, training=False)
            return last_maps(maps)

        def run(images):
            state = (network.trainable_variables, network.non_trainable_variables)
            return stateless(*([variable.value for variable in group] for group in state), images)
    else:
        import torch

        run = torch.no_grad()(last_stage)

    return lambda images: tuple(keras.ops.convert_to_numpy(maps) for maps in run(images))


def _without_earlier_stages(model: keras.Model) -> keras.Model | None:
    """The model with the maps of its last stage alone, or None where stages are not concatenated.

    Copying the others only to leave them out took 2% of the time of a small network.
    """
    inputs_of = {id(operation.output): operation.input for operation in model.operations}
    outputs = {}
    for name, maps in model.output.items():
        stages = inputs_of.get(id(maps))
        if not isinstance(stages, list) or len(stages) != maps.shape[1]:
            return None
        last = stages[-1]
        if len(last.shape) < len(maps.shape):
            last = keras.ops.expand_dims(last, 1)
        if last.shape[1] != 1:  # a sum, say
            return None
        outputs[name] = last
    return keras.Model(model.input, outputs)


def run_network(forward: Forward, images: np.ndarray, skeleton: Skeleton, *, flip: bool) -> np.ndarray:
    """Heatmaps and PAFs of a batch, side by side, with those of the mirrored images averaged in."""
    heatmaps, pafs = forward(images)
    if flip:
        channels, signs = skeleton.flip_pafs
        mirrored_heatmaps, mirrored_pafs = (maps[:, :, ::-1] for maps in forward(images[:, :, ::-1]))
        keypoints = [*skeleton.flip_keypoints, skeleton.num_keypoints]  # the background stays
        heatmaps = (heatmaps + mirrored_heatmaps[..., keypoints]) / 2
        pafs = (pafs + mirrored_pafs[..., channels] * signs) / 2
    return np.concatenate([heatmaps, pafs], axis=-1)
