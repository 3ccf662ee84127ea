"""What a stage is, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shoal.stages.context import Context
from shoal.stages.growth.previous import Previous
from shoal.stages.workload import Need, Workload


@dataclass(frozen=True)
class Stage:
    """A stage: its inputs, what its fingerprint depends on, its work and its cost."""

    name: str  # Also the name of its folder in the run
    inputs: tuple[str, ...]  # Stages whose results it reads
    # Returns what else its results depend on, as JSON values, including its own version
    depends_on: Callable[[Context], dict[str, Any]]
    work: Callable[[Context], dict[str, Any]]  # Writes the missing parts; returns counts to store
    # The work when rows are added to a previous run; by default the same
    extend: Callable[[Context, Previous], dict[str, Any]] | None = None
    need: Callable[[Workload], Need] = lambda _: Need()  # Forecasts memory and disk
    by_rows: bool = True  # Progress counts rows; otherwise representatives, at the end
    unchanged_by_growth: bool = False  # Its results stay when rows are added to a previous run
    growth_only: bool = False  # Runs only when rows are added to a previous run
    reads_source: bool = False  # What the source caches for its next reads is released otherwise
    quarantines: bool = False  # May write the kind "quarantine": rows that it could not use

    def run(self, context: Context) -> dict[str, Any]:
        if context.previous is None or self.extend is None:
            return self.work(context)
        return self.extend(context, context.previous)
