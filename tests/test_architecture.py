"""What the modules may import, what `import keras_openpose` costs, and where the numbers stand."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "keras_openpose"

# A module imports only from lines above its own; the files of one folder are one module.
LEVELS = (
    "skeletons geometry images losses optimizers muon writing exported arguments exif",
    "poses samples presets targets augmentation masks forward converters",
    "decoding people_json coco reading tracking squares",
    "models data inference visualization crops",
    "evaluation synthetic whole_body export",
    "training video",
    "__init__",
    "cli",
    "__main__",
)
# Never when a module is loaded: few have them all, and each costs seconds.
AT_USE_ONLY = {"torch", "jax", "keras_cv", "keras_hub", "onnx", "onnxruntime", "tf2onnx", "tensorboard"}
AT_USE_ONLY |= {"ai_edge_litert", "openvino"}
# Not by `import keras_openpose`, only by what is loaded when it is first used.
AT_FIRST_USE_ONLY = {"keras", "tensorflow", "pycocotools"}
# Counts of keypoints, limbs and channels of one skeleton, which only that skeleton may hold ...
COUNTS = {17, 18, 19, 38, 57, 70, 71}
# ... beside tables of colours and of angles in degrees.
COLOURS_AND_ANGLES = {"synthetic/outfit.py", "synthetic/stances.py"}


def modules(package):
    """Each file of the package with the module that it belongs to."""
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).parts
        yield path, (parts[0] if len(parts) > 1 else path.stem)


def is_module(package, name):
    return (package / name).is_dir() or (package / f"{name}.py").is_file()


def imports(package, path, nodes):
    """Top-level names that import statements name; those of the package itself as `.module`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            if node.level:
                above = path.relative_to(package.parent).parts[: -node.level]
                names = [".".join((*above, name)).replace("None.", "") for name in names]
        else:
            continue
        for name in names:
            first, *rest = name.split(".")
            if first != package.name:
                yield first
            else:
                yield "." + (rest[0] if rest and is_module(package, rest[0]) else "__init__")


def at_load(tree):
    """Statements that run when a module is loaded: not those of functions nor for type checkers."""
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending += node.orelse
            continue
        yield node
        pending += ast.iter_child_nodes(node)


def level_violations(package, levels=LEVELS):
    level = {module: n for n, line in enumerate(levels, 1) for module in line.split()}
    for path, module in modules(package):
        if module not in level:
            yield f"{module} has no level: add it to LEVELS in {Path(__file__).name} and docs/architecture.md"
            continue
        for imported in imports(package, path, ast.walk(ast.parse(path.read_text()))):
            name = imported.removeprefix(".")
            if name != imported and name != module and name in level and level[name] >= level[module]:
                place = path.relative_to(package).as_posix()
                yield f"{place} (level {level[module]}) imports {name} (level {level[name]})"


def heavy_imports(package):
    loaded, pending = set(), ["__init__"]
    direct = {}
    for path, module in modules(package):
        found = set(imports(package, path, at_load(ast.parse(path.read_text()))))
        direct.setdefault(module, set()).update(found)
        for name in sorted(found & AT_USE_ONLY):
            yield f"{path.relative_to(package)} imports {name} when it is loaded: import it where it is used"
    while pending:
        module = pending.pop()
        if module not in loaded:
            loaded.add(module)
            pending += [name[1:] for name in direct.get(module, ()) if name.startswith(".")]
    for module in sorted(loaded):
        for name in sorted(direct.get(module, set()) & AT_FIRST_USE_ONLY):
            yield f"`import {package.name}` loads {module}, which imports {name}: load it at first use"


def counts(package):
    for path, module in modules(package):
        place = path.relative_to(package).as_posix()
        if module == "skeletons" or place in COLOURS_AND_ANGLES:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and type(node.value) is int and node.value in COUNTS:
                yield f"{place}:{node.lineno} holds {node.value}: ask the skeleton for its count"


@pytest.mark.parametrize("rule", [level_violations, heavy_imports, counts])
def test_the_package_keeps_the_rule(rule):
    assert list(rule(PACKAGE)) == []


def test_the_documentation_shows_the_same_levels():
    rows = [
        line.split("|")[2]
        for line in (ROOT / "docs/architecture.md").read_text().splitlines()
        if line[:3].strip("| ").isdigit()
    ]
    shown = [
        {name.strip() for name in row.replace("the package itself", "__init__").split(",")} for row in rows
    ]
    present = {module for _, module in modules(PACKAGE)} - {"__main__"}
    expected = [set(line.split()) & present for line in LEVELS]
    assert [names & present for names in shown] == [names for names in expected if names]


# The rules can fail


@pytest.fixture
def package(tmp_path):
    """A package that keeps every rule, to be broken."""
    folder = tmp_path / "keras_openpose"
    files = {
        "__init__.py": "from keras_openpose.decoding import COUNT\nfrom keras_openpose import geometry\n",
        "geometry.py": "import numpy as np\n",
        "skeletons.py": "COUNT = 18\n",
        "decoding.py": "import cv2\nfrom keras_openpose.skeletons import COUNT\n",
        "data.py": "import tensorflow as tf\nfrom keras_openpose.geometry import np\n",
        "models/__init__.py": "from keras_openpose.models.openpose import openpose\n",
        "models/openpose.py": "def openpose():\n    import torch\n",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def test_a_package_that_keeps_the_rules_passes(package):
    for rule in (level_violations, heavy_imports, counts):
        assert list(rule(package)) == []


BREAKS = {
    "an import from below": (
        "geometry.py",
        "from keras_openpose.decoding import x",
        level_violations,
        "geometry.py (level 1) imports decoding (level 3)",
    ),
    "an import from the same line": (
        "skeletons.py",
        "import keras_openpose.geometry",
        level_violations,
        "skeletons.py (level 1) imports geometry (level 1)",
    ),
    "an import from below inside a function": (
        "geometry.py",
        "def f():\n    from keras_openpose import data",
        level_violations,
        "geometry.py (level 1) imports data (level 4)",
    ),
    "a relative import from below": (
        "decoding.py",
        "from .models import openpose",
        level_violations,
        "decoding.py (level 3) imports models (level 4)",
    ),
    "a relative import from below in a folder": (
        "models/openpose.py",
        "from .. import __version__",
        level_violations,
        "models/openpose.py (level 4) imports __init__ (level 7)",
    ),
    "a new module": (
        "utils.py",
        "",
        level_violations,
        "utils has no level: add it to LEVELS in test_architecture.py and docs/architecture.md",
    ),
    "torch at the head of a module": (
        "data.py",
        "try:\n    import torch\nexcept ImportError:\n    torch = None",
        heavy_imports,
        "data.py imports torch when it is loaded: import it where it is used",
    ),
    "TensorFlow at the head of a module that is always loaded": (
        "geometry.py",
        "from tensorflow.io import decode_jpeg",
        heavy_imports,
        "`import keras_openpose` loads geometry, which imports tensorflow: load it at first use",
    ),
    "a module that is loaded too early": (
        "decoding.py",
        "import keras_openpose.data",
        heavy_imports,
        "`import keras_openpose` loads data, which imports tensorflow: load it at first use",
    ),
    "a count": (
        "decoding.py",
        "\nx = [0] * 19",
        counts,
        "decoding.py:4 holds 19: ask the skeleton for its count",
    ),
}


@pytest.mark.parametrize(("name", "line", "rule", "message"), BREAKS.values(), ids=BREAKS)
def test_a_broken_rule_is_seen(name, line, rule, message, package):
    with (package / name).open("a") as file:
        file.write(line + "\n")
    assert list(rule(package)) == [message]


def test_what_only_type_checkers_see_may_be_heavy(package):
    with (package / "geometry.py").open("a") as file:
        file.write("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import tensorflow\n")
    assert list(heavy_imports(package)) == []


def test_the_oldest_versions_that_are_tested_are_those_that_are_promised():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = dict(line.split(">=") for line in project["dependencies"])
    lines = (ROOT / "tests/oldest.txt").read_text().splitlines()
    tested = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert promised.keys() == tested.keys()
    assert all(f"{tested[name]}.".startswith(f"{floor}.") for name, floor in promised.items())


# In a fresh interpreter


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_importing_the_package_loads_nothing_heavy(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"needs {backend}")
    code = "import json, sys; before = set(sys.modules); import keras_openpose\n"
    code += "print(json.dumps(sorted(set(sys.modules) - before)))\n"
    code += "keras_openpose.evaluate_coco; print(json.dumps(sorted(set(sys.modules) - before)))"
    at_once, at_first_use = (
        {name.split(".")[0] for name in json.loads(line)}
        for line in run(code, KERAS_BACKEND=backend).splitlines()[-2:]
    )
    assert not at_once & (AT_USE_ONLY | AT_FIRST_USE_ONLY)
    assert {"keras", "pycocotools"} <= at_first_use  # so the names would have been seen


def test_every_public_name_can_be_had():
    import keras_openpose

    assert keras_openpose.__all__ == sorted(
        keras_openpose.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )
    for name in keras_openpose.__all__:
        assert getattr(keras_openpose, name) is not None
        assert name in dir(keras_openpose)
    with pytest.raises(AttributeError, match="module 'keras_openpose' has no attribute 'openpoes'"):
        keras_openpose.openpoes  # noqa: B018


@pytest.mark.slow
def test_importing_the_package_costs_less_than_0_3_seconds_beyond_opencv():
    code = "import time, cv2; start = time.perf_counter()\n"
    code += "import keras_openpose; print(time.perf_counter() - start)"
    assert min(float(run(code).splitlines()[-1]) for _ in range(5)) < 0.3
