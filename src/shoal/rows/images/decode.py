"""Decoding of image files: bytes to uint8 ``(H, W, C)``, with C of 1 (grey) or 3 (colour)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile, TiffImagePlugin

from shoal.core.image_request import ImageRequest
from shoal.errors import SourceError, because
from shoal.rows.images.camera import find_preview, is_raw
from shoal.rows.images.formats import (
    JPEG,
    check_bytes,
    check_pixels,
    check_sums,
    open_picture,
    room_for_pixels,
)
from shoal.rows.images.jpeg import coefficient_bytes, decode_jpeg
from shoal.rows.images.raster import (
    SIDEWAYS,
    USUAL,
    Raster,
    Reading,
    least_stored,
    orientation_of,
    pixels_of,
    reduction,
    samples_as_pixels,
)
from shoal.rows.images.tiff import Directory, is_tiff, open_tiff, reader
from shoal.rows.images.tiff_pages import check_samples, extract, read_samples, samples_size
from shoal.rows.images.tiff_pictures import find_pictures

AS_IT_IS = ImageRequest()
# Bytes per pixel that a picture takes while it is loaded, by mode, plus those by format;
# measured on pictures of 24 million pixels.
_MODE_BYTES = {"1": 1, "L": 1, "P": 1}
_FORMAT_BYTES = {"WEBP": 13, "GIF": 4, "AVIF": 5, "JPEG2000": 15, "JXL": 16, "HEIF": 5}
_OUT_BYTES = 3
_SLOW = ("ppm", "ppm_plain", "bmp_rle")  # Pillow's decoders in plain Python: some µs a pixel
_MOST_SLOW_PIXELS = 16_000_000
# Error messages of decoders for images that are unsupported rather than damaged.
_LIMITS = re.compile(
    "unknown pixel mode|unknown data organi[sz]ation|unsupported|not supported|not available"
    "|not implemented|unknown compression|cannot handle|conversion from",
    re.IGNORECASE,
)
_TIFF_PIECES = (278, 322, 323)  # rows of a strip, width and height of a tile


def decode(
    data: bytes, request: ImageRequest = AS_IT_IS, reading: Reading = USUAL
) -> NDArray[np.uint8]:
    """Decode an image file, upright and on an opaque background, to uint8 ``(H, W, C)``.

    The first frame is used, and more than 8 bits become 8; see `Reading`. JPEG is decoded at a
    lower scale if that is enough, and other large images are averaged in blocks first. Large
    images are decoded one at a time, for any number of threads.
    """
    with reasons_for_errors():
        data, turned = _camera_preview(data)
        raster = decode_jpeg(data, request, turned) if data[:3] == JPEG else None
        if raster is None and is_tiff(data):
            data, raster = _decode_tiff(data, request, reading)
        if raster is None:
            raster = _decode_pillow(data, request, reading, turned)
        reading.check(raster.pixels.shape[2])
        return raster.shaped(request)


@contextmanager
def reasons_for_errors() -> Iterator[None]:
    """Raise `SourceError` instead of the many errors that decoders raise on damaged files."""
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(what_is_wrong(error)) from None


def measure(data: bytes) -> tuple[int, int]:
    with reasons_for_errors():
        data, turned = _camera_preview(data)
        if is_tiff(data):
            first = tiff_picture(data)[0]
            size, orientation = (first.layout.height, first.layout.width), first.orientation
            check_pixels(*size)
        else:
            with open_picture(data) as picture:
                size = picture.height, picture.width
                orientation = turned or orientation_of(picture)
        return size[::-1] if orientation in SIDEWAYS else size


def _camera_preview(data: bytes) -> tuple[bytes, int | None]:
    """Return the picture in a camera raw file and its orientation; other files unchanged."""
    if data[:3] == JPEG or not is_raw(data):
        return data, None
    return find_preview(data)


def what_is_wrong(error: Exception) -> str:
    """Return what an exception of a decoder means: damage, or an unsupported kind of image."""
    text = because(error)
    if isinstance(error, NotImplementedError) or _LIMITS.search(text):
        return f"the image is of a kind that is not read ({text}): save it as PNG or plain TIFF"
    return f"the image is damaged or cut off: {text}"


def tiff_picture(data: bytes) -> tuple[Directory, ...]:
    file = open_tiff(reader(data))
    assert file is not None
    found = find_pictures(file)
    if len(found) > 1:
        raise SourceError(
            f"the file has {len(found):,} pages, which become rows only in files named .tif in "
            "folders, lists, and tar and zip archives: save each page as a file"
        )
    return found.picture(0)


def _decode_tiff(
    data: bytes, request: ImageRequest, reading: Reading
) -> tuple[bytes, Raster | None]:
    """Decode a TIFF file of any samples; if Pillow can, return the file for Pillow and None."""
    pages = tiff_picture(data)
    first = pages[0]
    layout = first.layout
    is_usual = layout.is_usual and not (reading.bands and layout.opacity is not None)
    if len(pages) == 1 and is_usual:
        return data if first.at == first.file.first else extract(pages), None
    check_pixels(layout.height, layout.width)
    check_samples(pages)
    least = least_stored((layout.height, layout.width), request, first.orientation)
    factor = reduction((layout.height, layout.width), least)
    opacity = None if reading.bands or len(pages) > 1 else layout.opacity
    needed = samples_size(pages)
    needed += layout.height * layout.width * sum(page.layout.samples for page in pages)
    with room_for_pixels(layout.height, layout.width, needed):
        found = samples_as_pixels(read_samples(pages), layout, reading, opacity, factor)
    extent = layout.height / factor, layout.width / factor
    return data, Raster(found, extent, first.orientation)


def _decode_pillow(
    data: bytes, request: ImageRequest, reading: Reading, turned: int | None = None
) -> Raster:
    with open_picture(data) as picture:
        size = picture.height, picture.width
        least = least_stored(size, request, turned or orientation_of(picture))
        drafted = None
        if picture.format == "JPEG" and all(least):
            drafted = picture.draft(picture.mode, least[::-1])
        factor = reduction((picture.height, picture.width), least)
        if picture.format == "PNG":
            check_sums(data)
        needed = needed_bytes(picture, factor, data)
        with room_for_pixels(*size, needed):
            picture.load()
            pixels = pixels_of(picture, factor, reading)
        # after loading, as Pillow rotates TIFF images itself
        extent = drafted[1][3:1:-1] if drafted else (picture.height, picture.width)
        upright = turned or orientation_of(picture)
        return Raster(pixels, (extent[0] / factor, extent[1] / factor), upright)


def needed_bytes(picture: ImageFile.ImageFile, factor: int, data: bytes) -> int:
    height, width = picture.height, picture.width
    each = _MODE_BYTES.get(picture.mode, 4) + (_OUT_BYTES if factor == 1 else 1)
    needed = height * width * (each + _FORMAT_BYTES.get(picture.format or "", 0))
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        needed += 4 * _piece_pixels(picture)
    if picture.format == "JPEG":
        needed += coefficient_bytes(data)
    check_bytes(height, width, needed)
    if picture.tile and picture.tile[0][0] in _SLOW and height * width > _MOST_SLOW_PIXELS:
        raise SourceError(
            f"the image has {width:,}×{height:,} pixels in a form that is decoded slowly "
            f"(text, 16 bits or run lengths), more than the {_MOST_SLOW_PIXELS:,} allowed for it: "
            "save it in another format"
        )
    return needed


def _piece_pixels(picture: TiffImagePlugin.TiffImageFile) -> int:
    rows, across, down = (picture.tag_v2.get(tag, 0) for tag in _TIFF_PIECES)
    strip = min(rows, picture.height) * picture.width if isinstance(rows, int) else 0
    tile = across * down if isinstance(across, int) and isinstance(down, int) else 0
    return max(strip, tile)
