"""Image files to pixels: bytes in, uint8 ``(H, W, C)`` out, C of 1 (grey) or 3 (colour)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile, TiffImagePlugin

from shoal.core.wanted import Wanted
from shoal.errors import SourceError
from shoal.sources.camera import find_preview, is_raw
from shoal.sources.formats import JPEG, check_bytes, open_picture
from shoal.sources.jpeg import decode_jpeg
from shoal.sources.png import check_sums
from shoal.sources.raster import SIDEWAYS, Raster, orientation_of, pixels_of, reduction
from shoal.sources.room import PIXELS
from shoal.sources.store import because

AS_IT_IS = Wanted()
# Bytes a pixel that a picture takes while it is loaded, by its mode, and more by its format;
# measured on pictures of 24 million pixels.
_MODE_BYTES = {"1": 1, "L": 1, "P": 1}
_FORMAT_BYTES = {"WEBP": 13, "GIF": 4}
_OUT_BYTES = 3
_SLOW = ("ppm", "ppm_plain", "bmp_rle")  # Pillow's decoders in plain Python: some µs a pixel
_MOST_SLOW_PIXELS = 16_000_000
_TIFF_PIECES = (278, 322, 323)  # rows of a strip, width and height of a tile


def decode(data: bytes, wanted: Wanted = AS_IT_IS) -> NDArray[np.uint8]:
    """Decode an image file, upright and on white, to uint8 ``(H, W, C)``.

    The first frame is taken; 16 bits become 8. JPEG is decoded at a lower scale where that is
    enough, and other large images are averaged in blocks first. Large images are decoded one
    at a time, in whatever number of threads.

    Raises
    ------
    SourceError
        With the reason as one sentence: empty, no image, too large, damaged or cut off.
    """
    try:
        data, turned = _finished(data)
        raster = decode_jpeg(data, wanted, turned) if data[:3] == JPEG else None
        if raster is None:
            raster = _decode_pillow(data, wanted, turned)
        return raster.shaped(wanted)
    except SourceError:
        raise
    except Exception as error:  # decoders raise a dozen kinds on damaged files
        raise SourceError(f"the image is damaged or cut off: {because(error)}") from None


def measure(data: bytes) -> tuple[int, int]:
    """Height and width of an image file when upright, from its header.

    Raises
    ------
    SourceError
        With the reason as one sentence, as `decode`.
    """
    try:
        data, turned = _finished(data)
        with open_picture(data) as picture:
            width, height = picture.size
            # Pillow turns TIFF images itself
            sideways = picture.format != "TIFF" and (turned or orientation_of(picture)) in SIDEWAYS
    except SourceError:
        raise
    except Exception as error:  # as in decode
        raise SourceError(f"the image is damaged or cut off: {because(error)}") from None
    return (width, height) if sideways else (height, width)


def _finished(data: bytes) -> tuple[bytes, int | None]:
    """Return the picture in a camera raw file, and how to turn it; other files as they are."""
    if data[:3] == JPEG or not is_raw(data):
        return data, None
    preview = find_preview(data)
    return preview.data, preview.orientation


def _decode_pillow(data: bytes, wanted: Wanted, turned: int | None = None) -> Raster:
    """Decode any of the formats."""
    with open_picture(data) as picture:
        size = picture.height, picture.width
        sideways = (turned or orientation_of(picture)) in SIDEWAYS
        least = wanted.least_of(size[::-1] if sideways else size)
        least = least[::-1] if sideways else least
        drafted = None
        if picture.format == "JPEG" and all(least):
            drafted = picture.draft(picture.mode, least[::-1])
        factor = reduction((picture.height, picture.width), least)
        if picture.format == "PNG":
            check_sums(data)
        with PIXELS.take(_needed(picture, factor)):
            picture.load()
            pixels = pixels_of(picture, factor)
        # after loading: Pillow turns TIFF images itself
        extent = drafted[1][3:1:-1] if drafted else (picture.height, picture.width)
        upright = turned or orientation_of(picture)
        return Raster(pixels, (extent[0] / factor, extent[1] / factor), upright)


def _needed(picture: ImageFile.ImageFile, factor: int) -> int:
    """Give the bytes that decoding takes, and refuse what takes too many."""
    height, width = picture.height, picture.width
    each = _MODE_BYTES.get(picture.mode, 4) + (_OUT_BYTES if factor == 1 else 1)
    needed = height * width * (each + _FORMAT_BYTES.get(picture.format or "", 0))
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        needed += 4 * _piece(picture)
    check_bytes(height, width, needed)
    if picture.tile and picture.tile[0][0] in _SLOW and height * width > _MOST_SLOW_PIXELS:
        raise SourceError(
            f"the image has {width:,}×{height:,} pixels in a form that is decoded slowly "
            f"(text, 16 bits or run lengths), more than the {_MOST_SLOW_PIXELS:,} that are taken "
            "so: save it in another format"
        )
    return needed


def _piece(picture: TiffImagePlugin.TiffImageFile) -> int:
    """Give the pixels of a TIFF's strip or tile: it is decoded in one go."""
    rows, across, down = (picture.tag_v2.get(tag, 0) for tag in _TIFF_PIECES)
    strip = min(rows, picture.height) * picture.width if isinstance(rows, int) else 0
    tile = across * down if isinstance(across, int) and isinstance(down, int) else 0
    return max(strip, tile)
