"""JSON rows: what a measurement becomes, with commit, date, machine and versions."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.base import Benchmark, Measurement, Row

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
FIELDS = (
    "benchmark",
    "case",
    "commit",
    "date",
    "machine",
    "load",
    "n",
    "seconds",
    "peak_mib",
    "seed",
    "quality",
    "versions",
)
_LIBRARIES = (
    "shoal",
    "numpy",
    "scipy",
    "scikit-learn",
    "numba",
    "faiss-cpu",
    "scikit-network",
    "onnxruntime",
    "evoc",
    "umap-learn",
    "fast_hdbscan",
)


@dataclass(frozen=True)
class Context:
    """What all rows of one run share; the date, at which it began, tells runs apart."""

    commit: str
    date: str
    machine: dict[str, Any]
    versions: dict[str, str]

    @classmethod
    def here(cls) -> Context:
        """Describe this machine, now."""
        date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return cls(commit(), date, machine(), versions())


def make_row(benchmark: str, measured: Measurement, context: Context) -> Row:
    """Make the row of a measurement; `load` tells how busy the machine was in the last minute."""
    plain = {**asdict(measured), **asdict(context), "benchmark": benchmark}
    plain["load"] = round(os.getloadavg()[0], 2)
    plain["seconds"] = round(measured.seconds, 3)
    plain["peak_mib"] = None if measured.peak_mib is None else round(measured.peak_mib)
    plain["quality"] = {name: _rounded(value) for name, value in measured.quality.items()}
    return {name: plain[name] for name in FIELDS}


def append(row: Row, folder: Path = RESULTS) -> None:
    """Add a row to the file of its benchmark."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{row['benchmark']}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def read(benchmark: str, folder: Path = RESULTS) -> list[Row]:
    """Read all rows of a benchmark, oldest first."""
    path = folder / f"{benchmark}.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def last_run(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of the run that began last."""
    newest = max((row["date"] for row in rows), default="")
    return [row for row in rows if row["date"] == newest]


def last_of_cases(rows: Sequence[Row]) -> list[Row]:
    """Return for each case and number of rows those of the run that measured it last."""
    newest: dict[tuple[str, int], str] = {}
    for row in rows:
        key = (row["case"], row["n"])
        newest[key] = max(newest.get(key, ""), row["date"])
    return [row for row in rows if row["date"] == newest[row["case"], row["n"]]]


def counting(benchmark: Benchmark, rows: Sequence[Row]) -> list[Row]:
    """Return the rows that are judged and drawn."""
    return last_of_cases(rows) if benchmark.parts else last_run(rows)


def commit() -> str:
    """Return the short name of the commit; a plus sign says that the code has since changed."""
    changed = _git("status", "--porcelain", "--", "src", "benchmarks/*.py")
    return _git("rev-parse", "--short=9", "HEAD") + ("+" if changed else "")


def machine() -> dict[str, Any]:
    """Return cores, the processor's model and memory; nothing that names this machine."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cores": cores, "cpu": _model(), "memory_gib": round(pages / 2**30)}


def versions(names: Iterable[str] = _LIBRARIES) -> dict[str, str]:
    """Return the versions of Python and of the libraries that are installed."""
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _model() -> str:
    """Return the processor's model, or at least its kind."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (names or [platform.processor() or platform.machine()])[0]


def _git(*words: str) -> str:
    """Ask git about the project; empty outside a checkout."""
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip() if done.returncode == 0 else ""


def _rounded(value: Any) -> Any:
    """Return plain Python values, floats with five decimals, NaN and infinity as None."""
    if isinstance(value, dict):
        return {str(name): _rounded(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    if hasattr(value, "tolist"):
        return _rounded(value.tolist())
    if isinstance(value, float):
        return round(value, 5) if abs(value) < float("inf") else None
    return value
