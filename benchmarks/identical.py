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
from contextlib import suppress
from pathlib import Path

import numpy as np

from benchmarks import data
from benchmarks.base import (
    Benchmark,
    Inputs,
    Measurement,
    Must,
    Row,
    at_least,
    cases,
    of_case,
    share,
    values,
)
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
            measure(fit_command(path, first, 0, "--workers", 2, *given))
            for workers in (1, 2):
                for killed in (False, True):
                    out = Path(folder) / "other.shoal"
                    command = fit_command(path, out, 0, "--workers", workers, *given)
                    moments = generator.uniform(1, len(contents(first)), KILLS * killed)
                    kills = kill_often(command, out, moments)
                    usage = measure(command)
                    wrong = differing(first, out)
                    facts = {
                        "workers": workers,
                        "killed_at_files": kills,
                        "files": len(contents(first)),
                        "differing": wrong[:10],
                    }
                    yield Measurement(case, n, usage.seconds, usage.peak_mib, 0, facts)
                    shutil.rmtree(out)


def kill_often(command: Sequence[str], out: Path, moments: Sequence[float]) -> list[int]:
    """Start a fit again and again, and kill all its processes, the t-th time at a given moment.

    A moment is a number of files, plus a fraction of a second after the last of them is there: so
    kills fall all over the work, however busy the machine is. Gives how many files each left.
    """
    left = []
    for moment in sorted(moments):
        process = _started(command)
        while process.poll() is None and _count(out) < int(moment):
            time.sleep(0.002)
        time.sleep(moment % 1)
        if _killed(process):
            left.append(_count(out))
    return left


def kill_after(command: Sequence[str], out: Path, pauses: Sequence[float]) -> list[int]:
    """Start a fit again and again, and kill all its processes after so many seconds each time.

    So kills fall into long work that leaves no files, too. Gives how many files each left; there
    are fewer when the fit came to its end.
    """
    left = []
    for pause in pauses:
        process = _started(command)
        with suppress(subprocess.TimeoutExpired):
            process.wait(pause)
        if not _killed(process):
            break
        left.append(_count(out))
    return left


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a command as the head of a group of processes."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)


def _killed(process: subprocess.Popen[bytes]) -> bool:
    """Kill a process and its group, and tell whether it was still alive."""
    if process.poll() is not None:
        return False
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


def _count(run: Path) -> int:
    """Count the files of a run."""
    return sum(len(files) for _, _, files in os.walk(run))


def contents(run: Path) -> dict[str, str]:
    """Return a digest of every file of a run, less what only tells of the work itself."""
    found = {}
    for path in sorted(run.rglob("*")):
        if path.is_file() and path.name != ".lock":
            found[str(path.relative_to(run))] = hashlib.sha256(_told(path)).hexdigest()
    return found


def _told(path: Path) -> bytes:
    """Return a file's bytes, or what it says beside time, memory and the number of workers."""
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
        must
        for case in cases(rows)
        for found in [of_case(rows, case)]
        for must in (
            share(f"{case}: same bytes", [not d for d in values(found, "differing")], len(found)),
            at_least(f"{case}: kills", sum(map(len, values(found, "killed_at_files"))), KILLS),
        )
    ]


BENCHMARK = Benchmark(
    "identical", "same bytes from 1 or 2 workers, killed and resumed or not", run, musts, ("mnist",)
)
