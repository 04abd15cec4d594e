"""Pixels of people and of places."""

import cv2
import numpy as np

from keras_openpose.geometry import resize_coordinates
from keras_openpose.synthetic.people import Person, random_color

FINE = 2  # all is drawn so many times larger, then averaged: smooth outlines
_SHIFT = 4  # fractional bits of the coordinates that OpenCV gets
_ANGLES = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=-1)
# A solid is drawn in shade, then smaller and moved up to the light: brightness, size and movement, in radii.
_TONES = ((0.66, 1.00, 0.00), (0.86, 0.82, 0.15), (1.00, 0.50, 0.30))


def draw_person(person: Person, number: int, image: np.ndarray, owners: np.ndarray, depths: np.ndarray):
    """Draw a person over what is there, in place, in arrays that are `FINE` times too large.

    Where the person is, `owners` gets the number, and `depths` how near to the viewer, in body heights.
    """
    for depth, material, centers, radii in person.solids():
        # What is farther from the viewer gets less light, which tells near limbs from far ones.
        light = np.clip(1 + 0.8 * depth, 0.75, 1.1)
        color = light * np.array(person.colors[material])
        for brightness, size, movement in _TONES:
            circles = centers[:, None] + radii[:, None, None] * (size * _CIRCLE - (0, movement))
            points = resize_coordinates(circles.reshape(-1, 2), FINE) * (1 << _SHIFT)
            outline = cv2.convexHull(np.rint(points).astype(np.int32))
            shade = np.minimum(brightness * color, 255).tolist()
            cv2.fillConvexPoly(image, outline, shade, cv2.LINE_8, _SHIFT)
            if size == 1:
                cv2.fillConvexPoly(owners, outline, number, cv2.LINE_8, _SHIFT)
                cv2.fillConvexPoly(depths, outline, float(depth), cv2.LINE_8, _SHIFT)


def paint_background(rng: np.random.Generator, size: tuple[int, int], floor: int) -> np.ndarray:
    """A wall, a floor from this row on, and boxes and balls before them, `(height, width, 3)`."""
    height, width = size
    image = np.concatenate([_gradient(rng, (floor, width)), _gradient(rng, (height - floor, width))])
    for _ in range(rng.integers(12)):
        length, share = 0.3 * rng.random() * min(size), rng.uniform(0.1, 1)
        box = ((rng.random(2) * (width, height)).tolist(), (length, share * length), rng.uniform(0, 180))
        color = random_color(rng).tolist()
        if rng.random() < 0.5:
            cv2.fillConvexPoly(image, np.rint(cv2.boxPoints(box)).astype(np.int32), color)
        else:
            cv2.ellipse(image, box, color, -1)
    return image


def _gradient(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Colors that change smoothly around one."""
    corners = np.clip(random_color(rng) + rng.uniform(-25, 25, (2, 2, 1)), 0, 255)
    return cv2.resize(corners.astype(np.uint8), size[::-1], interpolation=cv2.INTER_LINEAR)
