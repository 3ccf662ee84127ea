"""Some rows of a source, in any order: a random sample, or old rows before new ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.rows.base import Batch, Source
from shoal.rows.handles import digest_of
from shoal.rows.store import AnyStore, Store, check_range
from shoal.rows.tables.table import Cells, Piece

_PAGE = 4096  # bytes: less than a page costs as much to read
_BLOCKS = 4096  # drawn at least, as the order of the rows may have structure
_GAP = 1 << 14  # bytes that are read and discarded instead of starting another read
_SPAN = 1 << 24


@dataclass(frozen=True, eq=False)
class Taken:
    # (n,): their numbers in the source, in the order in which they are read
    rows: NDArray[np.int64]
    of: int  # how many rows the source has
    sample: bool = False  # whether they are a random sample that represents all

    def within(self, outer: Taken | None) -> Taken:
        return self if outer is None else Taken(outer.rows[self.rows], outer.of, self.sample)

    def facts(self) -> dict[str, Any]:
        digest = digest_of([self.rows.astype("<i8").tobytes()])
        return {"taken": digest, "of": self.of, "sample": self.sample}

    def spans(self, start: int, stop: int, gap: int, most: int) -> Iterator[tuple[int, int]]:
        """Split a range into pieces of ascending rows, close enough to be read together."""
        check_range(start, stop, len(self.rows))
        rows = self.rows[start:stop]
        step = np.diff(rows)
        ends = np.flatnonzero((step < 1) | (step > gap + 1)) + 1
        for a, b in zip([0, *ends.tolist()], [*ends.tolist(), len(rows)], strict=True):
            while a < b:
                end = a + int(np.searchsorted(rows[a:b], rows[a] + most))
                yield start + a, start + end
                a = end

    def names(self, inner: Any, start: int, stop: int) -> list[str]:
        found: list[str] = []
        for a, b in self.spans(start, stop, 0, self.of):
            first, last = int(self.rows[a]), int(self.rows[b - 1])
            named = inner.names(first, last + 1)
            found += map(str, range(first, last + 1)) if named is None else named
        return found

    def read(self, inner: Any, start: int, data: NDArray, gap: int, most: int) -> Batch:
        """Read the rows from position `start` on into `data`, piece by piece; see `spans`."""
        bad: dict[int, str] = {}
        for a, b in self.spans(start, start + len(data), gap, most):
            batch = inner.read(int(self.rows[a]), int(self.rows[b - 1]) + 1)
            at = self.rows[a:b] - self.rows[a]
            data[a - start : b - start] = batch.data[at]
            bad.update(_moved(batch.bad, at, a - start))
        return Batch(data, bad)


def _moved(bad: dict[int, str], at: NDArray[np.int64], first: int) -> dict[int, str]:
    return {first + i: bad[row] for i, row in enumerate(at.tolist()) if row in bad} if bad else {}


def draw_sample(source: Source, count: int, seed: int) -> Source:
    """Return a random sample of the rows, as `draw_rows`; all rows if there are no more."""
    n = source.n_rows
    if count >= n:
        return source
    taken = Taken(draw_rows(source, count, seed), n, True)
    return source.take(taken, f", a sample of {n:,}")


def draw_rows(source: Source, count: int, seed: int, page: int = _PAGE) -> NDArray[np.int64]:
    """Draw the numbers of rows at random, each with the same probability.

    They ascend; there are `count`, up to a block more or less, or all rows if there are no more.
    Rows are drawn in blocks that fill a page (`page` bytes take as long to read as fewer), where
    rows are read directly from their position in a file: single rows would cost as much. At least
    4,096 blocks are drawn, so that similar neighbouring rows do no harm. Images in files of their
    own, in archives and in records are drawn one by one; so are rows of formats that must be read
    from beginning to end (CSV, Parquet, chunks of HDF5).
    """
    n = source.n_rows
    if count >= n:
        return np.arange(n)
    length = max(1, min(source.together(page), count // _BLOCKS))
    blocks = -(-n // length)
    generator = np.random.default_rng([seed, n, length])
    drawn = np.sort(generator.choice(blocks, max(1, round(count / length)), replace=False))
    rows = (drawn[:, None] * length + np.arange(length)).ravel()
    return rows[rows < n]


@dataclass(frozen=True)
class TakenStore(AnyStore):
    inner: Store
    taken: Taken

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.inner.dtype

    @property
    def row_shape(self) -> tuple[int, ...]:
        return self.inner.row_shape

    @property
    def n_rows(self) -> int:
        return len(self.taken.rows)

    @property
    def is_parsed(self) -> bool:
        return self.inner.is_parsed

    def read(self, start: int, stop: int) -> Batch:
        most = max(1, _SPAN // row_bytes(self.inner))
        gap = _GAP // row_bytes(self.inner) if self.inner.by_range else most
        data = np.zeros((stop - start, *self.row_shape), self.dtype)
        return self.taken.read(self.inner, start, data, gap, most)

    def names(self, start: int, stop: int) -> list[str]:
        return self.taken.names(self.inner, start, stop)

    def facts(self) -> dict[str, Any]:
        return {**self.inner.facts(), **self.taken.facts()}


def taken_part(part: Any, taken: Taken, kind: Any) -> Any:
    """Wrap a store or cells in a `kind` that selects rows; selections are not nested."""
    if isinstance(part, kind):
        return dataclasses.replace(part, taken=taken.within(part.taken))
    return kind(part, taken)


def row_bytes(store: Store) -> int:
    return max(1, int(np.prod(store.row_shape)) * store.dtype.itemsize)


@dataclass(frozen=True)
class TakenCells(Cells):
    inner: Cells
    taken: Taken

    @property
    def names(self) -> tuple[str, ...]:
        return self.inner.names

    @property
    def decimal(self) -> str:
        return self.inner.decimal

    @property
    def n_rows(self) -> int:
        return len(self.taken.rows)

    @property
    def skipped(self) -> tuple[str, ...]:
        return self.inner.skipped

    def pieces(self, start: int, stop: int, columns: Sequence[str]) -> Iterator[Piece]:
        most = max(1, _SPAN // (16 * max(1, len(columns))))
        for a, b in self.taken.spans(start, stop, most, most):
            rows = self.taken.rows[a:b]
            table, reasons = self.inner.cells(int(rows[0]), int(rows[-1]) + 1, columns, whole=True)
            yield table.take(rows - rows[0]), _moved(reasons, rows - rows[0], 0)

    def facts(self) -> dict[str, Any]:
        return {**self.inner.facts(), **self.taken.facts()}
