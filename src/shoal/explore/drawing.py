"""The map, computed beside the page: in a thread, or in a process that reports in lines of JSON.

``python -m shoal.explore.drawing RUN HOME ENGINE …`` is that process.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from shoal.errors import ShoalError
from shoal.explore.prepare import prepare_map
from shoal.passes import engine_for
from shoal.progress import Silent
from shoal.storage import RunFolder

Report = Callable[[dict[str, Any]], None]
"""Is called with ``{"share": 0..1, "trouble": sentence or None}``."""

_NICER = 10  # the page comes first
_TROUBLE = "the map could not be drawn"


class Shares(Silent):
    """Reports the share of a stage that is done, by hundredths."""

    def __init__(self, report: Report) -> None:
        self._report, self._total, self._done, self._reported = report, 1, 0, -1

    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        self._total, self._done, self._reported = total or 1, 0, -1

    def advance(self, n: int = 1) -> None:
        self._done += n
        hundredth = 100 * self._done // self._total
        if hundredth > self._reported:
            self._reported = hundredth
            self._report({"share": self._done / self._total, "trouble": None})


class DrawingThread(threading.Thread):
    """Computes the map of few representatives in a thread, which starts faster than a process.

    It takes about two seconds, nearly all in compiled code without the interpreter lock.
    """

    def __init__(self, run: Path, home: Path, report: Report) -> None:
        super().__init__(daemon=True)
        self._folders, self._report = (RunFolder.open(run), home), report
        self.start()

    def run(self) -> None:
        try:
            prepare_map(*self._folders, Shares(self._report))
        except ShoalError as error:
            self._report({"share": 0.0, "trouble": f"{_TROUBLE}: {error}"})

    def stop(self) -> None:
        """Wait until it ends."""
        self.join()

    wait = stop


class ChildProcess:
    """A Python module in a process group of its own, so that its workers end with it.

    `on_line` gets each line that it writes, `on_failure` the last line of its errors if it fails.
    """

    def __init__(
        self,
        *words: str,
        on_line: Callable[[str], object],
        on_failure: Callable[[str], object],
    ) -> None:
        self._on_line, self._on_failure, self._stopped = on_line, on_failure, False
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", *words],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,
            # Threads that wait for each other busily stand still on a machine with other work.
            env={**os.environ, "OMP_WAIT_POLICY": "passive"},
        )
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        atexit.register(self.stop)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def wait(self) -> None:
        """Wait until it ends, and its last report is made."""
        self._thread.join()

    def stop(self) -> None:
        """Stop it; finished work is kept."""
        atexit.unregister(self.stop)
        self._stopped = True
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait()
        self._thread.join(5)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._errors, self._process.stdout as lines:
            for line in lines:
                self._on_line(line)
            code = self._process.wait()
            self._errors.seek(0)
            errors = self._errors.read().strip().splitlines()
        if code and not self._stopped:
            self._on_failure(errors[-1] if errors else f"it ended with {code}")


def start_drawing(
    run: Path,
    home: Path,
    report: Report,
    engine: Sequence[str] = ("local",),
    module: str = "shoal.explore.drawing",
    trouble: str = _TROUBLE,
) -> ChildProcess:
    """Run a module that writes its shares; `trouble` begins the message if it fails."""
    return ChildProcess(
        module,
        str(run),
        str(home),
        *engine,
        on_line=lambda line: report({"share": json.loads(line)["share"], "trouble": None}),
        on_failure=lambda reason: report({"share": 0.0, "trouble": f"{trouble}: {reason}"}),
    )


def write_line(facts: dict[str, Any]) -> None:
    """Write facts as one line of JSON, in a single call because threads write too."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def run_beside_page(work: Callable[[], None]) -> int:
    """Work at a lower priority than the page; return the exit code."""
    os.nice(_NICER)
    try:
        work()
    except ShoalError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the explorer has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _draw() -> None:
    where, home, engine, *options = sys.argv[1:]
    run = RunFolder.open(where)
    with engine_for(run, engine, options) as opened:
        prepare_map(run, Path(home), Shares(write_line), None if engine == "local" else opened)


if __name__ == "__main__":
    sys.exit(run_beside_page(_draw))
