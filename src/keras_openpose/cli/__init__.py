"""The command line `keras-openpose`."""

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from keras_openpose.cli.parser import parse_arguments


class _Terminated(KeyboardInterrupt):
    """SIGTERM, sent by `timeout`, `docker stop` and schedulers; it ends a command as Ctrl-C does."""


def _terminate(number, frame):
    raise _Terminated


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the words after `keras-openpose`. Defaults to those that the process was given.

    Returns:
        The exit code: 0; 2 if files could not be read or written; 130 after Ctrl-C, 143 after SIGTERM.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # else a file name that it cannot show ends the program
            stream.reconfigure(errors="backslashreplace")
    options = parse_arguments(arguments)
    before = None
    with contextlib.suppress(ValueError):  # outside of the main thread
        before = signal.signal(signal.SIGTERM, _terminate)
    try:
        _quiet_opencv()
        return importlib.import_module(f"{__name__}.{options.command}").run(options)
    except KeyboardInterrupt as interrupt:
        print("keras-openpose: interrupted; what was written until then is kept", file=sys.stderr)
        # As shells count.
        return 128 + (signal.SIGTERM if isinstance(interrupt, _Terminated) else signal.SIGINT)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _quiet_opencv():
    """Keep the C++ messages of OpenCV and FFmpeg from burying the output."""
    if "OPENCV_LOG_LEVEL" not in os.environ:  # OpenCV has read it already: the package loads OpenCV
        import cv2

        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
