"""Write indexed images as PNG and GIF files."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shoal.errors import InputError

FORMATS = {".png": "PNG", ".gif": "GIF"}
_COMPRESSION = 6  # zlib: 9 takes four times as long for 3 % less


def bits_for(colours: int) -> int:
    """Return the bits of an index: 1, 2, 4 or 8.

    >>> [bits_for(k) for k in (1, 2, 3, 4, 5, 16, 17, 256)]
    [1, 1, 2, 2, 4, 4, 8, 8]
    """
    return next(bits for bits in (1, 2, 4, 8) if colours <= 1 << bits)


def indexed_bytes(index: NDArray[np.uint8], palette: NDArray[np.uint8], extension: str) -> bytes:
    """Write an image of palette colours as a file.

    `index`: uint8 (H, W).
    `palette`: uint8 (K, 4), RGBA, K at most 256.
    """
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
