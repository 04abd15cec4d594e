"""`keras-openpose train`: train a network on COCO, or go on with a training that was interrupted."""

import argparse
import sys

import keras
import tensorflow as tf

from keras_openpose.cli.network import load_network, load_skeleton
from keras_openpose.cli.parser import NEW_DTYPE, NEW_STAGES, NEW_WEIGHTS
from keras_openpose.cli.problems import Problems
from keras_openpose.data.dataset import coco_dataset
from keras_openpose.data.skeleton_file import read_skeleton
from keras_openpose.inference.forward import find_skeleton
from keras_openpose.models import from_preset, openpose
from keras_openpose.models.estimator import PoseEstimator
from keras_openpose.skeletons import Skeleton
from keras_openpose.training.recipe import count_epochs, train

_RECIPE = ("learning_rate", "schedule", "warmup_steps", "weight_decay", "clipnorm", "ema")


def run(options: argparse.Namespace) -> int:
    """Build or load the network, train it, say where it is."""
    problems = Problems()
    keras.utils.set_random_seed(options.seed)
    keras.config.set_dtype_policy(options.dtype or NEW_DTYPE)
    model = _network(options, problems)
    recipe = {name: getattr(options, name) for name in _RECIPE if name in options}
    size = tuple(options.input_size)
    with problems.at(options.annotations, fatal=True):
        dataset = coco_dataset(
            *zip((options.images, options.annotations), *(options.also or ()), strict=True),
            skeleton=model.skeleton,
            input_size=size,
            batch_size=options.batch_size,
            # A run that goes on gets other crops than it began with.
            seed=options.seed + count_epochs(options.output),
            on_error=options.on_error,
        )
    with problems.at(options.output, fatal=True):
        try:
            history = train(
                model,
                dataset,
                options.output,
                steps=options.steps,
                steps_per_epoch=options.steps_per_epoch,
                optimizer=options.optimizer,
                freeze_backbone_steps=options.freeze_backbone,
                validation=options.validation,
                validate={"every": options.validate_every},
                tensorboard=options.tensorboard,
                **recipe,
            )
        except FloatingPointError as error:
            print(f"keras-openpose: {options.output}: {error}", file=sys.stderr)
            return 1
        except tf.errors.OpError as error:
            raise ValueError(_unreadable(error)) from error
    steps = history.params["epochs"] * history.params["steps"]  # rounded up to whole epochs
    print(f"Trained for {steps} steps: {options.output}/model.keras")
    return problems.exit_code


def _unreadable(error: tf.errors.OpError) -> str:
    """What `coco_dataset` says of a damaged photograph, out of what TensorFlow makes of it."""
    _, _, said = error.message.partition("assertion failed: [")
    return said.partition("]\n")[0] or error.message


def _network(options: argparse.Namespace, problems: Problems) -> PoseEstimator:
    """The network to train, with the skeleton that was named or that the labels have."""
    skeleton = load_skeleton(options, problems)
    if options.model:
        model = load_network(options, problems)
        with problems.at(options.model, fatal=True):
            if not isinstance(model, PoseEstimator):
                raise ValueError("Only a network that this package built and Keras saved can be trained.")
            find_skeleton(model, skeleton)
        return model
    if options.preset:
        if skeleton:
            _say(skeleton)
        with problems.at(options.file or f"--preset {options.preset}", fatal=True):
            return from_preset(options.preset, file=options.file, skeleton=skeleton)
    if skeleton is None:
        with problems.at(options.annotations, fatal=True):
            skeleton = read_skeleton(options.annotations)
    _say(skeleton)
    weights, stages = options.weights or NEW_WEIGHTS, options.stages or NEW_STAGES
    with problems.at(f"--backbone {options.backbone} --weights {weights}", fatal=True):
        weights = None if weights == "none" else weights
        return openpose(options.backbone, skeleton=skeleton, num_stages=stages, weights=weights)


def _say(skeleton: Skeleton):
    print(f"Skeleton: {skeleton.name}, {skeleton.num_keypoints} keypoints, {skeleton.num_limbs} limbs")
