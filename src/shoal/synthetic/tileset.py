"""A set of synthetic tiles with random access to rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from shoal.core.checked import checked_whole
from shoal.errors import SettingError
from shoal.synthetic import kernel
from shoal.synthetic.digits import large_digits
from shoal.synthetic.styles import mixed, share_bounds, shares, style_table

SHAPE = (kernel.TILE, kernel.TILE, 3)
"""Height, width and channels of a tile."""

MOST_SOURCES = 1_000


@dataclass(frozen=True)
class TileSet:
    """Small images of handwritten digits as if from many sources, each with colours of its own.

    A row's tile follows from the seed, the number of sources and the row's number alone, not from
    how many rows there are: any rows can be made by themselves, and a larger set begins with the
    smaller one. The bytes are the same on every machine.

    Parameters
    ----------
    sources : int
        How many sources, 2 to 1,000. Their sizes follow Zipf's law, but of every twelve the last
        has one row in 10,000.
    seed : int
        0 to 2³² − 1.

    Raises
    ------
    InputError
        For numbers outside their range.

    Examples
    --------
    >>> tiles = TileSet(sources=5)
    >>> images, (source, digit) = tiles.images(10, 20), tiles.truth(10, 20)
    >>> images.shape, images.dtype, bool((tiles.images(15, 20) == images[5:]).all())
    ((10, 16, 16, 3), dtype('uint8'), True)
    """

    noun: ClassVar[str] = "tiles"
    recipe: ClassVar[int] = 2
    shape: ClassVar[tuple[int, int, int]] = SHAPE
    truths: ClassVar[tuple[str, ...]] = ("source", "digit")
    # https://archive.ics.uci.edu/dataset/80: the digits of scikit-learn, from which they are made.
    licence: ClassVar[str] = "CC-BY-4.0"
    about: ClassVar[str] = (
        "Made by shoal make-tiles from scikit-learn's handwritten digits "
        "(E. Alpaydin and C. Kaynak, UCI Machine Learning Repository)."
    )

    sources: int = 60
    seed: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.sources <= MOST_SOURCES:
            raise SettingError(f"sources must be from 2 to {MOST_SOURCES:,}; got {self.sources:,}")
        checked_whole("seed", self.seed, 0, 2**32 - 1)

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of the rows that each source has, (sources,)."""
        return np.array([float(share) for share in shares(self.sources)])

    def images(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Make the tiles of the rows from `start` up to `stop`: (rows, 16, 16, 3)."""
        sources, chosen = self._drawn(start, stop)
        tiles = np.empty((stop - start, kernel.PIXELS, 3), np.uint8)
        digits, _ = large_digits()
        styles = _styles(self.sources, self.seed)
        kernel.draw_tiles(
            self._base, start, sources, chosen, styles, digits, _control_weights(), tiles
        )
        return tiles.reshape(-1, *SHAPE)

    def truth(self, start: int, stop: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
        """Return source and digit of the rows from `start` up to `stop`."""
        sources, chosen = self._drawn(start, stop)
        return sources, large_digits()[1][chosen]

    def _drawn(self, start: int, stop: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        sources, chosen = np.empty((2, stop - start), np.uint16)
        bounds, digits = _bounds(self.sources), len(large_digits()[0])
        kernel.draw_truth(self._base, start, bounds, digits, sources, chosen)
        return sources, chosen

    @property
    def _base(self) -> np.uint64:
        return np.uint64(mixed(self.seed))


_styles, _bounds = cache(style_table), cache(share_bounds)


@cache
def _control_weights() -> NDArray[np.float32]:
    """Return what each control point of the bending field counts at each pixel: (controls, 16).

    By the uniform cubic B-spline: https://en.wikipedia.org/wiki/B-spline#Cubic_B-Splines
    """
    weights = np.zeros((kernel.CONTROLS, kernel.TILE))
    for pixel in range(kernel.TILE):
        # In 1/32 of the distance of two control points, all numbers are whole.
        first, t = divmod((2 * pixel + 1) * (kernel.CONTROLS - 3) * 16 // kernel.TILE, 32)
        curve = (
            (32 - t) ** 3,
            3 * t**3 - 192 * t**2 + 4 * 32**3,
            -3 * t**3 + 96 * t**2 + 3072 * t + 32**3,
            t**3,
        )
        weights[first : first + 4, pixel] = np.array(curve) / (6 * 32**3)
    return weights.astype(np.float32)
