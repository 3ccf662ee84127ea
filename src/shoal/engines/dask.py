"""The engine for Dask: each item is a task of a scheduler, on workers that run or are started.

Results go to storage, never through Dask; a lost worker costs only the items it was processing.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, WorkerPlugin, get_worker

from shoal.engines.base import Launch
from shoal.engines.options import OptionParser, positive_seconds
from shoal.engines.workers import (
    Outcome,
    Work,
    WorkerEngine,
    attempt,
    engine_lost,
    failure_of,
    last_line,
    unsuitable,
)
from shoal.errors import SettingError, WorkError

_CONNECT = 10  # seconds for a scheduler to answer
_WAIT = 300.0  # seconds without any worker: jobs of a batch system may start late
# Of workers that are started here.
_CONFIG = {
    # A worker gets no items to wait for it, so that few are lost with it.
    "distributed.scheduler.worker-saturation": 1.0,
    # On a busy machine, a lost worker takes longer to restart than the 15 s that Dask allows.
    "distributed.deploy.lost-worker-timeout": _WAIT,
    # Profiling a hundred times a second and fifty ticks of the event loop took 2 s of processor
    # time a minute in each process.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
}
_QUIET = logging.CRITICAL + 1  # what Dask logs of lost workers is in the error


class DaskEngine(WorkerEngine):
    """Runs each pass as tasks of a Dask scheduler."""

    def __init__(self, launch: Launch) -> None:
        super().__init__(launch)
        parser = OptionParser("dask")
        parser.add_argument("--address", default="")
        parser.add_argument("--scheduler-file", "--scheduler_file", default="")
        parser.add_argument("--wait", type=positive_seconds, default=_WAIT)
        given = parser.parse_args(launch.options)
        self._wait, self.threads, self._processes = given.wait, launch.threads, 0
        self._client: Any = None
        self._opened = ExitStack()
        if given.address or given.scheduler_file:
            connected = _connected(given.address, given.scheduler_file)
            self._client = self._opened.enter_context(connected)
        else:
            self._processes, self.threads = launch.split()

    def _outcomes(
        self,
        work: Work,
        items: Mapping[int, Any],
        report_stored: Callable[[], Collection[int]],
    ) -> Iterator[tuple[int, Outcome]]:
        """Send the work to all present and future workers, and map it over the items."""
        if self._client is None:
            self._opened.enter_context(dask.config.set(_CONFIG))
            cluster = _own_cluster(self._processes, self.threads)
            self._opened.enter_context(closing(cluster))
            self._client = self._opened.enter_context(Client(cluster, set_as_default=False))
        plugin, ended = f"shoal-{uuid.uuid4().hex}", SimpleQueue[Future]()
        try:
            self._client.wait_for_workers(1, timeout=self._wait)
        except TimeoutError:
            raise self._no_workers() from None
        except (OSError, RuntimeError):
            raise engine_lost("the Dask scheduler") from None
        # Tried again, as a worker may be lost just then.
        error = attempt(lambda: self._client.register_plugin(_Plugin(work), plugin))
        if error is not None:
            raise unsuitable("Dask", last_line(error))
        futures = self._client.map(partial(_do, plugin), list(items.values()), pure=False)
        numbers = {future.key: number for future, number in zip(futures, items, strict=True)}
        try:
            for future in futures:
                future.add_done_callback(ended.put)
            for _ in futures:
                future = self._waited(ended.get)
                yield numbers[future.key], self._waited(partial(_outcome, future))
        finally:
            with suppress(Exception):
                self._client.cancel(futures)
                self._client.unregister_worker_plugin(plugin)

    def _waited(self, wait: Callable[..., Any]) -> Any:
        """Wait as long as there are workers."""
        while True:
            try:
                return wait(timeout=self._wait)
            except (Empty, TimeoutError):
                if not self._client.nthreads():
                    raise self._no_workers() from None
            except CancelledError:
                raise engine_lost("the Dask scheduler") from None

    def _no_workers(self) -> WorkError:
        return WorkError(
            f"the Dask scheduler has had no worker for {self._wait:g} seconds: start some, or give "
            "a longer --wait, and run the same command again"
        )

    def close(self) -> None:
        """End the workers that were started here; those of a named scheduler stay."""
        with suppress(Exception):  # of a scheduler that is gone nothing is left to end
            self._opened.close()


class _Plugin(WorkerPlugin):  # type: ignore[misc]
    """The work of a pass, sent once to each worker, whatever the number of items."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def teardown(self, worker: Any) -> None:
        self.work.close()


def _do(plugin: str, item: Any) -> Outcome:
    return get_worker().plugins[plugin].work(item)


def _outcome(future: Future, timeout: float) -> Outcome:
    try:
        return future.result(timeout)
    except (TimeoutError, CancelledError):
        raise
    except KilledWorker as error:
        return f"the last at {error.last_worker.address}"
    except Exception as error:
        return failure_of(error)


def _connected(address: str, scheduler_file: str) -> Client:
    try:
        if not address:
            address = str(json.loads(Path(scheduler_file).read_text())["address"])
        return _started(Client, address=address, timeout=_CONNECT, set_as_default=False)
    except (OSError, LookupError, ValueError, TypeError) as error:
        where = address or scheduler_file
        raise SettingError(f"no Dask scheduler answers at {where}: {last_line(error)}") from None


def _own_cluster(processes: int, threads: int) -> LocalCluster:
    """Start worker processes on this machine, with Dask's own memory limits off."""
    options = {
        "n_workers": processes,
        "threads_per_worker": threads,
        "memory_limit": 0,  # the plan limits it
        "dashboard_address": "127.0.0.1:0",  # any free port; None would be 8787
        "silence_logs": _QUIET,
        "scheduler_kwargs": {"allowed_failures": 0},  # the engine counts
        "death_timeout": _WAIT,  # otherwise a worker that does not start is waited for forever
    }
    try:
        return _started(LocalCluster, **options)
    except (RuntimeError, OSError) as error:
        raise WorkError(
            f"Dask could not start worker processes ({last_line(error)}): in a script of your own, "
            'put what it does behind if __name__ == "__main__":'
        ) from None


def _started(kind: Callable[..., Any], **options: Any) -> Any:
    try:
        return kind(**options)
    except AssertionError:  # Dask's thread did not start within ten seconds: a busy machine
        return kind(**options)
