"""Resident memory of this process, and the return of free memory to the system.

Freed arrays of some megabytes leave holes in the heap, a third of a GiB after a fit of two million
rows. They count as used until the C library returns them.
"""

from __future__ import annotations

import ctypes
import resource
import sys
from typing import Any


def resident() -> int | None:
    """Return the bytes of memory that this process uses now; None except on Linux."""
    if sys.platform != "linux":
        return None
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def return_memory_to_os() -> None:
    """Return to the system the memory that neither Python, NumPy nor Arrow uses, where possible."""
    arrow: Any = sys.modules.get("pyarrow")
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "malloc_trim"):  # in glibc, not in musl
            library.malloc_trim(0)
