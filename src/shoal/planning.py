"""The plan of a fit: shards, representatives, workers, memory and disk space."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from shoal.core.checked import check_count
from shoal.errors import InputError, SettingError, StorageFullError
from shoal.features import LOOKED, LOOKED_SIDE, Encoder, choose_encoder
from shoal.methods import METHODS, parse_assignments
from shoal.rows import Source, as_requested, some_images
from shoal.rows.memory_budget import LIBRARIES, enough, mebibytes, members_bytes
from shoal.settings import FitSettings
from shoal.stages import drawn, features
from shoal.stages.codes import EVERY_ROW, representatives_for
from shoal.stages.fit_stages import stages_of
from shoal.stages.growth.find import Growth
from shoal.stages.sample_features import encodes_some
from shoal.stages.shards import Shards
from shoal.stages.source_traits import index_reads_rows, index_stores_rows, is_encoded
from shoal.stages.workload import LEAST_MEMBERS, Need, Workload, cache_bytes
from shoal.storage import is_remote

Needs = dict[str, Need]
"""What each stage needs, by its name, in the order in which they run."""

# Measured after importing the engine: bytes of its modules in each process of Python, the launcher
# and the workers alike.
ENGINE_LIBRARIES = {"beam": 96 << 20, "dask": 96 << 20, "spark": 96 << 20}

# Bytes of the processes that an engine starts beside these: a JVM whose heap has 512 MiB, and the
# Python that workers are forked from.
ENGINE_PROCESSES = {"spark": 640 << 20}

_BESIDE_PAIRS = 150 << 20  # bytes of vectors and graph beside the pairs of a method, the most seen
# Below so many representatives, small clusters are missed: Shoal goes there only if told to.
_FEWEST_REPRESENTATIVES = 2_048
# Representatives per cluster that the passes over all rows start from. On 200,000 rows, K = 60, one
# pass from 34, 65, 127 and 511 of them ends at an inertia of 1.35, 1.36, 1.37 and 1.39e7.
_STARTING = 32
_USUAL_K = 20  # the most that is tried where K is not given
_STEP = 0.75  # from one number of representatives that is tried to the next
_SLACK = 1.02  # of the disk space that is planned, for receipts and folders


@dataclass(frozen=True)
class Plan:
    """What a fit would do, and its cost."""

    settings: FitSettings  # With the workers and representatives that the memory allows
    encoder: Encoder  # How rows become features
    encoder_reason: str  # A sentence that says why
    source: Source  # The rows, in the size that the encoder wants
    shards: Shards  # The fixed ranges of rows
    representatives: int  # How many at most
    workers: int  # Threads, as many as the memory allows
    needs: Needs
    passes: int  # How often the source is read
    reduced: bool = False  # Whether the memory allows fewer representatives than usual
    remark: str = ""  # A sentence on that; empty otherwise
    added: int | None = None  # Rows added to an earlier run; None for a new fit
    # Bytes that the source may keep for its next reads: row groups, places in them, chunks
    cached: int = 0
    # Bytes for single files and images while they are read and decoded, whatever the workers
    members: int | None = None

    @property
    def memory(self) -> int:
        """Bytes at the peak, over all stages."""
        return max(need.memory(self.workers) for need in self.needs.values())

    @property
    def disk(self) -> int:
        """Bytes of the finished run folder."""
        return sum(need.disk for need in self.needs.values())

    @property
    def peak_disk(self) -> int:
        """Bytes of the run folder at its largest."""
        needs = list(self.needs.values())
        done = np.cumsum([need.disk for need in needs])
        return int(max(d + need.passing for d, need in zip(done, needs, strict=True)))

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": self.shards.n_rows,
            "features": f"{self.encoder.name}, {self.encoder.n_features:,} numbers per row",
            "shards": len(self.shards),
            "rows per shard": self.shards.size,
            "representatives": self.representatives,
            "workers": self.workers,
            "passes over the source": self.passes,
            "memory": mebibytes(self.memory),
            "disk": mebibytes(self.disk),
        }


def limit_representatives(settings: FitSettings, n_rows: int) -> tuple[FitSettings, str]:
    """Choose fewer representatives if the method cannot use more, or passes need no more.

    Also returns a sentence on this, empty if the settings are unchanged.
    """
    method, requested = METHODS.get(settings.method), settings.representatives
    if method is None:
        return settings, ""
    usual = representatives_for(n_rows, None)
    passes = method.resolved(parse_assignments(settings.parameters)).get("passes", 0)
    start = max(_FEWEST_REPRESENTATIVES, _STARTING * (settings.k or _USUAL_K))
    # Gaussians need enough rows for their covariances, too.
    if passes and not method.soft and requested is None and n_rows > EVERY_ROW and start < usual:
        return replace(settings, representatives=start), (
            f"The {passes} passes over all {n_rows:,} rows start from {start:,} representatives."
        )
    room = min(settings.memory, 2 * (settings.memory - LIBRARIES - _BESIDE_PAIRS))
    most = method.most_rows(room)  # half of the room for pairs
    if most is None:
        return settings, ""
    if requested is not None and requested > most and n_rows > most:
        raise SettingError(
            f"representatives {requested:,}, but method {method.name} takes at most {most:,} with "
            f"memory {mebibytes(settings.memory)}: give at most {most:,}"
        )
    if requested is not None or usual <= most:
        return settings, ""
    why = "compares all pairs of rows" if method.pair_bytes else "is slow on many rows"
    weights = "" if method.weighted else "; their weights are ignored"
    return replace(settings, representatives=most), (
        f"{method.name} {why}: {most:,} representatives stand for the {n_rows:,}{weights}."
    )


def make_plan(source: Source, settings: FitSettings) -> Plan:
    """Plan shards, representatives, workers, memory and disk space for a source.

    The shards depend only on the source, so that another memory limit does not invalidate results.
    Fewer workers are tried first, as they change no result; only if a single worker is too much are
    there fewer representatives than usual, unless their number was requested.
    """
    if source.n_rows < 2:
        raise InputError(f"{source.description}: clustering needs at least 2 rows")
    encoder, reason = choose_encoder(
        settings.features,
        source,
        lambda: some_images(source, LOOKED, LOOKED_SIDE),
        encodes_some(source, settings.workers),
    )
    _check_counts(settings, source.n_rows)
    rows = as_requested(source, encoder.needs.wanted)
    usual = representatives_for(source.n_rows, settings.representatives)
    work = Workload(source, rows, encoder, settings, usual)
    m, needs = _within_memory(work)
    passes = 1
    if not index_stores_rows(source):
        again = not (drawn.is_kept(source, encoder) or drawn.looks_at_some(source, encoder))
        passes += index_reads_rows(source) + again + features.fitting_passes(source, encoder)
    remark = ""
    if m < usual:
        remark = (
            f"With {mebibytes(settings.memory)} of memory only {m:,} representatives fit instead "
            f"of {usual:,}: small clusters may be missed."
        )
    plan = Plan(
        settings, encoder, reason, rows, work.shards, m, 1, needs, passes, m < usual, remark
    )
    return _with_workers(plan, source)


def _check_counts(settings: FitSettings, n: int) -> None:
    finest = () if isinstance(settings.layers, str) else (max(settings.layers),)
    requested = (
        ("min_size", settings.min_size),
        ("k", settings.k),
        *(("layers", k) for k in finest),
    )
    for name, value in requested:
        if value is not None:
            check_count(name, value, n, "rows")
    m = settings.representatives
    if m is not None and settings.k is not None:
        check_count("k", settings.k, m, "representatives")


def plan_growth(growth: Growth, settings: FitSettings) -> Plan:
    source, encoder, previous = growth.opened, growth.fitted.encoder, growth.previous
    m, added = len(previous.result.representatives), source.n_rows - previous.kept
    work = Workload(source, growth.rows, encoder, settings, m, grows=True)
    needs = _stage_needs(work)
    for stage in stages_of(grows=True):
        if not stage.growth_only:
            need = needs[stage.name]
            needs[stage.name] = replace(need, disk=need.disk * added // source.n_rows)
    plan = Plan(
        settings,
        encoder,
        growth.summary,
        growth.rows,
        growth.shards,
        m,
        1,
        needs,
        1 + index_reads_rows(source),
        added=added,
    )
    return _with_workers(plan, source)


def _stage_needs(work: Workload) -> Needs:
    return {
        stage.name: Need() if stage.unchanged_by_growth and work.grows else stage.need(work)
        for stage in stages_of(work.grows)
    }


def _with_workers(plan: Plan, source: Source) -> Plan:
    """Add what the engine and single files take, and choose the workers by what is left."""
    settings = plan.settings
    needs, members = _with_members(_on_engine(plan.needs, settings), source, settings.memory)
    workers = _workers(needs, settings)
    m = plan.representatives if plan.reduced else settings.representatives
    return replace(
        plan,
        settings=replace(settings, workers=workers, representatives=m),
        needs=needs,
        members=members,
        cached=cache_bytes(source, settings.memory),
        workers=workers,
    )


def _with_members(needs: Needs, source: Source, memory: int) -> tuple[Needs, int | None]:
    """Add the bytes of single files and images to the stages that read them; also return these.

    Sized for one worker, so that the number of workers does not decide which files are rejected.
    """
    if not is_encoded(source):
        return needs, None
    stages = [stage for stage in stages_of(grows=True) if stage.name in needs]
    reading = [one.name for one in stages if one.reads_source and needs[one.name].each]
    left = memory - max(needs[name].memory(1) for name in reading) + LEAST_MEMBERS
    members = members_bytes(memory, left)
    more = members - LEAST_MEMBERS
    added = {name: replace(needs[name], shared=needs[name].shared + more) for name in reading}
    return {**needs, **added}, members


def _on_engine(needs: Needs, settings: FitSettings) -> Needs:
    more = ENGINE_LIBRARIES.get(settings.engine, 0)
    needs = {
        name: replace(need, shared=need.shared + more, serial_peak=need.serial_peak + more)
        for name, need in needs.items()
    }
    _check_memory(needs, settings.memory)
    return needs


def _check_memory(needs: Needs, memory: int) -> None:
    """Raise if a stage needs more memory with one worker."""
    name = max(needs, key=lambda name: needs[name].memory(1))
    needed = needs[name].memory(1)
    if needed > memory:
        raise SettingError(
            f"the stage {name} needs about {mebibytes(needed)}, but memory is "
            f"{mebibytes(memory)}: give --memory {enough(needed)}"
        )


def _within_memory(work: Workload) -> tuple[int, Needs]:
    """Return the most representatives that the memory allows, and what the stages need then."""
    settings, usual = work.settings, work.representatives
    for m in _tries(usual, work.rows):
        needs = _stage_needs(replace(work, representatives=m))
        if _peak(needs) <= settings.memory:
            break
    _check_memory(needs, settings.memory)
    if settings.representatives is not None and m < usual:
        needed = _peak(_stage_needs(work))
        raise SettingError(
            f"{usual:,} representatives need about {mebibytes(needed)}, but memory is "
            f"{mebibytes(settings.memory)}: give --memory {enough(needed)}, or "
            f"--representatives {m} at most"
        )
    return m, needs


def _peak(needs: Needs) -> int:
    return max(need.memory(1) for need in needs.values())


def _tries(usual: int, n: int) -> Iterator[int]:
    """Return numbers of representatives from the usual one down, each three quarters of the last.

    >>> list(_tries(5_000, 10**6)), next(_tries(70_000, 70_000))
    ([5000, 3750, 2812, 2109], 70000)
    """
    yield usual
    m = min(round(_STEP * usual), max(n // 4, 2)) if usual == n else round(_STEP * usual)
    while m >= _FEWEST_REPRESENTATIVES:
        yield int(m)
        m = int(_STEP * m)


def _workers(needs: Needs, settings: FitSettings) -> int:
    most = settings.workers or 1
    room = (
        (settings.memory - LIBRARIES - need.shared) // need.each
        for need in needs.values()
        if need.each
    )
    return int(max(1, min((most, *room))))


def check_disk(plan: Plan, path: Path) -> None:
    """Raise if the disk of a run folder has too little space for the plan.

    Files of an interrupted fit count as written.
    """
    if is_remote(path):
        return  # object stores have no fixed size
    folder = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    there = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    needed = int(plan.peak_disk * _SLACK) - there
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageFullError(
            f"{path} needs about {mebibytes(needed)}, but {mebibytes(free)} are free there: "
            "make room, or give another folder with -o"
        )
