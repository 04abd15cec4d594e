"""Scenes: people in a place, from near to far, with light and the effects of a camera."""

import math
from typing import NamedTuple

import cv2
import numpy as np

from keras_openpose.synthetic.backgrounds import paint_background, random_bytes, smoothly_enlarge
from keras_openpose.synthetic.drawing import SEAT, Figure, Layer, draw, make_figures
from keras_openpose.synthetic.outfit import sample_colors, sample_outfits
from keras_openpose.synthetic.stances import sample_people

# Body heights, in shorter sides of the image: of the largest person in a scene, and the least of all.
_LARGEST, _SMALLEST = (0.50, 1.20), 0.42
_ATTEMPTS = 7  # to find room for a person
_SHARE_ABOVE = 0.6  # of the keypoints, that the lower border of the image never cuts off
_LEAST_SHARE = 0.4  # of the keypoints, that are in the image and behind no one else
SOLID_BITS = 8  # solid m of person n, both from 1 on, has the number 256 n + m


class Person(NamedTuple):
    """Someone in a scene."""

    figure: Figure
    layer: Layer
    keypoints: np.ndarray  # (keypoints, 2), pixels
    shadow: tuple[float, float, float]  # x, y and half of the width, on the ground


class Scene(NamedTuple):
    """An image and its people."""

    image: np.ndarray  # (height, width, 3) uint8, RGB
    people: list[Person]  # from near to far
    tops: np.ndarray  # (height, width), what each pixel shows, see `SOLID_BITS`

    @property
    def owners(self) -> np.ndarray:
        """1 + number of the person that each pixel shows, 0 for none, `(height, width)`."""
        return self.tops >> SOLID_BITS


def sample_scene(rng: np.random.Generator, size: tuple[int, int], people: tuple[int, int]) -> Scene:
    """Make a scene of this size (height, width) with so many people (fewest, most)."""
    count = int(rng.integers(people[0], people[1] + 1))
    largest = _LARGEST[0] + (_LARGEST[1] - _LARGEST[0]) * rng.random() * min(1, 2.5 / count)
    heights = largest * (1 - 0.4 * rng.random(count) * (np.arange(count) > 0))
    heights = min(size) * np.sort(np.maximum(heights, _SMALLEST))[::-1]

    # Someone of height h stands h times the camera's height below the horizon.
    horizon, camera_height = size[0] * (0.08 + 0.27 * rng.random()), 0.85 + 0.3 * rng.random()
    figures = _sample_figures(rng, heights)
    tops, crowd = np.zeros(size, np.int32), []
    for figure, height in zip(figures, heights.tolist(), strict=True):
        person = _place(rng, figure, horizon + camera_height * height, tops)
        if person is not None:
            crowd.append(person)
            occupy(tops, person.layer, len(crowd))

    floor = horizon + (0.3 + 0.6 * rng.random()) * camera_height * heights[-1]
    image = paint_background(rng, size, min(max(floor, 0.2 * size[0]), 0.9 * size[0]))
    darkness = 0.1 + 0.6 * rng.random()
    for person in reversed(crowd):
        _cast_shadow(image, person.shadow, darkness)
        _paste(image, person.layer)
    return Scene(_photograph(rng, image), crowd, tops)


def _sample_figures(rng, heights) -> list[Figure]:
    bones, seated = sample_people(rng, len(heights), math.radians(20 * rng.random()))
    outfits = [sample_outfits(rng, seated=sits) for sits in seated.tolist()]
    colors = np.array([sample_colors(rng) for _ in outfits])
    direction = math.pi * (0.1 + 0.8 * rng.random())
    light = complex(math.cos(direction), -math.sin(direction))  # from above
    return make_figures(bones, outfits, colors, heights, light)


def _place(rng, figure: Figure, ground: float, tops: np.ndarray) -> Person | None:
    """Put the lowest point on the row `ground`, at the first column where enough of the figure is visible."""
    (height, width), keypoints = tops.shape, figure.keypoints
    (left, _), (right, bottom) = figure.low, figure.high
    y = min(ground - bottom, height - 1 - np.sort(keypoints[:, 1])[int(_SHARE_ABOVE * len(keypoints))])
    places = 1.1 * rng.random(_ATTEMPTS) - 0.05
    places[-1] = 0.5
    xs = places * width - (left + right) / 2
    columns = np.rint(keypoints[:, 0] + xs[:, None]).astype(int)
    rows = np.rint(keypoints[:, 1] + y).astype(int)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    shares = (inside & (tops[rows * inside, columns * inside] == 0)).mean(1)
    enough = 0.45 + 0.5 * rng.random()
    best = np.minimum(shares, enough).argmax()  # the first that is enough, or else the best
    if shares[best] < _LEAST_SHARE and tops.any():
        return None
    position = np.array([xs[best], y])
    shadow = (places[best] * width, y + 0.96 * bottom, 0.4 * (right - left))
    return Person(figure, draw(figure, position, tops.shape), keypoints + position, shadow)


def occupy(tops: np.ndarray, layer: Layer, number: int):
    """Enter the solids of person `number` where nobody in front is entered yet (see `Scene.tops`)."""
    top_of = np.arange(number << SOLID_BITS, (number + 1) << SOLID_BITS, dtype=np.int32)
    top_of[[0, SEAT]] = 0, SEAT
    window = tops[layer.window]
    np.copyto(window, cv2.LUT(layer.solids, top_of), where=window == 0)


def _cast_shadow(image, shadow: tuple[float, float, float], darkness: float):
    """Darken the ground around (x, y), in place."""
    (height, width), (x, y, half) = image.shape[:2], shadow
    left, top, right, bottom = round(x - half), round(y - half / 4), round(x + half), round(y + half / 4)
    rows, columns = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
    if rows.start < rows.stop and columns.start < columns.stop:
        spot = cv2.resize(_SPOT, (right - left, bottom - top))
        spot = cv2.convertScaleAbs(spot, alpha=-darkness, beta=255)[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
        window = image[rows, columns]
        window[:] = cv2.multiply(window, spot, scale=1 / 255)


_SPOT = cv2.GaussianBlur(cv2.circle(np.zeros((64, 64, 3), np.uint8), (32, 32), 22, (255,) * 3, -1), (0, 0), 5)


def _paste(image, layer: Layer):
    window = image[layer.window]
    through = cv2.merge([255 - layer.alpha] * 3)
    window[:] = cv2.add(cv2.multiply(window, through, scale=1 / 255), layer.colors)


def _photograph(rng, image) -> np.ndarray:
    """Add exposure, uneven colored light, blur, and noise of the sensor."""
    if rng.random() < 0.5:
        corners = 110 * (1 + 0.3 * (rng.random((2, 2, 1)) - 0.5) + 0.2 * (rng.random(3) - 0.5))
        light = np.empty_like(image)
        smoothly_enlarge(corners.astype(np.uint8), light)
        image = cv2.multiply(image, light, scale=1 / 110)
    if rng.random() < 0.35:
        image = cv2.GaussianBlur(image, (3, 3), 0.4 + 0.6 * rng.random())
    exposure, strength = 0.65 + 0.55 * rng.random(), 0.14 * rng.random() ** 2
    return cv2.addWeighted(image, exposure, random_bytes(rng, image.shape), strength, -127.5 * strength)
