"""CRC-32C (Castagnoli), eight bytes a step (RFC 3720, B.4; Kounavis and Berry 2005)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8


@cache
def _tables() -> NDArray[np.uint32]:
    """Return for each byte value its remainder, and those with 1 to 7 zero bytes behind it."""
    tables = np.zeros((8, 256), np.uint32)
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
        tables[0, value] = crc
    for step in range(1, 8):
        before = tables[step - 1]
        tables[step] = (before >> np.uint32(8)) ^ tables[0][before & 0xFF]
    return tables


def crc32c(data: bytes | memoryview) -> int:
    """Return the checksum of some bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    return int(_crc(np.frombuffer(data, np.uint8), _tables()))


def masked_crc(data: bytes | memoryview) -> int:
    """Return the checksum as TFRecord files store it: turned, and a number added."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


@njit(cache=True, nogil=True)
def _crc(data, t):  # type: ignore[no-untyped-def]
    """Go through the bytes."""
    crc = np.uint32(0xFFFFFFFF)
    whole = len(data) // 8 * 8
    for at in range(0, whole, 8):
        crc ^= (
            np.uint32(data[at])
            | (np.uint32(data[at + 1]) << np.uint32(8))
            | (np.uint32(data[at + 2]) << np.uint32(16))
            | (np.uint32(data[at + 3]) << np.uint32(24))
        )
        crc = (
            t[7, crc & np.uint32(0xFF)]
            ^ t[6, (crc >> np.uint32(8)) & np.uint32(0xFF)]
            ^ t[5, (crc >> np.uint32(16)) & np.uint32(0xFF)]
            ^ t[4, crc >> np.uint32(24)]
            ^ t[3, data[at + 4]]
            ^ t[2, data[at + 5]]
            ^ t[1, data[at + 6]]
            ^ t[0, data[at + 7]]
        )
    for at in range(whole, len(data)):
        crc = t[0, (crc ^ data[at]) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    return crc ^ np.uint32(0xFFFFFFFF)
