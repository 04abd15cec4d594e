"""PyTorch files written without PyTorch, in both containers (torch/serialization.py)."""

import io
import pickle
import struct
import zipfile

import numpy as np

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
STORAGES = {"float32": "FloatStorage", "int64": "LongStorage"}


class Call:
    """Pickled as a call of `module.name` with these arguments."""

    def __init__(self, module, name, *arguments):
        self.name, self.arguments = f"c{module}\n{name}\n".encode(), arguments


def dump(tree, *, stream):
    """The opcodes of a tree of dictionaries, tuples, arrays, text and numbers, and its arrays by key."""
    arrays = {}

    def write(value):
        if isinstance(value, dict):
            return b"}(" + b"".join(write(key) + write(one) for key, one in value.items()) + b"u"
        if isinstance(value, (tuple, list)):
            return b"(" + b"".join(map(write, value)) + b"t"
        if isinstance(value, Call):
            return value.name + write(value.arguments) + b"R"
        if isinstance(value, np.ndarray):
            key = str(len(arrays))
            arrays[key] = value
            kind = f"ctorch\n{STORAGES[value.dtype.name]}\n".encode()
            view = b"N" if stream else b""
            storage = b"(" + write("storage") + kind + write(key) + write("cpu") + write(value.size) + view
            strides = tuple(step // value.itemsize for step in value.strides)
            rest = write(0) + write(value.shape) + write(strides) + b"\x89" + ordered_dict
            return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"tQ" + rest + b"tR"
        return pickle.dumps(value, 2)[2:-1]  # without PROTO and STOP

    ordered_dict = b"ccollections\nOrderedDict\n)R"
    return b"\x80\x02" + write(tree) + b".", arrays


def zip_file(tree):
    """The container since torch 1.6."""
    index, arrays = dump(tree, stream=False)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("weights/data.pkl", index)
        for key, array in arrays.items():
            archive.writestr(f"weights/data/{key}", array.tobytes())
        archive.writestr("weights/version", "3\n")
    return file.getvalue()


def stream_file(tree):
    """The container before torch 1.6."""
    index, arrays = dump(tree, stream=True)
    head = (MAGIC, VERSION, {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"int": 4}})
    content = b"".join(pickle.dumps(value, 2) for value in head) + index + pickle.dumps(list(arrays), 2)
    return content + b"".join(struct.pack("<q", array.size) + array.tobytes() for array in arrays.values())


CONTAINERS = {"zip": zip_file, "stream": stream_file}
