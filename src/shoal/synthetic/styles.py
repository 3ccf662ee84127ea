"""The sources of synthetic tiles: frequency, colours, handwriting and paper of each.

Everything is worked out from the seed by sums, products and quotients alone, so that it is the
same on every machine.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RARE = Fraction(1, 10_000)
"""Share of the rows that a rare source has."""

_RARE_OF = 12  # one source of so many is rare
_TRIED = 8  # palettes drawn for each that is kept: the one least like those kept before
_CONTRAST = 0.38  # least difference of luminance, of 1, between ink and paper
_PERIODS = (0, 0, 5, 6, 8)  # pixels from one rule to the next; 0 for plain paper
_MASK = (1 << 64) - 1

Colour = tuple[float, float, float]
Palette = tuple[Colour, Colour]


class Style(NamedTuple):
    """The style of a source's tiles, in the order of the columns of `style_table`.

    Paper and ink are colours from 0 to 255. A stroke covers what is denser than `threshold`, more
    sharply with `gain`. `slant` leans the digits, `size` scales them, `bend` is by how many
    pixels they are bent. `shading` is how unevenly the light falls, `grain` the noise. Paper has
    rules every `period` pixels (0: none), upright or not, `rule` deep.
    """

    paper_red: float
    paper_green: float
    paper_blue: float
    ink_red: float
    ink_green: float
    ink_blue: float
    threshold: float
    gain: float
    slant: float
    size: float
    bend: float
    shading: float
    grain: float
    period: float
    upright: float
    rule: float


@dataclass
class Draws:
    """Random numbers by splitmix64 (Steele, Lea, Flood, OOPSLA 2014)."""

    state: int

    def between(self, low: float, high: float) -> float:
        self.state = (self.state + 0x9E3779B97F4A7C15) & _MASK
        return low + (high - low) * ((mixed(self.state) >> 11) / 2**53)


def mixed(word: int) -> int:
    """Mix the bits of a 64-bit word.

    >>> hex(mixed(0x9E3779B97F4A7C15))  # the first number of splitmix64 from 0
    '0xe220a8397b1dcdaf'
    """
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return word ^ (word >> 31)


def rare_sources(sources: int) -> int:
    """Count the rare ones of so many sources; they are the last ones.

    >>> rare_sources(60), rare_sources(11)
    (5, 0)
    """
    return sources // _RARE_OF


def shares(sources: int) -> list[Fraction]:
    """Return each source's share of the rows: by Zipf's law, 1/1, 1/2, 1/3 …, then the rare ones.

    >>> [float(share) for share in shares(3)] == [6 / 11, 3 / 11, 2 / 11]
    True
    """
    rare = rare_sources(sources)
    common = [Fraction(1, rank) for rank in range(1, sources - rare + 1)]
    left = (1 - rare * RARE) / sum(common)
    return [left * share for share in common] + [RARE] * rare


def share_bounds(sources: int) -> NDArray[np.uint64]:
    """Return where each source's share of the numbers below 2³² ends, (sources,) uint64."""
    return np.array([round(end * 2**32) for end in accumulate(shares(sources))], np.uint64)


def style_table(sources: int, seed: int) -> NDArray[np.float32]:
    """Return the style of every source, (sources, fields of `Style`) float32.

    Each has a palette of its own, the one of eight draws that is least like those before it.
    """
    draws = Draws(mixed(seed + 1))
    palettes: list[Palette] = []
    for _ in range(sources):
        tried = [_palette(draws) for _ in range(_TRIED)]
        palettes.append(max(tried, key=lambda one: _nearest(one, palettes)))
    return np.array([_style(palette, draws) for palette in palettes], np.float32)


def _nearest(palette: Palette, known: list[Palette]) -> float:
    return min((_distance(palette, other) for other in known), default=0)


def _palette(draws: Draws) -> Palette:
    while True:
        paper = _colour(draws, 0.6, 0.12)
        ink = _colour(draws, 0.85, 0.05)
        if abs(_luminance(paper) - _luminance(ink)) > _CONTRAST:
            return paper, ink


def _colour(draws: Draws, most_saturated: float, darkest: float) -> Colour:
    hue, saturation = draws.between(0, 1), draws.between(0.05, most_saturated)
    return colorsys.hsv_to_rgb(hue, saturation, draws.between(darkest, 1))


def _luminance(colour: Colour) -> float:
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def _distance(one: Palette, other: Palette) -> float:
    """Return the squared distance of two palettes; paper counts more, as there is more of it."""
    paper, ink = (
        sum((a - b) * (a - b) for a, b in zip(*pair, strict=True))
        for pair in zip(one, other, strict=True)
    )
    return 2 * paper + ink


def _style(palette: Palette, draws: Draws) -> Style:
    paper, ink = palette
    colours = [255 * c for c in (*paper, *ink)]
    return Style(
        **dict(zip(Style._fields, colours, strict=False)),
        threshold=draws.between(60, 170),
        gain=1 / draws.between(50, 150),
        slant=draws.between(-0.25, 0.35),
        size=draws.between(0.85, 1.12),
        bend=draws.between(0.3, 1),
        shading=draws.between(0.02, 0.16),
        grain=draws.between(1.5, 9),
        period=_PERIODS[int(draws.between(0, len(_PERIODS)))],
        upright=float(draws.between(0, 1) < 0.5),
        rule=draws.between(0.25, 0.5),
    )
