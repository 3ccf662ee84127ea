"""JPEG at the least of its own scales that is enough (https://libjpeg-turbo.org)."""

from __future__ import annotations

import io
from dataclasses import dataclass

import simplejpeg
from PIL import JpegImagePlugin

from shoal.core.wanted import Wanted
from shoal.errors import SourceError
from shoal.sources.formats import check_bytes, check_pixels
from shoal.sources.raster import SIDEWAYS, Raster, orientation_of
from shoal.sources.room import PIXELS
from shoal.sources.store import because

_EXIF_WITHIN = 1 << 16
_SAMPLES = {"Gray": 1.0, "420": 1.5, "411": 1.5, "422": 2.0, "440": 2.0}
_USUAL_SCANS, _MOST_SCANNED = 32, 500_000_000  # pixels times passes: some seconds
# What libjpeg only warns of, though pixels are lost; Pillow hides it.
_DAMAGE = ("premature end of data", "bad Huffman code", "instead of RST")
_SLACK = 1.5  # decoded so many times larger than wanted, or more, the scale leaves no trace


@dataclass(frozen=True)
class _Header:
    """What a JPEG file says of itself."""

    height: int
    width: int
    space: str
    samples: float
    scans: int


def decode_jpeg(data: bytes, wanted: Wanted, turned: int | None = None) -> Raster | None:
    """Decode a JPEG; None when that is left to Pillow (four colours, or small faults).

    `turned` is its orientation, where something else says it.

    Raises
    ------
    SourceError
        When it is too large, or has so many passes that decoding it would take minutes.
    """
    header = _read_header(data)
    if header is None or header.space not in ("Gray", "YCbCr", "RGB"):
        return None
    orientation = turned or 1
    if turned is None and b"Exif\0\0" in data[:_EXIF_WITHIN]:
        with JpegImagePlugin.JpegImageFile(io.BytesIO(data)) as picture:
            orientation = orientation_of(picture)
    size = header.height, header.width
    eighths = _eighths(size, wanted, orientation in SIDEWAYS)
    least = -(-size[0] * eighths // 8), -(-size[1] * eighths // 8)
    colours = "GRAY" if header.space == "Gray" or wanted.channels == 1 else "RGB"
    with PIXELS.take(_check(header, least)):
        try:
            pixels = simplejpeg.decode_jpeg(data, colours, min_height=least[0], min_width=least[1])
        except ValueError as error:
            if any(fault in str(error) for fault in _DAMAGE):
                raise SourceError(f"the image is damaged or cut off: {because(error)}") from None
            return None
    return Raster(pixels, (size[0] * eighths / 8, size[1] * eighths / 8), orientation)


def _read_header(data: bytes) -> _Header | None:
    """Read the header of a JPEG file; None when it has faults."""
    try:
        height, width, space, sampling = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    check_pixels(height, width)
    scans = data.count(b"\xff\xda") if _is_progressive(data) else 0
    return _Header(height, width, space, _SAMPLES.get(sampling, 3.0), scans)


def _is_progressive(data: bytes) -> bool:
    """Tell whether all of the image is held until the last pass (ITU-T T.81, B.1.1.3)."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return marker in (0xC2, 0xC6, 0xCA, 0xCE)
        # a fill byte before the marker stands alone
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return False


def _check(header: _Header, decoded: tuple[int, int]) -> int:
    """Give the bytes that decoding takes; refuse what takes too many, or too long."""
    pixels = header.height * header.width
    needed = decoded[0] * decoded[1] * 3
    if header.scans:
        needed += int(2 * header.samples * pixels)
    check_bytes(header.height, header.width, needed)
    if header.scans > _USUAL_SCANS and header.scans * pixels > _MOST_SCANNED:
        raise SourceError(
            f"the image has {header.width:,}×{header.height:,} pixels in {header.scans:,} passes, "
            "which would take too long to decode"
        )
    return needed


def _eighths(size: tuple[int, int], wanted: Wanted, sideways: bool) -> int:
    """Choose the scale in eighths: 8, 4, 2 or 1, those that are decoded fast."""
    least = wanted.least_of(size[::-1] if sideways else size)
    if not all(least):
        return 8
    if sideways:
        least = least[::-1]
    slack = _SLACK if wanted.size else 1.0
    room = min(size[0] / least[0], size[1] / least[1]) / slack
    return next((eighths for eighths in (1, 2, 4) if room * eighths >= 8), 8)
