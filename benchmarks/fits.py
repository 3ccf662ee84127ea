"""Fits: by the command line in a process of their own, or by the Python API in this one."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Usage, measure


@dataclass(frozen=True)
class Cut:
    """One layer of a fit: K, whether it is the primary one, and the label of every row."""

    k: int
    primary: bool
    labels: NDArray


@dataclass(frozen=True)
class Found:
    """What a fit took and found: its layers, coarse to fine."""

    usage: Usage
    layers: tuple[Cut, ...]

    @property
    def primary(self) -> Cut:
        """The primary layer."""
        return next(cut for cut in self.layers if cut.primary)


def fit_command(source: Path, out: Path, seed: int, *options: Any) -> list[str]:
    """Return the command that fits; without progress bars, since nobody looks."""
    words = [sys.executable, "-m", "shoal", "fit", source, "-o", out, "--seed", seed, "--quiet"]
    return [str(word) for word in (*words, *options)]


def fit_process(source: Path, scratch: Path, seed: int, *options: Any) -> Found:
    """Fit by ``shoal fit`` in a process of its own, measured as a whole; the run is not kept."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        out = Path(folder) / "a.shoal"
        usage = measure(fit_command(source, out, seed, *options))
        return Found(usage, layers_of(out))


def warm(source: Path, scratch: Path, *options: Any) -> None:
    """Fit once, so that everything is compiled and the data is in the disk's cache."""
    fit_process(source, scratch, 0, *options)


def fit_here(vectors: NDArray, scratch: Path, seed: int) -> Found:
    """Fit by the Python API in this process; the seconds are those of the call."""
    from shoal import api

    folder = Path(tempfile.mkdtemp(dir=scratch))
    try:
        np.save(folder / "x.npy", vectors)
        start = time.perf_counter()
        api.fit(folder / "x.npy", folder / "a.shoal", seed=seed, as_="vectors")
        usage = Usage(time.perf_counter() - start, None)
        return Found(usage, layers_of(folder / "a.shoal"))
    finally:
        shutil.rmtree(folder)


def layers_of(run: Path) -> tuple[Cut, ...]:
    """Read the layers of a run."""
    from shoal import api

    opened = api.open(run)
    return tuple(
        Cut(layer.k, layer.primary, np.asarray(opened.labels(layer=at)))
        for at, layer in enumerate(opened.layers)
    )
