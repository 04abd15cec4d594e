"""The one coordinate convention: pixels, map cells, resizing, mirroring.

Coordinates are `(x, y)`. `(0, 0)` is the center of the top-left pixel (or cell), so an image of width w
spans −0.5 to w − 0.5. All functions are plain arithmetic: they take numbers, NumPy arrays and TensorFlow
tensors.
"""


def cell_to_pixel(cells, stride):
    """The pixel at the center of a map cell: `stride * cell + (stride - 1) / 2`."""
    return cells * stride + (stride - 1) / 2


def pixel_to_cell(pixels, stride):
    """The map cell of a pixel, with fraction: the inverse of `cell_to_pixel`."""
    return (pixels - (stride - 1) / 2) / stride


def resize_coordinates(coordinates, scale):
    """The place of a pixel after the image is resized by `scale`: `(x + 0.5) * scale - 0.5`."""
    return (coordinates + 0.5) * scale - 0.5


def mirror_x(x, width):
    """The place of x after an image of this width is mirrored."""
    return width - 1 - x


def fitted_size(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """Largest `(height, width)` with the aspect of `size` that fits into `box`, at least one pixel."""
    scale = min(box[0] / size[0], box[1] / size[1])
    height, width = (max(1, min(limit, round(side * scale))) for side, limit in zip(size, box, strict=True))
    return height, width
