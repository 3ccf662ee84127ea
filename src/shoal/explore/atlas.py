"""The rows of a run as the explorer reads them: from disk in pieces, never all at once."""

from __future__ import annotations

import mmap
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.explore.positions import Positions
from shoal.stages.map import map_fingerprint
from shoal.stages.result import Result
from shoal.storage import RunFolder, StageFolder, read_npy, read_table

_HELD_BYTES = 48 << 20
_PAGE = 4096
Value = TypeVar("Value")


class Cache:
    """A cache of the values used last; each is computed once, also for concurrent threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, tuple[threading.Lock, list[Any]]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        with self._lock:
            lock, value = self._values.setdefault(key, (threading.Lock(), []))
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        with lock:
            if not value:
                value.append(make())
            found: Value = value[0]
            return found


class StoredArray:
    """An array on disk, of which pieces are copied into memory.

    The pages that were read are released now and then, so that the server's memory stays bounded.
    """

    def __init__(self, path: Path) -> None:
        self._array = read_npy(path, mmap=True)
        self._touched = 0

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, at: slice | NDArray) -> NDArray:
        found = np.array(self._array[at])
        pages = found.nbytes if isinstance(at, slice) else len(found) * _PAGE
        self._touched += min(pages, self._array.nbytes)
        if self._touched > _HELD_BYTES:
            self._touched = 0
            mapped: mmap.mmap | None = getattr(self._array, "_mmap", None)
            if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
                mapped.madvise(mmap.MADV_DONTNEED)
        return found


def _stored(stage: str, name: str) -> cached_property[StoredArray]:
    return cached_property(lambda atlas: StoredArray(getattr(atlas, stage).whole(name)))


def run_seed(run: RunFolder) -> int:
    return int(run.settings.get("seed", 0))


class Atlas:
    """A finished run with its leaves and perhaps its map, which are stages in the folder `home`."""

    rows = _stored("leaves", "rows")  # The row in each position
    positions = _stored("leaves", "seats")  # The position of each row, −1 for quarantined ones
    second = _stored("leaves", "second")  # The leaf of the second nearest representative, likewise
    margin = _stored("leaves", "margin")  # How much nearer the first one is, by position, uint8
    codes = _stored("map", "codes")  # The Morton codes of all positions, ascending
    coded_positions = _stored("map", "seats")  # The position of each of `codes`
    coded_leaves = _stored("map", "leaf")  # The leaf of each of `codes`
    spots = _stored("map", "spots")  # The Morton code of each position

    def __init__(self, run: RunFolder, home: Path) -> None:
        self.run = run
        self.result = Result(run)
        self.n_rows = self.result.n_rows  # including quarantined ones
        self.leaves = StageFolder(home / "leaves")
        self.map = StageFolder(home / "map")
        tree = self.result.tree
        self.order = tree.order
        self.leaf_of = np.empty(len(self.order), np.int32)
        self.leaf_of[self.order] = np.arange(len(self.order), dtype=np.int32)
        self.start = read_npy(self.leaves.whole("start"))
        self.outlying = read_npy(self.leaves.whole("outlying"))
        self._shards = Cache(24)
        self._map_print = map_fingerprint(self.leaves.read_receipt().fingerprint, run_seed(run))
        self._has_map = False

    @property
    def n_positions(self) -> int:
        """Rows that have a cluster."""
        return int(self.start[-1])

    @cached_property
    def twins(self) -> Positions:
        """Positions of rows with equal features."""
        return Positions.of(read_npy(self.leaves.whole("twins")))

    @cached_property
    def outliers(self) -> Positions:
        """Positions of all outliers, which are the last ones of each leaf."""
        return Positions.ranges(self.start[1:] - self.outlying, self.start[1:])

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """The representatives in leaf order, (m, d)."""
        return self.result.representatives.vectors[self.order]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Rows of each leaf, (m,)."""
        return np.diff(self.start)

    @cached_property
    def neighbours(self) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
        """The graph by representative: neighbours, affinities, distances; (m, k) each."""
        whole = self.run.stage("tree").whole
        return (
            read_npy(whole("neighbours")),
            read_npy(whole("affinities")),
            read_npy(whole("distances")),
        )

    @property
    def has_map(self) -> bool:
        self._has_map = self._has_map or self.map.is_done(self._map_print)
        return self._has_map

    def need_map(self) -> None:
        if not self.has_map:
            raise InputError("the map is not ready yet: wait a moment")

    @cached_property
    def xy(self) -> NDArray[np.float32]:
        """Coordinates of each leaf on the map, (m, 2)."""
        return read_npy(self.map.whole("layout"))

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """Start of each coarse cell in `codes`, and the end."""
        return read_npy(self.map.whole("cells")).astype(np.int64)

    @cached_property
    def coarse(self) -> tuple[NDArray, NDArray, NDArray] | None:
        """Cell, leaf and count of coarse cells, for many rows; else None."""
        whole = self.map.whole
        if not whole("coarse_cell").exists():
            return None
        return tuple(read_npy(whole(f"coarse_{name}")) for name in ("cell", "leaf", "count"))  # type: ignore[return-value]

    def leaves_at(self, positions: NDArray) -> NDArray[np.int64]:
        return np.searchsorted(self.start, positions, side="right") - 1

    def first_positions(
        self, leaves: NDArray, most: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return up to `most` positions of each of some leaves, and how many there are of each."""
        each = np.minimum(self.counts[leaves], most)
        inner = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
        return np.repeat(self.start[leaves], each) + inner, each

    def names(self, rows: NDArray) -> list[str | None]:
        """Return the names of rows, None for rows without names."""
        if not self.result.summary["named"]:
            return [None] * len(rows)
        size, folder = int(self.result.summary["shard_rows"]), self.run.stage("index")

        def shard(number: int) -> Any:
            return self._shards.get(
                ("names", number),
                lambda: read_table(folder.part("names", number, "parquet"))["name"],
            )

        return [shard(row // size)[row % size].as_py() for row in np.asarray(rows).tolist()]
