"""The published networks, one file each."""

from keras_openpose.models.from_preset import from_preset
from keras_openpose.models.lightweight_openpose import lightweight_openpose
from keras_openpose.models.mobilenet_openpose import mobilenet_openpose
from keras_openpose.models.openpose import openpose

__all__ = ["from_preset", "lightweight_openpose", "mobilenet_openpose", "openpose"]
