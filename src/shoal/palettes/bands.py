"""Map images to palette indexes, one band of pixel rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from shoal.palettes.histogram import packed

_BAND_PIXELS = 1 << 19  # pixels whose coordinates are in memory at a time (8 MB)


def bands(pixels: NDArray[np.uint8]) -> Iterator[slice]:
    rows = max(1, _BAND_PIXELS // pixels.shape[1])
    for top in range(0, len(pixels), rows):
        yield slice(top, min(top + rows, len(pixels)))


def undithered(
    pixels: NDArray[np.uint8], keys: NDArray[np.uint32], own: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return the palette index of each pixel, (H, W).

    `pixels`: uint8 (H, W, 4).
    `keys`: uint32 (n,), the image's colours, ascending; see `Histogram`.
    `own`: int (n,), the palette colour nearest to each.
    """
    all_opaque = bool((keys >> 24 == keys[-1] >> 24).all())
    table = np.zeros(1 << 24 if all_opaque else 0, np.uint8)
    if all_opaque:
        table[keys & 0xFFFFFF] = own
    out = np.empty(pixels.shape[:2], np.uint8)
    for band in bands(pixels):
        found = packed(pixels[band])
        if all_opaque:
            out[band] = table[found & 0xFFFFFF]
        else:
            out[band] = own[np.searchsorted(keys, found)]
    return out
