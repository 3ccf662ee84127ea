"""What exploring needs beside the fit: leaves, made at once; a map, drawn by another process."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shoal.engines.base import Engine
from shoal.errors import ShoalError
from shoal.explore.atlas import run_seed
from shoal.progress import Progress, Silent
from shoal.settings import available_cores
from shoal.stages import leaves, map
from shoal.storage import RunFolder, StageFolder, is_remote
from shoal.storage.nofollow import open_file

_LOCK = ".explore.lock"
_TROUBLE = "the map could not be drawn"


def home_of(run: RunFolder) -> Path:
    """Return where leaves and map are kept: the run's folder, or a new one if that is read-only."""
    if not is_remote(run.path) and os.access(run.path, os.W_OK):
        return run.path
    return Path(tempfile.mkdtemp(prefix="shoal-explore-"))


def prepare_leaves(run: RunFolder, home: Path, progress: Progress | None = None) -> None:
    """Make the leaves unless they are there."""
    told = progress or Silent()

    def make(folder: StageFolder) -> dict[str, Any]:
        told.stage("leaves", run.stage("assign").receipt.counts["rows"])
        counts = leaves.make_leaves(run, folder, told)
        told.finish()
        return counts

    made(home, leaves.NAME, leaves.leaves_fingerprint(run), make)


def prepare_map(
    run: RunFolder, home: Path, progress: Progress | None = None, engine: Engine | None = None
) -> None:
    """Draw the map unless it is there; the leaves must be. Rows are placed by an engine."""
    told = progress or Silent()
    seed = run_seed(run)
    made_from = leaves.leaves_fingerprint(run)

    def make(folder: StageFolder) -> dict[str, Any]:
        told.stage("map", 1000, "‰")
        leaf_folder = StageFolder(home / leaves.NAME)
        counts = map.make_map(
            run, leaf_folder, folder, told, seed=seed, workers=available_cores(), engine=engine
        )
        told.finish()
        return counts

    made(home, map.NAME, map.map_fingerprint(made_from, seed), make)


def made(home: Path, name: str, print_: str, make: Callable[[StageFolder], dict[str, Any]]) -> None:
    """Make a stage in `home` unless it is done; one process at a time."""
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
    """Wait until no other process makes anything here."""
    lock = open_file(home / _LOCK, os.O_RDWR | os.O_CREAT, depth=1)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


class QuickDrawing:
    """Draws the map of few representatives in a thread: sooner than a process would begin.

    It takes some two seconds, nearly all of them in compiled code that lets the page go on.
    Parameters and methods are those of `Drawing`.
    """

    def __init__(self, run: Path, home: Path, told: Callable[[dict[str, Any]], None]) -> None:
        self._where, self._told = (RunFolder.open(run), home), told
        self._thread = threading.Thread(target=self._draw, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    wait = stop

    def _draw(self) -> None:
        try:
            prepare_map(*self._where, Shares(self._told))
        except ShoalError as error:
            self._told({"share": 0.0, "trouble": f"{_TROUBLE}: {error}"})


class Shares(Silent):
    """Tells what share of a stage is done, whenever one more hundredth is."""

    def __init__(self, told: Callable[[dict[str, Any]], None]) -> None:
        self._told, self._total, self._done, self._said = told, 1, 0, -1

    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        """Begin a stage."""
        self._total, self._done, self._said = total or 1, 0, -1

    def advance(self, n: int = 1) -> None:
        """Count `n` more units done."""
        self._done += n
        hundredth = 100 * self._done // self._total
        if hundredth > self._said:
            self._said = hundredth
            self._told({"share": self._done / self._total, "trouble": None})


class Drawing:
    """Draws the map in another process, so that the page stays quick meanwhile.

    Parameters
    ----------
    run
        The run's folder.
    home
        Where leaves and map are.
    told
        Is told ``{"share": 0..1, "trouble": sentence or None}``.
    engine
        The name of the engine that places rows, and its options.
    module
        What is run: it writes lines of JSON that tell its ``share``.
    trouble
        What is said where that fails.
    """

    def __init__(
        self,
        run: Path,
        home: Path,
        told: Callable[[dict[str, Any]], None],
        engine: Sequence[str] = ("local",),
        module: str = "shoal.explore.drawing",
        trouble: str = _TROUBLE,
    ) -> None:
        words = [sys.executable, "-m", module, str(run), str(home), *engine]
        self._told, self._trouble = told, trouble
        # Threads that wait for each other busily stand still on a machine with other work.
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        self._process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self._errors: list[str] = []
        self._threads = [
            threading.Thread(target=self._listen, daemon=True),
            threading.Thread(target=self._collect, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End it; what is done stays."""
        if self._process.poll() is None:
            self._process.terminate()
        for thread in self._threads:
            thread.join(5)
        self._process.wait()

    def wait(self) -> None:
        """Wait until it has ended."""
        for thread in self._threads:
            thread.join()
        self._process.wait()

    def _collect(self) -> None:
        """Keep what it says of errors."""
        assert self._process.stderr is not None
        with self._process.stderr as errors:
            self._errors = errors.read().strip().splitlines()

    def _listen(self) -> None:
        """Pass on how far it is."""
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._told({"share": json.loads(line)["share"], "trouble": None})
        self._threads[1].join()
        code = self._process.wait()
        if code > 0:
            said = self._errors[-1] if self._errors else f"it ended with {code}"
            self._told({"share": 0.0, "trouble": f"{self._trouble}: {said}"})
