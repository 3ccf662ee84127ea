"""Passes over all rows after a fit, on an engine: predict new rows, count clusters by class.

Each is a list of tasks whose results go through a temporary folder of the run, so that an
interrupted pass resumes. On threads the same is done in memory, without writing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from shoal.core.contingency import Contingency, weighted_contingency
from shoal.core.per_process import PerProcess
from shoal.edits import Clustering
from shoal.engines.base import Engine
from shoal.engines.local import LocalEngine
from shoal.engines.opening import opened_engine
from shoal.engines.options import EngineOptions
from shoal.model import Cut, Model, PredictKeywords, blocks_of
from shoal.prediction import Prediction
from shoal.progress import Progress
from shoal.rows import Source
from shoal.rows.memory_budget import share
from shoal.rows.tables.mixed import Notes
from shoal.settings import SETTINGS, available_cores
from shoal.stages.base import Shards
from shoal.stages.result import Result
from shoal.storage import (
    NOTES,
    RunFolder,
    StageFolder,
    fingerprint,
    read_json,
    read_npy,
    write_json,
    write_npy,
)

_CUT = tuple(one.name for one in fields(Cut))
_RESULTS = ("confidence", "unknown", "cluster")  # written last: it shows that all are there

_MOST_PROCESSES = 6
"""With the launcher they stay within the usual memory of 4 GiB, each with libraries and a model."""


def engine_for(run: RunFolder, name: str, options: EngineOptions) -> AbstractContextManager[Engine]:
    """Return an engine for passes over a finished run; see `opened_engine`."""
    return opened_engine(
        str(SETTINGS["engine"].parse(name)),
        available_cores(),
        options,
        notes=run.path / NOTES,
        prepare=partial(share, SETTINGS["memory"].default),
        split=lambda: (min(available_cores(), _MOST_PROCESSES), 1),
    )


@dataclass(frozen=True)
class _PredictBlock:
    run: RunFolder
    source: Source
    blocks: Shards
    folder: StageFolder
    held: PerProcess[tuple[Model, Cut]] = field(
        default_factory=PerProcess, compare=False, repr=False
    )

    def setup(self) -> None:
        _ = self.opened

    @property
    def opened(self) -> tuple[Model, Cut]:
        """What rows are placed by; edits are in the cut."""
        return self.held.get(self._open)

    def _open(self) -> tuple[Model, Cut]:
        model = Model(self.run, workers=1)
        model.load()
        there = [name for name in _CUT if self.folder.whole(name).exists()]
        return model, Cut(**{name: read_npy(self.folder.whole(name)) for name in there})

    def __call__(self, item: int) -> None:
        model, cut = self.opened
        batch, notes = self.source.read(*self.blocks.bounds(item)), Notes(self.source)
        notes.add(batch)
        found = model.block(batch, cut)
        if notes.counts:
            write_json(self.folder.part("notes", item, "json"), notes.counts)
        for name in _RESULTS:
            write_npy(self.folder.part(name, item), getattr(found, name))


def predict_blocks(
    model: Model,
    source: Source,
    engine: Engine,
    *,
    notes: Notes | None = None,
    progress: Progress | None = None,
    **wanted: Unpack[PredictKeywords],
) -> Iterator[Prediction]:
    """Predict block by block, in order; parameters as in `Model.blocks`.

    Engines other than threads run it as tasks. `progress` receives the number of finished rows.
    """
    if isinstance(engine, LocalEngine):
        for found in model.blocks(source, notes=notes, **wanted):
            yield found
            if progress is not None:
                progress.advance(len(found))
        return
    clusters, cut = model.chosen(**wanted)
    run, blocks = model.result.folder, blocks_of(source)
    unknown = wanted.get("unknown")
    facts = {"predict": source.fingerprint(), "cut": clusters.cut, "seq": clusters.seq}
    facts["unknown"] = model.rate if unknown is None else unknown
    folder = _begun(
        run, "predict", fingerprint(facts, run.stage("assign").read_receipt().fingerprint)
    )
    for name in _CUT:
        if (part := getattr(cut, name)) is not None:
            write_npy(folder.whole(name), part)
    there = partial(folder.numbers, _RESULTS[-1])
    left = sorted(set(range(len(blocks))) - there())
    if progress is not None:
        progress.advance(source.n_rows - sum(map(blocks.rows, left)))
    engine.run(
        _PredictBlock(run, source, blocks, folder),
        left,
        None if progress is None else lambda number: progress.advance(blocks.rows(number)),
        completed=there,
        describe=lambda number: f"block {number} of the new rows",
    )
    for number in range(len(blocks)):
        kept: dict[str, Any] = {name: read_npy(folder.part(name, number)) for name in _RESULTS}
        if notes is not None and folder.has("notes", number, "json"):
            notes.take_in(read_json(folder.part("notes", number, "json")))
        yield Prediction(**kept, names=clusters.names)
    folder.delete()


@dataclass(frozen=True)
class _CountShard:
    result: Result
    folder: StageFolder

    def setup(self) -> None: ...  # nothing to load

    def __call__(self, item: int) -> None:
        true = read_npy(self.folder.part("true", item))
        write_npy(self.folder.part("pairs", item), _pairs(self.result, item, true))


def _pairs(result: Result, shard: int, true: NDArray[np.int32]) -> NDArray[np.int64]:
    (place,), known = result.read_shard(shard, "representative"), true >= 0
    pairs, rows = np.unique(
        np.stack([true[known], place[known]]).astype(np.int64), axis=1, return_counts=True
    )
    return np.concatenate([pairs, rows[None]])


def count_rows(
    result: Result, true: NDArray, known: NDArray[np.bool_], engine: Engine
) -> tuple[NDArray, NDArray[np.int64]]:
    """Count the rows of known class by class and representative.

    Engines other than threads run it as tasks, otherwise it runs in memory.

    `true`, `known`: (N,) the class of each row, and whether it has one.

    Returns
    -------
    classes
        (c,) ascending.
    pairs
        (3, p) a place in `classes`, a representative (−1: quarantined), how many rows.
    """
    run, size = result.folder, int(result.summary["shard_rows"])
    classes, number = np.unique(true[known], return_inverse=True)
    codes = np.full(len(true), -1, np.int32)
    codes[known] = number
    shards, assign = range(-(-len(true) // size)), run.stage("assign")
    parts = [codes[shard * size : (shard + 1) * size] for shard in shards]
    if isinstance(engine, LocalEngine):
        counted = [_pairs(result, shard, part) for shard, part in enumerate(parts)]
        return classes, np.concatenate(counted, axis=1)
    facts = {"eval": classes.tolist(), "codes": hashlib.blake2b(codes.data).hexdigest()}
    folder = _begun(run, "eval", fingerprint(facts, assign.read_receipt().fingerprint))
    for shard, part in enumerate(parts):
        write_npy(folder.part("true", shard), part)
    there = partial(folder.numbers, "pairs")
    engine.run(
        _CountShard(result, folder),
        sorted(set(shards) - there()),
        completed=there,
        describe=lambda number: f"shard {number}",
    )
    pairs = np.concatenate([read_npy(folder.part("pairs", shard)) for shard in shards], axis=1)
    folder.delete()
    return classes, pairs


def contingency_of(
    classes: NDArray, pairs: NDArray[np.int64], true: NDArray, found: Clustering
) -> Contingency:
    """Return the contingency of classes and clusters from the result of `count_rows`.

    `true`: (N,) the class of each row, needed for rows moved by edits.
    """
    true_at, place, rows = pairs
    # What edits left of a representative's rows, which may not be where most of them are.
    edited = found if found.state is None else found.state
    labels = np.append(edited.of_representative, np.int32(-1))
    cluster = labels[place]
    if found.state is not None:
        moved = found.state
        at = np.searchsorted(classes, true[moved.rows]).clip(0, len(classes) - 1)
        fine = classes[at] == true[moved.rows]  # the others have no known class
        at, one = at[fine], np.ones(int(fine.sum()), np.int64)
        true_at = np.concatenate([true_at, at, at])
        cluster = np.concatenate([cluster, labels[moved.row_place[fine]], moved.row_cluster[fine]])
        rows = np.concatenate([rows, -one, one])
    return weighted_contingency(classes[true_at], cluster, rows)


def _begun(run: RunFolder, what: str, print_: str) -> StageFolder:
    folder = run.stage(f"{what}-{print_[:16]}")
    folder.begin(print_)
    return folder
