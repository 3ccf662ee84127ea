"""What Beam costs: the same fit on threads, and on Beam with two threads, of this machine."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.base import Benchmark, Inputs, Measurement, Must, Row, at_most, of_case
from benchmarks.measure import measure
from benchmarks.tiles import Place
from shoal.stages.fit_stages import quarantined
from shoal.storage import RunFolder

_STAGES = ("index", "features", "project", "summarise", "tree", "assign")
_BEAM = (
    *("--engine", "beam", "--", "--runner=DirectRunner"),
    *("--direct_running_mode=multi_threading", "--direct_num_workers=2"),
)
_PROMISED = 1024
_OPTIONS = {
    "threads": (),
    "beam": _BEAM,
    "beam, 1 GiB": ("--memory", f"{_PROMISED}MiB", *_BEAM),
}
"""The promise is measured where it is tight; the time where it is as it comes."""


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Fit the tiles on both; those on Beam also say whether their bytes are those of the first."""
    tiles, first = Place(inputs, inputs.n).tiles, None
    for case, options in _OPTIONS.items():
        out = inputs.scratch / f"{case}.shoal"
        command = [sys.executable, "-m", "shoal", "fit", os.fspath(tiles), "-o", os.fspath(out)]
        usage = measure([*command, "--shape", "16,16,3", "--workers", "2", "--quiet", *options])
        sums = _sums(out)
        first = sums if first is None else first
        facts = {
            "stages": {name: receipt["seconds"] for name, receipt in _receipts(out).items()},
            "same_bytes": sums == first,
            "quarantined": quarantined(RunFolder.open(out)).num_rows,
            "launcher_mib": usage.own_mib,
            "worker_mib": usage.most_mib,
        }
        yield Measurement(case, inputs.n, usage.seconds, usage.peak_mib, 0, facts)
        shutil.rmtree(out)


def _receipts(run: Path) -> dict[str, dict]:
    """Read the receipts of a run."""
    return {name: json.loads((run / name / "_done.json").read_text()) for name in _STAGES}


def _sums(run: Path) -> dict[str, dict]:
    """Return the length and the sum of every part."""
    return {name: receipt["parts"] for name, receipt in _receipts(run).items()}


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge the overhead and the bytes."""
    threads, beam = of_case(rows, "threads")[-1], of_case(rows, "beam")[-1]
    tight = of_case(rows, "beam, 1 GiB")[-1]["quality"]
    same = bool(beam["quality"]["same_bytes"] and tight["same_bytes"])
    return [
        at_most("time on Beam over that on threads", beam["seconds"] / threads["seconds"], 1.3),
        Must("the same bytes", "yes" if same else "no", same),
        at_most("MiB of any worker, of 1,024 promised", tight["worker_mib"], _PROMISED),
        at_most("MiB of the launcher, of 1,024 promised", tight["launcher_mib"], _PROMISED),
    ]


BENCHMARK = Benchmark(
    "beam",
    "the same fit on threads and on two processes of Apache Beam (--n tiles)",
    run,
    musts,
    by_name=True,
)
