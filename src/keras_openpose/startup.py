"""Loads Keras and TensorFlow without the lines that TensorFlow prints about itself."""

import contextlib
import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from types import ModuleType


def load_quietly(name: str) -> ModuleType:
    """Import a module that loads Keras or TensorFlow, and show what they print only if that fails."""
    wanted_or_out = "TF_CPP_MIN_LOG_LEVEL" in os.environ or "tensorflow" in sys.modules
    if wanted_or_out or not _has_standard_error():
        return importlib.import_module(name)
    with _standard_error_held_back(), _hidden_information():
        module = importlib.import_module(name)
        if "tensorflow" in sys.modules:  # which reports a missing GPU when it is first asked for one
            sys.modules["tensorflow"].config.list_physical_devices()
    return module


def _has_standard_error() -> bool:
    """Whether there is one: services and windowed programs may have none."""
    try:
        os.fstat(2)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _hidden_information() -> Iterator[None]:
    """Have TensorFlow keep to warnings and errors for as long as it runs: it reads the variable once."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "1"
    try:
        yield
    finally:
        del os.environ["TF_CPP_MIN_LOG_LEVEL"]


@contextlib.contextmanager
def _standard_error_held_back() -> Iterator[None]:
    """Hold back standard error, which TensorFlow's variable does not reach yet (tensorflow issue 100442)."""
    standard_error = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            held_back.seek(0)
            with open(standard_error, "wb", closefd=False) as shown:
                shutil.copyfileobj(held_back, shown)
            raise
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)
