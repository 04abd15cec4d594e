"""Backgrounds: rooms, landscapes, streets, plain and patterned walls, with clutter in front of them."""

import colorsys
import math

import cv2
import numpy as np

from keras_openpose.synthetic.stances import one_of

Color = tuple[float, float, float]


def paint_background(rng: np.random.Generator, size: tuple[int, int], floor: float) -> np.ndarray:
    """Paint a place without people, `(height, width, 3)` uint8 RGB, with ground below the row `floor`."""
    image = one_of(rng, _PLACES)(rng, size, round(floor))
    if rng.random() < 0.6:
        _scatter(rng, image, round(12 * rng.random() ** 2))
    if rng.random() < 0.6:
        _roughen(rng, image)
    return image


def _plain(rng, size, floor):
    image = np.empty((*size, 3), np.uint8)
    _shade(rng, image, _color(rng), 60)
    return image


def _room(rng, size, floor):
    height, width = size
    image = np.empty((height, width, 3), np.uint8)
    _shade(rng, image[:floor], _color(rng, saturation=0.4, darkest=0.4), 35)
    for _ in range(rng.integers(4)):  # windows, doors, pictures, shelves
        x, y, w, h = rng.random(4) * (width, 0.7 * floor, 0.3 * width, 0.6 * floor) + (0, 0, 8, 8)
        _box(image, x, y, w, h, _color(rng))
        if rng.random() < 0.6:
            _box(image, x + 2, y + 2, w - 4, h - 4, _color(rng, saturation=0.3))
    _shade(rng, image[floor:], _color(rng, saturation=0.6), 35)
    if rng.random() < 0.5:  # boards that run towards the vanishing point
        color, vanishing = _color(rng, saturation=0.5), rng.random() * width
        for x in range(-2 * width, 3 * width, max(8, width // rng.integers(4, 12))):
            start = (round(vanishing + (x - vanishing) * 0.4), floor)
            cv2.line(image, start, (x, height), color, 1, cv2.LINE_AA)
    else:
        cv2.line(image, (0, floor), (width, floor), _color(rng), int(rng.integers(1, 5)), cv2.LINE_AA)
    for _ in range(rng.integers(3)):  # furniture
        w, h = rng.random(2) * (0.35 * width, 0.3 * height) + 8
        x, y = rng.random() * width - w / 2, floor - 0.7 * h + rng.random() * 0.3 * (height - floor)
        front = _color(rng)
        _box(image, x, y, w, h, front)
        _box(image, x, y - 0.15 * h, w, 0.15 * h, tuple(min(255, 1.25 * c) for c in front))
    return image


def _outdoors(rng, size, floor):
    height, width = size
    image = np.empty((height, width, 3), np.uint8)
    _shade(rng, image[:floor], _color(rng, hue=(0.52, 0.66), saturation=0.6, darkest=0.5), 40)
    ground = _color(rng, hue=(0.07, 0.38), saturation=0.7, darkest=0.2)
    if rng.random() < 0.6:  # hills
        steps = np.linspace(0, width, 8)
        ridge = floor - rng.random(8) * 0.4 * floor
        outline = np.concatenate([np.stack([steps, ridge], -1), [(width, floor), (0, floor)]])
        cv2.fillPoly(image, [outline.astype(np.int32)], tuple(0.8 * c for c in ground), cv2.LINE_AA)
    _shade(rng, image[floor:], ground, 40)
    for _ in range(rng.integers(5)):
        _tree(rng, image, floor)
    if rng.random() < 0.4:  # a path
        x, w = rng.random(2) * (width, 0.3 * width)
        path = np.array([(x, floor), (x + 4, floor), (x + 2 * w, height), (x - w, height)], np.int32)
        cv2.fillPoly(image, [path], _color(rng, saturation=0.3), cv2.LINE_AA)
    return image


def _street(rng, size, floor):
    height, width = size
    image = np.empty((height, width, 3), np.uint8)
    _shade(rng, image[:floor], _color(rng, saturation=0.4, darkest=0.5), 30)
    x = 0
    while x < width:  # houses with windows
        w, top = round(width * (0.15 + 0.3 * rng.random())), round(0.7 * floor * rng.random())
        _box(image, x, top, w, floor - top, _color(rng, saturation=0.5, darkest=0.25))
        glass, step = _color(rng, saturation=0.4), int(rng.integers(10, 24))
        for row in range(top + 4, floor - step, step):
            for column in range(x + 4, x + w - step // 2, step):
                _box(image, column, row, step // 2, 0.6 * step, glass)
        x += w
    _shade(rng, image[floor:], _color(rng, saturation=0.15), 30)
    return image


def _patterned(rng, size, floor):
    """A wall of stripes, tiles or blotches."""
    height, width = size
    kind, image = rng.integers(3), _plain(rng, size, floor)
    if kind == 2:
        cells = rng.integers(0, 256, (*rng.integers(3, 24, 2), 3), np.uint8)
        blotches = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
        return cv2.addWeighted(image, 0.5, blotches, 0.5, 0)
    color, step = _color(rng), int(rng.integers(6, 32))
    thickness = int(rng.integers(1, max(2, step // 2)))
    slant = int(rng.integers(-height, height)) if rng.random() < 0.5 else 0
    for x in range(-height, width + height, step):
        cv2.line(image, (x, 0), (x + slant, height), color, thickness, cv2.LINE_AA)
    for y in range(0, height if kind else 0, step):
        cv2.line(image, (0, y), (width, y), color, thickness, cv2.LINE_AA)
    return image


_PLACES = (_room, _room, _room, _outdoors, _outdoors, _street, _plain, _patterned)


def _tree(rng, image, floor):
    height, width = image.shape[:2]
    x, size = round(width * rng.random()), height * (0.15 + 0.35 * rng.random())
    foot = floor + round(0.1 * size)
    trunk = _color(rng, hue=(0.05, 0.12), saturation=0.6)
    _box(image, x - 0.04 * size, foot - 0.6 * size, 0.08 * size, 0.6 * size, trunk)
    leaves = np.array(_color(rng, hue=(0.2, 0.42), saturation=0.9, darkest=0.15))
    for dx, dy, r in rng.random((5, 3)) * (0.5, 0.4, 0.16) - (0.25, 0.2, -0.12):
        center = (round(x + dx * size), round(foot - 0.75 * size + dy * size))
        cv2.circle(image, center, round(r * size), (leaves * (0.8 + dx)).tolist(), -1, cv2.LINE_AA)


def _scatter(rng, image, count):
    """Boxes, sticks and balls, some of them as thick as limbs and of the color of skin."""
    height, width = image.shape[:2]
    extent = min(height, width)
    for _ in range(count):
        x, y = rng.random(2) * (width, height)
        length, thickness, angle = rng.random(3) * (0.4 * extent, 0.06 * extent, 2 * np.pi)
        color = _color(rng) if rng.random() < 0.7 else _color(rng, hue=(0.04, 0.09), saturation=0.7)
        kind = rng.integers(3)
        if kind == 0:
            end = (round(x + length * np.cos(angle)), round(y + length * np.sin(angle)))
            cv2.line(image, (round(x), round(y)), end, color, 1 + round(thickness), cv2.LINE_AA)
        elif kind == 1:
            corners = cv2.boxPoints(((x, y), (length, 0.4 * length + thickness), np.degrees(angle)))
            cv2.fillConvexPoly(image, corners.astype(np.int32), color, cv2.LINE_AA)
        else:
            axes = (round(0.3 * length), round(0.2 * length + thickness))
            cv2.ellipse(image, (round(x), round(y)), axes, np.degrees(angle), 0, 360, color, -1, cv2.LINE_AA)


def _roughen(rng, image):
    """Add blotches of a random size to the image, in place."""
    height, width = image.shape[:2]
    cell = int(rng.integers(2, 9))
    cells = random_bytes(rng, (height // cell, width // cell))
    noise = cv2.cvtColor(cv2.resize(cells, (width, height)), cv2.COLOR_GRAY2RGB)
    strength = 0.25 * rng.random()
    cv2.addWeighted(image, 1, noise, strength, -127.5 * strength, dst=image)


def random_bytes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Noise of this shape, uint8, from all bits of the generator, in a third of the time of `rng.bytes`."""
    count = math.prod(shape)
    return rng.integers(1 << 64, size=-(-count // 8), dtype=np.uint64).view(np.uint8)[:count].reshape(shape)


def _shade(rng, image, color, contrast):
    """Fill the image with colors that change smoothly around one."""
    corners = np.clip(color + contrast * (rng.random((3, 3, 1)) - 0.5), 0, 255)
    smoothly_enlarge(corners.astype(np.uint8), image)


def smoothly_enlarge(corners: np.ndarray, image: np.ndarray):
    """Fill the image with a gradient. Its steps of four pixels are finer than those of its gray levels."""
    height, width = image.shape[:2]
    steps = cv2.resize(corners, (width // 4 + 1, height // 4 + 1), interpolation=cv2.INTER_LINEAR)
    cv2.resize(steps, (width, height), dst=image, interpolation=cv2.INTER_NEAREST)


def _box(image, x, y, width, height, color):
    cv2.rectangle(image, (round(x), round(y)), (round(x + width), round(y + height)), color, -1)


def _color(rng, *, hue=(0.0, 1.0), saturation=1.0, darkest=0.05) -> Color:
    share, gray, value = rng.random(3).tolist()
    hue = hue[0] + (hue[1] - hue[0]) * share
    rgb = colorsys.hsv_to_rgb(hue, saturation * gray**1.3, darkest + (1 - darkest) * value)
    return tuple(255 * channel for channel in rgb)
