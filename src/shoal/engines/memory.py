"""Memory that is free, given back to the system: what it is not asked for, it does not take back.

Arrays of some megabytes that come and go leave holes in the heap, a third of a GiB after a fit of
two million rows. They count as ours until the C library is told to give them back.
"""

from __future__ import annotations

import ctypes
import resource
import sys
from typing import Any


def resident() -> int | None:
    """Return the bytes of memory that this process has now; None where that is not known how."""
    if sys.platform != "linux":
        return None
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def give_back() -> None:
    """Return to the system the memory that neither Python, NumPy nor Arrow uses, where possible."""
    arrow: Any = sys.modules.get("pyarrow")
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "malloc_trim"):  # glibc has it, musl has not
            library.malloc_trim(0)
