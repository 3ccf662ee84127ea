"""Pictures for the report: sprites of thumbnails, and mean images."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shoal.rows import Source, thumbnails

LARGEST = 64
_PHOTO, _FEW = 112, 24
_LOSSLESS = 32
_QUALITIES = (82, 66, 50)
_AT_ONCE = 256


@dataclass(frozen=True)
class Sprite:
    """Square pictures side by side."""

    address: str  # a ``data:`` address
    n: int
    side: int  # of one picture in pixels
    sharp: bool  # enlarge without smoothing


def tile_side(source: Source, k: int) -> int:
    """Return the side of thumbnails: up to 64, for photos 112 if clusters are few."""
    if source.mixed_sizes:
        return _PHOTO if k <= _FEW else LARGEST
    return min(LARGEST, max(source.shape[:2]))


def make_tiles(source: Source, rows: Sequence[int], side: int) -> NDArray[np.uint8]:
    """Return small square pictures of rows, shape (n, side, side, C)."""
    return thumbnails(source, rows, side, keep="centre" if source.mixed_sizes else "all")


def mean_picture(source: Source, rows: Sequence[int], side: int) -> NDArray[np.uint8]:
    """Return the mean of the pictures of some rows, shape (side, side, C)."""
    total = np.zeros((side, side, 1 if source.shape[2] == 1 else 3))
    for start in range(0, len(rows), 64):
        total += make_tiles(source, rows[start : start + 64], side).sum(0, dtype=np.int64)
    return np.rint(total / max(len(rows), 1)).astype(np.uint8)


def make_sprite(tiles: NDArray[np.uint8], budget: int) -> Sprite:
    """Put pictures side by side and encode them in at most `budget` bytes, if possible.

    Small pictures are lossless; large ones, and those over budget, are WebP of decreasing quality,
    then of half the side.

    `tiles`: (n, side, side, C), uint8.
    `budget`: Bytes before base64, which adds a third.
    """
    n, side = tiles.shape[:2]
    strip = np.concatenate(list(tiles), axis=1)
    image = Image.fromarray(strip[..., 0] if strip.shape[2] == 1 else strip)
    data = b""
    if side <= _LOSSLESS:
        data = _encode(image, "PNG", optimize=True)
        if len(data) <= budget:
            return Sprite(data_address(data, "png"), n, side, True)
    while True:
        for quality in _QUALITIES:
            data = _encode(image, "WEBP", quality=quality, method=4)
            if len(data) <= budget or (side <= 8 and quality == _QUALITIES[-1]):
                return Sprite(data_address(data, "webp"), n, side, side <= _LOSSLESS)
        side //= 2
        image = image.resize((n * side, side), Image.Resampling.BOX)


def _encode(image: Image.Image, form: str, **options: int | bool) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def data_address(data: bytes, kind: str) -> str:
    """Return a ``data:`` address of bytes."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def picture_column(source: Source | None, rows: NDArray[np.int64]) -> Any:
    """Return thumbnails as an Arrow array of `bytes` and `path`; None without images.

    The struct is that of Hugging Face's and Embedding Atlas's image columns.
    """
    import pyarrow as pa

    if source is None or source.kind != "images":
        return None
    side, cells = tile_side(source, 1), []
    for start in range(0, len(rows), _AT_ONCE):
        for tile in make_tiles(source, rows[start : start + _AT_ONCE].tolist(), side):
            image = Image.fromarray(tile[..., 0] if tile.shape[2] == 1 else tile)
            small = side <= _LOSSLESS
            data = _encode(image, "PNG") if small else _encode(image, "JPEG", quality=_QUALITIES[0])
            cells.append({"bytes": data, "path": None})
    return pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
