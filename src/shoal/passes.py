"""Passes over rows after a fit, on an engine; here the one that predicts new rows.

Each is a list of tasks whose results go through a temporary folder of the run, so that an
interrupted pass resumes. On threads the same is done in memory, without writing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Unpack

from shoal.core.per_process import PerProcess
from shoal.engines.base import Engine
from shoal.engines.local import LocalEngine
from shoal.engines.opening import opened_engine
from shoal.engines.options import EngineOptions
from shoal.model import Cut, Model, PredictKeywords, prediction_blocks
from shoal.prediction import Prediction
from shoal.progress import Progress
from shoal.rows import Source
from shoal.rows.memory_budget import set_memory_budget
from shoal.rows.tables.mixed import Notes
from shoal.settings import SETTINGS, available_cores
from shoal.stages.shards import Shards
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
        prepare=partial(set_memory_budget, SETTINGS["memory"].default),
        split=lambda: (min(available_cores(), _MOST_PROCESSES), 1),
    )


@dataclass(frozen=True)
class _PredictBlock:
    run: RunFolder
    source: Source
    blocks: Shards
    folder: StageFolder
    loaded: PerProcess[tuple[Model, Cut]] = field(
        default_factory=PerProcess, compare=False, repr=False
    )

    def setup(self) -> None:
        """Load the model, and the cut, which includes edits."""
        _ = self.loaded.get(self._load)

    def _load(self) -> tuple[Model, Cut]:
        model = Model(self.run, workers=1)
        model.load()
        stored = [name for name in _CUT if self.folder.whole(name).exists()]
        return model, Cut(**{name: read_npy(self.folder.whole(name)) for name in stored})

    def __call__(self, item: int) -> None:
        model, cut = self.loaded.get(self._load)
        batch, notes = self.source.read(*self.blocks.bounds(item)), Notes(self.source)
        notes.add(batch)
        found = model.predict_batch(batch, cut)
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
    clusters, cut = model.prepare(**wanted)
    run, blocks = model.result.folder, prediction_blocks(source)
    unknown = wanted.get("unknown")
    facts = {"predict": source.fingerprint(), "cut": clusters.cut, "seq": clusters.seq}
    facts["unknown"] = model.rate if unknown is None else unknown
    folder = begin_pass(run, "predict", facts)
    for name in _CUT:
        if (part := getattr(cut, name)) is not None:
            write_npy(folder.whole(name), part)
    completed = partial(folder.numbers, _RESULTS[-1])
    left = sorted(set(range(len(blocks))) - completed())
    if progress is not None:
        progress.advance(source.n_rows - sum(map(blocks.rows, left)))
    engine.run(
        _PredictBlock(run, source, blocks, folder),
        left,
        None if progress is None else lambda number: progress.advance(blocks.rows(number)),
        completed=completed,
        describe=lambda number: f"block {number} of the new rows",
    )
    for number in range(len(blocks)):
        stored: dict[str, Any] = {name: read_npy(folder.part(name, number)) for name in _RESULTS}
        if notes is not None and folder.has("notes", number, "json"):
            notes.take_in(read_json(folder.part("notes", number, "json")))
        yield Prediction(**stored, names=clusters.names)
    folder.delete()


def begin_pass(run: RunFolder, name: str, facts: dict[str, Any]) -> StageFolder:
    """Return the temporary folder of a pass over a run, with what an interrupted one left."""
    full = fingerprint(facts, run.stage("assign").read_receipt().fingerprint)
    folder = run.stage(f"{name}-{full[:16]}")
    folder.begin(full)
    return folder
