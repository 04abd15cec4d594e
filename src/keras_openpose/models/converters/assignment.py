"""Named arrays into a model: every array used, every variable filled, every shape equal."""

from collections.abc import Iterable, Mapping

import keras
import numpy as np


def assign(model: keras.Model, arrays: Mapping[str, np.ndarray], *, unused: Iterable[str], source: str):
    """Fill a model's variables, all or none.

    Args:
        model: the model to fill.
        arrays: values by the path of the variable, such as `stem_conv/kernel`.
        unused: names of arrays of the source that no variable has been found for.
        source: name of the source, for the message.

    Raises:
        ValueError: something is left over, missing or of another shape; the message lists it all.
    """
    variables = {variable.path: variable for variable in model.weights}
    unequal = [
        f"{path} is {arrays[path].shape}, must be {tuple(variable.shape)}"
        for path, variable in variables.items()
        if path in arrays and arrays[path].shape != tuple(variable.shape)
    ]
    differences = {
        "not used": [*unused, *(arrays.keys() - variables.keys())],
        "not filled": sorted(variables.keys() - arrays.keys()),
        "of another shape": unequal,
    }
    if any(differences.values()):
        lists = "; ".join(
            f"{len(names)} {what}: {', '.join(names)}" for what, names in differences.items() if names
        )
        raise ValueError(f"{source} does not hold the weights of {model.name}, nothing was loaded: {lists}.")
    for path, variable in variables.items():
        variable.assign(arrays[path])
