"""Writes files completely or not at all."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np


@contextlib.contextmanager
def write_whole(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary file that replaces `path` when the block succeeds, and is removed when it fails.

    Args:
        path: the file to write. An existing file is replaced, and its permissions stay. A symbolic link
            stays, and its target is written.

    Yields:
        The path of an empty file in the same folder. A missing permission is thus known before the work.

    Raises:
        OSError: the file cannot be written; the message names `path`, not the temporary file.
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    # Keras needs both parts of .weights.h5.
    temporary = target.with_name(f".{uuid.uuid4().hex}{''.join(path.suffixes)}")
    try:
        temporary.touch(0o600 if target.exists() else 0o666)  # nobody else may read a private file early
        yield temporary
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except OSError as error:
        if error.filename in (None, str(temporary)) and error.errno:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_image(path: str | os.PathLike, image: np.ndarray) -> None:
    """Write an image in the format of the file name's suffix.

    Args:
        path: the file to write. An existing file is replaced.
        image: `(height, width, 3)`, `uint8`, RGB.

    Raises:
        OSError: the file cannot be written.
        ValueError: OpenCV cannot write this format, or this size.

    Example:
        ```python
        import numpy as np
        from keras_openpose import write_image

        write_image("black.png", np.zeros((4, 6, 3), "uint8"))
        ```
    """
    suffix = Path(path).suffix
    try:
        encoded, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    except cv2.error:
        encoded = False
    if not encoded:
        raise ValueError(f"OpenCV cannot write an image of shape {image.shape} as {suffix!r}: {path}")
    with write_whole(path) as temporary:
        temporary.write_bytes(data.tobytes())
