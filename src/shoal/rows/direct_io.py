"""Reading past the system's cache, for files that it could not hold until they are read again.

To put a page into the cache costs the processor several times what the disk's own transfer does,
and it drives out what others want to keep there. A source larger than half of the memory is gone
from the cache before the next pass comes to it, so its rows are read straight from the disk.
"""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ALIGNED = 4096
"""Places, lengths and addresses must be multiples of this: of a page, and of a disk's sector."""

LEAST = 1 << 20
"""Bytes below which a read goes through the cache: they are asked for again."""

_SHARE = 2  # of the machine's memory, one part may be taken by the cache


def outgrows_cache(size: int) -> bool:
    """Return whether files of so many bytes are gone from the cache when they are read again."""
    return _flag() != 0 and size > os.sysconf("SC_PHYS_PAGES") * mmap.PAGESIZE // _SHARE


def read_direct(path: Path, start: int, length: int) -> NDArray[np.uint8] | None:
    """Read bytes of a file past the cache: as many as there are, up to `length`."""
    first = start - start % ALIGNED
    window = aligned_bytes(-(-(start + length - first) // ALIGNED) * ALIGNED)
    try:
        file = os.open(path, os.O_RDONLY | _flag())
        try:
            got = _fill(file, window, first)
        finally:
            os.close(file)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOTSUP):
            return None
        raise
    return window[start - first : max(start - first, min(got, start - first + length))]


def _fill(file: int, window: NDArray[np.uint8], first: int) -> int:
    """Fill a window from a place of a file on; give how many bytes there were."""
    got = 0
    while got < len(window):
        count = os.preadv(file, [window[got:].data], first + got)
        got += count
        if count == 0 or count % ALIGNED:  # the file's end
            break
    return got


def aligned_bytes(length: int) -> NDArray[np.uint8]:
    raw = np.empty(length + ALIGNED, np.uint8)
    first = -raw.ctypes.data % ALIGNED
    return raw[first : first + length]


def _flag() -> int:
    return getattr(os, "O_DIRECT", 0) if hasattr(os, "preadv") else 0
