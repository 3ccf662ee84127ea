"""The same bytes from 1 and 2 workers, and from fits that were killed at random and resumed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks import data
from benchmarks.base import Benchmark, Inputs, Measurement, Must, Row, cases, of_case, share, values
from benchmarks.fits import fit_command
from benchmarks.measure import measure

KILLS = 4
_WAYS = {"all rows": (), "m = 5,000": ("--representatives", 5000)}
_OWN = ("seconds", "peak_memory")  # of a receipt: what was taken, not what was found
_SETTINGS = ("workers",)


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Fit in five ways, and compare the last four with the first."""
    path = inputs.mnist
    assert path is not None
    n = len(data.mnist_labels(path))
    generator = np.random.default_rng(0)
    for case, options in _WAYS.items():
        with tempfile.TemporaryDirectory(dir=inputs.scratch) as folder:
            given = ("--key", "images", *options)
            first = Path(folder) / "first.shoal"
            plain = measure(fit_command(path, first, 0, "--workers", 2, *given))
            for workers in (1, 2):
                for killed in (False, True):
                    out = Path(folder) / "other.shoal"
                    command = fit_command(path, out, 0, "--workers", workers, *given)
                    kills = kill_often(command, generator, plain.seconds) if killed else []
                    usage = measure(command)
                    wrong = differing(first, out)
                    facts = {
                        "workers": workers,
                        "killed_after": kills,
                        "files": len(contents(first)),
                        "differing": wrong[:10],
                    }
                    yield Measurement(case, n, usage.seconds, usage.peak_mib, 0, facts)
                    shutil.rmtree(out)


def kill_often(command: Sequence[str], generator: np.random.Generator, usual: float) -> list[float]:
    """Start a fit some times, and kill all its processes at a random moment of its usual time."""
    kills = []
    for _ in range(KILLS):
        wait = float(generator.uniform(0.2, 0.9) * usual)
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(wait)
            break  # it was done before
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills.append(round(wait, 2))
            time.sleep(0.5)  # its children hold the run's lock until they are gone
    return kills


def contents(run: Path) -> dict[str, str]:
    """Give a digest of every file of a run, less what only tells of the work itself."""
    found = {}
    for path in sorted(run.rglob("*")):
        if path.is_file() and path.name != ".lock":
            found[str(path.relative_to(run))] = hashlib.sha256(_told(path)).hexdigest()
    return found


def _told(path: Path) -> bytes:
    """Give a file's bytes, or what it says beside time, memory and the number of workers."""
    if path.name == "_done.json":
        receipt = json.loads(path.read_bytes())
        return json.dumps({k: v for k, v in receipt.items() if k not in _OWN}).encode()
    if path.name == "run.toml":
        about = tomllib.loads(path.read_text())
        kept = {k: v for k, v in about.get("settings", {}).items() if k not in _SETTINGS}
        return repr({**about, "settings": kept}).encode()
    return path.read_bytes()


def differing(first: Path, second: Path) -> list[str]:
    """List the files that are not the same in two runs."""
    a, b = contents(first), contents(second)
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge that no file differs."""
    return [
        share(f"{case}: identical bytes", [not d for d in values(found, "differing")], len(found))
        for case in cases(rows)
        for found in [of_case(rows, case)]
    ]


BENCHMARK = Benchmark(
    "identical", "same bytes from 1 or 2 workers, killed and resumed or not", run, musts, ("mnist",)
)
