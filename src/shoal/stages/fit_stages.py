"""The stages of a fit, and what concerns all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shoal.stages import assign, features, index, project, summarise, tree
from shoal.stages.growth import drift
from shoal.stages.quarantine import read_quarantine
from shoal.stages.result import Result
from shoal.stages.stage import Stage
from shoal.storage import RunFolder, StageFolder

STAGES: tuple[Stage, ...] = (
    index.STAGE,
    features.STAGE,
    project.STAGE,
    summarise.STAGE,
    tree.STAGE,
    assign.STAGE,
    drift.STAGE,
)
"""All stages, in the order in which they run."""


def stages_of(grows: bool) -> tuple[Stage, ...]:
    """Return the stages of a fit; `grows` if it adds rows to a previous run."""
    return tuple(stage for stage in STAGES if grows or not stage.growth_only)


def stage_names() -> list[str]:
    return [stage.name for stage in STAGES]


def check_run(result: Result) -> None:
    """Raise if a run is unfinished or visibly damaged, without reading all files.

    Raises
    ------
    RunError
        With the file, and what to do.
    """
    for folder in run_stages(result):
        folder.check()
    _ = result.layers


def verify_run(result: Result) -> None:
    """Read all files, and raise if one is damaged; see `check_run`."""
    for folder in run_stages(result):
        folder.verify()


def run_stages(result: Result) -> Iterator[StageFolder]:
    for stage in STAGES:
        if not stage.growth_only or result.summary.get("grown"):
            yield result.folder.stage(stage.name)


def quarantined(run: RunFolder) -> Any:
    """Return the table of all rows that could not be used, as a `pyarrow.Table` by row.

    Most are found by the index; files that disappear or change later, and overflowing numbers, are
    found by later stages.
    """
    return read_quarantine(run, [stage.name for stage in STAGES if stage.quarantines])
