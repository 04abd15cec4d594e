"""Bottom-up multi-person pose estimation in Keras 3."""

from typing import TYPE_CHECKING

try:
    import cv2 as _cv2  # noqa: F401
except ImportError as error:
    raise ImportError(
        "OpenCV could not be imported. In a container without a display install its system libraries "
        "(Debian and Ubuntu: `apt-get install libgl1 libglib2.0-0`), or `pip uninstall opencv-python` and "
        f"`pip install opencv-python-headless`. The reason given: {error}"
    ) from error

from keras_openpose.startup import load_quietly

load_quietly("keras")

from keras_openpose.data.samples import PoseSample
from keras_openpose.data.skeleton_file import read_skeleton
from keras_openpose.evaluation import CocoEvaluation, evaluate_coco
from keras_openpose.export import export_model
from keras_openpose.images import read_image
from keras_openpose.inference.decoding import decode_poses
from keras_openpose.inference.predict import predict_poses
from keras_openpose.inference.runtimes import load_exported
from keras_openpose.inference.video import predict_video
from keras_openpose.inference.whole_body import predict_whole_body
from keras_openpose.models import (
    body_25,
    compact_openpose,
    convert_weights,
    efficientnet_openpose,
    face_openpose,
    from_preset,
    hand_openpose,
    lightweight_openpose,
    mobilenet_openpose,
    openpose,
)
from keras_openpose.models.backbones import list_backbones
from keras_openpose.models.estimator import PoseEstimator
from keras_openpose.models.presets import list_presets
from keras_openpose.output.people_json import poses_from_openpose, poses_to_coco, poses_to_openpose
from keras_openpose.output.visualization import draw_heatmaps, draw_pafs, draw_poses
from keras_openpose.poses import Poses, WholeBody
from keras_openpose.skeletons import BODY_25, COCO_18, FACE_70, HAND_21, MPI_15, Skeleton
from keras_openpose.synthetic import synthetic_people
from keras_openpose.training.losses import StageLoss, StageMetric
from keras_openpose.training.muon import ConvMuon
from keras_openpose.training.optimizers import STAGE_MULTIPLIERS, CaffeSGD, make_optimizer
from keras_openpose.training.recipe import train
from keras_openpose.writing import write_image

if TYPE_CHECKING:
    from keras_openpose.data.augmentation import Augmentation
    from keras_openpose.data.dataset import coco_dataset, pose_dataset

__version__ = "0.1.0"

__all__ = [  # noqa: RUF022 (the order in which users need them)
    # For every user.
    "from_preset",
    "openpose",
    "PoseEstimator",
    "Poses",
    "predict_video",
    "predict_whole_body",
    "draw_poses",
    "read_image",
    "write_image",
    "Skeleton",
    "COCO_18",
    "coco_dataset",
    "train",
    "evaluate_coco",
    "export_model",
    # For some.
    "BODY_25",
    "FACE_70",
    "HAND_21",
    "MPI_15",
    "STAGE_MULTIPLIERS",
    "Augmentation",
    "CaffeSGD",
    "CocoEvaluation",
    "ConvMuon",
    "PoseSample",
    "StageLoss",
    "StageMetric",
    "WholeBody",
    "body_25",
    "compact_openpose",
    "convert_weights",
    "decode_poses",
    "draw_heatmaps",
    "draw_pafs",
    "efficientnet_openpose",
    "face_openpose",
    "hand_openpose",
    "lightweight_openpose",
    "list_backbones",
    "list_presets",
    "load_exported",
    "make_optimizer",
    "mobilenet_openpose",
    "pose_dataset",
    "poses_from_openpose",
    "poses_to_coco",
    "poses_to_openpose",
    "predict_poses",
    "read_skeleton",
    "synthetic_people",
]

# Loaded at first use: they need TensorFlow, also where Keras computes with JAX or PyTorch.
_LOADERS = {"Augmentation": "augmentation", "coco_dataset": "dataset", "pose_dataset": "dataset"}


def __getattr__(name: str):
    if name in _LOADERS:
        return getattr(load_quietly(f"{__name__}.data.{_LOADERS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
