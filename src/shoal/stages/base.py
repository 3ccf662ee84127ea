"""What a stage is, and what stages share: shards, the rows of a source, what was quarantined."""

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
from shoal.rows import Encoded, Source
from shoal.settings import FitSettings
from shoal.stages.copies import Copies
from shoal.stages.growth.grown import Grown
from shoal.stages.rows import Rows
from shoal.storage import RunFolder, StageFolder, read_npy, read_table, write_npy, write_table

if TYPE_CHECKING:
    from shoal.core.constraints import Constraints

KEPT_BYTES = 2 << 30
"""Numbers read and features are kept on disk up to this; above, they are made again."""

EVERY_ROW = 100_000
"""Up to here every distinct row is its own representative."""

_SHARD_BYTES = 48 << 20
_SHARD_ROWS = 65_536
_SHARDS = 16  # at least, where there are rows for them: work is spread, and progress is seen
_SHARD_LEAST = 1 << 20  # bytes, below which a shard is not worth its files
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
        """Cut a source as it was opened into shards, whatever the encoder and the workers are.

        They have 48 MiB at most once decoded; a hundredth of the rows where these are dear, so
        that workers share the work evenly and little is lost in an interruption.
        """
        n, each = source.n_rows, max(1, row_bytes(source))
        dear = is_encoded(source) or (source.kind == "images" and source.mixed_sizes)
        count, least = (_FINE_SHARDS, _FINE_ROWS) if dear else (_SHARDS, _SHARD_LEAST // each)
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
        """Count the rows that are read at a time: a shard, or 16 MiB of one too large."""
        each = max(1, row_bytes(source))
        return self.size if self.size * each <= _SHARD_BYTES else max(1, _BLOCK_BYTES // each)

    @property
    def grouped(self) -> dict[str, int]:
        """Say how shards are grouped, where there may be more groups than there were at first."""
        many = len(self) // _GROUP_SHARDS > _LEAST_GROUPS
        return {"group_shards": _GROUP_SHARDS} if many else {}

    def groups(self, part_bytes: int, room: int = 1 << 29) -> list[tuple[int, ...]]:
        """Return fixed groups of shards, for stages whose parts are large whatever the rows.

        As many groups as `room` has place for parts, 4 to 64; more only of 32 shards and as many
        as the part has MiB, so that parts are small beside what they are made of. A hundred
        workers then have something to do where it matters, and no group depends on how many
        there are.
        """
        most = len(self) // max(_GROUP_SHARDS, part_bytes >> 20)
        count = max(_LEAST_GROUPS, min(_GROUPS, room // max(1, part_bytes)), most)
        length = -(-len(self) // count)
        numbers = range(len(self))
        return [tuple(numbers[a : a + length]) for a in range(0, len(self), length)]


class LearntLike(Protocol):
    """What people said of the clusters of an earlier run."""

    @property
    def fingerprint(self) -> str:
        """Changes with what was said."""

    def constraints(self, run: RunFolder) -> Constraints | None:
        """Return what it means for the representatives of a run."""


@dataclass(frozen=True)
class Context:
    """Everything that a stage is given.

    `opened` is the source as it was opened, and `facts` its fingerprint; `source` the same rows
    with the pixels that the encoder wants. `first_id` is above all ids that an earlier run and
    its edits used, `learnt` what its edits say of the rows, and `grown` the earlier run that rows
    are added to. `copies` are rows that count with the row that they are copies of.
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
        """The earlier run that rows are added to; only asked for by the stages that do so."""
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
        """Return a context for a pass that only copies a little of each shard.

        Where shards are few it is done here: to start workers elsewhere would take longer.
        """
        if len(self.shards) > _FEW_SHARDS:
            return self
        return replace(self, engine=LocalEngine(self.settings.workers or 1))

    def each_shard(self, task: Task[int], there: Callable[[], Collection[int]]) -> None:
        """Run a task on every shard that is not `there`, and count the rows."""
        numbers = range(len(self.shards))
        left = _left(there, numbers)
        done = sum(map(self.shards.rows, numbers)) - sum(map(self.shards.rows, left))
        if done:
            self.progress.advance(done)
        self.engine.run(
            task,
            left,
            lambda number: self.progress.advance(self.shards.rows(number)),
            there=there,
            name=lambda number: f"shard {number}",
        )

    def each_group(
        self,
        task: Task[int],
        groups: list[tuple[int, ...]],
        there: Callable[[], Collection[int]],
        *,
        counted: bool = True,
    ) -> None:
        """Run a task on the number of every group that is not `there`.

        The rows are told as done unless another pass of the stage tells them.
        """
        sizes = [sum(map(self.shards.rows, group)) for group in groups]
        numbers = range(len(groups))
        left = _left(there, numbers)
        done = sum(sizes) - sum(sizes[number] for number in left)
        if done and counted:
            self.progress.advance(done)
        self.engine.run(
            task,
            left,
            (lambda number: self.progress.advance(sizes[number])) if counted else None,
            there=there,
            name=lambda number: _shards_named(groups[number]),
        )


def _left(there: Callable[[], Collection[int]], numbers: Sequence[int]) -> list[int]:
    """List the numbers whose part is not there."""
    found = there()
    return [number for number in numbers if number not in found]


def _shards_named(group: tuple[int, ...]) -> str:
    """Name the shards of a group, which follow each other.

    >>> _shards_named((3,)), _shards_named((4, 5, 6))
    ('shard 3', 'shards 4 to 6')
    """
    return f"shard {group[0]}" if len(group) == 1 else f"shards {group[0]} to {group[-1]}"


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
    once
        Whether rows that are added to an earlier run leave it as it was.
    """

    name: str
    needs: tuple[str, ...]
    facts: Callable[[Context], dict[str, Any]]
    work: Callable[[Context], dict[str, Any]]
    by_rows: bool = True
    once: bool = False


def is_encoded(source: Source) -> bool:
    """Tell image files, and images that lie as such in archives: they are decoded when read."""
    return source.kind == "images" and isinstance(source, Encoded)


def row_bytes(source: Source) -> int:
    """Count the bytes of one decoded row."""
    return int(np.prod(source.shape)) * {"images": 1, "vectors": 4, "table": 8}[source.kind]


def is_plain(source: Source) -> bool:
    """Return whether rows cannot be bad as long as their file is there: arrays of whole numbers."""
    array = source.as_array()
    return array is not None and array.store.dtype.kind in "bui"


def is_read(source: Source) -> bool:
    """Return whether the index reads rows, to know which cannot be used.

    What is wrong with an image file shows when it is decoded for the features, in the size that
    the encoder wants.
    """
    return not (is_plain(source) or is_encoded(source))


def keeps_numbers(source: Source) -> bool:
    """Return whether rows are kept: where reading is dear (text, Parquet) and they are small."""
    small = source.n_rows * row_bytes(source) <= KEPT_BYTES
    array = source.as_array()
    return small and is_read(source) and (array is None or array.is_parsed)


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
    """Return the table of all rows that could not be used, as a `pyarrow.Table` by row.

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
    project: StageFolder,
    number: int,
    vectors: NDArray[np.float32],
    packed: bool,
    before: StageFolder | None = None,
) -> None:
    """Write a shard's projected rows, in one byte a number when `packed`.

    The first of them are those that the same shard has in another run, `before`.
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

    Where few of its rows are kept, the places must be among theirs.
    """
    some = slice(None) if rows is None else rows
    if isinstance(rows, np.ndarray) and folder.has("places", number):
        some = np.searchsorted(read_npy(folder.part("places", number)), rows)
    stored = read_npy(folder.part(kind, number), mmap=rows is not None)[some]
    if stored.dtype == np.float32:
        return np.array(stored)
    return unpack(stored, read_npy(folder.part(kind.replace("vectors", "scales"), number))[some])


def refuse_too_few(n_rows: int, bad: list[dict[str, Any]]) -> None:
    """Refuse a source without two good rows, and say why.

    Raises
    ------
    InputError
        With some of the reasons.
    """
    good = n_rows - len(bad)
    if good >= 2:
        return
    of_reason: dict[str, list[Any]] = {}
    for entry in bad:
        of_reason.setdefault(entry["reason"], []).append(entry["name"] or entry["row"])
    some = "; ".join(
        f"{rows[0]}{f' and {len(rows) - 1:,} more' if rows[1:] else ''}: {reason}"
        for reason, rows in list(of_reason.items())[:3]
    )
    said = "no row can be read" if not good else "only one row can be read"
    raise InputError(f"{said} of {n_rows:,}, but at least 2 are needed ({some})")


def good_blocks(run: RunFolder, shards: Shards) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Go through the shards, with the rows of each that are not quarantined."""
    project = run.stage("project")
    for number in range(len(shards)):
        good = np.flatnonzero(read_npy(project.part("ok", number)))
        yield number, good + shards.bounds(number)[0]
