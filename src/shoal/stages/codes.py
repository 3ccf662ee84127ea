"""Codes: means of a sample that many rows are summarised by, and the codes that each row is near.

A row's codes and its distance to the first are all that its labels need: ten bytes a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shoal.core.codebook import Codebook, find_near
from shoal.core.hashes import distinct_rows
from shoal.core.near_codes import NEAR, near_type, shortened
from shoal.core.nearest import nearest_of
from shoal.core.per_process import PerProcess
from shoal.core.representatives import SAMPLE_PER_CODE, seed_codebook
from shoal.core.summaries import PartialSummary, add_coded, merge_summaries
from shoal.engines.base import Task
from shoal.engines.memory import return_memory_to_os
from shoal.errors import InputError
from shoal.stages.context import Context
from shoal.stages.copies import aside
from shoal.stages.shards import Shards
from shoal.stages.vectors import read_vectors
from shoal.stages.workload import Need, Workload, search_bytes
from shoal.storage import StageFolder, read_npy, write_npy

EVERY_ROW = 100_000
"""Up to this many rows, every distinct row is its own representative."""

SUMMARY = ("weights", "vectors", "rows", "radius")
"""What a summary is, by kind; the last one shows that all are there."""

_MOST = 32_768
_ROWS_EACH = 4
_CODES = ("reach", "size", "centres")


ShardCoder = Callable[[int, PartialSummary], tuple[PartialSummary, dict[str, NDArray]]]
"""Adds a shard to sums, which may be changed; returns these, and the parts of the shard by kind."""


@dataclass(frozen=True)
class Coding:
    """Finds the codes of the rows of shards, and sums up groups of shards by code."""

    shards: Shards
    groups: list[tuple[int, ...]]
    folder: StageFolder
    copies: bool
    loaded: PerProcess[Codebook] = field(default_factory=PerProcess, compare=False, repr=False)

    @property
    def codebook(self) -> Codebook:
        """The codes, which are too large to travel with a task."""
        return self.loaded.get(lambda: _read_codebook(self.folder))

    def write_group(self, group: int, shard: ShardCoder) -> None:
        """Sum up the shards of a group, and write their parts while the next one is coded."""
        partial = PartialSummary.of_none(self.codebook)
        with ThreadPoolExecutor(1) as disk:  # writing a part is mostly waiting for the disk
            last = None
            for number in self.groups[group]:
                partial, parts = shard(number, partial)
                if last is not None:
                    last.result()
                last = disk.submit(self._write, number, parts)
            if last is not None:
                last.result()
        arrays = {f"partial_{name}": array for name, array in partial.to_arrays().items()}
        arrays["partial_total"] = partial.total.astype(np.float32)  # of steps from the codes
        for name in sorted(arrays):  # partial_weight comes last: it shows that all are there
            write_npy(self.folder.part(name, group), np.asarray(arrays[name]))

    def _write(self, number: int, parts: dict[str, NDArray]) -> None:
        for kind, array in parts.items():
            write_npy(self.folder.part(kind, number), array)

    def code(
        self,
        number: int,
        vectors: NDArray[np.float32],
        ok: NDArray[np.bool_],
        partial: PartialSummary,
    ) -> tuple[PartialSummary, NDArray, NDArray[np.bool_]]:
        """Add the rows of a shard to sums; return these, the codes near rows, and which are far.

        Copies are no part of the sums.

        Parameters
        ----------
        number
            The shard.
        vectors
            (g, d), its good rows.
        ok
            (n,) which rows are good.
        partial
            The sums, which are changed.
        """
        good, first = np.flatnonzero(ok), self.shards.bounds(number)[0]
        near, away, far = find_near(vectors, self.codebook, NEAR)
        none, at = len(self.codebook.centres), slice(None) if len(good) == len(ok) else good
        stored = np.zeros(len(ok), near_type(none))
        stored["codes"] = none
        stored["codes"][at, : near.shape[1]] = np.where(far[:, None], none, near)
        stored["distance"][at] = shortened(away[:, 0])
        ratios = away[:, :1] / np.maximum(away[:, 1:], np.finfo(np.float32).tiny)
        stored["ratios"][at, : ratios.shape[1]] = np.rint(255 * np.minimum(ratios, 1))
        own = ~aside(self.folder, good, first, self.copies)
        code, beyond = near[:, 0], far
        if not own.all():
            vectors, code, beyond = vectors[own], code[own], far[own]
        numbers = good[own] + first
        partial = add_coded(partial, vectors, code, beyond, self.codebook, numbers)
        return partial, stored, far


def representatives_for(n_rows: int, asked: int | None) -> int:
    """Choose m, the number of representatives.

    >>> representatives_for(70_000, None), representatives_for(10**6, None)
    (70000, 32768)
    """
    if asked is not None:
        return min(asked, n_rows)
    return n_rows if n_rows <= EVERY_ROW else min(_MOST, n_rows // _ROWS_EACH)


def code_rows(
    context: Context,
    folder: StageFolder,
    m: int,
    sample: Callable[[], NDArray[np.float32]],
    task: Callable[[Coding], Task[int]],
) -> None:
    """Choose codes, code all rows by a task for each group of shards, and write the summary.

    Parameters
    ----------
    context, folder
        Where codes, parts and the summary are written.
    m
        The most representatives.
    sample
        Returns the rows that the codes are chosen by.
    task
        Returns what codes a group, which calls `Coding.write_group`.
    """
    if folder.whole(SUMMARY[-1]).exists():
        return
    written = folder.whole(_CODES[-1]).exists()
    codebook = _read_codebook(folder) if written else _choose_codebook(context, folder, m, sample())
    groups = context.shards.groups(8 * codebook.centres.size)
    coding = Coding(context.shards, groups, folder, len(context.copies.rows) > 0)
    coding.loaded.get(lambda: codebook)
    context.run_missing(task(coding), lambda: folder.numbers("partial_weight"), groups)
    names = [kind for kind in folder.kinds() if kind.startswith("partial_")]
    _write_summary(
        folder,
        codebook,
        (
            PartialSummary.from_arrays(
                {name.removeprefix("partial_"): _read_partial(folder, name, g) for name in names}
            )
            for g in range(len(groups))
        ),
    )


def _choose_codebook(
    context: Context, folder: StageFolder, m: int, sample: NDArray[np.float32]
) -> Codebook:
    """Choose codes from a sample, and write them."""
    return_memory_to_os()  # what the encoder of the sample took
    chosen = seed_codebook(sample, m, context.settings.seed, context.settings.workers or 1)
    arrays = chosen.to_arrays()
    for name in _CODES:
        write_npy(folder.whole(name), np.asarray(arrays[name]))
    drop_parts(folder)  # the sample, before the sums of the groups are written
    return chosen


def joined_sample(folder: StageFolder, components: int) -> NDArray[np.float32]:
    """Return the rows that were drawn for the codes, group after group."""
    counts = [len(read_npy(path, mmap=True)) for path in folder.parts("sample_vectors")]
    drawn = np.empty((sum(counts), components), np.float32)
    done = 0
    for group, length in enumerate(counts):
        drawn[done : done + length] = read_vectors(folder, group, kind="sample_vectors")
        done += length
    return drawn


def drop_parts(folder: StageFolder) -> None:
    """Delete what was merged: it is large and is not needed again."""
    for kind in folder.kinds():
        if kind.startswith(("partial_", "sample_")):
            folder.delete_parts(kind)


def write_summary(folder: StageFolder, **arrays: NDArray) -> None:
    for name in SUMMARY:
        write_npy(folder.whole(name), arrays[name])


def refuse_one(distinct: int, rows: int) -> None:
    if distinct < 2:
        raise InputError(f"all rows are identical ({rows:,} of them): there is nothing to cluster")


def _read_partial(folder: StageFolder, name: str, group: int) -> NDArray:
    """Read one array of the sums of a group; those that others are added to are float64."""
    found = read_npy(folder.part(name, group))
    return found.astype(np.float64) if name == "partial_total" else found


def _read_codebook(folder: StageFolder) -> Codebook:
    return Codebook.from_arrays({name: read_npy(folder.whole(name)) for name in _CODES})


def _write_summary(
    folder: StageFolder, codebook: Codebook, parts: Iterable[PartialSummary]
) -> None:
    """Merge sums into representatives, and write which of them is nearest to each code."""
    found = merge_summaries(parts, codebook)
    means = found.mean.astype(np.float32)
    first, inverse, _ = distinct_rows(means)  # means may meet when they become float32
    refuse_one(len(first), int(found.weight.sum()))
    weights = np.zeros(len(first), np.int64)
    np.add.at(weights, inverse, found.weight)
    of_code = np.full(len(codebook.centres), -1, np.int32)
    of_code[found.code] = inverse[: len(found.code)]
    unused = np.flatnonzero(of_code < 0)
    of_code[unused] = nearest_of(codebook.centres[unused], means[first])[0][:, 0]
    write_npy(folder.whole("of_code"), of_code)
    write_summary(
        folder,
        vectors=means[first],
        weights=weights,
        rows=found.medoid[first],
        radius=found.radius[first].astype(np.float32),
    )


def summary_need(work: Workload) -> Need:
    """Forecast the memory and disk space that it takes to summarise projected rows."""
    n, m, c = work.rows, work.representatives, work.components
    left = m * (4 * c + 24) + (4 if work.every_row else near_type(m).itemsize) * n
    if work.every_row:
        return Need(n * (8 * c + 80), disk=left)
    sample, sums = min(n, SAMPLE_PER_CODE * m), sums_bytes(work)
    # Workers summarise parts of the sample too, once the codes are found in copies of it.
    return Need(
        sample * 4 * c + search_bytes(m, c) + sums,
        2 * sums + work.shards.size * 20 * c,
        left,
        len(work.shards.groups(8 * m * c)) * sums,
        serial_peak=sample * (12 * c + 60),
    )


def sums_bytes(work: Workload) -> int:
    """Count the bytes of the sums of a group of shards."""
    return work.representatives * (8 * work.components + 40)
