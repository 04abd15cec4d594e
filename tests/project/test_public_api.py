"""The public names and their parameters: a change here is one for users, and belongs into the changelog."""

import inspect
from pathlib import Path

import keras_openpose as ko

LISTED = Path(__file__).parents[1] / "public_api.txt"


def signatures():
    """Parameter names of every public function and class, with `*` before those by name only."""
    found = {}
    for name in ko.__all__:
        value = getattr(ko, name)
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            found[name] = type(value).__name__
            continue
        words, by_name = [], False
        for parameter in inspect.signature(value).parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY and not by_name:
                words, by_name = [*words, "*"], True
            prefix = {parameter.VAR_KEYWORD: "**", parameter.VAR_POSITIONAL: "*"}.get(parameter.kind, "")
            optional = "" if parameter.default is parameter.empty or prefix else "="
            words.append(prefix + parameter.name + optional)
        found[name] = ", ".join(words)
    return found


def test_the_public_names_and_their_parameters_are_these():
    found = "".join(f"{name}: {parameters}\n" for name, parameters in signatures().items())
    assert found == LISTED.read_text()


def test_type_checkers_are_told_of_the_annotations():
    assert Path(ko.__file__).with_name("py.typed").is_file()
