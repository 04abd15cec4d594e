"""Bottom-up multi-person pose estimation in Keras 3."""

from keras_openpose.decoding import decode_poses
from keras_openpose.poses import Poses
from keras_openpose.skeletons import BODY_25, COCO_18, HAND_21, MPI_15, Skeleton

__version__ = "0.1.0"

__all__ = [
    "BODY_25",
    "COCO_18",
    "HAND_21",
    "MPI_15",
    "Poses",
    "Skeleton",
    "decode_poses",
]
