"""What a stage is, and what stages share: shards, the rows of a source, what was quarantined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.packing import pack, unpack
from shoal.engines.base import Engine, Task
from shoal.features import Encoder
from shoal.progress import Progress
from shoal.settings import FitSettings
from shoal.sources import Batch, Source
from shoal.sources.arrays import ArraySource
from shoal.storage import RunFolder, StageFolder, read_npy, read_table, write_npy, write_table

KEPT_BYTES = 2 << 30
"""Decoded pixels and features are kept on disk up to this; above, they are made again."""

EVERY_ROW = 100_000
"""Up to here every distinct row is its own representative."""

_SHARD_BYTES = 48 << 20
_SHARD_ROWS = 65_536
_SHARDS = 16  # at least, where there are rows for them: work is spread, and progress is seen
_SHARD_LEAST = 1 << 20  # bytes, below which a shard is not worth its files
_GROUPS = 64


@dataclass(frozen=True)
class Shards:
    """Fixed ranges of rows: `size` each, the last one shorter.

    >>> shards = Shards(10, 4)
    >>> len(shards), shards.bounds(2)
    (3, (8, 10))
    """

    n_rows: int
    size: int

    @classmethod
    def of(cls, source: Source) -> Shards:
        """Cut a source into shards of 48 MiB at most once decoded, whatever the workers are."""
        n, each = source.n_rows, max(1, row_bytes(source))
        rows = min(_SHARD_BYTES // each, _SHARD_ROWS)
        return cls(n, max(1, min(rows, max(-(-n // _SHARDS), _SHARD_LEAST // each), n)))

    def __len__(self) -> int:
        return -(-self.n_rows // self.size)

    def bounds(self, number: int) -> tuple[int, int]:
        """Give the first row of a shard, and the row after its last."""
        return number * self.size, min(self.n_rows, (number + 1) * self.size)

    def rows(self, number: int) -> int:
        """Count the rows of a shard."""
        start, stop = self.bounds(number)
        return stop - start

    def groups(self, part_bytes: int, room: int = 1 << 29) -> list[tuple[int, ...]]:
        """Give fixed groups of shards, for stages whose parts are large whatever the rows.

        As many groups as `room` has place for parts, 4 to 64.
        """
        count = max(4, min(_GROUPS, room // max(1, part_bytes)))
        length = -(-len(self) // count)
        numbers = range(len(self))
        return [tuple(numbers[a : a + length]) for a in range(0, len(self), length)]


@dataclass(frozen=True)
class Context:
    """Everything that a stage is given."""

    run: RunFolder
    source: Source
    facts: dict[str, Any]
    settings: FitSettings
    encoder: Encoder
    shards: Shards
    engine: Engine
    progress: Progress

    def stage(self, name: str) -> StageFolder:
        """Give the folder of a stage."""
        return self.run.stage(name)

    @property
    def rows(self) -> Rows:
        """The source's rows, shard by shard."""
        return Rows(self.source, self.shards, self.stage("index"))

    def each_shard(self, task: Task[int], has: Callable[[int], bool]) -> None:
        """Run a task on every shard that `has` not been done, and count the rows."""
        numbers = range(len(self.shards))
        left = [number for number in numbers if not has(number)]
        done = sum(map(self.shards.rows, numbers)) - sum(map(self.shards.rows, left))
        if done:
            self.progress.advance(done)
        self.engine.run(task, left, lambda number: self.progress.advance(self.shards.rows(number)))

    def each_group(
        self, task: Task[int], groups: list[tuple[int, ...]], has: Callable[[int], bool]
    ) -> None:
        """Run a task on the number of every group that `has` not been done."""
        sizes = [sum(map(self.shards.rows, group)) for group in groups]
        left = [number for number in range(len(groups)) if not has(number)]
        done = sum(sizes) - sum(sizes[number] for number in left)
        if done:
            self.progress.advance(done)
        self.engine.run(task, left, lambda number: self.progress.advance(sizes[number]))


@dataclass(frozen=True)
class Stage:
    """A stage: what it is made from, what it depends on, and how it is done.

    Attributes
    ----------
    name
        Also the name of its folder in the run.
    needs
        Stages that it reads.
    facts
        Gives the JSON-able settings that it depends on, a version of its own among them.
    work
        Writes the parts that are missing, and gives counts for the receipt.
    by_rows
        Whether it counts rows as it goes on; else it counts representatives, at its end.
    """

    name: str
    needs: tuple[str, ...]
    facts: Callable[[Context], dict[str, Any]]
    work: Callable[[Context], dict[str, Any]]
    by_rows: bool = True


@dataclass(frozen=True)
class Rows:
    """The rows of a source by shard: from the pixels kept by the index, or read anew."""

    source: Source
    shards: Shards
    index: StageFolder

    def read(self, number: int) -> Batch:
        """Give a shard's rows and what is wrong with them."""
        start, stop = self.shards.bounds(number)
        if not self.index.has("pixels", number):
            return self.source.read(start, stop)
        table = read_table(self.index.part("quarantine", number, "parquet"))
        at = (row - start for row in table["row"].to_pylist())
        bad = dict(zip(at, table["reason"].to_pylist(), strict=True))
        return Batch(read_npy(self.index.part("pixels", number)), bad)


def row_bytes(source: Source) -> int:
    """Count the bytes of one decoded row."""
    return int(np.prod(source.shape)) * (1 if source.kind == "images" else 4)


def is_plain(source: Source) -> bool:
    """Tell whether rows cannot be bad as long as their file is there: arrays of whole numbers."""
    return isinstance(source, ArraySource) and source.store.dtype.kind in "bui"


def keeps_pixels(source: Source) -> bool:
    """Tell whether decoded rows are kept: where decoding is dear and they take little room."""
    small = source.n_rows * row_bytes(source) <= KEPT_BYTES
    return small and not isinstance(source, ArraySource)


def write_quarantine(path: Path, start: int, bad: dict[int, str], names: list[str] | None) -> None:
    """Write a table of rows with a reason: row, name, reason."""
    import pyarrow as pa

    at = sorted(bad)
    write_table(
        path,
        pa.table(
            {
                "row": pa.array([start + i for i in at], pa.int64()),
                "name": pa.array([names[i] if names else None for i in at], pa.string()),
                "reason": pa.array([bad[i] for i in at], pa.string()),
            }
        ),
    )


def quarantined(run: RunFolder) -> Any:
    """Give the table of all rows that could not be used, as a `pyarrow.Table` by row.

    Most are found when the source is indexed; a file that vanished or changed in between, or
    numbers that overflow, are found later.
    """
    import pyarrow as pa

    paths = [
        path
        for name in ("index", "features", "project")
        for path in run.stage(name).parts("quarantine")
    ]
    tables = [table for table in map(read_table, paths) if table.num_rows]
    if not tables:
        fields = [("row", pa.int64()), ("name", pa.string()), ("reason", pa.string())]
        return pa.schema(fields).empty_table()
    return pa.concat_tables(tables).sort_by("row")


def write_vectors(
    project: StageFolder, number: int, vectors: NDArray[np.float32], packed: bool
) -> None:
    """Write a shard's projected rows, in one byte a number when `packed`."""
    if not packed:
        write_npy(project.part("vectors", number), vectors)
        return
    numbers, scales = pack(vectors)
    write_npy(project.part("scales", number), scales)
    write_npy(project.part("vectors", number), numbers)


def read_vectors(
    project: StageFolder, number: int, rows: NDArray | slice | None = None
) -> NDArray[np.float32]:
    """Give a shard's projected rows, or those at some places in it, (n, d) float32."""
    some = slice(None) if rows is None else rows
    stored = read_npy(project.part("vectors", number), mmap=rows is not None)[some]
    if stored.dtype == np.float32:
        return np.array(stored)
    return unpack(stored, read_npy(project.part("scales", number))[some])


def good_blocks(run: RunFolder, shards: Shards) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Go through the shards, with the rows of each that are not quarantined."""
    project = run.stage("project")
    for number in range(len(shards)):
        good = np.flatnonzero(read_npy(project.part("ok", number)))
        yield number, good + shards.bounds(number)[0]
