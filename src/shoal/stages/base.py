"""What a stage is, and what stages share: shards, context, quarantine, projected vectors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shoal.core.packing import pack, unpack
from shoal.engines.base import Engine, Task
from shoal.engines.local import LocalEngine
from shoal.errors import InputError
from shoal.features import Encoder
from shoal.progress import Progress
from shoal.rows import EncodedSource, Source
from shoal.settings import FitSettings
from shoal.stages.copies import Copies
from shoal.stages.growth.grown import Grown
from shoal.stages.rows import Rows
from shoal.storage import RunFolder, StageFolder, read_npy, read_table, write_npy, write_table

if TYPE_CHECKING:
    from shoal.core.constraints import Constraints

KEPT_BYTES = 2 << 30
"""Parsed numbers and features are stored on disk up to this size, and recomputed above it."""

EVERY_ROW = 100_000
"""Up to this many rows, every distinct row is its own representative."""

_SHARD_BYTES = 48 << 20
_SHARD_ROWS = 65_536
_SHARDS = 16  # at least, if there are enough rows, to spread the work and show progress
_SHARD_LEAST = 1 << 20  # bytes; a smaller shard is not worth its files
_FINE_SHARDS, _FINE_ROWS = 128, 32  # the same for images that are decoded or scaled
_BLOCK_BYTES = 16 << 20
_GROUPS = 64
_LEAST_GROUPS = 4
_GROUP_SHARDS = 32
_FEW_SHARDS = 1024


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
        """Divide a source, as opened, into shards that do not depend on the encoder or the workers.

        A shard is at most 48 MiB decoded, and about a hundredth of the rows if these are slow to
        decode, so that work is balanced and an interruption loses little.
        """
        n, each = source.n_rows, max(1, row_bytes(source))
        slow = is_encoded(source) or (source.kind == "images" and source.mixed_sizes)
        count, least = (_FINE_SHARDS, _FINE_ROWS) if slow else (_SHARDS, _SHARD_LEAST // each)
        rows = min(_SHARD_BYTES // each, _SHARD_ROWS)
        return cls(n, max(1, min(rows, max(-(-n // count), least), n)))

    def __len__(self) -> int:
        return -(-self.n_rows // self.size)

    def bounds(self, number: int) -> tuple[int, int]:
        """Return the first row of a shard, and the row after its last."""
        return number * self.size, min(self.n_rows, (number + 1) * self.size)

    def rows(self, number: int) -> int:
        """Count the rows of a shard."""
        start, stop = self.bounds(number)
        return stop - start

    def block(self, source: Source) -> int:
        """Count the rows to read at a time: a shard, or 16 MiB of one that is too large."""
        each = max(1, row_bytes(source))
        return self.size if self.size * each <= _SHARD_BYTES else max(1, _BLOCK_BYTES // each)

    @property
    def grouped(self) -> dict[str, int]:
        """Fingerprint facts of the grouping; empty where it is the original one of few groups."""
        many = len(self) // _GROUP_SHARDS > _LEAST_GROUPS
        return {"group_shards": _GROUP_SHARDS} if many else {}

    def groups(self, part_bytes: int, room: int = 1 << 29) -> list[tuple[int, ...]]:
        """Return fixed groups of shards, for stages with large parts regardless of the rows.

        There are as many groups as parts fit in `room`, 4 to 64. More groups have at least 32
        shards and one per MiB of the part, so that parts stay small compared with their input. This
        keeps a hundred workers busy, and no group depends on the number of workers.
        """
        most = len(self) // max(_GROUP_SHARDS, part_bytes >> 20)
        count = max(_LEAST_GROUPS, min(_GROUPS, room // max(1, part_bytes)), most)
        length = -(-len(self) // count)
        numbers = range(len(self))
        return [tuple(numbers[a : a + length]) for a in range(0, len(self), length)]


class LearntLike(Protocol):
    """Constraints from the edits of an earlier run."""

    @property
    def fingerprint(self) -> str:
        """Changes with the edits."""

    def constraints(self, run: RunFolder) -> Constraints | None:
        """Return the constraints on the representatives of a run."""


@dataclass(frozen=True)
class Context:
    """Everything that a stage receives.

    `opened` is the source as it was opened, and `facts` its fingerprint; `source` the same rows
    with the pixels that the encoder wants. `first_id` is above all ids that an earlier run and its
    edits used, `learnt` are constraints from edits, and `grown` is the earlier run that rows are
    added to. `copies` are rows that count together with the row that they duplicate.
    """

    run: RunFolder
    opened: Source
    facts: dict[str, Any]
    source: Source
    settings: FitSettings
    encoder: Encoder
    shards: Shards
    engine: Engine
    progress: Progress
    first_id: int = 0
    learnt: LearntLike | None = None
    grown: Grown | None = None
    copies: Copies = field(default_factory=Copies)

    @property
    def added_to(self) -> Grown:
        """The earlier run that rows are added to; only for stages of growth."""
        assert self.grown is not None
        return self.grown

    def stage(self, name: str) -> StageFolder:
        """Return the folder of a stage."""
        return self.run.stage(name)

    @property
    def rows(self) -> Rows:
        """The source's rows, shard by shard."""
        return Rows(self.source, self.shards, self.stage("index"))

    def light(self) -> Context:
        """Return a context for a pass that copies only a little of each shard.

        With few shards it runs locally: starting remote workers would take longer.
        """
        if len(self.shards) > _FEW_SHARDS:
            return self
        return replace(self, engine=LocalEngine(self.settings.workers or 1))

    def each_shard(self, task: Task[int], completed: Callable[[], Collection[int]]) -> None:
        """Run a task on every shard that is not completed, and count the rows."""
        numbers = range(len(self.shards))
        left = _left(completed, numbers)
        done = sum(map(self.shards.rows, numbers)) - sum(map(self.shards.rows, left))
        if done:
            self.progress.advance(done)
        self.engine.run(
            task,
            left,
            lambda number: self.progress.advance(self.shards.rows(number)),
            completed=completed,
            describe=lambda number: f"shard {number}",
        )

    def each_group(
        self,
        task: Task[int],
        groups: list[tuple[int, ...]],
        completed: Callable[[], Collection[int]],
        *,
        counted: bool = True,
    ) -> None:
        """Run a task on the number of every group that is not completed.

        With `counted`, rows are reported as progress; otherwise another pass of the stage does so.
        """
        sizes = [sum(map(self.shards.rows, group)) for group in groups]
        numbers = range(len(groups))
        left = _left(completed, numbers)
        done = sum(sizes) - sum(sizes[number] for number in left)
        if done and counted:
            self.progress.advance(done)
        self.engine.run(
            task,
            left,
            (lambda number: self.progress.advance(sizes[number])) if counted else None,
            completed=completed,
            describe=lambda number: _shards_named(groups[number]),
        )


def _left(completed: Callable[[], Collection[int]], numbers: Sequence[int]) -> list[int]:
    """List the numbers whose part does not exist."""
    found = completed()
    return [number for number in numbers if number not in found]


def _shards_named(group: tuple[int, ...]) -> str:
    """Name the shards of a group, which follow each other.

    >>> _shards_named((3,)), _shards_named((4, 5, 6))
    ('shard 3', 'shards 4 to 6')
    """
    return f"shard {group[0]}" if len(group) == 1 else f"shards {group[0]} to {group[-1]}"


@dataclass(frozen=True)
class Stage:
    """A stage: its inputs, what its fingerprint depends on, and its work.

    Attributes
    ----------
    name
        Also the name of its folder in the run.
    needs
        Stages that it reads.
    facts
        Returns everything that it depends on as JSON values, including its own version.
    work
        Writes the missing parts, and returns counts for the receipt.
    by_rows
        True if progress counts rows; otherwise it counts representatives, at the end.
    once
        True if adding rows to an earlier run leaves it unchanged.
    """

    name: str
    needs: tuple[str, ...]
    facts: Callable[[Context], dict[str, Any]]
    work: Callable[[Context], dict[str, Any]]
    by_rows: bool = True
    once: bool = False


def is_encoded(source: Source) -> bool:
    """Return whether rows are encoded images, in files or archives, which are decoded when read."""
    return source.kind == "images" and isinstance(source, EncodedSource)


def row_bytes(source: Source) -> int:
    """Count the bytes of one decoded row."""
    return int(np.prod(source.shape)) * {"images": 1, "vectors": 4, "table": 8}[source.kind]


def is_plain(source: Source) -> bool:
    """Return whether every row is usable as long as its file exists, as in arrays of integers."""
    array = source.as_array()
    return array is not None and array.store.dtype.kind in "bui"


def is_read(source: Source) -> bool:
    """Return whether the index reads the rows to find unusable ones.

    Damaged images are found later, when they are decoded for the features.
    """
    return not (is_plain(source) or is_encoded(source))


def keeps_numbers(source: Source) -> bool:
    """Return whether parsed rows are stored: small ones that parse slowly (text, Parquet)."""
    small = source.n_rows * row_bytes(source) <= KEPT_BYTES
    array = source.as_array()
    return small and is_read(source) and (array is None or array.is_parsed)


def write_quarantine(path: Path, start: int, bad: dict[int, str], names: list[str] | None) -> None:
    """Write a table of rows with a reason: row, name, reason."""
    at = sorted(bad)
    named = [names[i] if names else None for i in at]
    write_table(path, _quarantine([start + i for i in at], named, [bad[i] for i in at]))


def _quarantine(row: list[int], name: list[str | None], reason: list[str]) -> Any:
    import pyarrow as pa

    # pa.array imports pandas, where it is installed: a tenth of a fit of few rows.
    column = pa.array if row else lambda cells, kind: pa.nulls(0, kind)
    text = pa.string()
    columns = [column(row, pa.int64()), column(name, text), column(reason, text)]
    return pa.table(columns, names=["row", "name", "reason"])


def quarantined(run: RunFolder) -> Any:
    """Return the table of all rows that could not be used, as a `pyarrow.Table` by row.

    Most are found by the index; files that disappear or change later, and overflowing numbers, are
    found by later stages.
    """
    import pyarrow as pa

    paths = [
        path
        for name in ("index", "features", "project")
        for path in run.stage(name).parts("quarantine")
    ]
    tables = [table for table in map(read_table, paths) if table.num_rows]
    return pa.concat_tables(tables).sort_by("row") if tables else _quarantine([], [], [])


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


def refuse_too_few(n_rows: int, bad: Any) -> None:
    """Raise unless a source has two usable rows; `bad` is the table of the others.

    Raises
    ------
    InputError
        With up to three of the reasons.
    """
    good = n_rows - len(bad)
    if good >= 2:
        return
    of_reason: dict[str, list[Any]] = {}
    for entry in bad.to_pylist():
        of_reason.setdefault(entry["reason"], []).append(entry["name"] or entry["row"])
    some = "; ".join(
        f"{rows[0]}{f' and {len(rows) - 1:,} more' if rows[1:] else ''}: {reason}"
        for reason, rows in list(of_reason.items())[:3]
    )
    readable = "no row" if not good else "only one row"
    raise InputError(f"{readable} can be read of {n_rows:,}, but at least 2 are needed ({some})")


def good_blocks(run: RunFolder, shards: Shards) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Iterate over the shards, with the rows of each that are not quarantined."""
    project = run.stage("project")
    for number in range(len(shards)):
        good = np.flatnonzero(read_npy(project.part("ok", number)))
        yield number, good + shards.bounds(number)[0]
