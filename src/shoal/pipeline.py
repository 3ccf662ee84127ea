"""Run the stages of a fit in order, skipping those that are already done."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from shoal.edits import Curation
from shoal.edits.base_fit import fit_fingerprint
from shoal.edits.carry import carry_over
from shoal.edits.learn import EditConstraints
from shoal.edits.log import check_fit
from shoal.engines.base import Engine
from shoal.engines.local import LocalEngine
from shoal.engines.memory import return_memory_to_os
from shoal.engines.opening import opened_engine
from shoal.engines.options import EngineOptions
from shoal.errors import RunError, SettingError
from shoal.planning import (
    ENGINE_PROCESSES,
    Plan,
    check_disk,
    limit_representatives,
    make_plan,
    plan_growth,
)
from shoal.progress import Progress, Silent
from shoal.rows import Source, remarks_of
from shoal.rows.memory_budget import (
    LIBRARIES,
    clear_read_caches,
    enough,
    mebibytes,
    set_memory_budget,
)
from shoal.settings import FitSettings
from shoal.stages.context import Context
from shoal.stages.copies import Copies, read_copies
from shoal.stages.fit_stages import check_run, stages_of
from shoal.stages.growth.find import Growth, find_growth
from shoal.stages.index import sample_of
from shoal.stages.learning import placed
from shoal.stages.result import Result
from shoal.stages.stage import Stage
from shoal.stages.workload import Need
from shoal.storage import NOTES, RunFolder, StageFolder, as_place, fingerprint, read_json, run_place

_MOST_LISTED = 10  # edits that are not carried over


def run_pipeline(
    path: str | os.PathLike[str],
    source: Source,
    settings: FitSettings,
    where: str | None = None,
    progress: Progress | None = None,
    engine_options: EngineOptions = (),
) -> RunFolder:
    """Run all stages that are not done yet, in the run folder `path`.

    `where`: The source's path, stored so that the run can reopen it; None for rows in memory.
    """
    place, progress = as_place(path), progress or Silent()
    _check_paths(settings, place)
    _refuse_to_shrink(run_place(path), source)
    previous = None if settings.previous is None else _edits_of(settings.previous)
    plan, growth, remark = _plan(source, settings)
    source = source if growth is None else growth.opened
    set_memory_budget(settings.memory, plan.cached, plan.members)
    about = {**settings.as_dict(), "source": where}
    folder = RunFolder(place, about)
    context = Context(
        run=folder,
        opened=source,
        fingerprint=source.fingerprint(),
        source=plan.source,
        settings=plan.settings,
        encoder=placed(plan.encoder, folder.stage("features")),
        shards=plan.shards,
        engine=LocalEngine(plan.workers),
        progress=progress,
        first_id=0 if previous is None else previous.next_id,
        constraints=_constraints(settings),
        previous=None if growth is None else growth.previous,
        copies=_copies(settings, source.n_rows),
    )
    fingerprints = _fingerprints(context)
    check_fit(place, fit_fingerprint(fingerprints["tree"], fingerprints["assign"]))
    with (
        _opened_engine(place, settings, plan, engine_options) as engine,
        RunFolder.create(path, about) as run,
        threadpool_limits(1, "blas"),
    ):
        for note in (_description(source, plan), *remarks_of(source), remark, plan.remark):
            if note:
                progress.note(note)
        _run_stages(replace(context, run=run, engine=engine), fingerprints, plan)
        if previous is not None:
            _carry_edits(previous, run, progress)
    return RunFolder.open(path)


def plan_of(source: Source, settings: FitSettings) -> Plan:
    """Plan the memory and workers of a fit, or of adding rows to a previous run."""
    return _plan(source, settings)[0]


def _plan(source: Source, settings: FitSettings) -> tuple[Plan, Growth | None, str]:
    """Return the plan, the rows that are added to a previous run if any, and a remark."""
    growth, remark = find_growth(source, settings)
    if growth is not None:
        return plan_growth(growth, settings), growth, remark
    settings, few = limit_representatives(settings, source.n_rows)
    return make_plan(source, settings), None, remark or few


def _opened_engine(
    path: Path, settings: FitSettings, plan: Plan, options: EngineOptions
) -> AbstractContextManager[Engine]:
    beside = ENGINE_PROCESSES.get(settings.engine, 0)
    needs, memory = tuple(plan.needs.values()), settings.memory
    return opened_engine(
        settings.engine,
        plan.workers,
        options,
        notes=path / NOTES,
        prepare=partial(set_memory_budget, memory, plan.cached, plan.members),
        split=partial(split_workers, needs, memory, settings.workers or 1, beside),
    )


def _check_paths(settings: FitSettings, place: Path) -> None:
    for name in ("previous", "constraints"):
        other = getattr(settings, name)
        if other is not None and as_place(other).resolve() == place.resolve():
            raise SettingError(f"{name} {other} is the run being written: give another run")


def split_workers(
    needs: Sequence[Need], memory: int, workers: int, beside: int = 0
) -> tuple[int, int]:
    """Split workers into as many processes as fit in memory next to the launcher.

    `beside` is the memory of the engine's other processes.
    """

    def peak(processes: int, threads: int) -> int:
        return beside + max(
            n.memory(0) + processes * (LIBRARIES + n.shared + threads * n.each) for n in needs
        )

    splits = [(n, -(-workers // n)) for n in range(workers, 0, -1)]
    for split in (*splits, *((1, threads) for threads in range(workers - 1, 0, -1))):
        if peak(*split) <= memory:
            return split
    raise SettingError(
        f"the launcher and one worker process need about {mebibytes(peak(1, 1))}, but memory is "
        f"{mebibytes(memory)}: give --memory {enough(peak(1, 1))}, or the address of a scheduler, "
        "where the limit applies to each process"
    )


def _refuse_to_shrink(path: Path, source: Source) -> None:
    if sample_of(source) is None or not (path / "index").exists():
        return
    folder = StageFolder(path / "index")
    if folder.is_done() and read_json(folder.whole("summary", "json")).get("sample_of") is None:
        raise RunError(
            f"{path} holds a fit of all rows, and a sample must not replace it: give another "
            "folder with -o, or leave --sample out"
        )


def _edits_of(path: str) -> Curation:
    result = Result(RunFolder.open(path))
    check_run(result)
    return Curation(result)


def _constraints(settings: FitSettings) -> EditConstraints | None:
    return (
        None if settings.constraints is None else EditConstraints(_edits_of(settings.constraints))
    )


def _copies(settings: FitSettings, n_rows: int) -> Copies:
    if settings.duplicates is None:
        return Copies()
    for name in ("previous", "sample"):
        if getattr(settings, name) is not None:
            raise SettingError(f"duplicates refers to all rows of the source: leave {name} out")
    return read_copies(as_place(settings.duplicates), n_rows)


def _carry_edits(previous: Curation, run: RunFolder, progress: Progress) -> None:
    # This process writes the run, and has not finished.
    after = Curation(Result(run), exclusive=True)
    if after.seq or not previous.edited:
        return
    carried = carry_over(previous, after)
    name = previous.fit.result.folder.path
    edits = f"{carried.edits:,} edit{'' if carried.edits == 1 else 's'} of {name}"
    if not carried.skipped:
        progress.note(f"Carried over: {edits}.")
        return
    progress.note(
        f"Carried over: {edits}, except for the following (full list: shoal edits list {run.path})."
    )
    for what, why in carried.skipped[:_MOST_LISTED]:
        progress.note(f"  {what}: {why}")


def _description(source: Source, plan: Plan) -> str:
    scaled = plan.source.kind == "images" and plan.source.mixed_sizes
    size = "×".join(map(str, plan.source.shape[:2]))
    return f"{source.description}{f', scaled to {size}' if scaled else ''}. {plan.encoder_reason}"


def _fingerprints(context: Context) -> dict[str, str]:
    """Return the fingerprint of every stage, from what it depends on and those of its inputs."""
    found: dict[str, str] = {}
    previous = context.previous
    for stage in stages_of(previous is not None):
        facts: dict[str, Any] = {"stage": stage.name, **stage.depends_on(context)}
        if previous is not None and not stage.growth_only:
            facts["grown"] = {
                "previous": previous.stage(stage.name).read_receipt().fingerprint,
                "kept": previous.kept,
                "changed": list(previous.changed),
            }
        found[stage.name] = fingerprint(facts, *(found[name] for name in stage.inputs))
    return found


def _run_stages(context: Context, fingerprints: dict[str, str], plan: Plan) -> None:
    """Run the stages that are not done; delete the folders of stages that are not in this fit."""
    for stage in stages_of(grows=True):
        if stage.name not in fingerprints:
            context.stage(stage.name).delete()
    stages = stages_of(context.previous is not None)
    if not all(context.stage(stage.name).is_done(fingerprints[stage.name]) for stage in stages):
        check_disk(plan, context.run.path)
    done = [_run_stage(stage, context, fingerprints[stage.name]) for stage in stages]
    if not any(done):
        context.progress.note("Nothing to do: this fit is already finished.")
    context.progress.finish()


def _run_stage(stage: Stage, context: Context, fingerprint: str) -> bool:
    """Run a stage unless it is done; return whether it ran."""
    folder, previous = context.stage(stage.name), context.previous
    if folder.is_done(fingerprint):
        return False
    began = time.monotonic()
    if previous is None or not stage.unchanged_by_growth:  # otherwise there is nothing to wait for
        total, unit = (
            (context.shards.n_rows, "rows") if stage.by_rows else (None, "representatives")
        )
        context.progress.stage(stage.name, total, unit)
    if not stage.reads_source:
        clear_read_caches()
    folder.begin(fingerprint)
    counts = stage.run(context)
    return_memory_to_os()
    linked = None if previous is None or stage.growth_only else previous.stage(stage.name)
    folder.finish(fingerprint, counts, time.monotonic() - began, _peak_memory(), linked)
    return True


def _peak_memory() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most) * (1 if sys.platform == "darwin" else 1024)
