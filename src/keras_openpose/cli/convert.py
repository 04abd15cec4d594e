"""`keras-openpose convert`: a published file of weights into one of Keras's own."""

import argparse

from keras_openpose.cli.problems import Problems
from keras_openpose.models import convert_weights
from keras_openpose.models.presets import PRESETS


def run(options: argparse.Namespace) -> int:
    """Convert, and tell whose the weights are."""
    problems = Problems()
    with problems.at(options.source):
        convert_weights(options.source, options.preset, options.output)
        print(f"{options.output}: {options.preset}, license: {PRESETS[options.preset].license}")
    return problems.exit_code
