"""`keras-openpose train`: train a network on COCO, or go on with a training that was interrupted."""

import argparse
import sys

import keras

from keras_openpose.cli.network import load_network
from keras_openpose.cli.problems import Problems
from keras_openpose.data import coco_dataset
from keras_openpose.models import openpose
from keras_openpose.optimizers import STAGE_MULTIPLIERS
from keras_openpose.skeletons import COCO_18
from keras_openpose.training import train

_RECIPE = ("learning_rate", "schedule", "warmup_steps", "weight_decay", "clipnorm", "ema")


def run(options: argparse.Namespace) -> int:
    """Build or load the network, train it, say where it is."""
    problems = Problems()
    keras.utils.set_random_seed(options.seed)
    keras.config.set_dtype_policy(options.dtype)
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
            seed=options.seed,
            on_error=options.on_error,
        )
    with problems.at(options.output, fatal=True):
        try:
            train(
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
    print(f"Trained for {options.steps} steps: {options.output}/model.keras")
    return problems.exit_code


def _network(options: argparse.Namespace, problems: Problems):
    if options.preset or options.model:
        return load_network(options, problems)
    weights = None if options.weights == "none" else options.weights
    with problems.at(f"--backbone {options.backbone} --weights {options.weights}", fatal=True):
        return openpose(options.backbone, num_stages=options.stages, weights=weights), COCO_18
