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
from shoal.memory_forecast import (
    GRAPH_BYTES,
    LEAST_MEMBERS,
    READ_ENCODED,
    Need,
    kept_bytes,
    stage_needs,
)
from shoal.methods import METHODS, parse_assignments
from shoal.rows import Source, as_requested, some_images
from shoal.rows.memory_budget import LIBRARIES, enough, mebibytes, members_bytes
from shoal.settings import FitSettings
from shoal.stages import drawn, features
from shoal.stages.base import EVERY_ROW, Shards, is_encoded, is_read, keeps_numbers
from shoal.stages.codes import representatives_for
from shoal.stages.fitted import CALIBRATED
from shoal.stages.growth.find import Growth
from shoal.stages.sample_features import encodes_some
from shoal.storage import is_remote

OF_ENGINES = {"beam": 96 << 20, "dask": 96 << 20, "spark": 96 << 20}
"""Bytes of Beam, Dask and Spark in each process of Python, the launcher and the workers alike."""

BESIDE = {"spark": 640 << 20}
"""Bytes of the processes that an engine starts beside these: a JVM whose heap has 512 MiB, and the
Python that workers are forked from."""

ONCE = ("features", "summarise", "tree")
"""Stages that added rows leave as they were."""

LOOKED_AT_MOST = 12_000
"""Rows that are looked at to find new clusters among those added."""

_BESIDE_PAIRS = 150 << 20  # bytes of vectors and graph beside the pairs of a method, the most seen
_LEAST = 2_048  # representatives, below which no memory makes Shoal go by itself
# Representatives a cluster that passes over all rows start from. On 200,000 rows, K = 60, one pass
# from 34, 65, 127 and 511 of them ends at an inertia of 1.35, 1.36, 1.37 and 1.39e7.
_STARTING = 32
_USUAL_K = 20  # the most that is tried where K is not given
_STEP = 0.75
_SLACK = 1.02


@dataclass(frozen=True)
class Plan:
    """What a fit would do, and its cost."""

    encoder: Encoder  # How rows become features
    why: str  # A sentence that says why
    source: Source  # The rows, in the size that the encoder wants
    shards: Shards  # The fixed ranges of rows
    representatives: int  # How many at most
    workers: int  # Threads, as many as the memory allows
    needs: tuple[Need, ...]  # Memory and disk, stage by stage
    passes: int  # How often the source is read
    remark: str = ""  # A sentence that says what the memory made smaller; empty where nothing
    # How many rows there is work for, where they are added to an earlier run; else None
    added: int | None = None
    # Bytes that the source may keep for its next reads: row groups, places in them, chunks
    kept: int = 0
    # Bytes for single files and images while they are read and decoded, whatever the workers
    members: int | None = None

    @property
    def memory(self) -> int:
        """Bytes at the peak, over all stages."""
        return max(need.memory(self.workers) for need in self.needs)

    @property
    def disk(self) -> int:
        """Bytes of the finished run folder."""
        return sum(need.disk for need in self.needs)

    @property
    def peak_disk(self) -> int:
        """Bytes of the run folder at its largest."""
        done = np.cumsum([need.disk for need in self.needs])
        return int(max(d + need.passing for d, need in zip(done, self.needs, strict=True)))

    def requested(self, settings: FitSettings) -> int | None:
        """Return the number of representatives to ask for: another only where memory is short."""
        return self.representatives if self.remark else settings.representatives

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
            "stages": [need.stage for need in self.needs],
        }


def for_method(settings: FitSettings, n_rows: int) -> tuple[FitSettings, str]:
    """Choose fewer representatives if the method cannot use more, or passes need no more.

    Also returns a sentence on this, empty if the settings are unchanged.
    """
    method, requested = METHODS.get(settings.method), settings.representatives
    if method is None:
        return settings, ""
    usual = representatives_for(n_rows, None)
    passes = method.resolved(parse_assignments(settings.parameters)).get("passes", 0)
    start = max(_LEAST, _STARTING * (settings.k or _USUAL_K))
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
    weights = "" if method.weighted else ", whose weights it leaves out"
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
    encoder, why = choose_encoder(
        settings.features,
        source,
        lambda: some_images(source, LOOKED, LOOKED_SIDE),
        encodes_some(source, settings.workers),
    )
    n = source.n_rows
    _check_counts(settings, n)
    rows = as_requested(source, encoder.needs.wanted)
    usual = representatives_for(n, settings.representatives)
    m, needs = _within(settings, source, rows, encoder, usual)
    passes = 1
    if not keeps_numbers(source):
        again = not (drawn.is_kept(source, encoder) or drawn.looks_at_some(source, encoder))
        passes += is_read(source) + again + features.fitting_passes(source, encoder)
    remark = ""
    if m < usual:
        remark = (
            f"With {mebibytes(settings.memory)} of memory only {m:,} representatives fit instead "
            f"of {usual:,}: small clusters may be missed."
        )
    found = Plan(encoder, why, rows, Shards.of(source), m, 1, needs, passes, remark)
    return _within_engine(found, source, settings)


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
    source, encoder, grown = growth.opened, growth.fitted.encoder, growth.grown
    m, added = len(grown.before.representatives), source.n_rows - grown.kept
    needs = []
    for need in stage_needs(source, growth.rows, encoder, m, settings, grown=True):
        if need.stage in ONCE:
            own = 8 * min(source.n_rows, CALIBRATED) * (need.stage == "summarise")
            needs.append(Need(need.stage, 0, 0, own))
        else:
            needs.append(replace(need, disk=need.disk * added // source.n_rows))
    looked = LOOKED_AT_MOST * (GRAPH_BYTES + 12 * encoder.n_features)
    needs.append(Need("drift", looked, 0, 0))
    found = Plan(
        encoder,
        growth.summary,
        growth.rows,
        growth.shards,
        m,
        1,
        tuple(needs),
        1 + is_read(source),
        added=added,
    )
    return _within_engine(found, source, settings)


def _within_engine(plan: Plan, source: Source, settings: FitSettings) -> Plan:
    """Add what the engine and single files take, and choose the workers by what is left."""
    needs = _on_engine(plan.needs, settings)
    needs, members = _with_members(needs, source, settings.memory)
    kept, workers = kept_bytes(source, settings.memory), _workers(needs, settings)
    return replace(plan, needs=needs, members=members, kept=kept, workers=workers)


def _with_members(
    needs: tuple[Need, ...], source: Source, memory: int
) -> tuple[tuple[Need, ...], int | None]:
    """Add the bytes of single files and images to the stages that read them; also return these.

    They are what one worker leaves, so that it does not depend on the workers what is refused.
    """
    if not is_encoded(source):
        return needs, None
    reading = [need for need in needs if need.stage in READ_ENCODED]
    left = memory - max(need.memory(1) for need in reading) + LEAST_MEMBERS
    members = members_bytes(memory, left)
    more = members - LEAST_MEMBERS
    added = (replace(n, shared=n.shared + more) if n in reading else n for n in needs)
    return tuple(added), members


def _on_engine(needs: tuple[Need, ...], settings: FitSettings) -> tuple[Need, ...]:
    more = OF_ENGINES.get(settings.engine, 0)
    added = tuple(replace(need, shared=need.shared + more, once=need.once + more) for need in needs)
    most = max(added, key=lambda need: need.memory(1))
    if most.memory(1) > settings.memory:
        raise SettingError(_too_little(most, settings.memory))
    return added


def _too_little(need: Need, memory: int) -> str:
    return (
        f"the stage {need.stage} needs about {mebibytes(need.memory(1))}, but memory is "
        f"{mebibytes(memory)}: give --memory {enough(need.memory(1))}"
    )


def _within(
    settings: FitSettings, source: Source, rows: Source, encoder: Encoder, usual: int
) -> tuple[int, tuple[Need, ...]]:
    for m in _tries(usual, source.n_rows):
        needs = stage_needs(source, rows, encoder, m, settings)
        if max(need.memory(1) for need in needs) <= settings.memory:
            if settings.representatives is not None and m < usual:
                raise SettingError(_too_many(usual, m, settings, source, rows, encoder))
            return m, needs
    most = max(needs, key=lambda need: need.memory(1))
    raise SettingError(_too_little(most, settings.memory))


def _tries(usual: int, n: int) -> Iterator[int]:
    """Return numbers of representatives from the usual one down, each three quarters of the last.

    >>> list(_tries(5_000, 10**6)), next(_tries(70_000, 70_000))
    ([5000, 3750, 2812, 2109], 70000)
    """
    yield usual
    m = min(round(_STEP * usual), max(n // 4, 2)) if usual == n else round(_STEP * usual)
    while m >= _LEAST:
        yield int(m)
        m = int(_STEP * m)


def _too_many(
    requested: int, fits: int, settings: FitSettings, source: Source, rows: Source, encoder: Encoder
) -> str:
    memory = settings.memory
    needed = max(need.memory(1) for need in stage_needs(source, rows, encoder, requested, settings))
    return (
        f"{requested:,} representatives need about {mebibytes(needed)}, but memory is "
        f"{mebibytes(memory)}: give --memory {enough(needed)}, or --representatives {fits} at most"
    )


def _workers(needs: tuple[Need, ...], settings: FitSettings) -> int:
    room = (
        (settings.memory - LIBRARIES - need.shared) // need.each
        if need.each
        else settings.workers or 1
        for need in needs
    )
    return int(max(1, min(settings.workers or 1, *room)))


def check_disk(plan: Plan, path: Path) -> None:
    """Raise if the disk of a run folder has too little space for the plan.

    Files of an interrupted fit count as written.
    """
    if is_remote(path):
        return  # a store has no end
    folder = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    there = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    needed = int(plan.peak_disk * _SLACK) - there
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageFullError(
            f"{path} needs about {mebibytes(needed)}, but {mebibytes(free)} are free there: "
            "make room, or give another folder with -o"
        )
