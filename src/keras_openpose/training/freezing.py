"""Which layers of a network are its backbone, and how to freeze them for a while."""

import contextlib
from collections.abc import Iterable, Iterator

import keras

# What the names of the first layers after a backbone begin with.
_HEAD = ("features_", "stage1_")


def backbone_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Layers from the images to what the head takes.

    The head begins with the first layer named `features_…` or `stage1_…`. What comes before it in the graph
    is the backbone, whatever its name. A model within the model is never part of the head.
    """
    for layer in model.layers:
        if layer.name.startswith(_HEAD) and not isinstance(layer, keras.Model):
            return keras.Model(model.input, layer.input).layers
    return []


@contextlib.contextmanager
def frozen(layers: Iterable[keras.layers.Layer]) -> Iterator[None]:
    """Freeze layers. Afterwards, what was trainable is so again, and nothing else."""
    # The whole before its parts: setting it sets them all.
    parts = [part for layer in layers for part in (*_with_parts(layer), *layer.variables)]
    before = [(part, part.trainable) for part in parts]
    for layer in layers:
        layer.trainable = False
    try:
        yield
    finally:
        for part, trainable in before:
            part.trainable = trainable


def _with_parts(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    yield layer
    for part in getattr(layer, "layers", ()):
        yield from _with_parts(part)
