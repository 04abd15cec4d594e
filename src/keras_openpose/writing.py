"""Files out: whole or not at all."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def write_whole(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary name to write to, which becomes `path` when the block ends well, and else is removed.

    Args:
        path: the file to write. One that exists is replaced.

    Yields:
        A name in the same folder, of an empty file, so that a place without permission is known
        before the work.

    Raises:
        OSError: the file cannot be written; names `path`, not the temporary.
    """
    path = Path(path)
    temporary = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    try:
        temporary.touch()
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.filename in (None, str(temporary)) and error.errno:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
