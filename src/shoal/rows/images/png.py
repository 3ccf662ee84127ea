"""PNG files chunk by chunk (W3C PNG, 5.3): what Pillow leaves unchecked, or finds by decoding."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from shoal.errors import SourceError

_FIRST_CHUNK = 8


def check_sums(data: bytes) -> None:
    """Raise when the chunks that hold the pixels are not as they were written."""
    view = memoryview(data)
    for kind, start, end in _chunks(view):
        sum_of = int.from_bytes(view[end : end + 4], "big")
        if kind == b"IDAT" and zlib.crc32(view[start - 4 : end]) != sum_of:
            raise SourceError(f"the image is damaged: the checksum at byte {end:,} is wrong")


def find_exif(data: bytes) -> bytes | None:
    """Return the body of the eXIf chunk, which may lie behind the pixels; None without one."""
    view = memoryview(data)
    return next((bytes(view[at:end]) for kind, at, end in _chunks(view) if kind == b"eXIf"), None)


def _chunks(view: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Go through the chunks before IEND: kind, and where the body starts and ends.

    What is missing of a file that is cut off is found by who decodes it.
    """
    at = _FIRST_CHUNK
    while at + 12 <= len(view):
        end = at + 8 + int.from_bytes(view[at : at + 4], "big")
        kind = bytes(view[at + 4 : at + 8])
        if kind == b"IEND" or end + 4 > len(view):
            return
        yield kind, at + 8, end
        at = end + 4
