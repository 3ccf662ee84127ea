"""The projected rows of a shard, as they are stored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.core.packing import pack, unpack
from shoal.storage import StageFolder, read_npy, write_npy


def write_vectors(
    project: StageFolder,
    number: int,
    vectors: NDArray[np.float32],
    packed: bool,
    before: StageFolder | None = None,
) -> None:
    """Write a shard's projected rows, with one byte per number if `packed`.

    The first ones are copied from the same shard of another run, `before`.
    """
    numbers, scales = pack(vectors) if packed else (vectors, None)
    for name, array in (("scales", scales), ("vectors", numbers)):
        if array is None:
            continue
        if before is not None:
            old = read_npy(before.part(name, number))
            array[: len(old)] = old
        write_npy(project.part(name, number), array)


def read_vectors(
    folder: StageFolder, number: int, rows: NDArray | slice | None = None, kind: str = "vectors"
) -> NDArray[np.float32]:
    """Return a shard's projected rows, or those at some places in it, (n, d) float32.

    If only some of its rows are stored, the places must be among these.
    """
    some = slice(None) if rows is None else rows
    if isinstance(rows, np.ndarray) and folder.has("places", number):
        some = np.searchsorted(read_npy(folder.part("places", number)), rows)
    stored = read_npy(folder.part(kind, number), mmap=rows is not None)[some]
    if stored.dtype == np.float32:
        return np.array(stored)
    return unpack(stored, read_npy(folder.part(kind.replace("vectors", "scales"), number))[some])
