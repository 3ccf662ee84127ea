"""JPEG, decoded at the smallest of its scales that suffices (https://libjpeg-turbo.org)."""

from __future__ import annotations

import io
from collections.abc import Iterator

import simplejpeg
from PIL import JpegImagePlugin

from shoal.core.image_request import ImageRequest
from shoal.errors import SourceError, because
from shoal.rows.images.formats import check_pixels, room_for_pixels
from shoal.rows.images.raster import Raster, least_stored, orientation_of

_EXIF_WITHIN = 1 << 16
_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # of the markers of frames: tables, and one that is reserved
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_SCAN = 0xDA
_USUAL_SCANS, _MOST_SCANNED = 32, 500_000_000  # pixels times passes: some seconds
# Warnings of libjpeg about lost pixels, which Pillow does not report.
_DAMAGE = ("premature end of data", "bad Huffman code", "instead of RST")
_SLACK = 1.5  # the decoded image is at least so many times larger, or the scale would show


def decode_jpeg(data: bytes, request: ImageRequest, turned: int | None = None) -> Raster | None:
    """Decode a JPEG; None if Pillow is needed (four colours, or small faults)."""
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    check_pixels(height, width)
    if space not in ("Gray", "YCbCr", "RGB"):
        return None
    orientation = turned or 1
    if turned is None and b"Exif\0\0" in data[:_EXIF_WITHIN]:
        with JpegImagePlugin.JpegImageFile(io.BytesIO(data)) as picture:
            orientation = orientation_of(picture)
    size, coefficients = (height, width), coefficient_bytes(data)
    eighths = _scale_in_eighths(size, request, orientation)
    least = -(-size[0] * eighths // 8), -(-size[1] * eighths // 8)
    colours = "GRAY" if space == "Gray" or request.channels == 1 else "RGB"
    with room_for_pixels(*size, least[0] * least[1] * 3 + coefficients):
        if coefficients:
            _check_passes(height, width, data.count(b"\xff\xda"))
        try:
            pixels = simplejpeg.decode_jpeg(data, colours, min_height=least[0], min_width=least[1])
        except ValueError as error:
            if any(fault in str(error) for fault in _DAMAGE):
                raise SourceError(f"the image is damaged or cut off: {because(error)}") from None
            return None
    return Raster(pixels, (size[0] * eighths / 8, size[1] * eighths / 8), orientation)


def coefficient_bytes(data: bytes) -> int:
    """Return the bytes of coefficients kept in memory until all passes are read.

    Progressive images need them, and those whose first pass lacks a colour: two bytes
    each, in whole blocks (ITU-T T.81, A.2.3 and B.1.1.3; ``has_multiple_scans`` of libjpeg).
    """
    frame, is_progressive = b"", False
    for marker, segment in _segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            frame, is_progressive = segment, marker in _PROGRESSIVE
        elif marker == _SCAN:
            if len(frame) < 6 or not (is_progressive or segment[:1] < frame[5:6]):
                return 0
            return _kept_bytes(frame)
    return 0


def _kept_bytes(frame: bytes) -> int:
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    factors = [(byte >> 4, byte & 15) for byte in frame[7 : 6 + 3 * frame[5] : 3]]
    across, down = (max((one[at] for one in factors), default=1) or 1 for at in (0, 1))
    blocks = -(-width // (8 * across)) * -(-height // (8 * down))
    return 2 * 64 * blocks * sum(h * v for h, v in factors)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte before the marker
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def _check_passes(height: int, width: int, scans: int) -> None:
    if scans > _USUAL_SCANS and scans * height * width > _MOST_SCANNED:
        raise SourceError(
            f"the image has {width:,}×{height:,} pixels in {scans:,} passes, "
            "which would take too long to decode"
        )


def _scale_in_eighths(size: tuple[int, int], request: ImageRequest, orientation: int) -> int:
    """Choose the scale in eighths: 8, 4, 2 or 1, which are fast to decode."""
    least = least_stored(size, request, orientation)
    if not all(least):
        return 8
    slack = _SLACK if request.size else 1.0
    room = min(size[0] / least[0], size[1] / least[1]) / slack
    return next((eighths for eighths in (1, 2, 4) if room * eighths >= 8), 8)
