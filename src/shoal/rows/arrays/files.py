"""An array in a file as stored rows: read in place, or unpacked as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.rows.handles import bare
from shoal.rows.store import InflatedStore, Part


def part_of(path: Path, n_rows: int, offset: int = 0, fortran: bool = False) -> Part:
    stat = path.stat()
    return Part(bare(path), n_rows, offset, stat.st_size, stat.st_mtime_ns, fortran)


def inflated(
    path: Path,
    load: Callable[[], NDArray],
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    copies: int = 1,
) -> InflatedStore:
    """Return the rows of an array of a file that `load`, which is picklable, reads as a whole."""
    stat = path.stat()
    facts = stat.st_size, stat.st_mtime_ns
    return InflatedStore(bare(path), load, dtype, shape[1:], shape[0], *facts, copies)
