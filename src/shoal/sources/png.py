"""The checksums of PNG files (W3C PNG, 5.3), which Pillow leaves unchecked for pixels."""

from __future__ import annotations

import zlib

from shoal.errors import SourceError

_FIRST_CHUNK = 8


def check_sums(data: bytes) -> None:
    """Raise when the chunks that hold the pixels are not as they were written.

    Raises
    ------
    SourceError
        Saying at which byte.
    """
    at, view = _FIRST_CHUNK, memoryview(data)
    while at + 12 <= len(data):
        length = int.from_bytes(view[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 8 + length
        if kind == b"IEND" or end + 4 > len(data):
            return  # what is missing is found by who decodes
        if kind == b"IDAT" and zlib.crc32(view[at + 4 : end]) != int.from_bytes(
            view[end : end + 4], "big"
        ):
            raise SourceError(f"the image is damaged: the checksum at byte {end:,} is wrong")
        at = end + 4
