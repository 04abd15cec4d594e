"""The public docstrings: they have the sections that apply, and their examples run."""

import ast
import inspect
import re
import sys
import textwrap

import keras
import pytest

import keras_openpose as ko

PUBLIC = {
    name: value
    for name in ko.__all__
    if inspect.isclass(value := getattr(ko, name)) or inspect.isfunction(value)
}  # objects such as COCO_18 have no docstring of their own
SECTIONS = ("Args", "Returns", "Raises", "Example")


def section(docstring, title):
    """Text under `title:`, up to the next unindented line."""
    found = re.search(rf"^{title}:\n((?:[ \t]+.*\n|\n)*)", docstring + "\n", re.MULTILINE)
    return textwrap.dedent(found[1]) if found else None


def arguments(value):
    parameters = inspect.signature(value).parameters.values()
    stars = {inspect.Parameter.VAR_KEYWORD: "**", inspect.Parameter.VAR_POSITIONAL: "*"}
    return [stars.get(parameter.kind, "") + parameter.name for parameter in parameters]


def raises(value):
    """Whether it, or a function of its module that it calls, has a `raise`."""
    tree = ast.parse(inspect.getsource(sys.modules[value.__module__]))
    bodies = {node.name: node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    seen, pending = set(), [value.__name__]
    while pending:
        name = pending.pop()
        if name in seen or name not in bodies:
            continue
        seen.add(name)
        for node in ast.walk(bodies[name]):
            if isinstance(node, ast.Raise):
                return True
            if isinstance(node, ast.Call):
                pending.append(getattr(node.func, "id", getattr(node.func, "attr", None)))
    return False


def complaints(value):
    docstring = inspect.getdoc(value) if value.__doc__ else None
    if not docstring:
        return ["has no docstring"]
    found = []
    summary, *rest = docstring.split("\n")
    if not summary.strip().endswith(".") or (rest and rest[0]):
        found.append("must begin with one line that ends in a full stop")
    described = section(docstring, "Args") or ""
    found += [
        f"does not describe {name} under Args"
        for name in arguments(value)
        if not re.search(rf"^{re.escape(name)}:", described, re.MULTILINE)
    ]
    returns = inspect.isfunction(value) and inspect.signature(value).return_annotation
    if inspect.isfunction(value) and returns is inspect.Signature.empty:
        found.append("does not say the type that it returns")
    if returns not in (False, None, inspect.Signature.empty) and not section(docstring, "Returns"):
        found.append("has no Returns")
    if raises(value) and not section(docstring, "Raises"):
        found.append("has no Raises")
    if not examples(value):
        found.append("has no Example with a ```python block")
    titles = [title for title in SECTIONS if section(docstring, title) is not None]
    places = [re.search(rf"^{title}:$", docstring, re.MULTILINE).start() for title in titles]
    if places != sorted(places):
        found.append(f"must have its sections in the order {', '.join(SECTIONS)}")
    return found


def examples(value):
    return [
        textwrap.dedent(block)
        for block in re.findall(
            r"```python\n(.*?)```", section(inspect.getdoc(value), "Example") or "", re.DOTALL
        )
    ]


@pytest.mark.parametrize("name", PUBLIC)
def test_the_docstring_says_what_applies(name):
    assert complaints(PUBLIC[name]) == []


def documented(size: tuple[int, int], *, scale: float = 1.0, **more) -> float:
    """Multiplies.

    Args:
        size: height and width.
        scale: factor.
        **more: ignored.

    Returns:
        The product.

    Raises:
        ValueError: never mind.

    Example:
        ```python
        assert 1 + 1 == 2
        ```
    """
    if scale < 0:
        raise ValueError
    return size[0] * scale


def test_a_whole_docstring_passes():
    assert complaints(documented) == []
    assert examples(documented) == ["assert 1 + 1 == 2\n"]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("    scale: factor.\n", "", "does not describe scale under Args"),
        ("    **more: ignored.\n", "", "does not describe **more under Args"),
        ("Returns:", "Gives:", "has no Returns"),
        ("Raises:", "Errors:", "has no Raises"),
        ("```python", "```", "has no Example with a ```python block"),
        ("Multiplies.\n", "Multiplies\n", "must begin with one line that ends in a full stop"),
        (
            "Returns:",
            "Example:\n    -\n\nReturns:",
            "must have its sections in the order Args, Returns, Raises, Example",
        ),
    ],
)
def test_a_docstring_that_lacks_something_is_seen(old, new, complaint, monkeypatch):
    whole = inspect.getdoc(documented)
    assert old in whole
    monkeypatch.setattr(documented, "__doc__", whole.replace(old, new, 1))
    assert complaint in complaints(documented)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_runs(name, coco_folder, tmp_path, monkeypatch, request):
    """In a folder of its own; IMAGES and ANNOTATIONS are a small COCO data set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for example in examples(PUBLIC[name]):
        if "from_preset(" in example:  # would download the weights, which lie beside the checkout
            weights = request.getfixturevalue("shared") / "weights/mobilenet_v2_small_graph_opt.pb"
            monkeypatch.setattr(keras.utils, "get_file", lambda *args, path=weights, **more: str(path))
        if "graph_opt.pb" in example:
            weights = request.getfixturevalue("shared") / "weights/mobilenet_v2_small_graph_opt.pb"
            (tmp_path / "graph_opt.pb").write_bytes(weights.read_bytes())
        keras.utils.set_random_seed(0)
        images, annotations = (str(path) for path in coco_folder)
        names = {"IMAGES": images, "ANNOTATIONS": annotations}
        exec(compile(example, f"<example of {name}>", "exec"), names)
