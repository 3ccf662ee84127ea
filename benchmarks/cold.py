"""Files out of the disk's cache, so that what reads them next reads them from the disk."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_DROP = Path("/proc/sys/vm/drop_caches")
_LITTLE = 0.01


def chill(paths: Sequence[Path]) -> str:
    """Take files out of the cache, look whether they are, and say how it was done.

    By advice to the kernel about each file; where that leaves more than 1 % of them, by dropping
    all caches, which only some users may.
    """
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())  # what has not been written yet cannot be dropped
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    done, left = "posix_fadvise", cached(paths)
    if left > _LITTLE:
        try:
            _DROP.write_text("3")
            done, left = "posix_fadvise and drop_caches", cached(paths)
        except OSError as error:
            done = f"posix_fadvise (drop_caches: {error.strerror})"
    return f"{done}, {left:.1%} left"


def cached(paths: Sequence[Path]) -> float:
    """Return the share of some files' pages that are in memory."""
    found = total = 0
    for path in paths:
        if path.stat().st_size:
            pages = _pages(path)
            found, total = found + int(pages.sum()), total + len(pages)
    return found / max(1, total)


def _pages(path: Path) -> np.ndarray:
    """Tell for each page of a file whether it is in memory, by mincore(2)."""
    size = path.stat().st_size
    pages = np.zeros(-(-size // mmap.PAGESIZE), np.uint8)
    with path.open("rb") as file, mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) as mapped:
        view = np.frombuffer(mapped, np.uint8)
        libc = ctypes.CDLL(None, use_errno=True)
        address, into = (ctypes.c_void_p(array.ctypes.data) for array in (view, pages))
        failed = libc.mincore(address, ctypes.c_size_t(size), into)
        del view  # a mapping that is looked at cannot be closed
        if failed:
            raise OSError(ctypes.get_errno(), f"mincore of {path}")
    return pages & 1
