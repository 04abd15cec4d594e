"""Weight files of Keras 2 (`.h5`), such as that of michalfaber's keras_Realtime_Multi-Person_Pose_Estimation.

The form: keras/engine/topology.py of Keras 2, `save_weights_to_hdf5_group`.
"""

import os
import re

import h5py
import numpy as np

HDF5_START = b"\x89HDF\r\n\x1a\n"
# The port names the first stage as the others, CMU does not.
_FIRST_STAGE = re.compile(r"Mconv(\d)_stage1_L(\d)")


def read_keras2_file(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Kernels and biases of a weight file, or of a saved model, by CMU's names: `conv1_1.weight`.

    Args:
        path: the file.

    Returns:
        Kernels are `(out, in, height, width)`, as in Caffe; the file has TensorFlow's order.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such file; the message names it.
    """
    try:
        with h5py.File(path, "r") as file:
            layers = file.get("model_weights", file)
            if "layer_names" not in layers.attrs:
                raise ValueError("it has no layer names.")
            arrays = {}
            for layer in layers.attrs["layer_names"]:
                layer = layer.decode() if isinstance(layer, bytes) else str(layer)
                names = layers[layer].attrs["weight_names"]
                parts = ("weight", "bias", *map(str, range(2, len(names))))
                for name, part in zip(names, parts, strict=False):
                    key = _FIRST_STAGE.sub(r"conv5_\1_CPM_L\2", layer)
                    arrays[f"{key}.{part}"] = _array(layers[layer][name], os.stat(path).st_size)
    except FileNotFoundError:
        raise
    except Exception as error:  # h5py raises many kinds
        raise ValueError(f"{os.fspath(path)} is not a weight file of Keras 2: {error}") from error
    return arrays


def _array(dataset: h5py.Dataset, limit: int) -> np.ndarray:
    if dataset.nbytes > limit:  # Keras does not compress
        raise ValueError(f"an array of {dataset.nbytes} bytes is larger than the file.")
    array = dataset[()]
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
