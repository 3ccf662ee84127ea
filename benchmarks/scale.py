"""``python -m benchmarks.scale``: what a billion tiles would take, by simulating the task graph.

Seconds per row come from the last row of `results/tiles.jsonl` at the most tiles; shards and groups
from the code itself. What cannot be measured on one machine is an argument with a default: an
assumption, not a figure.
"""

from __future__ import annotations

import argparse
import heapq
import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.rows import RESULTS
from shoal.core.representatives import SAMPLE_PER_CODE
from shoal.stages.shards import Shards

_COMPONENTS, _CODES = 64, 32_768
_JITTER = 0.1


@dataclass(frozen=True)
class Pass:
    """One pass over all rows: a task per shard or group of shards, and what each row moves."""

    stage: str
    grouped: bool
    read: float
    written: float
    files: int


PASSES = (  # bytes of a row: pixels, codes near it, results
    Pass("project", True, 768, 11, 5),
    Pass("assign", False, 11, 8, 1),
)


def costs() -> tuple[dict[str, float], float]:
    """Return core seconds per row of each pass, and the seconds of the other stages together."""
    lines = (RESULTS / "tiles.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["case"] == "shoal"]
    last = [row for row in rows if row["n"] == max(row["n"] for row in rows)][-1]
    stages, cores = last["quality"]["stages"], last["machine"]["cores"]
    passes = {one.stage for one in PASSES}
    per_row = {name: stages[name] * cores / last["n"] for name in passes}
    return per_row, sum(seconds for name, seconds in stages.items() if name not in passes)


def makespan(durations: np.ndarray, workers: int) -> float:
    """Return when the last task ends, each taken by the worker that is free first."""
    free = [0.0] * workers
    for duration in durations:
        heapq.heappush(free, heapq.heappop(free) + float(duration))
    return max(free)


def simulate(given: Any) -> list[dict[str, float | str]]:
    """Return for each pass what workers and launcher take."""
    per_row, _ = costs()
    tiles: Any = SimpleNamespace(
        n_rows=given.n, shape=(16, 16, 3), kind="images", mixed_sizes=False
    )
    shards = Shards.of(tiles)
    size = shards.size
    random = np.random.default_rng(0)
    table = []
    for one in PASSES:
        sums = 8 * _CODES * _COMPONENTS
        groups = shards.groups(sums) if one.grouped else [(i,) for i in range(len(shards))]
        rows = np.array([len(group) for group in groups]) * size
        compute = rows * per_row[one.stage] * random.lognormal(0, _JITTER, len(rows))
        moved = rows * (one.read + one.written) / (given.worker_mb * 1e6)
        requests = rows / size * (one.files + 2) * given.latency
        passed = given.start + makespan(compute + moved + requests, given.workers)
        checked = given.n * one.written / (given.launcher_mb * 1e6)
        checked += len(shards) * one.files * given.latency / 16
        table.append(
            {
                "stage": one.stage,
                "tasks": len(groups),
                "workers_s": passed,
                "launcher_s": checked,
                "moved_gb": given.n * (one.read + one.written) / 1e9,
            }
        )
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default, text in (
        ("n", 10**9, "tiles"),
        ("workers", 100, "worker processes of one core"),
        ("worker-mb", 100.0, "MB/s between a worker and the store (assumed)"),
        ("launcher-mb", 500.0, "MB/s between the launcher and the store (assumed)"),
        ("latency", 0.03, "seconds a request to the store takes (assumed)"),
        ("start", 120.0, "seconds until the workers of a pass work (assumed)"),
        ("core-hour", 0.05, "price of a core for an hour (assumed)"),
    ):
        parser.add_argument(f"--{name}", type=type(default), default=default, help=text)
    given = parser.parse_args()
    table = simulate(given)
    print("| pass | tasks | workers, s | launcher, s | moved, GB |\n|---|---|---|---|---|")
    for row in table:
        figures = (f"{row[name]:,.0f}" for name in ("tasks", "workers_s", "launcher_s", "moved_gb"))
        print(f"| {row['stage']} | {' | '.join(figures)} |")
    whole = sum(float(row["workers_s"]) + float(row["launcher_s"]) for row in table) + costs()[1]
    sample = SAMPLE_PER_CODE * _CODES * _COMPONENTS * 4 / 2**20
    print(f"\nTotal: {whole / 3600:.2f} hours; the launcher holds a sample of {sample:,.0f} MiB.")
    paid = whole / 3600 * given.workers * given.core_hour
    print(
        f"If all workers are paid for the whole time: {paid:,.2f}, "
        f"at {given.core_hour:g} per core hour."
    )


if __name__ == "__main__":
    main()
