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

from threadpoolctl import threadpool_limits

from shoal.edits import Curation
from shoal.edits.base_clusters import fit_fingerprint
from shoal.edits.carry import carry_over
from shoal.edits.learn import Learnt
from shoal.edits.log import check_fit
from shoal.engines.base import Engine
from shoal.engines.local import LocalEngine
from shoal.engines.memory import give_back
from shoal.engines.opening import opened_engine
from shoal.engines.options import EngineOptions
from shoal.errors import RunError, SettingError
from shoal.memory_forecast import READING, Need
from shoal.planning import BESIDE, Plan, check_disk, for_method, make_plan, plan_growth
from shoal.progress import Progress, Silent
from shoal.rows import Source, remarks_of
from shoal.rows.memory_budget import LIBRARIES, clear_read_caches, enough, mebibytes, share
from shoal.settings import FitSettings
from shoal.stages import assign, features, index, project, summarise, tree
from shoal.stages.base import Context, Stage
from shoal.stages.copies import Copies, read_copies
from shoal.stages.growth import drift
from shoal.stages.growth.find import Growth, find_growth
from shoal.stages.growth.stages import GROWTH
from shoal.stages.learning import placed
from shoal.stages.result import Result
from shoal.storage import NOTES, RunFolder, StageFolder, as_place, fingerprint, read_json, run_place

STAGES: tuple[Stage, ...] = (
    index.STAGE,
    features.STAGE,
    project.STAGE,
    summarise.STAGE,
    tree.STAGE,
    assign.STAGE,
)
"""All stages, in the order in which they run."""

_MOST_LISTED = 10


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
    bars = progress or Silent()
    for name in ("previous", "constraints"):
        other = getattr(settings, name)
        if other is not None and as_place(other).resolve() == as_place(path).resolve():
            raise SettingError(f"{name} {other} is the run being written: give another run")
    _refuse_to_shrink(run_place(path), source)
    earlier = None if settings.previous is None else _earlier(settings.previous)
    growth = find_growth(source, settings)
    grown, why = (None, growth) if isinstance(growth, str) else (growth.grown, "")
    about = {**settings.as_dict(), "source": where}
    if isinstance(growth, str):
        settings, few = for_method(settings, source.n_rows)
        why = why or few
    plan = plan_of(source, settings, growth)
    source = source if isinstance(growth, str) else growth.opened
    share(settings.memory, plan.kept, plan.members)
    run_folder = RunFolder(as_place(path), about)
    context = Context(
        run_folder,
        source,
        source.fingerprint(),
        plan.source,
        replace(settings, workers=plan.workers, representatives=plan.requested(settings)),
        placed(plan.encoder, run_folder.stage("features")),
        plan.shards,
        LocalEngine(plan.workers),
        bars,
        0 if earlier is None else earlier.fresh,
        None if settings.constraints is None else Learnt(_earlier(settings.constraints)),
        grown,
        _copies(settings, source.n_rows),
    )
    stages = _with_prints(context)
    prints = {stage.name: print_ for stage, print_ in stages}
    check_fit(as_place(path), fit_fingerprint(prints["tree"], prints["assign"]))
    with (
        _opened(as_place(path), settings, plan, engine_options) as engine,
        RunFolder.create(path, about) as run,
        threadpool_limits(1, "blas"),
    ):
        bars.note(f"{source.description}{_scaled(plan.source)}. {plan.why}")
        for remark in remarks_of(source):
            bars.note(remark)
        context = replace(context, run=run, engine=engine)
        if why:
            bars.note(why)
        if plan.remark:
            bars.note(plan.remark)
        if not all(context.stage(stage.name).is_done(print_) for stage, print_ in stages):
            check_disk(plan, run.path)
        if grown is None:
            context.stage(drift.STAGE.name).delete()
        done = [_do(one, context) for one in stages]
        if not any(done):
            bars.note("Nothing to do: this fit is already finished.")
        bars.finish()
        if earlier is not None:
            _carry(earlier, run, bars)
    return RunFolder.open(path)


def _opened(
    path: Path, settings: FitSettings, plan: Plan, options: EngineOptions
) -> AbstractContextManager[Engine]:
    beside = BESIDE.get(settings.engine, 0)
    return opened_engine(
        settings.engine,
        plan.workers,
        options,
        notes=path / NOTES,
        prepare=partial(share, settings.memory, plan.kept, plan.members),
        split=partial(split_workers, plan.needs, settings.memory, settings.workers or 1, beside),
    )


def plan_of(source: Source, settings: FitSettings, growth: Growth | str | None = None) -> Plan:
    """Plan the memory and workers of a fit, or of adding rows to an earlier run."""
    growth = find_growth(source, settings) if growth is None else growth
    if isinstance(growth, str):
        return make_plan(source, for_method(settings, source.n_rows)[0])
    return plan_growth(growth, settings)


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
    if index.sample_of(source) is None or not (path / "index").exists():
        return
    folder = StageFolder(path / "index")
    if folder.is_done() and read_json(folder.whole("summary", "json")).get("sample_of") is None:
        raise RunError(
            f"{path} holds a fit of all rows, and a sample must not replace it: give another "
            "folder with -o, or leave --sample out"
        )


def _earlier(path: str) -> Curation:
    result = Result(RunFolder.open(path))
    result.check()
    return Curation(result)


def _copies(settings: FitSettings, n_rows: int) -> Copies:
    if settings.duplicates is None:
        return Copies()
    for name in ("previous", "sample"):
        if getattr(settings, name) is not None:
            raise SettingError(f"duplicates refers to all rows of the source: leave {name} out")
    return read_copies(as_place(settings.duplicates), n_rows)


def _carry(earlier: Curation, run: RunFolder, bars: Progress) -> None:
    after = Curation(Result(run), alone=True)  # this process writes the run, and has not finished
    if after.seq or not earlier.edited:
        return
    carried = carry_over(earlier, after)
    name = earlier.ground.result.folder.path
    edits = f"{carried.edits:,} edit{'' if carried.edits == 1 else 's'} of {name}"
    if not carried.skipped:
        bars.note(f"Carried over: {edits}.")
        return
    bars.note(
        f"Carried over: {edits}, except for the following (full list: shoal edits list {run.path})."
    )
    for what, why in carried.skipped[:_MOST_LISTED]:
        bars.note(f"  {what}: {why}")


def _scaled(source: Source) -> str:
    scaled = source.kind == "images" and source.mixed_sizes
    return f", scaled to {source.shape[0]}×{source.shape[1]}" if scaled else ""


def _with_prints(context: Context) -> list[tuple[Stage, str]]:
    prints: dict[str, str] = {}
    stages = stages_of(context.grown is not None)
    for stage in stages:
        facts = {"stage": stage.name, **stage.facts(context)}
        if context.grown is not None and stage.name != drift.STAGE.name:
            before = context.grown.stage(stage.name).read_receipt().fingerprint
            facts["grown"] = {"previous": before, "kept": context.grown.kept}
            facts["grown"]["changed"] = list(context.grown.changed)
        prints[stage.name] = fingerprint(facts, *(prints[name] for name in stage.needs))
    return [(stage, prints[stage.name]) for stage in stages]


def stages_of(grown: bool) -> tuple[Stage, ...]:
    return GROWTH if grown else STAGES


def _do(planned: tuple[Stage, str], context: Context) -> bool:
    stage, print_ = planned
    folder = context.stage(stage.name)
    if folder.is_done(print_):
        return False
    began = time.monotonic()
    grown = context.grown
    if grown is not None and stage.once:
        pass  # there is nothing to wait for
    elif stage.by_rows:
        context.progress.stage(stage.name, context.shards.n_rows)
    else:
        context.progress.stage(stage.name, None, "representatives")
    if stage.name not in READING:
        clear_read_caches()
    folder.begin(print_)
    counts = stage.work(context)
    give_back()
    seconds = time.monotonic() - began
    linked = grown.stage(stage.name) if grown and stage is not drift.STAGE else None
    folder.finish(print_, counts, seconds, _peak_memory(), linked)
    return True


def _peak_memory() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most) * (1 if sys.platform == "darwin" else 1024)
