"""Caffe models (`.caffemodel`) of CMU OpenPose: read, not run, and without Caffe."""

import itertools
import math
import os
from pathlib import Path

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import DecodeError, Message

# What counts of BVLC/caffe, src/caffe/proto/caffe.proto. Layers of the first generation are in `layers`.
_SCHEMA = """
name: "caffe.proto" package: "caffe"
message_type { name: "NetParameter"
  field { name: "layers" number: 2 type: TYPE_MESSAGE type_name: "V1LayerParameter" label: LABEL_REPEATED }
  field { name: "layer" number: 100 type: TYPE_MESSAGE type_name: "LayerParameter" label: LABEL_REPEATED }
}
message_type { name: "V1LayerParameter"
  field { name: "name" number: 4 type: TYPE_STRING }
  field { name: "blobs" number: 6 type: TYPE_MESSAGE type_name: "BlobProto" label: LABEL_REPEATED }
}
message_type { name: "LayerParameter"
  field { name: "name" number: 1 type: TYPE_STRING }
  field { name: "blobs" number: 7 type: TYPE_MESSAGE type_name: "BlobProto" label: LABEL_REPEATED }
}
message_type { name: "BlobProto"
  field { name: "num" number: 1 type: TYPE_INT32 }
  field { name: "channels" number: 2 type: TYPE_INT32 }
  field { name: "height" number: 3 type: TYPE_INT32 }
  field { name: "width" number: 4 type: TYPE_INT32 }
  field { name: "data" number: 5 type: TYPE_FLOAT label: LABEL_REPEATED }
  field { name: "shape" number: 7 type: TYPE_MESSAGE type_name: "BlobShape" }
}
message_type { name: "BlobShape"
  field { name: "dim" number: 1 type: TYPE_INT64 label: LABEL_REPEATED }
}
"""
# Caffe does not name the blobs of a layer: these are PyTorch's names, which ports of the files have too.
_BLOBS = ("weight", "bias")


def read_caffemodel(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Weights of a Caffe model, as `conv1_1.weight` and `conv1_1.bias`.

    Args:
        path: the `.caffemodel` file, a binary NetParameter.

    Returns:
        Kernels are `(out, in, height, width)`, biases and the slopes of PReLU `(channels,)`, after three
        ones in files of the first generation.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such model; the message names the file.
    """
    content, arrays = Path(path).read_bytes(), {}
    try:
        network = _network_class().FromString(content)
        for layer in itertools.chain(network.layers, network.layer):
            for n, blob in enumerate(layer.blobs):
                key = f"{layer.name}.{_BLOBS[n] if n < len(_BLOBS) else n}"
                if key in arrays:
                    raise ValueError(f"the layer {layer.name} stands twice")
                arrays[key] = _array(blob)
        if not arrays:
            raise ValueError("it holds no weights")
    except (DecodeError, ValueError) as error:
        raise ValueError(f"{os.fspath(path)} is not a Caffe model: {error}.") from error
    return arrays


def _network_class() -> type[Message]:
    """The class that reads a NetParameter."""
    schema = text_format.Parse(_SCHEMA, descriptor_pb2.FileDescriptorProto())
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(schema.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))


def _array(blob) -> np.ndarray:
    sizes = blob.shape.dim if blob.HasField("shape") else (blob.num, blob.channels, blob.height, blob.width)
    shape, values = tuple(sizes), np.array(blob.data, np.float32)
    if 0 in shape or math.prod(shape) != values.size:
        raise ValueError(f"a blob of shape {shape} has {values.size} values")
    return values.reshape(shape)
