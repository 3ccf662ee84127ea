"""Room in memory for what is large: one at a time, whatever the number of workers."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext

LARGE = 32 << 20
"""Bytes from which a file, or an image decoded in full, is large."""

_ONE = threading.RLock()


def room_for(size: int) -> AbstractContextManager[object]:
    """Give a context in which `size` bytes may be held: it waits while others hold large ones.

    The same thread may enter it again: first for an image's file, then for its pixels.
    """
    return _ONE if size > LARGE else nullcontext()
