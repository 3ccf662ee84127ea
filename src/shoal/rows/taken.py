"""Some rows of a source, in an order of their own: a random sample, or old rows before new ones."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.rows.arrays.array import ArraySource
from shoal.rows.arrays.row_view import RowView
from shoal.rows.base import Batch, Source
from shoal.rows.images.archive import ArchiveStore
from shoal.rows.images.encoded import EncodedSource, EncodedStore, spread
from shoal.rows.images.folder import FolderStore
from shoal.rows.images.paged import PagedStore
from shoal.rows.images.tfrecord import RecordStore
from shoal.rows.pictured import PicturedSource, rows_of
from shoal.rows.store import FileStore, InflatedStore, MemoryStore, Store, check_range
from shoal.rows.tables.mixed import TableSource
from shoal.rows.tables.table import Cells, Piece

_PAGE = 4096  # bytes: less than a page costs as much to read
_BLOCKS = 4096  # are drawn at least, so that the order of the rows may carry structure
_GAP = 1 << 14  # bytes that are read and thrown away rather than asked for anew
_SPAN = 1 << 24
_BY_RANGE = (
    FileStore,
    MemoryStore,
    InflatedStore,
    FolderStore,
    ArchiveStore,
    PagedStore,
    RecordStore,
)


def _by_range(store: Store | EncodedStore) -> bool:
    """Return whether any range costs what its own bytes do: not so in blocks that are unpacked."""
    return isinstance(store.inner if isinstance(store, RowView) else store, _BY_RANGE)


@dataclass(frozen=True, eq=False)
class Taken:
    """Which rows of a source are taken.

    Attributes
    ----------
    rows : int64 array, shape (n,)
        Their numbers in the source, in the order in which they are given.
    of : int
        How many rows the source has.
    sample : bool
        True when they were drawn at random, and stand for all.
    """

    rows: NDArray[np.int64]
    of: int
    sample: bool = False

    def facts(self) -> dict[str, Any]:
        """Return what changes when other rows are taken."""
        digest = hashlib.blake2b(self.rows.astype("<i8").tobytes(), digest_size=16)
        return {"taken": digest.hexdigest(), "of": self.of, "sample": self.sample}

    def spans(self, start: int, stop: int, gap: int, most: int) -> Iterator[tuple[int, int]]:
        """Cut a range into pieces whose rows rise, and lie near enough to be read in one go.

        Parameters
        ----------
        start, stop : int
            Positions in `rows`.
        gap : int
            Rows that may be left out between two.
        most : int
            Rows of the source from the first to the last of a piece.
        """
        check_range(start, stop, len(self.rows))
        rows = self.rows[start:stop]
        step = np.diff(rows)
        ends = np.flatnonzero((step < 1) | (step > gap + 1)) + 1
        for a, b in zip([0, *ends.tolist()], [*ends.tolist(), len(rows)], strict=True):
            while a < b:
                end = a + int(np.searchsorted(rows[a:b], rows[a] + most))
                yield start + a, start + end
                a = end


def take(source: Source, taken: Taken, label: str = "") -> Source:
    """Return some rows of a source as a source of the same kind.

    Parameters
    ----------
    source : Source
        The rows.
    taken : Taken
        Which of them.
    label : str
        What people are told of it.

    Returns
    -------
    Source
        Each row has its name in `source`, or else its number there.
    """
    if isinstance(source, PicturedSource):
        pictures: Any = take(source.pictures, taken)
        rows = take(source.rows, taken, label)
        return dataclasses.replace(source, rows=rows, pictures=pictures)
    if isinstance(source, ArraySource):
        store = TakenStore(source.store, taken)
        return dataclasses.replace(source, store=store, label=source.label + label)
    if isinstance(source, EncodedSource):
        encoded = TakenImages(source.store, taken)
        return dataclasses.replace(source, store=encoded, label=source.label + label)
    if isinstance(source, TableSource):
        cells = TakenCells(source.table, taken)
        return dataclasses.replace(source, table=cells, label=source.label + label)
    raise TypeError(f"rows of {type(source).__name__} cannot be taken")


def taken_of(source: Source) -> Taken | None:
    """Return which rows of another source these are; None for a source as it lies."""
    source = rows_of(source)
    for part in (source, getattr(source, "store", None), getattr(source, "table", None)):
        if isinstance(part, TakenStore | TakenImages | TakenCells):
            return part.taken
    return None


def draw_sample(source: Source, count: int, seed: int, page: int = _PAGE) -> Source:
    """Draw rows at random from all over a source, each with the same chance.

    Rows are drawn in blocks of those that lie in one page, where they are read from their place
    in a file: single ones would cost as much. At least 4,096 blocks are drawn, so
    that it does no harm when neighbouring rows are alike. Images in files of their own, in
    archives and in records are drawn one by one; so are rows of formats that must be read from
    one end to the other (CSV, Parquet, chunks of HDF5).

    Parameters
    ----------
    source : Source
        The rows; given back as it is when it has no more than `count`.
    count : int
        How many to draw; a block more or less.
    seed : int
        The same seed draws the same rows.
    page : int
        Bytes that are read as fast as fewer: by default 4 KiB, as in the system's cache.
    """
    n = source.n_rows
    if count >= n:
        return source
    length = _block(source, count, page)
    blocks = -(-n // length)
    generator = np.random.default_rng([seed, n, length])
    drawn = np.sort(generator.choice(blocks, max(1, round(count / length)), replace=False))
    rows = (drawn[:, None] * length + np.arange(length)).ravel()
    return take(source, Taken(rows[rows < n], n, True), f", a sample of {n:,}")


def _block(source: Source, count: int, page: int) -> int:
    """Count the rows that are drawn together: few enough that thousands of blocks are drawn."""
    source = rows_of(source)
    if not isinstance(source, ArraySource) or not _by_range(source.store):
        return 1
    return max(1, min(page // _row_bytes(source.store), count // _BLOCKS))


def _row_bytes(store: Store) -> int:
    """Count the bytes of a row as it is stored."""
    return max(1, int(np.prod(store.row_shape)) * store.dtype.itemsize)


@dataclass(frozen=True)
class TakenStore:
    """Some of the rows of an array."""

    inner: Store
    taken: Taken

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers as stored."""
        return self.inner.dtype

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of one row as stored."""
        return self.inner.row_shape

    @property
    def n_rows(self) -> int:
        """How many rows are taken."""
        return len(self.taken.rows)

    def read(self, start: int, stop: int) -> Batch:
        """Rows ``start..stop`` as stored; what cannot be read is zero with a reason."""
        most = max(1, _SPAN // _row_bytes(self.inner))
        gap = _GAP // _row_bytes(self.inner) if _by_range(self.inner) else most
        data = np.zeros((stop - start, *self.row_shape), self.dtype)
        return _gathered(self.inner, self.taken, start, data, gap, most)

    def names(self, start: int, stop: int) -> list[str]:
        """Names of rows, or their numbers in the source."""
        return _names(self.inner, self.taken, start, stop)

    def facts(self) -> dict[str, Any]:
        """JSON-able facts that change when the data do, or other rows are taken."""
        return {**self.inner.facts(), **self.taken.facts()}


@dataclass(frozen=True)
class TakenImages:
    """Some of the images that lie encoded in files."""

    inner: EncodedStore
    taken: Taken

    @property
    def n_rows(self) -> int:
        """How many images are taken."""
        return len(self.taken.rows)

    @property
    def is_far(self) -> bool:
        """Whether each read asks a network."""
        return self.inner.is_far

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        """Return the bytes of each of the rows ``start..stop``, or why they cannot be had."""
        gap = 0 if _by_range(self.inner) else self.taken.of
        for a, b in self.taken.spans(start, stop, gap, self.taken.of):
            rows = self.taken.rows[a:b]
            wanted = np.zeros(rows[-1] + 1 - rows[0], bool)
            wanted[rows - rows[0]] = True
            blobs = iter(self.inner.blobs(int(rows[0]), int(rows[-1]) + 1))
            for is_wanted in wanted.tolist():  # zip would keep a file beside the next
                blob = next(blobs)
                if is_wanted:
                    yield blob
                del blob

    def names(self, start: int, stop: int) -> list[str]:
        """Names of rows, or their numbers in the source."""
        return _names(self.inner, self.taken, start, stop)

    @property
    def label_origin(self) -> str | None:
        """As the source says."""
        return self.inner.label_origin

    def labels(self) -> list[str | None] | None:
        """Labels that lie with the images."""
        labels = self.inner.labels()
        return None if labels is None else [labels[row] for row in self.taken.rows.tolist()]

    def path(self, row: int) -> Path | None:
        """Return the file that holds one image and nothing else."""
        return self.inner.path(int(self.taken.rows[row]))

    def some(self, count: int) -> NDArray[np.int64]:
        """Up to `count` rows from all over."""
        return spread(self.n_rows, count)

    def facts(self) -> dict[str, Any]:
        """JSON-able facts that change when the data do, or other images are taken."""
        return {**self.inner.facts(), **self.taken.facts()}


@dataclass(frozen=True)
class TakenCells(Cells):
    """Some rows of a table of mixed columns."""

    inner: Cells
    taken: Taken

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns."""
        return self.inner.names

    @property
    def decimal(self) -> str:
        """Decimal sign of numbers in text."""
        return self.inner.decimal

    @property
    def n_rows(self) -> int:
        """How many rows are taken."""
        return len(self.taken.rows)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Names of columns besides, which hold lists or bytes."""
        return self.inner.skipped

    def pieces(self, start: int, stop: int, columns: Sequence[str]) -> Iterator[Piece]:
        """Go through columns of some rows."""
        most = max(1, _SPAN // (16 * max(1, len(columns))))
        for a, b in self.taken.spans(start, stop, most, most):
            rows = self.taken.rows[a:b]
            table, reasons = self.inner.cells(int(rows[0]), int(rows[-1]) + 1, columns, whole=True)
            yield table.take(rows - rows[0]), _moved(reasons, rows - rows[0], 0)

    def facts(self) -> dict[str, Any]:
        """JSON-able facts that change when the data do, or other rows are taken."""
        return {**self.inner.facts(), **self.taken.facts()}


def _gathered(
    inner: Store | Source, taken: Taken, start: int, data: NDArray, gap: int, most: int
) -> Batch:
    """Fill `data` with the rows from position `start` on, read piece by piece."""
    bad: dict[int, str] = {}
    for a, b in taken.spans(start, start + len(data), gap, most):
        rows = taken.rows[a:b]
        batch = inner.read(int(rows[0]), int(rows[-1]) + 1)
        at = rows - rows[0]
        data[a - start : b - start] = batch.data[at]
        bad.update(_moved(batch.bad, at, a - start))
    return Batch(data, bad)


def _moved(bad: dict[int, str], at: NDArray[np.int64], first: int) -> dict[int, str]:
    """Move reasons from positions `at` to `first` and after."""
    if not bad:
        return {}
    reasons = ((first + i, bad.get(row)) for i, row in enumerate(at.tolist()))
    return {i: reason for i, reason in reasons if reason is not None}


def _names(inner: Store | EncodedStore | Source, taken: Taken, start: int, stop: int) -> list[str]:
    """Return the names that rows have in the source, or else their numbers there."""
    found: list[str] = []
    for a, b in taken.spans(start, stop, 0, taken.of):
        first, last = int(taken.rows[a]), int(taken.rows[b - 1])
        named = inner.names(first, last + 1)
        found += map(str, range(first, last + 1)) if named is None else named
    return found
