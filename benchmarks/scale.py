"""``python -m benchmarks.scale``: what a billion tiles would take, by simulating the task graph.

Seconds a row come from the last rows of `results/tiles.jsonl` at the least and the most tiles, so
that what does not grow with the rows is told apart; shards and groups from the code itself. What
cannot be measured on one machine is an argument with a default: an assumption, not a figure.
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
from shoal.stages.base import Shards

_COMPONENTS, _FEATURES = 64, 176
_JITTER = 0.1


@dataclass(frozen=True)
class Pass:
    """One pass: how many tasks, what each row moves, and the parts that the launcher sums."""

    stage: str
    grouped: bool
    read: float
    written: float
    files: int


PASSES = (
    Pass("features", True, 768, 1, 1),
    Pass("project", False, 769, _COMPONENTS + 5, 4),
    Pass("summarise", True, _COMPONENTS + 5, 2, 1),
    Pass("assign", False, _COMPONENTS + 7, 11, 1),
)


def costs() -> tuple[dict[str, float], dict[str, float]]:
    """Return core seconds a row, and seconds that do not grow with the rows, by stage."""
    lines = (RESULTS / "tiles.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["case"] == "shoal"]
    small, large = (
        [row for row in rows if row["n"] == n][-1]
        for n in (min(row["n"] for row in rows), max(row["n"] for row in rows))
    )
    one, many = small["quality"]["stages"], large["quality"]["stages"]
    more, cores = large["n"] - small["n"], large["machine"]["cores"]
    a_row = {name: max(0.0, many[name] - one[name]) * cores / more for name in many}
    fixed = {name: max(0.0, one[name] - a_row[name] * small["n"] / cores) for name in one}
    return a_row, fixed


def makespan(durations: np.ndarray, workers: int) -> float:
    """Return when the last task ends, each taken by the worker that is free first."""
    free = [0.0] * workers
    for duration in durations:
        heapq.heappush(free, heapq.heappop(free) + float(duration))
    return max(free)


def simulate(given: Any) -> list[dict[str, float | str]]:
    """Go through the passes; give for each what workers and launcher take."""
    a_row, fixed = costs()
    tiles: Any = SimpleNamespace(
        n_rows=given.n, shape=(16, 16, 3), kind="images", mixed_sizes=False
    )
    shards = Shards.of(tiles)
    size = shards.size
    random = np.random.default_rng(0)
    table = []
    for one in PASSES:
        bytes_of = 8 * _FEATURES**2 if one.stage == "features" else 8 * 32_768 * _COMPONENTS
        groups = shards.groups(bytes_of) if one.grouped else [(i,) for i in range(len(shards))]
        rows = np.array([len(group) for group in groups]) * size
        compute = rows * a_row[one.stage] * random.lognormal(0, _JITTER, len(rows))
        moved = rows * (one.read + one.written) / (given.worker_mb * 1e6)
        asked = rows / size * (one.files + 2) * given.latency
        passed = given.start + makespan(compute + moved + asked, given.workers)
        sums = given.n * one.written / (given.launcher_mb * 1e6)
        sums += len(shards) * one.files * given.latency / 16
        table.append(
            {
                "stage": one.stage,
                "tasks": len(groups),
                "workers_s": passed,
                "launcher_s": sums + fixed[one.stage],
                "moved_gb": given.n * (one.read + one.written) / 1e9,
            }
        )
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default, said in (
        ("n", 10**9, "tiles"),
        ("workers", 100, "worker processes of one core"),
        ("worker-mb", 100.0, "MB/s between a worker and the store (assumed)"),
        ("launcher-mb", 500.0, "MB/s between the launcher and the store (assumed)"),
        ("latency", 0.03, "seconds a request to the store takes (assumed)"),
        ("start", 120.0, "seconds until the workers of a pass work (assumed)"),
        ("core-hour", 0.05, "price of a core for an hour (assumed)"),
    ):
        parser.add_argument(f"--{name}", type=type(default), default=default, help=said)
    given = parser.parse_args()
    table = simulate(given)
    print("| pass | tasks | workers, s | launcher, s | moved, GB |\n|---|---|---|---|---|")
    for row in table:
        figures = (f"{row[name]:,.0f}" for name in ("tasks", "workers_s", "launcher_s", "moved_gb"))
        print(f"| {row['stage']} | {' | '.join(figures)} |")
    tree = costs()[1]["tree"]
    whole = sum(float(row["workers_s"]) + float(row["launcher_s"]) for row in table) + tree
    sample = SAMPLE_PER_CODE * 32_768 * _COMPONENTS * 4 / 2**20
    print(f"\nIn all {whole / 3600:.1f} hours; the launcher holds a sample of {sample:,.0f} MiB.")
    paid = whole / 3600 * given.workers * given.core_hour
    print(
        f"Workers that are paid all the time: {paid:,.0f}, at {given.core_hour:g} a core and hour."
    )


if __name__ == "__main__":
    main()
