"""`keras-openpose train`: train a network on COCO, or go on with a training that was interrupted."""

import argparse
import re
import sys

import keras
import tensorflow as tf

from keras_openpose.cli.network import load_network
from keras_openpose.cli.parser import NEW_NETWORK
from keras_openpose.cli.problems import Problems
from keras_openpose.data.dataset import coco_dataset
from keras_openpose.models import openpose
from keras_openpose.skeletons import COCO_18
from keras_openpose.training.optimizers import STAGE_MULTIPLIERS
from keras_openpose.training.recipe import count_epochs, train

_RECIPE = ("learning_rate", "schedule", "warmup_steps", "weight_decay", "clipnorm", "ema")


def run(options: argparse.Namespace) -> int:
    """Build or load the network, train it, say where it is."""
    problems = Problems()
    keras.utils.set_random_seed(options.seed)
    keras.config.set_dtype_policy(options.dtype or NEW_NETWORK["dtype"])
    model, skeleton = _network(options, problems)
    recipe = {name: getattr(options, name) for name in _RECIPE if name in options}
    if options.stage_multipliers:
        recipe["multipliers"] = STAGE_MULTIPLIERS
    size = tuple(options.input_size)
    with problems.at(options.annotations, fatal=True):
        dataset = coco_dataset(
            options.images,
            options.annotations,
            skeleton=skeleton,
            input_size=size,
            batch_size=options.batch_size,
            # When a run goes on, other crops than those that it began with.
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
                validate={"skeleton": skeleton, "every": options.validate_every},
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
    if said := re.search(r"assertion failed: \[(.*?)\] \[(.*)\]", error.message):
        return " ".join(said.groups())
    return error.message


def _network(options: argparse.Namespace, problems: Problems):
    if options.preset or options.model:
        model, skeleton = load_network(options, problems)
        with problems.at(options.model, fatal=True):
            if not isinstance(model, keras.Model):
                raise ValueError("An exported network cannot be trained. Name one saved as .keras.")
        return model, skeleton
    weights, stages = (getattr(options, name) or NEW_NETWORK[name] for name in ("weights", "stages"))
    with problems.at(f"--backbone {options.backbone} --weights {weights}", fatal=True):
        return openpose(
            options.backbone, num_stages=stages, weights=None if weights == "none" else weights
        ), COCO_18
