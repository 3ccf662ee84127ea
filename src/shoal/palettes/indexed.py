"""Index the pixels of images by a palette, and write them as PNG and GIF files."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shoal.errors import InputError
from shoal.palettes.histogram import packed

FORMATS = {".png": "PNG", ".gif": "GIF"}
_BAND_PIXELS = 1 << 19  # pixels whose coordinates are in memory at a time (8 MB)
_COMPRESSION = 6  # zlib: 9 takes four times as long for 3% less


def bands(pixels: NDArray[np.uint8]) -> Iterator[slice]:
    rows = max(1, _BAND_PIXELS // pixels.shape[1])
    for top in range(0, len(pixels), rows):
        yield slice(top, min(top + rows, len(pixels)))


def index_pixels(
    pixels: NDArray[np.uint8], keys: NDArray[np.uint32], index: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return the palette index of each pixel of an image (H, W, 4), from those of its colours.

    `keys`, `index`: (n,), the image's colours, ascending (see `Histogram`), and the index of each.
    """
    is_opaque = bool((keys >> 24 == keys[-1] >> 24).all())
    table = np.zeros(1 << 24 if is_opaque else 0, np.uint8)
    if is_opaque:
        table[keys & 0xFFFFFF] = index
    out = np.empty(pixels.shape[:2], np.uint8)
    for band in bands(pixels):
        found = packed(pixels[band])
        if is_opaque:
            out[band] = table[found & 0xFFFFFF]
        else:
            out[band] = index[np.searchsorted(keys, found)]
    return out


def bits_for(colours: int) -> int:
    """Return the bits of an index: 1, 2, 4 or 8.

    >>> [bits_for(k) for k in (1, 2, 3, 4, 5, 16, 17, 256)]
    [1, 1, 2, 2, 4, 4, 8, 8]
    """
    return next(bits for bits in (1, 2, 4, 8) if colours <= 1 << bits)


def indexed_bytes(index: NDArray[np.uint8], palette: NDArray[np.uint8], extension: str) -> bytes:
    """Return the file of an image (H, W) of indexes into at most 256 colours."""
    image = Image.fromarray(index)
    image.putpalette(palette[:, :3].tobytes())  # makes it of mode P
    opacity = palette[:, 3]
    out = io.BytesIO()
    if extension == ".png":
        options = {"transparency": opacity.tobytes()} if opacity.min() < 255 else {}
        bits = bits_for(len(palette))
        image.save(out, "PNG", bits=bits, compress_level=_COMPRESSION, **options)
        return out.getvalue()
    if ((opacity > 0) & (opacity < 255)).any():
        raise InputError(
            "GIF pixels are opaque or fully transparent, but this palette has semi-transparent "
            "colours: write a PNG, or make the palette with opacity='clear-or-opaque'"
        )
    clear = np.flatnonzero(opacity == 0)
    if len(clear):
        image.info["transparency"] = int(clear[0])
    image.save(out, "GIF", optimize=False)
    return out.getvalue()
