"""The basis of edits: the base cut of a fit, and the representative of each row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shoal.core.tree import Tree
from shoal.errors import RunError, StorageFullError
from shoal.stages.result import Result
from shoal.storage import fingerprint, read_npy, write_npy, write_npy_blocks

_VERSION = 1


@dataclass(frozen=True)
class Base:
    """A cut that edits start from."""

    k: int  # number of clusters
    labels: NDArray[np.int32]  # (m,) int32 cluster id of each representative
    fit: BaseFit = field(repr=False)


def fit_fingerprint(tree: str, assign: str) -> str:
    """Return the fingerprint of a fit, for its edits, from those of two stages."""
    return fingerprint(_VERSION, tree, assign)


class BaseFit:
    """A finished run as the edits see it: by its representatives.

    One representative decides a row's cluster at every cut (see `core.verdicts.outvoted`). Edits
    move whole representatives, so that merging two clusters gives exactly the union of their rows.
    Where only some rows are representatives, those of all rows are copied to one file in the folder
    ``places``, for looking up a few; it can be deleted at any time.
    """

    def __init__(self, result: Result) -> None:
        self.result = result
        self._bases: dict[int, Base] = {}

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the representatives, the tree and the assignment of rows."""
        run = self.result.folder
        return fit_fingerprint(
            *(run.stage(s).read_receipt().fingerprint for s in ("tree", "assign"))
        )

    @property
    def n_rows(self) -> int:
        return self.result.n_rows

    @property
    def tree(self) -> Tree:
        return self.result.tree

    @cached_property
    def position(self) -> NDArray[np.int64]:
        """Place of each representative in leaf order, (m,)."""
        position = np.empty(self.tree.n_leaves, np.int64)
        position[self.tree.order] = np.arange(self.tree.n_leaves)
        return position

    @cached_property
    def rank(self) -> NDArray[np.int64]:
        """Rank of the split before each position of the leaf order, (m,); none before the first."""
        rank = np.full(self.tree.n_leaves, self.tree.n_leaves, np.int64)
        rank[self.tree.splits] = np.arange(len(self.tree.splits))
        return rank

    def base(self, k: int | None = None) -> Base:
        """Return the base cut into k clusters; that of the primary layer by default."""
        k = self.result.primary.k if k is None else k
        if k not in self._bases:
            self._bases[k] = Base(k, self.result.representative_labels(k), self)
        return self._bases[k]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Rows that each representative decides, (m,)."""
        path = self.result.folder.stage("places").whole(f"counts_{self._short}")
        stored = _read_cache(path, (self.tree.n_leaves,), np.dtype(np.int64))
        if stored is not None:
            return stored
        counts = self.result.counts
        if not self.result.rows_are_representatives:
            with suppress(StorageFullError):
                write_npy(path, counts)
        return counts

    def deciding(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the representative that decides each of some rows, −1 for quarantined ones."""
        return np.asarray(self._places[rows], np.int32)

    def shards(self) -> Iterator[tuple[int, NDArray[np.int32]]]:
        """Go through the shards: first row, and the representative that decides each row."""
        size = int(self.result.summary["shard_rows"])
        for shard in range(-(-self.n_rows // size)):
            if self.result.rows_are_representatives:
                yield shard * size, np.asarray(self._places[shard * size : (shard + 1) * size])
            else:
                yield shard * size, self.result.read_shard(shard, "representative")[0]

    @property
    def _short(self) -> str:
        return self.fingerprint[:12]

    @cached_property
    def _places(self) -> NDArray[np.int32]:
        """The representative that decides each row, (N,), mapped from a file."""
        if self.result.rows_are_representatives:
            return read_npy(self.result.folder.stage("summarise").whole("place"), mmap=True)
        path = self.result.folder.stage("places").whole(f"representative_{self._short}")
        form = (self.n_rows,), np.dtype(np.int32)
        if _read_cache(path, *form, mmap=True) is None:
            try:
                write_npy_blocks(path, *form, (places for _, places in self.shards()))
            except StorageFullError:  # a run that cannot be written can still be read
                return self.result.representative_of_row
        return read_npy(path, mmap=True)


def _read_cache(
    path: Path, shape: tuple[int, ...], dtype: np.dtype, mmap: bool = False
) -> NDArray | None:
    """Read an array made earlier; None if it is missing or damaged."""
    with suppress(RunError):
        found = read_npy(path, mmap)
        if (found.shape, found.dtype) == (shape, dtype):
            return found
    return None
