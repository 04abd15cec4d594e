"""Reads photographs: from a file or an array of any kind to RGB, 0 to 255."""

import os
import warnings
from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2
import numpy as np

# Modes of PIL's images whose values are not gray or RGB.
_NOT_YET_RGB = ("1", "P", "PA", "LA", "La", "RGBa", "CMYK", "YCbCr", "LAB", "HSV")


@runtime_checkable
class PilImage(Protocol):
    """What the package uses of a PIL image; PIL need not be installed."""

    @property
    def mode(self) -> str:
        """How its values are to be read, such as `"CMYK"`."""

    def convert(self, mode: str) -> "PilImage":
        """The image in another mode."""


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read a photograph, or the first picture of an animation, as RGB, turned upright by its EXIF tag.

    Args:
        path: file in any format that OpenCV reads. Gray and 16-bit images become RGB of 8 bits, and
            transparency is dropped.

    Returns:
        `(height, width, 3)`, `uint8`, RGB.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no image, or a damaged one.

    Example:
        ```python
        import cv2, numpy as np
        from keras_openpose import read_image

        cv2.imwrite("gray.png", np.full((4, 6), 7, "uint8"))
        assert read_image("gray.png").shape == (4, 6, 3)
        ```
    """
    path = Path(path)
    if path.is_dir() or not path.exists():  # pipes work too
        raise FileNotFoundError(f"No such image file: {path}")
    # Read by Python and decoded from memory: cv2.imread fails on paths outside of ASCII on Windows.
    data = np.frombuffer(path.read_bytes(), np.uint8)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:
        image = None
    if image is None:
        raise ValueError(f"Not an image that OpenCV can read, or a damaged one ({data.size} bytes): {path}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def channel_advice(image: np.ndarray) -> str:
    """The `transpose` to write if the channels of an image come first; else nothing."""
    first = image.ndim == 3 and image.shape[0] in (1, 3, 4) and image.shape[-1] not in (1, 3, 4)
    return " Channels must come last: `image.transpose(1, 2, 0)`." if first else ""


def to_rgb(image: np.ndarray | PilImage) -> np.ndarray:
    """Convert an array of any common kind to RGB.

    Args:
        image: `(height, width)` gray, `(height, width, 1)` gray, `(height, width, 3)` RGB or
            `(height, width, 4)` RGBA; or an image of PIL, which is not turned upright. Values
            are 0 to 255 as `uint8` or float, and 0 to 65535 as `uint16`.

    Returns:
        `(height, width, 3)`, `uint8` or `float32`.

    Raises:
        ValueError: another shape or dtype, no pixels, or values that are not finite.
    """
    if isinstance(image, PilImage) and image.mode in _NOT_YET_RGB:
        image = image.convert("RGB")
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[-1] not in (1, 3, 4) or 0 in image.shape:
        raise ValueError(
            "An image must have shape (height, width), (height, width, 1), (height, width, 3) or "
            f"(height, width, 4), with at least one pixel. Received: {image.shape}.{channel_advice(image)}"
        )
    if np.issubdtype(image.dtype, np.uint16):  # of either byte order
        image = (image >> 8).astype(np.uint8)
    elif image.dtype != np.uint8:
        if not np.issubdtype(image.dtype, np.floating):
            raise ValueError(f"An image must be uint8, uint16 or float, 0 to 255. Received: {image.dtype}.")
        image = image.astype(np.float32)
        if not np.isfinite(np.vdot(image, image)):
            raise ValueError("An image must hold finite values. Received NaN or infinity.")
        if 0 < image.max() <= 1:
            warnings.warn(
                "An image must hold values from 0 to 255. Received floats of at most 1, nearly black: "
                "multiply them by 255.",
                stacklevel=2,
            )
    return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image[..., :3]
