"""What the explorer needs besides the fit: stages that compute the leaves and the map."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shoal.engines.base import Engine
from shoal.explore.atlas import run_seed
from shoal.progress import Progress, Silent
from shoal.settings import available_cores
from shoal.stages import leaves, map
from shoal.storage import RunFolder, StageFolder, is_remote
from shoal.storage.nofollow import open_file

_LOCK = ".explore.lock"


def home_of(run: RunFolder) -> Path:
    """Return the folder for leaves and map: the run's, or a temporary one if it is read-only."""
    if not is_remote(run.path) and os.access(run.path, os.W_OK):
        return run.path
    return Path(tempfile.mkdtemp(prefix="shoal-explore-"))


def prepare_leaves(run: RunFolder, home: Path, progress: Progress | None = None) -> None:
    """Compute the leaves unless they exist."""
    bars = progress or Silent()

    def make(folder: StageFolder) -> dict[str, Any]:
        bars.stage("leaves", run.stage("assign").read_receipt().counts["rows"])
        counts = leaves.make_leaves(run, folder, bars)
        bars.finish()
        return counts

    run_stage(home, leaves.NAME, leaves.leaves_fingerprint(run), make)


def prepare_map(
    run: RunFolder, home: Path, progress: Progress | None = None, engine: Engine | None = None
) -> None:
    """Compute the map unless it exists, from existing leaves; an engine places the rows."""
    bars = progress or Silent()
    seed = run_seed(run)
    made_from = leaves.leaves_fingerprint(run)

    def make(folder: StageFolder) -> dict[str, Any]:
        bars.stage("map", 1000, "steps")
        leaf_folder = StageFolder(home / leaves.NAME)
        counts = map.make_map(
            run, leaf_folder, folder, bars, seed=seed, workers=available_cores(), engine=engine
        )
        bars.finish()
        return counts

    run_stage(home, map.NAME, map.map_fingerprint(made_from, seed), make)


def run_stage(
    home: Path, name: str, print_: str, make: Callable[[StageFolder], dict[str, Any]]
) -> None:
    """Run a stage in `home` unless it is done; one process at a time."""
    folder = StageFolder(home / name)
    if folder.is_done(print_):
        return
    with _alone(home):
        if folder.is_done(print_):
            return
        began = time.monotonic()
        folder.begin(print_)
        folder.finish(print_, make(folder), time.monotonic() - began, 0)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Wait for other processes that run a stage here."""
    lock = open_file(home / _LOCK, os.O_RDWR | os.O_CREAT, depth=1)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
