"""Compiling the tree's kernels in a process of its own, while features are computed.

A first fit after an installation compiles some seventy functions, one at a time: numba has one
lock. A second process compiles those of the tree meanwhile; they meet in numba's cache on disk.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

LEAST_MEMORY = 1 << 30
"""Bytes that a fit must be allowed for this; the process takes a quarter of it while it lives."""


@contextmanager
def compiled_beside(workers: int, memory: int) -> Iterator[subprocess.Popen[bytes] | None]:
    """Compile beside the work where nothing is compiled yet, and both cores and memory are there.

    Yields
    ------
    Popen or None
        To be waited for before the tree is made; None where there is nothing to wait for.
    """
    if workers < 2 or memory < LEAST_MEMORY or not _is_cold():
        yield None
        return
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-m", __name__]
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _is_cold() -> bool:
    """Return whether a small function that every fit needs has to be compiled."""
    from numba.core import event

    from shoal.core.hashes import row_hashes

    class Seen(event.Listener):  # type: ignore[misc]
        """Notes that something is compiled, rather than found in the cache."""

        compiled = False

        def on_start(self, event: Any) -> None:
            self.compiled = True

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Seen()) as seen:
        row_hashes(np.zeros((1, 1), np.float32))
    return bool(seen.compiled)


def main() -> None:
    """Make a small tree, for which everything is compiled that a large one needs."""
    from shoal.core.structure import fit_structure

    rows = np.random.default_rng(0).normal(size=(60, 64)).astype(np.float32)
    fit_structure(rows, np.ones(len(rows), np.int64), resamples=1)


if __name__ == "__main__":
    main()
