"""What a dry run says, against what the fit then takes; and the memory that was promised."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.base import Benchmark, Inputs, Measurement, Must, Row, at_most, cases, of_case
from benchmarks.fits import fit_command
from benchmarks.measure import measure

_MEMORY = {"1 GiB": "1GiB", "4 GiB": "4GiB"}
_ROWS = 1_000_000
_FACTOR = 2
_PREDICTED = ("seconds", "memory", "disk")


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Ask for a forecast and then fit, within little memory and within much."""
    with tempfile.TemporaryDirectory(dir=inputs.scratch) as folder:
        tiles = Path(folder) / "tiles"
        made = [sys.executable, "-m", "shoal", "make-tiles", "--n", str(_ROWS), "-o", tiles]
        measure([*made, "--quiet"])
        for case, memory in _MEMORY.items():
            out = Path(folder) / f"{memory}.shoal"
            command = fit_command(tiles, out, 0, "--shape", "16,16,3", "--memory", memory)
            said = [*map(str, command), "--dry-run", "--json"]
            told = json.loads(subprocess.run(said, check=True, capture_output=True).stdout)
            usage = measure(command)
            disk = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
            assert usage.peak_mib is not None
            quality = {
                "seconds_said": told["seconds"],
                "memory_said": told["memory_bytes"] / 2**20,
                "disk_said": told["disk_bytes"] / 2**20,
                "disk": disk / 2**20,
                "workers": told["workers"],
                "representatives": told["representatives"],
            }
            yield Measurement(case, _ROWS, usage.seconds, usage.peak_mib, 0, quality)


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge: what was said is right within a factor of two, and the memory is kept."""
    found = []
    for case in cases(rows):
        wrong = max(_wrong(row) for row in of_case(rows, case))
        most = max(row["peak_mib"] for row in of_case(rows, case))
        found.append(at_most(f"{case}: peak MiB", most, 1024 * float(case.split()[0])))
        found.append(at_most(f"{case}: time, memory, disk, off by a factor", wrong, _FACTOR))
    return found


def _wrong(row: Row) -> float:
    """Return the greatest factor by which something said was too high or too low."""
    real = {"seconds": row["seconds"], "memory": row["peak_mib"], "disk": row["quality"]["disk"]}
    ratios = [row["quality"][f"{name}_said"] / real[name] for name in _PREDICTED]
    return max(max(ratio, 1 / ratio) for ratio in ratios)


BENCHMARK = Benchmark("forecast", "a dry run against the fit, and the memory promised", run, musts)
