"""`keras-openpose evaluate`: COCO's ten figures."""

import argparse

from keras_openpose.cli.network import load_network, load_skeleton, predict_options
from keras_openpose.cli.problems import Problems
from keras_openpose.evaluation import evaluate_coco
from keras_openpose.models.presets import DEFAULT_PRESET


def run(options: argparse.Namespace) -> int:
    """Measure a network, print the figures and what they were measured with."""
    problems = Problems()
    predict = predict_options(options)
    with problems.at(options.annotations, fatal=True):
        model, skeleton = load_network(options, problems), load_skeleton(options, problems)
        figures = evaluate_coco(
            model, options.images, options.annotations, skeleton=skeleton, results=options.results, **predict
        )
    print(f"{options.model or options.preset or DEFAULT_PRESET}{_flags(predict)}, in percent:")
    for name, value in figures.items():
        print(f"{name:<5}{value:6.1f}")
    return problems.exit_code


def _flags(predict: dict) -> str:
    """The flags given, on which AP depends."""
    words = ""
    for name, value in predict.items():
        if name != "batch_size":
            values = () if value is True else value if isinstance(value, list) else (value,)
            words += " ".join((f" --{name.replace('_', '-')}", *map(str, values)))
    return words
