"""Pictures of rows for the page: strips of small ones, single ones, means, sheets, map tiles."""

from __future__ import annotations

import io
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shoal.explore.atlas import Cache
from shoal.explore.tiles import TILE
from shoal.rows import Source
from shoal.rows.arrays.pixels import to_channels
from shoal.rows.base import ImageSource
from shoal.rows.pictures import as_squares, read_span, square

SMALL = 48
"""Images up to this size are sent as they are, and enlarged by the browser, pixel by pixel."""

SIDES = (96, 192)
_LARGE = (384, 768)  # of pictures on the map
LARGEST = 1600
_QUALITY = 82


class Pictures:
    """Pictures of the rows of a source of images."""

    def __init__(self, source: ImageSource) -> None:
        self.source = source
        self._tiles = Cache(6000)
        self._squares: dict[int, Source] = {}
        native = max(source.typical_size)
        self.small = native <= SMALL
        self.side = native if self.small else SIDES[0]

    def strip(self, rows: list[int], side: int) -> tuple[bytes, str]:
        """Return some rows side by side, each a square; bytes and media type."""
        tiles = self.tiles(rows, side)
        return encoded(np.concatenate(list(tiles), axis=1), lossless=self.small)

    def tiles(self, rows: list[int], side: int) -> NDArray[np.uint8]:
        """Return small squares, (n, side, side, C)."""
        return np.stack([self._tiles.get((r, side), partial(self._tile, r, side)) for r in rows])

    def _tile(self, row: int, side: int) -> NDArray[np.uint8]:
        if side not in self._squares:
            self._squares[side] = as_squares(self.source, side)
        return read_span(self._squares[side], row, row + 1)[0]

    def picture(self, row: int) -> tuple[bytes, str]:
        """Return one image as large as it is, up to `LARGEST` a side."""
        pixels = self.source.read_original(row, LARGEST)
        return encoded(pixels, lossless=max(pixels.shape[:2]) <= 4 * SMALL)

    def mean(self, rows: list[int]) -> tuple[bytes, str]:
        tiles = self.tiles(rows, self.side)
        mean = np.rint(tiles.mean(axis=0, dtype=np.float64)).astype(np.uint8)
        return encoded(mean, lossless=True)

    def boxes(self, rows: list[int], boxes: list[list[int]]) -> bytes:
        """Draw a tile of the map as WebP: rows in boxes of left, top, right, bottom, in pixels.

        A margin of each box shows what is beneath. Where a box is no square, photos are cut to
        fill it, and small images lie in its middle.
        """
        sheet = np.zeros((TILE, TILE, 4), np.uint8)
        for row, box in zip(rows, boxes, strict=True):
            left, top, right, bottom = box
            sides = right - left, bottom - top
            margin = max(1, min(TILE // 8, *sides) // 16)
            side = (min(sides) if self.small else max(sides)) - 2 * margin
            tile = self._at_least(row, side)
            taken = []
            for low, long in ((top, sides[1]), (left, sides[0])):
                inner = min(side, long - 2 * margin)
                begin = low + (long - inner) // 2
                # Of what reaches beyond the tile only a part is drawn.
                seen = np.arange(max(begin, 0), min(begin + inner, TILE))
                taken.append((seen, (seen - begin + (side - inner) // 2) * len(tile) // side))
            (down, from_down), (across, from_across) = taken
            sheet[np.ix_(down, across)] = np.dstack(
                [tile[np.ix_(from_down, from_across)], np.full((len(down), len(across)), 255)]
            )
        buffer = io.BytesIO()
        Image.fromarray(sheet).save(buffer, "WEBP", quality=_QUALITY, method=0)
        return buffer.getvalue()

    def _at_least(self, row: int, side: int) -> NDArray[np.uint8]:
        """Return a square in colour of so many pixels a side, or of the most there are."""
        sides = (self.side,) if self.small else (*SIDES, *_LARGE)
        enough = next((s for s in sides if s >= side), sides[-1])
        tile = to_channels(self.tiles([row], enough)[0], 3)
        return square(tile, side) if len(tile) > side else tile

    def sheet(self, rows: list[int], across: int, side: int) -> bytes:
        """Draw a contact sheet as PNG: rows from left to right, then down, on white."""
        tiles = self.tiles(rows, self.side if self.small else SIDES[-1])
        gap = max(2, side // 16)
        down = -(-len(rows) // across)
        paper = np.full((down * (side + gap) + gap, across * (side + gap) + gap, 3), 255, np.uint8)
        for at, tile in enumerate(tiles):
            top, left = (gap + (at // across) * (side + gap), gap + (at % across) * (side + gap))
            paper[top : top + side, left : left + side] = _scaled(tile, side)
        buffer = io.BytesIO()
        Image.fromarray(paper).save(buffer, "PNG", compress_level=6)
        return buffer.getvalue()


def open_pictures(source: Source | None) -> Pictures | None:
    if source is None or source.kind != "images" or not isinstance(source, ImageSource):
        return None
    return Pictures(source)


def encoded(pixels: NDArray[np.uint8], lossless: bool) -> tuple[bytes, str]:
    """Write pixels (h, w, C) as PNG or JPEG; bytes and media type."""
    pixels = to_channels(pixels, 1 if pixels.shape[2] == 1 else 3)
    if not lossless:
        import simplejpeg

        colour = "GRAY" if pixels.shape[2] == 1 else "RGB"
        data = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), _QUALITY, colour)
        return data, "image/jpeg"
    buffer = io.BytesIO()
    flat = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    Image.fromarray(np.ascontiguousarray(flat)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue(), "image/png"


def _scaled(tile: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return a square in colour and in another size; enlarged pixel by pixel, reduced smoothly."""
    tile = to_channels(tile, 3)
    if len(tile) < side:
        at = np.arange(side) * len(tile) // side
        return tile[at][:, at]
    return square(tile, side)
