"""Weights of a network of one skeleton, for the same network of another."""

import re

import keras
import numpy as np

from keras_openpose.models.stages import map_channels
from keras_openpose.skeletons import Skeleton
from keras_openpose.training.freezing import backbone_layers

# Layers of the stages, by the builders' names; the backbone may have such names, too.
_OF_A_STAGE = re.compile(r"stage\d+_")

# Channels of the source and the places that they take in the target.
Channels = tuple[np.ndarray, np.ndarray]


def transfer_weights(source: keras.Model, target: keras.Model) -> None:
    """Copy what two networks that differ in their skeleton have in common.

    The features keep their weights. The stages start anew, unless the skeletons share keypoints or limbs by
    name: then the stages keep their weights, and those channels their maps. One line says so.

    Args:
        source: the trained network.
        target: a network of the same builder and arguments, of another skeleton.
    """
    kept = _shared_channels(source.skeleton, target.skeleton)
    shares = len(kept["heatmaps"][0]) > 1 or len(kept["pafs"][0])  # more than the background
    backbone = backbone_layers(target)
    with_weights = [layer for layer in target.layers if layer.weights]
    stages = [layer for layer in with_weights if _OF_A_STAGE.match(layer.name) and layer not in backbone]
    for layer in with_weights:
        if layer not in stages:
            layer.set_weights(source.get_layer(layer.name).get_weights())
    if shares:
        seen, given = _channels_of_layers(stages, source, target, kept)
        for layer in stages:
            axes = seen.get(layer.name), given.get(layer.name)
            pairs = zip(source.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True)
            layer.set_weights([_merge(*pair, *axes) for pair in pairs])
    theirs, ours = source.skeleton, target.skeleton
    keypoints, limbs = len(kept["heatmaps"][0]) - 1, len(kept["pafs"][0]) // 2
    print(
        f"{target.name}: the weights are of {theirs.name}; their features are kept. They know {keypoints} of "
        f"{ours.num_keypoints} keypoints and {limbs} of {ours.num_limbs} limbs of {ours.name}: "
        + ("those channels are kept." if shares else "the stages start anew.")
    )


def _shared_channels(source: Skeleton, target: Skeleton) -> dict[str, Channels]:
    """Channels of keypoints, the background, and limbs that both have, in each kind of map."""
    names = [*source.keypoints, None], [*target.keypoints, None]
    keypoints = [(names[0].index(name), n) for n, name in enumerate(names[1]) if name in names[0]]
    limbs = [(source.limbs.index(limb), n) for n, limb in enumerate(target.limbs) if limb in source.limbs]
    pafs = [(2 * one + xy, 2 * other + xy) for one, other in limbs for xy in (0, 1)]
    return {"heatmaps": _sides(keypoints), "pafs": _sides(pafs)}


def _sides(pairs: list[tuple[int, int]]) -> Channels:
    theirs, ours = np.array(pairs, np.intp).reshape(-1, 2).T
    return theirs, ours


def _channels_of_layers(
    stages: list, source: keras.Model, target: keras.Model, kept: dict[str, Channels]
) -> tuple[dict[str, Channels], dict[str, Channels]]:
    """By layer: channels that it takes from maps, alone or beside features, and those that it gives."""
    made_by = {id(operation.output): operation for operation in target.operations}
    kinds = {id(stage): kind for kind in target.output for stage in made_by[id(target.output[kind])].input}
    given = {made_by[stage].name: kept[kind] for stage, kind in kinds.items()}
    counts, seen = map_channels(source.skeleton), {}
    for layer in stages:
        joined = getattr(made_by.get(id(layer.input)), "input", None)  # a model within has outputs of its own
        parts = joined if isinstance(joined, list) else [layer.input]
        if any(id(part) in kinds for part in parts):
            seen[layer.name] = _side_by_side(parts, kinds, kept, counts)
    return seen, given


def _side_by_side(parts: list, kinds: dict[int, str], kept: dict[str, Channels], counts: dict) -> Channels:
    """Channels of a concatenation, of which maps keep some and features all."""
    source_channels, target_channels, source_start, target_start = [], [], 0, 0
    for part in parts:
        kind, count = kinds.get(id(part)), part.shape[-1]
        of, to = kept[kind] if kind else (np.arange(count), np.arange(count))
        source_channels.append(of + source_start)
        target_channels.append(to + target_start)
        source_start += counts.get(kind, count)
        target_start += count
    return np.concatenate(source_channels), np.concatenate(target_channels)


def _merge(
    source: np.ndarray, target: np.ndarray, seen: Channels | None, given: Channels | None
) -> np.ndarray:
    """The target's array with what the source's holds for the channels that both have."""
    pairs = [(np.arange(length),) * 2 for length in source.shape]
    if seen and source.ndim > 1:
        pairs[-2] = seen
    if given:
        pairs[-1] = given
    merged = target.copy()
    merged[np.ix_(*(to for _, to in pairs))] = source[np.ix_(*(of for of, _ in pairs))]
    return merged
