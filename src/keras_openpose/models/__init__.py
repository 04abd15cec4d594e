"""The published networks, one file each."""

from keras_openpose.models.body_25 import body_25
from keras_openpose.models.compact_openpose import compact_openpose
from keras_openpose.models.efficientnet_openpose import efficientnet_openpose
from keras_openpose.models.from_preset import convert_weights, from_preset
from keras_openpose.models.hand_and_face import face_openpose, hand_openpose
from keras_openpose.models.lightweight_openpose import lightweight_openpose
from keras_openpose.models.mobilenet_openpose import mobilenet_openpose
from keras_openpose.models.openpose import openpose

__all__ = [
    "body_25",
    "compact_openpose",
    "convert_weights",
    "efficientnet_openpose",
    "face_openpose",
    "from_preset",
    "hand_openpose",
    "lightweight_openpose",
    "mobilenet_openpose",
    "openpose",
]
