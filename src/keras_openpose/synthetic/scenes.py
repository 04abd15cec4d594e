"""Scenes: people in a place, from near to far."""

from typing import NamedTuple

import cv2
import numpy as np

from keras_openpose.synthetic.drawing import FINE, draw_person, paint_background
from keras_openpose.synthetic.people import Person, sample_person

# Body heights, in shorter sides of the image: range of the nearest person's, and the least of all.
_LARGEST, _SMALLEST = (0.50, 1.20), 0.42
_ATTEMPTS = 8  # to find room for a person
_SHARE_ABOVE = 0.6  # of the keypoints; the lower border of the image never cuts it off
_LEAST_SHARE = 0.4  # of the keypoints that must be in the image and not behind nearer people


class Scene(NamedTuple):
    """An image and its people."""

    image: np.ndarray  # (height, width, 3) uint8, RGB
    people: list[Person]  # from near to far
    owners: np.ndarray  # (height, width), 1 + number of the person that each pixel shows, 0 for none
    depths: np.ndarray  # (height, width), body heights, how near to the viewer that part of the person is


def sample_scene(rng: np.random.Generator, size: tuple[int, int], people: tuple[int, int]) -> Scene:
    """Make a scene of this size (height, width) with so many people (fewest, most)."""
    count = rng.integers(people[0], people[1] + 1)
    largest = rng.uniform(*_LARGEST) * min(1, 2.5 / count)
    heights = largest * (1 - 0.4 * rng.random(count) * (np.arange(count) > 0))
    heights = min(size) * np.sort(np.maximum(heights, _SMALLEST))[::-1]
    # Someone of height h stands h times the camera's height below the horizon.
    horizon, camera_height = size[0] * rng.uniform(0.08, 0.35), rng.uniform(0.85, 1.15)
    floor = horizon + rng.uniform(0.3, 0.9) * camera_height * _SMALLEST * min(size)  # behind all feet
    background = paint_background(rng, (FINE * size[0], FINE * size[1]), round(FINE * floor))
    camera_pitch = rng.uniform(0, 20)
    crowd: list[Person] = []
    for height in heights:
        person = sample_person(rng, height, camera_pitch)
        crowd += _find_room(rng, person, crowd, horizon + camera_height * height, size)
    scene = draw_scene(crowd, background)
    noise, strength = rng.integers(0, 256, scene.image.shape, np.uint8), 0.14 * rng.random() ** 2
    exposed = cv2.addWeighted(scene.image, rng.uniform(0.65, 1.2), noise, strength, -127.5 * strength)
    return scene._replace(image=exposed)


def draw_scene(people: list[Person], background: np.ndarray) -> Scene:
    """Draw people, given from near to far, on a background that is `FINE` times too large."""
    image = background.copy()
    owners, depths = (np.zeros(image.shape[:2], kind) for kind in (np.int32, np.float32))
    for number, person in reversed([*enumerate(people, 1)]):
        draw_person(person, number, image, owners, depths)
    small = cv2.resize(image, None, fx=1 / FINE, fy=1 / FINE, interpolation=cv2.INTER_AREA)
    return Scene(small, people, owners[::FINE, ::FINE], depths[::FINE, ::FINE])


def locate(places: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether places `(..., 2)` are in the image, and their rows and columns, 0 where they are not."""
    columns, rows = np.moveaxis(np.rint(places).astype(int), -1, 0)
    inside = (columns >= 0) & (columns < size[1]) & (rows >= 0) & (rows < size[0])
    return inside, rows * inside, columns * inside


def _find_room(
    rng: np.random.Generator, person: Person, nearer: list[Person], ground: float, size: tuple[int, int]
) -> list[Person]:
    """The person with the lowest keypoint on the row `ground`, or nobody if too much would be hidden."""
    keypoints = person.keypoints()[:, :2]
    middle, lowest = keypoints[:, 0].mean(), keypoints[:, 1].max()
    upper_part = np.sort(keypoints[:, 1])[int(_SHARE_ABOVE * len(keypoints))]
    y = min(ground - lowest, size[0] - 1 - upper_part)
    others = [(other.keypoints()[:, :2], 0.05 * other.height) for other in nearer]  # half a limb's width
    enough, best, best_share = rng.uniform(0.45, 0.95), [], _LEAST_SHARE if nearer else 0
    for place in (*rng.random(_ATTEMPTS), 0.5):
        position = np.array([place * size[1] - middle, y])
        places = keypoints + position
        seen, _, _ = locate(places, size)
        for other, margin in others:
            behind = (places > other.min(0) - margin) & (places < other.max(0) + margin)
            seen &= ~behind.all(1)
        if best_share <= seen.mean():
            best, best_share = [person._replace(position=position)], seen.mean()
        if best_share >= enough:
            break
    return best
