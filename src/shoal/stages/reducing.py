"""Fit the steps after an encoder, at the start of the features stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shoal.core.per_process import PerProcess
from shoal.errors import InputError
from shoal.features import Reduced
from shoal.features.reduced import STEPS, array_path
from shoal.features.steps import Arrays, Sums
from shoal.rows import Taken
from shoal.rows.base import spread
from shoal.stages.context import Context
from shoal.stages.encoding import Encoding, ShardTask, encode_good
from shoal.stages.rows import Rows
from shoal.stages.totals import SUMS, drop_totals, total
from shoal.storage import StageFolder, delete_file, read_npy, write_json, write_npy

_AT_ONCE = 64  # rows of a sample to read at a time
_PASSES = 1_000  # above the passes of any step, to number them


@dataclass(frozen=True)
class _SumGroup:
    """Sums a function of the usable rows of a group of shards."""

    rows: Rows
    encoder: Reduced
    groups: list[tuple[int, ...]]
    sums: Sums
    shape: tuple[int, ...]
    names: tuple[str, ...]
    folder: StageFolder
    first: int
    cache: PerProcess[Arrays] = field(default_factory=PerProcess, compare=False, repr=False)

    def setup(self) -> None:
        """Load the encoder and the arrays, which are too large to be part of the task."""
        self.encoder.setup()
        _ = self.arrays

    def fetch(self, item: int) -> None:
        self.rows.fetch(self.groups[item][0])

    @property
    def arrays(self) -> Arrays:
        """The other arguments of `sums`."""
        return self.cache.get(
            lambda: {name: read_npy(self.folder.whole(f"given_{name}")) for name in self.names}
        )

    def __call__(self, item: int) -> None:
        total, waiting, length = np.zeros(self.shape), [], self.encoder.block_rows
        for number in self.groups[item]:
            for rows in self._rows(number):
                waiting.append(rows)
                if sum(map(len, waiting)) >= length:  # products of few rows are half as fast
                    total += self.sums(np.concatenate(waiting), **self.arrays)
                    waiting = []
        if waiting:
            total += self.sums(np.concatenate(waiting), **self.arrays)
        write_npy(self.folder.part(SUMS, self.first + item), total)

    def _rows(self, number: int) -> Iterator[NDArray[np.float32]]:
        for batch in self.rows.read(number):
            for block in self.encoder.blocks(len(batch.data)):
                inside = range(*block.indices(len(batch.data)))
                bad = {row - block.start: batch.bad[row] for row in inside if row in batch.bad}
                features, good = encode_good(self.encoder, batch.data[block], bad)
                yield features if good.all() else features[good]


@dataclass
class _StageFeed:
    """The rows of a run as the input of one step; see `features.steps.Feed`.

    Each total is stored, so that an interrupted fit resumes after its last pass.
    """

    context: Context
    rows: Rows
    encoder: Reduced
    from_source: Reduced
    step: int
    passes: int = 0

    @property
    def d(self) -> int:
        return self.encoder.n_features

    def total(self, sums: Sums, shape: tuple[int, ...], **arrays: NDArray) -> NDArray[np.float64]:
        folder, self.passes = self.context.stage("features"), self.passes + 1
        for name, array in arrays.items():
            write_npy(folder.whole(f"given_{name}"), array)

        def task(groups: list[tuple[int, ...]], first: int) -> _SumGroup:
            names = tuple(arrays)
            return _SumGroup(self.rows, self.encoder, groups, sums, shape, names, folder, first)

        return total(self.context, folder, _PASSES * self.step + self.passes, shape, task)

    def sample(self, count: int) -> NDArray[np.float32]:
        source, n = self.context.source, self.context.source.n_rows
        some = source.take(Taken(spread(n, count), n))
        self.from_source.setup()
        found = []
        for start in range(0, some.n_rows, _AT_ONCE):
            batch = some.read(start, min(start + _AT_ONCE, some.n_rows))
            features, good = encode_good(self.from_source, batch.data, batch.bad)
            found.append(features[good])
        rows = np.concatenate(found)
        if not len(rows):
            raise InputError(
                f"none of {some.n_rows:,} rows is usable, so the feature steps cannot be fitted"
            )
        return rows


@dataclass(frozen=True)
class _KeepBase(ShardTask):
    """Writes the base features of a shard, and its unusable rows."""

    def __call__(self, item: int) -> None:
        features, good, bad = self.encoding.encoded(item)
        overflow = dict.fromkeys(np.flatnonzero(~good).tolist(), "its features overflow")
        folder = self.encoding.folder
        write_json(folder.part("base", item, "json"), overflow | bad)
        write_npy(folder.part("base", item), features)  # last, as the sign that both are complete


def encoding_of(context: Context, folder: StageFolder) -> Encoding:
    """Return the encoding of shards, from stored base features if there are any."""
    encoder = context.encoder
    if isinstance(encoder, Reduced) and folder.numbers("base"):
        return Encoding(replace(context.rows, base=folder), encoder.behind_base(), folder)
    return Encoding(context.rows, encoder, folder)


def drop_base(folder: StageFolder) -> None:
    for number in folder.numbers("base"):
        for ending in ("npy", "json"):
            delete_file(folder.part("base", number, ending))


def fit_steps(context: Context, folder: StageFolder, encoder: Reduced, kept: bool) -> None:
    """Fit each step that is not fitted yet to the output of the previous ones.

    With `kept`, base features are stored first, so that no pass encodes the rows again.
    """
    if folder.whole("encoder", "json").exists():
        return
    if kept and encoder.needs.passes:
        task = _KeepBase(Encoding(context.rows, encoder.base, folder))
        context.run_missing(task, lambda: folder.numbers("base"), counted=False)
    encoding, widths = encoding_of(context, folder), encoder.widths
    assert isinstance(encoding.encoder, Reduced)
    for at, step in enumerate(encoder.chain):
        kind = STEPS[step.kind]
        if not kind.arrays or array_path(folder.path, at, kind.arrays[-1]).exists():
            continue
        feed = _StageFeed(context, encoding.rows, encoding.encoder.up_to(at), encoder.up_to(at), at)
        for name, array in kind.fit(feed, step.width or widths[at]).items():
            write_npy(array_path(folder.path, at, name), array)
    drop_totals(folder)
    for name in folder.kinds():
        if name.startswith("given_"):
            delete_file(folder.whole(name))
