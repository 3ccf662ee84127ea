"""What the explorer needs besides the fit: leaves, and a map, drawn in the background."""

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
    """Return the folder for leaves and map: the run's, or a temporary one if it is read-only."""
    if not is_remote(run.path) and os.access(run.path, os.W_OK):
        return run.path
    return Path(tempfile.mkdtemp(prefix="shoal-explore-"))


def prepare_leaves(run: RunFolder, home: Path, progress: Progress | None = None) -> None:
    """Compute the leaves unless they exist."""
    bars = progress or Silent()

    def make(folder: StageFolder) -> dict[str, Any]:
        bars.stage("leaves", run.stage("assign").receipt.counts["rows"])
        counts = leaves.make_leaves(run, folder, bars)
        bars.finish()
        return counts

    made(home, leaves.NAME, leaves.leaves_fingerprint(run), make)


def prepare_map(
    run: RunFolder, home: Path, progress: Progress | None = None, engine: Engine | None = None
) -> None:
    """Compute the map unless it exists, from existing leaves; an engine places the rows."""
    bars = progress or Silent()
    seed = run_seed(run)
    made_from = leaves.leaves_fingerprint(run)

    def make(folder: StageFolder) -> dict[str, Any]:
        bars.stage("map", 1000, "‰")
        leaf_folder = StageFolder(home / leaves.NAME)
        counts = map.make_map(
            run, leaf_folder, folder, bars, seed=seed, workers=available_cores(), engine=engine
        )
        bars.finish()
        return counts

    made(home, map.NAME, map.map_fingerprint(made_from, seed), make)


def made(home: Path, name: str, print_: str, make: Callable[[StageFolder], dict[str, Any]]) -> None:
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


class QuickDrawing:
    """Computes the map of few representatives in a thread, which starts faster than a process.

    It takes about two seconds, nearly all in compiled code without the interpreter lock.
    Parameters and methods are those of `Drawing`.
    """

    def __init__(self, run: Path, home: Path, report: Callable[[dict[str, Any]], None]) -> None:
        self._where, self._report = (RunFolder.open(run), home), report
        self._thread = threading.Thread(target=self._draw, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Wait until it ends."""
        self._thread.join()

    wait = stop

    def _draw(self) -> None:
        try:
            prepare_map(*self._where, Shares(self._report))
        except ShoalError as error:
            self._report({"share": 0.0, "trouble": f"{_TROUBLE}: {error}"})


class Shares(Silent):
    """Reports the share of a stage that is done, by hundredths."""

    def __init__(self, report: Callable[[dict[str, Any]], None]) -> None:
        self._report, self._total, self._done, self._reported = report, 1, 0, -1

    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        """Begin a stage."""
        self._total, self._done, self._reported = total or 1, 0, -1

    def advance(self, n: int = 1) -> None:
        """Count `n` more units done."""
        self._done += n
        hundredth = 100 * self._done // self._total
        if hundredth > self._reported:
            self._reported = hundredth
            self._report({"share": self._done / self._total, "trouble": None})


class Drawing:
    """Computes the map in another process, so that the page stays responsive.

    Parameters
    ----------
    run
        The run's folder.
    home
        Folder of the leaves and the map.
    report
        Is called with ``{"share": 0..1, "trouble": sentence or None}``.
    engine
        Name and options of the engine that places rows.
    module
        The module to run, which writes lines of JSON with its ``share``.
    trouble
        Beginning of the message if it fails.
    """

    def __init__(
        self,
        run: Path,
        home: Path,
        report: Callable[[dict[str, Any]], None],
        engine: Sequence[str] = ("local",),
        module: str = "shoal.explore.drawing",
        trouble: str = _TROUBLE,
    ) -> None:
        words = [sys.executable, "-m", module, str(run), str(home), *engine]
        self._report, self._trouble = report, trouble
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
        """Stop it; finished work is kept."""
        if self._process.poll() is None:
            self._process.terminate()
        for thread in self._threads:
            thread.join(5)
        self._process.wait()

    def wait(self) -> None:
        """Wait until it ends."""
        for thread in self._threads:
            thread.join()
        self._process.wait()

    def _collect(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as errors:
            self._errors = errors.read().strip().splitlines()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._report({"share": json.loads(line)["share"], "trouble": None})
        self._threads[1].join()
        code = self._process.wait()
        if code > 0:
            reason = self._errors[-1] if self._errors else f"it ended with {code}"
            self._report({"share": 0.0, "trouble": f"{self._trouble}: {reason}"})
