"""The pipeline: the only list of stages, in order; what is done is skipped."""

from __future__ import annotations

import os
import resource
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from shoal.engines.local import LocalEngine
from shoal.errors import InputError, SettingError
from shoal.features import LOOKED, LOOKED_SIDE, Encoder, choose_encoder
from shoal.progress import Progress, Silent
from shoal.settings import FitSettings
from shoal.sources import Source, as_wanted, some_images
from shoal.stages import assign, features, index, project, summarise, tree
from shoal.stages.base import Context, Shards, Stage, is_read, keeps_numbers, row_bytes
from shoal.storage import RunFolder, fingerprint

STAGES: tuple[Stage, ...] = (
    index.STAGE,
    features.STAGE,
    project.STAGE,
    summarise.STAGE,
    tree.STAGE,
    assign.STAGE,
)
"""All stages in the order in which they are done."""

_LIBRARIES = 350 << 20
_GRAPH_BYTES = 2_200  # a representative: neighbours, graph, trees of the parts that vote
_MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Plan:
    """What a fit would do, and what it takes.

    Attributes
    ----------
    encoder
        How rows become features.
    said
        A sentence that says why.
    source
        The rows, with the pixels that the encoder wants.
    shards
        The fixed ranges of rows.
    representatives
        How many at most.
    workers
        Threads, as many as the memory allows.
    memory, disk
        Bytes, by rule of thumb.
    passes
        How often the source is read.
    """

    encoder: Encoder
    said: str
    source: Source
    shards: Shards
    representatives: int
    workers: int
    memory: int
    disk: int
    passes: int

    def as_dict(self) -> dict[str, Any]:
        """Give plain values for people."""
        return {
            "rows": self.shards.n_rows,
            "features": f"{self.encoder.name}, {self.encoder.n_features:,} numbers a row",
            "shards": len(self.shards),
            "rows a shard": self.shards.size,
            "representatives": self.representatives,
            "workers": self.workers,
            "passes over the source": self.passes,
            "memory": f"{max(1, self.memory // _MEBIBYTE):,} MiB",
            "disk": f"{max(1, self.disk // _MEBIBYTE):,} MiB",
            "stages": [stage.name for stage in STAGES],
        }


def make_plan(source: Source, settings: FitSettings) -> Plan:
    """Work out shards, representatives, workers, memory and disk for a source.

    Raises
    ------
    InputError
        When there are fewer than two rows, or the settings do not go with them or with the
        memory.
    """
    if source.n_rows < 2:
        raise InputError(f"{source.description}: one row has no groups, give at least 2 to cluster")
    encoder, said = choose_encoder(
        settings.features, source, lambda: some_images(source, LOOKED, LOOKED_SIDE)
    )
    shards, rows = Shards.of(source), as_wanted(source, encoder.needs.wanted)
    n, d = source.n_rows, encoder.n_features
    c = min(encoder.needs.components, d)
    m = summarise.representatives_for(n, settings.representatives)
    if settings.min_size is not None and settings.min_size > n:
        raise SettingError(
            f"min_size {settings.min_size:,}, but there are {n:,} rows: give at most {n:,}"
        )
    each = shards.block(rows) * 3 * row_bytes(rows) + shards.size * 12 * d
    each += 24 * d * d + encoder.needs.scratch
    one_piece = n * (c + 4) * 8 if m == n else n * 8
    whole = one_piece + m * (_GRAPH_BYTES + 16 * c)
    room = settings.memory - _LIBRARIES
    workers = max(1, min(settings.workers or 1, room // max(1, each)))
    memory = _LIBRARIES + max(workers * each, whole)
    if settings.representatives is not None and memory > settings.memory:
        raise SettingError(
            f"{m:,} representatives need about {memory // _MEBIBYTE:,} MiB, but memory is "
            f"{settings.memory // _MEBIBYTE:,} MiB: give more --memory or fewer representatives"
        )
    disk, passes = _disk_and_passes(source, encoder, m)
    return Plan(encoder, said, rows, shards, m, workers, memory, disk, passes)


def _disk_and_passes(source: Source, encoder: Encoder, m: int) -> tuple[int, int]:
    """Estimate the bytes of the run folder, and how often the source is read."""
    n, c = source.n_rows, min(encoder.needs.components, encoder.n_features)
    disk = n * (4 * c + 2 + 8) + m * (4 * c + 200)
    kept, encoded = keeps_numbers(source), features.is_kept(source, encoder)
    disk += n * row_bytes(source) if kept else 0
    disk += n * 4 * encoder.n_features if encoded else 0
    passes = 1 if kept else is_read(source) + 1 + (not encoded)
    return disk, int(passes)


def run_pipeline(
    path: str | os.PathLike[str],
    source: Source,
    settings: FitSettings,
    where: str | None = None,
    progress: Progress | None = None,
) -> RunFolder:
    """Do all stages that are not done, in the run folder `path`.

    Parameters
    ----------
    path
        A new or empty folder, or a run.
    source
        The rows.
    settings
        From `fit_settings`.
    where
        The source's path, to find it again; None for rows in memory.
    progress
        Is told how far it is.

    Returns
    -------
    RunFolder
        Open for reading.

    Raises
    ------
    ShoalError
        With what is wrong and what to do; what is finished stays and is not done again.
    """
    said = progress or Silent()
    if settings.previous is not None and Path(settings.previous).resolve() == Path(path).resolve():
        raise SettingError(f"previous {settings.previous} is the run itself: give another run")
    plan = make_plan(source, settings)
    about = {**settings.as_dict(), "source": where}
    with RunFolder.create(Path(path), about) as run, threadpool_limits(1, "blas"):
        said.note(f"{source.description}{_scaled(plan.source)}. {plan.said}")
        context = Context(
            run,
            source,
            source.fingerprint(),
            plan.source,
            replace(settings, workers=plan.workers),
            plan.encoder,
            plan.shards,
            LocalEngine(plan.workers),
            said,
        )
        done = [_do(stage, context) for stage in _with_prints(context)]
        if not any(done):
            said.note("Nothing to do: every stage is done with these settings.")
        said.finish()
    return RunFolder.open(path)


def _scaled(source: Source) -> str:
    """Say to what size images are scaled, if they are."""
    scaled = source.kind == "images" and source.mixed_sizes
    return f", scaled to {source.shape[0]}×{source.shape[1]}" if scaled else ""


def _with_prints(context: Context) -> list[tuple[Stage, str]]:
    """Give each stage its fingerprint: its settings and those of what it is made from."""
    prints: dict[str, str] = {}
    for stage in STAGES:
        facts = {"stage": stage.name, **stage.facts(context)}
        prints[stage.name] = fingerprint(facts, *(prints[name] for name in stage.needs))
    return [(stage, prints[stage.name]) for stage in STAGES]


def _do(planned: tuple[Stage, str], context: Context) -> bool:
    """Do one stage unless it is done; tell whether there was anything to do."""
    stage, print_ = planned
    folder = context.stage(stage.name)
    if folder.is_done(print_):
        return False
    began = time.monotonic()
    if stage.by_rows:
        context.progress.stage(stage.name, context.shards.n_rows)
    else:
        context.progress.stage(stage.name, None, "representatives")
    folder.begin(print_)
    counts = stage.work(context)
    folder.finish(print_, counts, time.monotonic() - began, _peak_memory())
    return True


def _peak_memory() -> int:
    """Give the most memory that this process has had, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most) * (1 if sys.platform == "darwin" else 1024)
