"""Worker processes of Beam's direct runner: quick to start, quiet, and missed when they die.

With ``--direct_running_mode=multi_processing`` Beam 2.77 starts an interpreter a worker and pass,
which takes seconds; it waits for ever for a worker that was killed, as nobody tells those who wait
for its answers, and for one that was still starting when the others had done all work. Here workers
are forked from a process that has loaded all (`beam_worker`), who waits for a dead one is told, and
one that does not end is killed. Other runners see to their workers themselves.

Of Beam's own parts, which may change with any version, these are used: `GrpcWorkerHandler` and its
`register_environment`, the answers that a `ControlConnection` waits for, and `SdkHarness` as Beam's
own pool of workers does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import apache_beam

from shoal.engines import beam_worker
from shoal.errors import MissingExtraError

try:
    from apache_beam.portability import python_urns
    from apache_beam.portability.api import beam_fn_api_pb2
    from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
        ControlConnection,
        GrpcWorkerHandler,
        WorkerHandler,
    )
    from apache_beam.runners.worker.sdk_worker import SdkHarness

    _ = ControlConnection()._futures_by_id, beam_fn_api_pb2.InstructionResponse
    _ = WorkerHandler.register_environment, SdkHarness.run
except (ImportError, AttributeError) as error:
    raise MissingExtraError(
        f"Apache Beam {apache_beam.__version__} starts worker processes in another way ({error}): "
        "pip install 'apache-beam==2.77.*', or give another runner"
    ) from None

_EVERY = 0.5  # seconds: who begins to wait after the death is told too
_LAST_WORDS = 300
_PATIENCE = 5.0  # seconds for a worker to end by itself, all of whose work is done


class Starter:
    """The process that workers are forked from.

    Parameters
    ----------
    modules
        What it loads.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = (SdkHarness.__module__, *modules)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # where workers print errors
        self._told: dict[str, Callable[[int], None]] = {}
        self._process = self._begun()

    def start(self, name: str, address: str, told: Callable[[int], None]) -> None:
        """Start a worker; `told` is called with its exit status when it has ended."""
        if self._process.poll() is not None:
            self._end()
            self._process = self._begun()
        self._told[name] = told
        self._tell(f"{name} {address}")

    def as_runner(self) -> str:
        """Return the runner of Beam whose workers are started here."""
        register = WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)
        register(partial(_Handler, self))
        return "FnApiRunner"

    def kill(self, name: str) -> None:
        """Kill a worker."""
        with suppress(OSError):
            self._tell(name)

    def last_words(self) -> str:
        """Return the last line that a worker printed."""
        file = self._said.fileno()
        start = max(0, os.fstat(file).st_size - _LAST_WORDS)  # the place is the workers' own
        last = os.pread(file, _LAST_WORDS, start).decode(errors="replace").strip()
        return f"; last it said: {last.rpartition(chr(10))[2]}" if last else ""

    def close(self) -> None:
        """End it, and all workers."""
        self._end()
        self._listening.join()
        self._said.close()

    def _end(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        self._process.wait()

    def _begun(self) -> subprocess.Popen[str]:
        """Start the process."""
        # One BLAS thread a worker, as each task has; warnings would be a dead worker's last words.
        begun = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", beam_worker.__name__, *self._modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            text=True,
        )
        self._listening = threading.Thread(target=self._listen, args=(begun,), daemon=True)
        self._listening.start()
        return begun

    def _tell(self, line: str) -> None:
        """Send it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        """Pass on what it says of workers that ended; all have when it has."""
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                name, status = line.split()
                self._told.pop(name)(int(status))
        while self._told:
            self._told.popitem()[1](process.wait())


class _Handler(GrpcWorkerHandler):  # type: ignore[misc]
    """One worker process, as Beam's runner sees it: every wait for it ends when it has died."""

    def __init__(self, starter: Starter, _command: bytes, *given: Any) -> None:
        super().__init__(*given)
        self._starter, self._stopping, self._ended = starter, threading.Event(), threading.Event()

    def start_worker(self) -> None:
        """Start the process."""
        self._starter.start(self.worker_id, self.control_address, self._note)

    def close(self) -> None:
        """End the process, or what is left of one that died: its channels then only complain."""
        self._stopping.set()
        with suppress(Exception):
            super().close()
        self.stop_worker()

    def stop_worker(self) -> None:
        """Wait for the end of the process, but not for ever."""
        if not self._ended.wait(_PATIENCE):
            self._starter.kill(self.worker_id)
            self._ended.wait()

    def _note(self, status: int) -> None:
        """Note that the process has ended; an end that nobody asked for is told."""
        self._ended.set()
        if not self._stopping.is_set():
            words = f"a worker process ended with {status}{self._starter.last_words()}"
            threading.Thread(target=self._tell, args=(words,), daemon=True).start()

    def _tell(self, lost: str) -> None:
        """Tell all who wait, or begin to, that there will be no answer."""
        while not self._stopping.is_set():
            for answer in list(self.control_conn._futures_by_id.values()):
                # Beam's own `abort` would not reach those who wait for data.
                answer.set(beam_fn_api_pb2.InstructionResponse(error=lost))
            self._stopping.wait(_EVERY)
