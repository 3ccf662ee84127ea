"""Synthetic drawings: black dots on white along one of twelve shapes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from shoal.core.checked import checked_whole

SIDE = 200
_DOTS = 140  # along a shape, before some are left out
_EXTRA = 30  # dots anywhere, at most
_MISSING = 0.3  # of the dots, at most
_RADIUS = 62  # pixels from the middle of a shape to its edge
_TURN, _SIZE, _SHIFT, _JITTER = 0.12, 0.12, 8.0, 2.5  # radians, share, pixels, pixels, at most
_DOT = np.array([(y, x) for y in range(-2, 3) for x in range(-2, 3) if abs(y * x) < 4])
_ROUND = np.linspace(0, 2 * np.pi, 257)


@dataclass(frozen=True)
class DrawingSet:
    """Drawings of twelve shapes by dots, each turned, scaled, shifted, with dots moved.

    A row's drawing follows from the seed and the row's number alone. Up to three dots of ten are
    missing, and up to thirty are where no shape is.

    Parameters
    ----------
    seed : int
        0 to 2³² − 1.

    Raises
    ------
    InputError
        For a seed outside its range.

    Examples
    --------
    >>> drawings = DrawingSet()
    >>> images, (shape,) = drawings.images(10, 14), drawings.truth(10, 14)
    >>> images.shape, images.dtype, bool((drawings.images(12, 14) == images[2:]).all())
    ((4, 200, 200, 1), dtype('uint8'), True)
    """

    noun: ClassVar[str] = "drawings"
    recipe: ClassVar[int] = 1
    shape: ClassVar[tuple[int, int, int]] = (SIDE, SIDE, 1)
    truths: ClassVar[tuple[str, ...]] = ("shape",)
    licence: ClassVar[str] = "CC0-1.0"
    about: ClassVar[str] = "Made by shoal make-drawings."

    seed: int = 0

    def __post_init__(self) -> None:
        checked_whole("seed", self.seed, 0, 2**32 - 1)

    def images(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Draw the rows from `start` up to `stop`: (rows, 200, 200, 1), 0 on 255."""
        images = np.full((stop - start, SIDE, SIDE, 1), 255, np.uint8)
        for image, row in zip(images, range(start, stop), strict=True):
            down, across = (self._dots(row)[:, None, :] + _DOT).reshape(-1, 2).T
            image[down, across] = 0
        return images

    def truth(self, start: int, stop: int) -> tuple[NDArray[np.uint8]]:
        """Return the shape of each row from `start` up to `stop`."""
        found = [self._random(row).integers(len(_shapes())) for row in range(start, stop)]
        return (np.array(found, np.uint8),)

    def _random(self, row: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, row])

    def _dots(self, row: int) -> NDArray[np.int64]:
        """Place the dots of a row: (dots, 2), the pixels of their middles."""
        random = self._random(row)
        points = _shapes()[random.integers(len(_shapes()))]
        turn, size, down, across = 2 * random.random(4) - 1
        t = _TURN * turn / 2  # the tangent of half the angle
        cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
        matrix = np.array([[cosine, sine], [-sine, cosine]]) * (1 + _SIZE * size) * _RADIUS
        placed = points @ matrix + _SHIFT * np.array([down, across])
        placed += _JITTER * (random.random((_DOTS, 2)) + random.random((_DOTS, 2)) - 1)
        placed = placed[random.random(_DOTS) >= _MISSING * random.random()]
        extra = SIDE * (random.random((random.integers(_EXTRA + 1), 2)) - 0.5)
        return np.clip(np.rint(np.concatenate([placed, extra])) + SIDE // 2, 2, SIDE - 3).astype(
            np.int64
        )


@cache
def _shapes() -> NDArray[np.float64]:
    """Return the dots of each shape about its middle, (12, dots, 2), down and across, −1 to 1."""
    ring = np.stack([-np.cos(_ROUND), np.sin(_ROUND)], axis=1)
    turns = np.linspace(0, 1, 257)[:, None]
    spiral = turns * np.stack([np.cos(5 * np.pi * turns[:, 0]), np.sin(5 * np.pi * turns[:, 0])], 1)
    wave = np.stack([0.6 * np.sin(2 * _ROUND), _ROUND / np.pi - 1], axis=1)
    eight = np.stack([-np.cos(_ROUND), np.sin(2 * _ROUND) * 0.7], axis=1)
    heart = np.stack(
        [
            -(13 * np.cos(_ROUND) - 5 * np.cos(2 * _ROUND) - 2 * np.cos(3 * _ROUND)) / 17,
            np.sin(_ROUND) ** 3,
        ],
        axis=1,
    )
    star = (
        np.where(np.arange(11) % 2, 0.4, 1.0)[:, None]
        * ring[:-1][(np.arange(11) * 25.6 % 256).astype(int)]
    )
    corners = {
        "square": [(-1, -1), (-1, 1), (1, 1), (1, -1), (-1, -1)],
        "triangle": [(-1, 0), (0.9, 1), (0.9, -1), (-1, 0)],
        "cross": [(-1, -1), (1, 1), (0, 0), (-1, 1), (1, -1)],
        "plus": [(-1, 0), (1, 0), (0, 0), (0, -1), (0, 1)],
        "arrow": [(0, -1), (0, 1), (-0.6, 0.3), (0, 1), (0.6, 0.3)],
        "zigzag": [(-1, -0.8), (-1, 0.8), (1, -0.8), (1, 0.8)],
    }
    curves = [ring, spiral, wave, eight, heart, star, *map(np.array, corners.values())]
    return np.stack([_evenly(np.asarray(curve, np.float64)) for curve in curves])


def _evenly(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Place dots at even distances along a curve of straight pieces; in 1/1024, as sines vary."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.linspace(0, along[-1], _DOTS)
    dots = np.stack([np.interp(at, along, axis) for axis in curve.T], axis=1)
    return np.rint(1024 * dots) / 1024
