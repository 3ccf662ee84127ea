"""Worker processes of Beam's direct runner: quiet, and missed when they die.

With ``--direct_running_mode=multi_processing`` Beam 2.77 waits for ever for a worker that was
killed: nobody tells those who wait for its answers. Here they are told, so that the pipeline
stops and the engine goes on with what is left. And it waits for ever for one that was still
starting when the others had done all work, and never hears that it is over: it is killed. Other
runners see to their workers themselves.
"""

from __future__ import annotations

import os
import shlex
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_fn_api_pb2, beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import (
    ExtendedProvisionInfo,
    FnApiRunner,
)
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    SubprocessSdkWorkerHandler,
    WorkerHandler,
)
from apache_beam.runners.portability.local_job_service import SubprocessSdkWorker
from apache_beam.runners.portability.portable_runner import JobServiceHandle

_EVERY = 0.5  # seconds: who begins to wait after the death is told too
_LAST_WORDS = 300
_PATIENCE = 5.0  # seconds for a worker to end by itself, all of whose work is done


class _WatchedHandler(SubprocessSdkWorkerHandler):  # type: ignore[misc]
    """Starts a worker process, and ends every wait for it when it has died."""

    def start_worker(self) -> None:
        """Start the process, and a thread that waits for its end."""
        self._stopping = threading.Event()
        # Beam's start-up chatter, three dozen lines a pass, goes to a file.
        with tempfile.NamedTemporaryFile(prefix="shoal-beam-", delete=False) as said:
            self._said = Path(said.name)
        told = f"echo $$ >{shlex.quote(str(self._said))}; exec ".encode()  # its number comes first
        command = told + self._worker_command_line + f" 2>>{shlex.quote(str(self._said))}".encode()
        self.worker = SubprocessSdkWorker(
            command, self.control_address, self.provision_info, self.worker_id
        )
        self.worker_thread = threading.Thread(target=self._run, name="run_worker", daemon=True)
        self.worker_thread.start()

    def close(self) -> None:
        """End the process, or what is left of one that died: its channels then only complain."""
        self._stopping.set()
        with suppress(Exception):
            super().close()
        self.stop_worker()

    def stop_worker(self) -> None:
        """Wait for the end of the process, but not for ever."""
        self.worker_thread.join(_PATIENCE)
        if self.worker_thread.is_alive():
            with suppress(OSError, ValueError):
                os.kill(int(self._said.read_text().partition("\n")[0]), signal.SIGKILL)
        self.worker_thread.join()

    def _run(self) -> None:
        """Run the process to its end; an end that nobody asked for is told."""
        lost = ""
        try:
            self.worker.run()
        except RuntimeError as error:
            said = self._said.read_text(errors="replace").partition("\n")[2]
            last = said.strip().rpartition("\n")[2]
            lost = f"{error}; last it said: {last[:_LAST_WORDS]}"
        self._said.unlink(missing_ok=True)
        while lost and not self._stopping.wait(_EVERY):
            for answer in list(self.control_conn._futures_by_id.values()):
                answer.set(beam_fn_api_pb2.InstructionResponse(error=lost))


@contextmanager
def quiet() -> Iterator[None]:
    """Leave it unsaid, meanwhile, that a channel broke: threads of Beam print it as tracebacks."""
    before = threading.excepthook

    def say(args: threading.ExceptHookArgs) -> None:
        if not issubclass(args.exc_type, grpc.RpcError):
            before(args)

    threading.excepthook = say
    try:
        yield
    finally:
        threading.excepthook = before


def process_runner(options: Any) -> FnApiRunner:
    """Give the runner of Beam whose workers are processes of this machine, watched."""
    WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)(_WatchedHandler)
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    provision = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    return FnApiRunner(provision_info=ExtendedProvisionInfo(provision))
