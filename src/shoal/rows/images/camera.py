"""Camera raw files: the finished picture that the camera stored with the sensor data.

Nearly every camera stores a JPEG in its raw files, for its own display. It is found by the
structure of JPEG (ITU-T T.81, B.1), wherever it is: the makers' formats are not public.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from shoal.errors import SourceError
from shoal.rows.images import tiff

EXTENSIONS = (
    *(".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".dng", ".orf", ".rw2"),
    *(".raf", ".pef", ".srw", ".3fr", ".erf", ".mrw", ".x3f", ".iiq", ".rwl", ".kdc", ".dcr"),
)
_STARTS = (
    *(b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"\0MRM", b"FOVb", b"IIII"),
    b"II\x1a\0\0\0HEAPCCDR",
)
_CANON_CR3 = b"ftypcrx "
_SENSOR = (32803, 34892)  # photometric: colour filter array, linear raw (DNG 1.7, chapter 4)
_MOST_SUBS = 16
_SOI = b"\xff\xd8\xff"
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # no stuffed zero, no restart, no fill
_MOST_STEPS = 100_000
_EXIF = b"Exif\0\0"
_EXIF_WITHIN = 1 << 16


def is_raw(data: bytes) -> bool:
    if data.startswith(_STARTS) or data[4:12] == _CANON_CR3:
        return True
    if not tiff.is_tiff(data):
        return False
    return data[8:10] == b"CR" or _has_sensor(data)


def _has_sensor(data: bytes) -> bool:
    try:
        file = tiff.open_tiff(tiff.reader(data))
        assert file is not None
        first = file.directory(file.first)
        if tiff.DNG_VERSION in first.entries or first.number(tiff.PHOTOMETRIC) in _SENSOR:
            return True
        inner = first.numbers(tiff.SUB_DIRECTORIES)[:_MOST_SUBS]
        return any(file.directory(at).number(tiff.PHOTOMETRIC) in _SENSOR for at in inner)
    except SourceError:
        return False


def find_preview(data: bytes) -> tuple[bytes, int | None]:
    """Find the JPEG; also return the orientation, 1 to 8, or None where the JPEG has its own."""
    best, most = b"", 0
    for start, end, pixels in _pictures(data):
        if pixels > most:
            best, most = data[start:end], pixels
    if not best:
        raise SourceError(
            "the camera raw file has no JPEG of its picture in it: develop it to JPEG or TIFF, "
            "for example by darktable-cli"
        )
    return best, None if _EXIF in best[:_EXIF_WITHIN] else _orientation(data)


def _pictures(data: bytes) -> Iterator[tuple[int, int, int]]:
    at, left = data.find(_SOI), _MOST_STEPS
    while at >= 0 and left > 0:
        end, pixels, steps = _follow_segments(data, at, left)
        left -= steps
        if pixels:
            yield at, end, pixels
        at = data.find(_SOI, end)


def _follow_segments(data: bytes, start: int, most: int) -> tuple[int, int, int]:
    """Follow the segments of a JPEG: return its end, its pixels (0 if it is not one), the steps."""
    at, pixels, none = start + 2, 0, (start + len(_SOI), 0)
    for step in range(1, most):
        if at + 4 > len(data) or data[at] != 0xFF:
            return *none, step
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte before the marker
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            pixels = _pixels(data[at + 4 : at + 10]) if marker <= 0xC2 else 0
            if not pixels:
                return *none, step
        at += 2 + length
        if marker == 0xDA:
            found = _MARKER.search(data, at)
            if found is None:
                return *none, step
            at = found.start()
            if data[at + 1] == 0xD9:
                return at + 2, pixels, step
    return *none, most


def _pixels(frame: bytes) -> int:
    if len(frame) < 6 or frame[0] != 8 or frame[5] not in (1, 3):
        return 0
    return int.from_bytes(frame[1:3], "big") * int.from_bytes(frame[3:5], "big")


def _orientation(data: bytes) -> int:
    base = data.find(b"CMT1") + 4 if data[4:12] == _CANON_CR3 else 0
    part = data[base:] if base > 3 else data
    try:
        file = tiff.open_tiff(tiff.reader(_as_tiff(part)))
        found = 1 if file is None else file.directory(file.first).number(tiff.ORIENTATION, 1)
    except SourceError:
        return 1
    return found if 1 <= found <= 8 else 1


def _as_tiff(data: bytes) -> bytes:
    """Return the bytes with TIFF's own magic number, which some makers replace."""
    if data[:4] in (b"IIRO", b"IIRS", b"IIU\0"):
        return b"II*\0" + data[4:]
    return b"MM\0*" + data[4:] if data[:4] == b"MMOR" else data
