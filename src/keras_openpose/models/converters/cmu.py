"""Weights of CMU's networks from whichever file they come in: names of their layers and ours."""

import itertools
import os
import re
from collections.abc import Iterator

import keras
import numpy as np

from keras_openpose.models.converters.assignment import assign
from keras_openpose.models.converters.caffe import read_caffemodel
from keras_openpose.models.converters.torch_file import STREAM_START, ZIP_START, read_torch_file


def _body_25() -> Iterator[tuple[str, str]]:
    """Ours and theirs: stages counted from 0, L2 the PAFs and L1 the heatmaps."""
    for kind, branch, stages in (("pafs", "L2", 4), ("heatmaps", "L1", 2)):
        for stage in range(stages):
            ours, theirs = f"stage{stage + 1}_{kind}", f"stage{stage}_{branch}"
            for block, n in itertools.product(range(1, 6), range(3)):
                yield f"{ours}_block{block}_conv{n + 1}", f"Mconv{block}_{theirs}_{n}"
                yield f"{ours}_block{block}_prelu{n + 1}", f"Mprelu{block}_{theirs}_{n}"
            yield f"{ours}_conv6", f"Mconv6_{theirs}"
            yield f"{ours}_prelu6", f"Mprelu6_{theirs}"
            yield f"{ours}_conv7", f"Mconv7_{theirs}"


# Ours and theirs, as patterns (prototxt files of CMU OpenPose, folder models). In the networks of 2017
# branch L1 has the PAFs and L2 the heatmaps, in BODY_25 it is the other way round.
_VGG = {r"block(\d)_conv(\d)": r"conv\1_\2"}
_HAND_AND_FACE = {
    **_VGG,
    "features_conv": "conv5_3_CPM",
    r"stage1_heatmaps_conv(\d)": r"conv6_\1_CPM",
    r"stage(\d)_heatmaps_conv(\d)": r"Mconv\2_stage\1",
}
_LAYERS = {
    "openpose": {
        **_VGG,
        "features_conv1": "conv4_3_CPM",
        "features_conv2": "conv4_4_CPM",
        r"stage1_pafs_conv(\d)": r"conv5_\1_CPM_L1",
        r"stage1_heatmaps_conv(\d)": r"conv5_\1_CPM_L2",
        r"stage(\d)_pafs_conv(\d)": r"Mconv\2_stage\1_L1",
        r"stage(\d)_heatmaps_conv(\d)": r"Mconv\2_stage\1_L2",
    },
    "body_25": {
        **_VGG,
        "block4_prelu2": "prelu4_2",
        r"features_(conv|prelu)1": r"\g<1>4_3_CPM",
        r"features_(conv|prelu)2": r"\g<1>4_4_CPM",
        **dict(_body_25()),
    },
    "hand_openpose": _HAND_AND_FACE,
    "face_openpose": _HAND_AND_FACE,
}


def load_cmu(model: keras.Model, path: str | os.PathLike, *, network: str, skipped: str = ""):
    """Fill one of CMU's networks from a Caffe model, or a PyTorch file made from one.

    The format is that of the content, whatever the name. The networks take BGR: the first kernel is reversed.

    Args:
        model: the model to fill.
        path: the file.
        network: public function that built the model.
        skipped: pattern of the arrays that the file has and the model needs not.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is of neither format, or of another network.
    """
    arrays = _read(path)
    filled, used = {}, set()
    for variable in model.weights:
        layer, kind = variable.path.split("/")
        source = f"{_their_name(layer, network)}.{'bias' if kind == 'bias' else 'weight'}"
        if source in arrays:
            used.add(source)
            filled[variable.path] = _FORMS[kind](arrays[source])
    first = filled.get("block1_conv1/kernel")
    if first is not None and first.ndim == 4:
        filled["block1_conv1/kernel"] = first[:, :, ::-1]
    unused = [name for name in arrays if name not in used and not re.fullmatch(skipped, name)]
    assign(model, filled, unused=unused, source=os.fspath(path))


def _read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    with open(path, "rb") as file:
        start = file.read(len(STREAM_START))
    if start.startswith((ZIP_START, STREAM_START)):
        return read_torch_file(path)
    try:
        return read_caffemodel(path)  # which begins with any field of a protocol buffer
    except ValueError as error:
        raise ValueError(f"{error} These are read: .caffemodel, .pth, .weights.h5, .keras.") from error


def _their_name(layer: str, network: str) -> str | None:
    """What the published network calls a layer; None if it has none of the kind."""
    for ours, theirs in _LAYERS[network].items():
        if found := re.fullmatch(ours, layer):
            return found.expand(theirs)
    return None


def _kernel(array: np.ndarray) -> np.ndarray:
    """(out, in, height, width) as Keras has it: (height, width, in, out)."""
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


def _bias(array: np.ndarray) -> np.ndarray:
    return array[0, 0, 0] if array.ndim == 4 and array.shape[:3] == (1, 1, 1) else array


def _slopes(array: np.ndarray) -> np.ndarray:
    return _bias(array)[None, None]


_FORMS = {"kernel": _kernel, "bias": _bias, "alpha": _slopes}
