"""Gradients: histograms of edge directions over a grid of cells, and the colour of blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.features.base import Needs
from shoal.features.gradient_kernel import (
    BINS,
    BLOCKS,
    COLOUR,
    LANES,
    QUAD,
    encode_edges,
    fill_light,
)
from shoal.features.shapes import check_images, check_shape, gathered, is_plain

_FEWEST, _MOST = 4, 8  # cells along the shorter side
_MOST_CHANNELS = 16  # more are averaged with their neighbours
_MOST_EDGES = 4096  # numbers for the edges of all channels: their moments take 128 MiB
_AT_ONCE = 1 << 17  # pixels, so that they stay in a core's second-level cache
_SMALL = 32  # pixels along the shorter side: larger images are averaged down to between 32 and 63


@dataclass(frozen=True)
class Gradients:
    """Square roots of histograms of edge directions in cells; for colour, also block means.

    Luminance is smoothed by a sixth of a cell. Each pixel's gradient is split between the nearest
    two of eight directions (edges from dark to light and from light to dark differ) and between
    the nearest cells. An image's histograms are divided by its total, so that faint images equal
    strong ones, but images with less than two grey levels of gradient a pixel stay small, so
    that noise is not blown up. Colour adds the RGB means of 4 × 4 blocks, from 0 to 2.

    Where the channels are neither grey nor RGB, each has histograms of its own, divided by its
    own total, and block means: what one channel alone shows counts as much as what another does.

    Images of 64 pixels and more are first averaged in equal square blocks until the shorter side
    has 32 to 63. Then cells have about `cell` pixels, with 4 to 8 cells along the shorter side:
    8 × 8 images have cells of 2 pixels, 28 × 28 of 4.

    Dalal, Triggs: Histograms of oriented gradients for human detection. CVPR 2005;
    Arandjelović, Zisserman: Three things everyone should know to improve object retrieval
    (the square root). CVPR 2012.
    """

    name: ClassVar[str] = "gradients"
    # Half-whitened, which beat both plain components and whitened ones
    whiten: ClassVar[float] = 0.25
    needs: ClassVar[Needs] = Needs()

    shape: tuple[int, int, int]  # (H, W, C) of one image, with any number of channels
    cell: int = 4
    bins: int = BINS

    def __post_init__(self) -> None:
        check_shape(self.shape)
        if self.cell < 1 or self.bins != BINS:
            raise InputError(
                f"cells of {self.cell} pixels and {self.bins} bins: 1 or more pixels and "
                f"{BINS} bins are needed"
            )

    @property
    def shrink(self) -> int:
        """Side of the blocks of pixels that are averaged first; 1: none are."""
        return max(1, min(self.shape[:2]) // _SMALL)

    @property
    def grid(self) -> tuple[int, int]:
        height, width = self._pixels
        shorter = min(height, width)
        cells = min(max(round(shorter / self.cell), _FEWEST), _MOST, shorter)
        while True:
            # a long strip has cells in proportion, to a limit: features stay below some thousands
            down, across = (
                min(round(cells * side / shorter), 4 * _MOST) for side in (height, width)
            )
            edges = down * across * BINS * self._channels
            if is_plain(self.shape[2]) or edges <= _MOST_EDGES or cells == 1:
                return down, across
            cells -= 1

    @property
    def _channels(self) -> int:
        """Channels that are told apart; RGB has one luminance."""
        return 1 if is_plain(self.shape[2]) else min(self.shape[2], _MOST_CHANNELS)

    @property
    def n_features(self) -> int:
        down, across = self.grid
        means = self.shape[2] if is_plain(self.shape[2]) else self._channels
        edges = down * across * BINS * self._channels
        return edges + (0 if self.shape[2] == 1 else means * BLOCKS * BLOCKS)

    def settings(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": 1,
            "shape": list(self.shape),
            "cell": self.cell,
            "bins": self.bins,
        }

    def setup(self) -> None:
        self.encode(np.zeros((1, *self.shape), np.uint8))

    def encode(self, data: NDArray) -> NDArray:
        """Return float32 ``(n, n_features)`` for uint8 ``(n, H, W, C)``.

        A row holds, for each column of cells, for each cell down it, 8 directions (right, down
        right, down, …), then the block means.
        """
        check_images(data, self.shape)
        out = np.empty((len(data), self.n_features), np.float32)
        if is_plain(self.shape[2]):
            self._encode(data, out)
            return out
        images, at = gathered(data, _MOST_CHANNELS), 0
        edges = np.empty((len(data), math.prod(self.grid) * BINS), np.float32)
        for channel in range(images.shape[3]):
            self._encode(images[..., channel : channel + 1], edges)
            out[:, at : at + edges.shape[1]] = edges
            at += edges.shape[1]
        out[:, at:] = _block_means(images)
        return out

    def _encode(self, images: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
        n, tall, wide, channels = images.shape
        (height, width), (down, across) = self._pixels, self.grid
        reach = min(height / down, width / across) / 6
        smooth = np.float32(min(0.25, reach * reach / 2))
        lists = (*tents(height, down), *tents(width, across))
        quads = -(-wide // QUAD)
        words = np.zeros((quads, channels * LANES), np.uint32)
        grey = np.zeros((quads, QUAD * LANES), np.float32)
        sums = np.zeros((quads, QUAD * channels * LANES), np.int32)
        row = (words.reshape(-1), words, grey, grey.reshape(-1), sums)
        # an odd number of columns, as a power of two would put every row in the same cache lines
        columns = (QUAD * quads if self.shrink == 1 else width) + 2 | 1
        groups = max(1, min(-(-n // LANES), _AT_ONCE // ((height + 2) * columns * LANES)))
        lights = np.zeros((groups, height + 2, columns, LANES), np.float32)
        flat = lights.reshape(groups, height + 2, -1)
        shapes = [flat[0].shape, (down + 1) * BINS * LANES, (across, down * BINS * LANES)]
        *spaces, parts = (np.zeros(shape, np.float32) for shape in (*shapes, BINS * LANES))
        for a in range(0, n, groups * LANES):
            part, own = images[a : a + groups * LANES], out[a : a + groups * LANES]
            if channels == 1 and self.shrink == 1:  # small grey images wait for one kernel only
                for lane in range(min(LANES, len(part))):
                    pixels = part[lane::LANES, ..., 0]
                    lights[: len(pixels), 1:-1, 1 : width + 1, lane] = pixels
            else:
                sides = (self.shrink, width, _blocks(tall), _blocks(wide))
                fill_light(_words(part), *sides, *row, lights, flat, parts, own)
            used = flat[: -(-len(own) // LANES)]
            encode_edges(used, smooth, *lists, *spaces, parts, own)

    @property
    def _pixels(self) -> tuple[int, int]:
        """Pixels down and across after `shrink`; a rest of less than a block is left out."""
        return self.shape[0] // self.shrink, self.shape[1] // self.shrink


def _block_means(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the means of 4 × 4 blocks of each channel, from 0 to 2, (n, 16 C)."""
    n, height, width, channels = images.shape
    means = np.empty((n, BLOCKS, BLOCKS, channels), np.float32)
    for r in range(BLOCKS):
        for c in range(BLOCKS):
            rows, columns = _block(r, height), _block(c, width)
            means[:, r, c] = images[:, rows, columns].mean(axis=(1, 2), dtype=np.float64)
    return means.reshape(n, -1) * (COLOUR / np.float32(255))


def _block(at: int, side: int) -> slice:
    """Return the pixels of a block; small images have blocks that share pixels."""
    low = min(at * side // BLOCKS, side - 1)
    return slice(low, max((at + 1) * side // BLOCKS, low + 1))


@cache
def _blocks(side: int) -> NDArray[np.int64]:
    return np.array([(part.start, part.stop) for part in (_block(b, side) for b in range(BLOCKS))])


def _words(images: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return rows of four pixels at a time as 32-bit words, (n, H, quads × C)."""
    n, tall, wide, channels = images.shape
    quads = -(-wide // QUAD)
    whole = images
    if wide % QUAD or not (images.flags.c_contiguous and images.ctypes.data % 4 == 0):
        whole = np.zeros((n, tall, quads * QUAD, channels), np.uint8)
        whole[:, :, :wide] = images
    return whole.reshape(n, tall, quads * QUAD * channels).view("<u4")


@cache
def tents(n: int, cells: int) -> tuple[NDArray, NDArray]:
    """Return the two cells nearest to each of `n` pixels, and its shares in them, both (n, 2).

    Beyond the middles of the outer cells all of a pixel goes to the outer cell.
    """
    place = np.clip((np.arange(n) + 0.5) * cells / n - 0.5, 0, cells - 1)
    low = np.minimum(np.floor(place).astype(np.int64), max(cells - 2, 0))
    high = np.minimum(low + 1, cells - 1)
    part = place - low
    return np.stack([low, high], 1), np.stack([1 - part, part], 1).astype(np.float32)
