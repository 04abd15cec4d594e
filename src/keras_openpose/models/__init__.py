"""The published networks, one file each."""

from keras_openpose.models.compact_openpose import compact_openpose
from keras_openpose.models.from_preset import from_preset
from keras_openpose.models.mobilenet_openpose import mobilenet_openpose
from keras_openpose.models.openpose import openpose

__all__ = ["compact_openpose", "from_preset", "mobilenet_openpose", "openpose"]
