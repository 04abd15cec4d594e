"""`keras-openpose export`: a network for another runtime."""

import argparse
from pathlib import Path

from keras_openpose.cli.detect import IMAGE_SUFFIXES
from keras_openpose.cli.network import load_network
from keras_openpose.cli.problems import Problems
from keras_openpose.export import export_model


def run(options: argparse.Namespace) -> int:
    """Write the network, and say how large it is."""
    problems, calibration = Problems(), []
    if "calibration" in options:
        with problems.at(options.calibration, fatal=True):
            files = sorted(Path(options.calibration).iterdir())
            calibration = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    model = load_network(options, problems)
    size = getattr(options, "size", None)
    with problems.at(options.path, fatal=True):
        path = export_model(
            model, options.path, size=size, precision=options.precision, calibration=calibration
        )
        print(f"{path}: {_bytes(path) / 1e6:.1f} MB")
    return problems.exit_code


def _bytes(path: Path) -> int:
    files = [*path.rglob("*")] if path.is_dir() else [path]
    if path.suffix == ".xml":  # of OpenVINO, whose weights lie beside it
        files.append(path.with_suffix(".bin"))
    return sum(file.stat().st_size for file in files if file.is_file())
