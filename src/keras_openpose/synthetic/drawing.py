"""Draws bones and outfits as pixels."""

import itertools
from typing import NamedTuple

import cv2
import numpy as np

from keras_openpose import geometry
from keras_openpose.synthetic.figure import Bones
from keras_openpose.synthetic.outfit import MATERIALS, PARTS, Outfit, together

SEAT = 255  # the value of pixels of a seat, in place of the number of a solid

_SUPERSAMPLING = 2  # drawn so many times larger, then averaged: smooth outlines, and sharp numbers of solids
_SHIFT = 4  # fractional bits of the coordinates that OpenCV gets
# Complex numbers stand for points of the plane, x + iy: a fifth of the time that pairs would take.
_DIRECTIONS = np.exp(1j * np.linspace(0, 2 * np.pi, 16, endpoint=False))
# A solid is drawn up to three times: in shade, then smaller and moved towards the light. Of each time,
# brightness, size, movement (both in radii), and the radius in pixels below which it would not show.
_BRIGHTNESS = np.array([0.66, 0.86, 1.00])
_SIZE = np.array([1.00, 0.82, 0.50])
_MOVEMENT = np.array([0.00, 0.15, 0.30])
_LEAST_RADIUS = np.array([1.2, 0.0, 4.0])
_FLAT = np.isin(MATERIALS, ("stripes", "white", "iris"))  # materials without shading
_COUNTING = np.arange(8)  # no solid has more spheres


class Figure(NamedTuple):
    """A person ready to be drawn; all places are pixels from the middle of the pelvis."""

    keypoints: np.ndarray  # (keypoints, 2)
    turned_away: np.ndarray  # (keypoints,), see `Bones.turned_away`
    parts: np.ndarray  # (solids,)
    low: np.ndarray  # (2,), the least x and y of any pixel
    high: np.ndarray  # (2,), the greatest
    outlines: np.ndarray  # (shapes, directions), complex, from back to front
    fills: np.ndarray  # (shapes, 4), RGB, and the number of the solid, from 1 on, or `SEAT`


class Layer(NamedTuple):
    """One person drawn alone, in the part of the image that it touches."""

    top_left: tuple[int, int]  # x, y in the image
    colors: np.ndarray  # (height, width, 3), times alpha
    alpha: np.ndarray  # (height, width), 0 to 255
    solids: np.ndarray  # (height, width), number of the solid on top or `SEAT`, 0 where there is none

    @property
    def window(self) -> tuple[slice, slice]:
        """The rows and columns of the image that the layer covers."""
        (x, y), (height, width) = self.top_left, self.alpha.shape
        return slice(y, y + height), slice(x, x + width)


def make_figures(
    bones: Bones, outfits: list[list[Outfit]], colors: np.ndarray, heights: np.ndarray, light: complex
) -> list[Figure]:
    """Make the figures of all people at once, which takes hardly longer than one.

    Args:
        bones: their poses.
        outfits: the solids on the bones of each.
        colors: RGB of every material, `(people, materials, 3)`.
        heights: pixels per body height, `(people,)`.
        light: the direction that the light comes from, of length 1.
    """
    count, outfit = len(outfits), together(*itertools.chain(*outfits))
    firsts = np.cumsum([0] + [sum(len(worn.parts) for worn in person) for person in outfits])  # solids
    people = np.repeat(np.arange(count), np.diff(firsts))  # of each solid
    owners = np.repeat(people, outfit.counts)  # of each sphere
    starts = np.cumsum(outfit.counts) - outfit.counts  # first sphere of each solid
    centers = bones.place(owners, outfit.bones, outfit.offsets)
    places = heights[owners] * (centers[:, 0] + 1j * centers[:, 1])
    radii = heights[owners] * bones.thickness[owners, outfit.bones] * outfit.radii
    depths = np.add.reduceat(centers[:, 2], starts) / outfit.counts + outfit.lifts

    spheres, largest = _hulls(places, radii, starts, outfit.counts)
    flat = _FLAT[outfit.materials]
    order = np.lexsort((depths, people))
    turns, tones = np.nonzero(np.where(flat, 0, largest)[order, None] >= _LEAST_RADIUS)
    solids = order[turns]  # of each shape
    spheres = spheres[solids]
    tone = _SIZE[tones, None] * _DIRECTIONS + _MOVEMENT[tones, None] * light
    outlines = places[spheres] + radii[spheres] * tone

    fills = np.empty((len(solids), 4))
    # What is farther from the viewer gets less light, which tells near limbs from far ones.
    brightness = np.where(flat[solids], 0.9, _BRIGHTNESS[tones])
    brightness *= np.clip(1 + 0.8 * depths[solids], 0.75, 1.1)
    fills[:, :3] = np.minimum(colors[people, outfit.materials][solids] * brightness[:, None], 255)
    numbers = np.where(outfit.parts == PARTS.index("seat"), SEAT, np.arange(len(people)) - firsts[people] + 1)
    fills[:, 3] = numbers[solids]

    edges = np.array([places.real - radii, places.imag - radii, -places.real - radii, -places.imag - radii])
    edges = np.minimum.reduceat(edges, starts[firsts[:-1]], axis=1)
    cuts = np.searchsorted(people[solids], np.arange(1, count))
    fields = {
        "keypoints": bones.keypoints()[:, :, :2] * heights[:, None, None],
        "turned_away": bones.turned_away(),
        "parts": np.split(outfit.parts, firsts[1:-1]),
        "low": edges[:2].T,
        "high": -edges[2:].T,
        "outlines": np.split(outlines, cuts),
        "fills": np.split(fills, cuts),
    }
    return [Figure(**dict(zip(fields, person, strict=True))) for person in zip(*fields.values(), strict=True)]


def _hulls(places, radii, starts, counts) -> tuple[np.ndarray, np.ndarray]:
    """For each solid, the sphere that reaches farthest in each direction, and the largest radius.

    A point on each of those spheres, in its direction, is the outline of the solid.
    """
    members = starts[:, None] + np.minimum(_COUNTING, counts[:, None] - 1)  # the last sphere repeated
    reach = (places[:, None] * _DIRECTIONS.conj()).real + radii[:, None]
    farthest = reach[members].argmax(1)
    return members[np.arange(len(members))[:, None], farthest], radii[members].max(1)


def draw(figure: Figure, position: np.ndarray, size: tuple[int, int]) -> Layer:
    """Draw the figure in an image of this size (height, width), its pelvis at the pixel `position` (x, y)."""
    left, top = np.maximum(np.floor(position + figure.low), 0).astype(int).tolist()
    right, bottom = np.minimum(np.ceil(position + figure.high) + 1, size[::-1]).astype(int).tolist()
    fine, small = _SUPERSAMPLING, (right - left, bottom - top)
    canvas = np.zeros((small[1] * fine, small[0] * fine, 4), np.uint8)
    shift = complex(*geometry.resize_coordinates(position - (left, top), fine))
    outlines = (figure.outlines * fine + shift) * (1 << _SHIFT)
    outlines = np.rint(outlines.view(float)).astype(np.int32).reshape(*outlines.shape, 2)
    for outline, fill in zip(outlines, figure.fills.tolist(), strict=True):
        cv2.fillConvexPoly(canvas, outline, fill, cv2.LINE_8, _SHIFT)
    solids = cv2.extractChannel(canvas, 3)
    alpha = cv2.threshold(solids, 0, 255, cv2.THRESH_BINARY)[1]
    return Layer(
        (left, top),
        cv2.cvtColor(cv2.resize(canvas, small, interpolation=cv2.INTER_AREA), cv2.COLOR_RGBA2RGB),
        cv2.resize(alpha, small, interpolation=cv2.INTER_AREA),
        cv2.resize(solids, small, interpolation=cv2.INTER_NEAREST),
    )
