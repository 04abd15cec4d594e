"""What goes wrong with files: one line each on standard error, and exit code 2 in the end."""

import contextlib
import os
import sys


class Problems:
    """Tells of files that cannot be read or written, while the work goes on with the others.

    Attributes:
        exit_code: 0, or 2 once something went wrong.
    """

    def __init__(self):
        self.exit_code = 0

    @contextlib.contextmanager
    def at(self, path: str | os.PathLike, *, fatal: bool = False):
        """Tell what goes wrong in the block, then go on after it, or exit if it is fatal."""
        try:
            yield
        except (ImportError, MemoryError, OSError, ValueError) as error:
            self.exit_code = 2
            print(_line(error, path), file=sys.stderr)
            if fatal:
                raise SystemExit(self.exit_code) from error


def _line(error: Exception, path) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"keras-openpose: {error.filename or path}: {error.strerror}"
    # Most messages begin or end with the file.
    reason = str(error).removeprefix(f"{path} ").removesuffix(f": {path}")
    if not isinstance(error, ConnectionError):  # of a download, which lists addresses line by line
        reason = " ".join(reason.split())
    return f"keras-openpose: {path}: {reason}"
