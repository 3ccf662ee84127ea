"""The engine for Dask: each item is a task of a scheduler, on workers that run or are started.

What a task makes goes to storage, never through Dask; a worker that is lost costs what it was at.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, WorkerPlugin, get_worker
from threadpoolctl import threadpool_limits

from shoal.engines.base import Item, Task
from shoal.engines.options import OptionParser, positive_seconds
from shoal.engines.retries import TRIES, attempt, describe, incomplete, last_line, raise_first
from shoal.errors import SettingError, WorkError

_CONNECT = 10  # seconds for a scheduler to answer
_WAIT = 300.0  # seconds without any worker: jobs of a batch system may start late
_LOOK = 0.05  # seconds between looks at an item that is done again
_QUIET = logging.CRITICAL + 1  # what Dask logs of lost workers is in the error


class DaskEngine:
    """Runs each pass as tasks of a Dask scheduler.

    Parameters
    ----------
    options
        ``--address``, ``--scheduler_file`` and ``--wait``; see docs/scale.md.
    split
        Returns how many worker processes to start where no scheduler is named, and the threads of
        each; raises where memory has no room for any.
    threads
        Items at a time in one process of a scheduler's, at most: what memory has room for.
    prepare
        Called once a worker process and pass, before the task's `setup`; picklable.

    Raises
    ------
    SettingError
        When an option is not known, or no scheduler answers.
    """

    def __init__(
        self,
        options: Sequence[str],
        split: Callable[[], tuple[int, int]],
        threads: int,
        prepare: Callable[[], None],
    ) -> None:
        parser = OptionParser("dask")
        parser.add_argument("--address", default="")
        parser.add_argument("--scheduler_file", default="")
        parser.add_argument("--wait", type=positive_seconds, default=_WAIT)
        given = parser.parse_args(options)
        self._wait, self._prepare, self._processes, self._threads = given.wait, prepare, 0, threads
        self._cluster: Any = None
        self._client: Any = None
        if given.address or given.scheduler_file:
            self._client = _connected(given.address, given.scheduler_file)
        else:
            self._processes, self._threads = split()

    def run(
        self,
        task: Task[Item],
        items: Sequence[Item],
        on_done: Callable[[Item], None] | None = None,
        *,
        there: Callable[[], Collection[Item]] | None = None,
        name: Callable[[Item], str] = str,
    ) -> None:
        """Run `task` on all `items`, again on those whose worker was lost."""
        if not items:
            return
        failed: dict[int, dict[str, str]] = {}
        left, why = list(range(len(items))), ""
        with self._on_workers(task) as work:
            for tries in range(1, TRIES + 1):
                # At last one by one: then it is known which item its worker does not survive.
                batches = [[number] for number in left] if tries == TRIES else [left]
                left = []
                for number, error in self._ended(work, items, batches):
                    if isinstance(error, KilledWorker):
                        left.append(number)
                        why = f"the last at {error.last_worker.address}"
                    elif error is not None:
                        failed[number] = error if isinstance(error, dict) else describe(error)
                    elif on_done is not None:
                        on_done(items[number])
        raise_first(failed, lambda number: name(items[number]))
        present = items if there is None else there()
        missing = [n for n, item in enumerate(items) if n in left or item not in present]
        if missing:
            raise incomplete([name(items[number]) for number in left or missing], why)

    def close(self) -> None:
        """End the workers that were started here; those of a named scheduler stay."""
        for one in (self._client, self._cluster):
            with suppress(Exception):  # of a scheduler that is gone nothing is left to end
                if one is not None:
                    one.close()

    @contextmanager
    def _on_workers(self, task: Task[Any]) -> Iterator[Callable[[Any], dict[str, str] | None]]:
        """Bring a task to all workers there are and will be; yield what does one item there."""
        if self._client is None:
            self._cluster = _own_cluster(self._processes, self._threads)
            self._client = Client(self._cluster, set_as_default=False)
        work, name = _Pass(task, self._prepare, self._threads), f"shoal-{uuid.uuid4().hex}"
        try:
            self._client.wait_for_workers(1, timeout=self._wait)
        except TimeoutError:
            raise self._no_workers() from None
        except (OSError, RuntimeError):
            raise _scheduler_lost() from None
        # Tried again, for a worker may be lost just then.
        error = attempt(lambda: self._client.register_plugin(work, name))
        if error is not None:
            raise WorkError(
                f"Dask's workers cannot take the work ({last_line(error)}): give them the same "
                "Python, Shoal and libraries as here, and run the same command again"
            )
        try:
            yield partial(_do, name)
        finally:
            with suppress(Exception):
                self._client.unregister_worker_plugin(name)

    def _ended(
        self, work: Callable[[Any], Any], items: Sequence[Any], batches: list[list[int]]
    ) -> Iterator[tuple[int, Any]]:
        """Run batches one after the other; yield the number of each item and its error, if any."""
        for batch in batches:
            ended: SimpleQueue[Future] = SimpleQueue()
            futures = self._client.map(work, [items[number] for number in batch], pure=False)
            numbers = dict(zip((future.key for future in futures), batch, strict=True))
            try:
                for one in futures:
                    one.add_done_callback(ended.put)
                for _ in batch:
                    future = self._next(ended)
                    yield numbers[future.key], _outcome(future)
            finally:
                with suppress(Exception):
                    self._client.cancel(futures)

    def _next(self, ended: SimpleQueue[Future]) -> Future:
        """Wait for a future to end, as long as there are workers."""
        end = time.monotonic() + self._wait
        while True:
            try:
                future = ended.get(timeout=self._wait)
            except Empty:
                if not self._client.nthreads():
                    raise self._no_workers() from None
                continue
            if future.status == "cancelled":
                raise _scheduler_lost()
            if future.status == "lost":  # with the worker that did it: it is done again
                if time.monotonic() > end and not self._client.nthreads():
                    raise self._no_workers()
                time.sleep(_LOOK)
                ended.put(future)
                continue
            return future

    def _no_workers(self) -> WorkError:
        return WorkError(
            f"the Dask scheduler has had no worker for {self._wait:g} seconds: start some, or give "
            "a longer --wait, and run the same command again"
        )


class _Pass(WorkerPlugin):  # type: ignore[misc]
    """A task on a worker, set up once whatever the items."""

    def __init__(self, task: Task[Any], prepare: Callable[[], None], threads: int) -> None:
        self._task, self._prepare, self._threads = task, prepare, threads

    def setup(self, worker: Any) -> None:
        """Make what does not travel; the task is set up by its first item, in a thread."""
        # One BLAS thread a worker: sums then have the same order for any number of workers.
        self._limits = threadpool_limits(limits=1)
        self._places, self._lock = threading.Semaphore(self._threads), threading.Lock()
        self._is_set_up = False
        self._error: Exception | None = None

    def teardown(self, worker: Any) -> None:
        """Return the threads back."""
        self._limits.restore_original_limits()

    def __call__(self, item: Any) -> dict[str, str] | None:
        """Do one item; return what went wrong."""
        with self._lock:
            if not self._is_set_up:
                self._prepare()
                self._error, self._is_set_up = attempt(self._task.setup), True
        with self._places:
            error = self._error or attempt(lambda: self._task(item))
        return describe(error) if error else None


def _do(name: str, item: Any) -> dict[str, str] | None:
    return get_worker().plugins[name](item)


def _outcome(future: Future) -> Any:
    """Return what an item gave, or its error; it may be done again, and lose its worker, now."""
    try:
        return future.result()
    except CancelledError:
        raise _scheduler_lost() from None
    except Exception as error:
        return error


def _scheduler_lost() -> WorkError:
    return WorkError("the Dask scheduler was lost: run the same command again and it continues")


def _connected(address: str, scheduler_file: str) -> Client:
    """Connect to a scheduler.

    Raises
    ------
    SettingError
        When none answers.
    """
    try:
        if not address:
            address = str(json.loads(Path(scheduler_file).read_text())["address"])
        try:
            return Client(address, timeout=_CONNECT, set_as_default=False)
        except AssertionError:  # its thread did not start within ten seconds: a busy machine
            return Client(address, timeout=_CONNECT, set_as_default=False)
    except (OSError, LookupError, ValueError, TypeError) as error:
        where = address or scheduler_file
        raise SettingError(f"no Dask scheduler answers at {where}: {last_line(error)}") from None


@contextmanager
def _told_of_no_start() -> Iterator[None]:
    """Raise a sentence where worker processes do not start, as in a script that starts itself."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        raise WorkError(
            f"Dask could not start worker processes ({last_line(error)}): in a script of your own, "
            'put what it does behind if __name__ == "__main__":'
        ) from None


def _own_cluster(processes: int, threads: int) -> LocalCluster:
    """Start worker processes on this machine, with Dask's own promises of memory off."""
    # A worker is given no item that it cannot begin, so that its loss is blamed on few.
    few = dask.config.set({"distributed.scheduler.worker-saturation": 1.0})
    start = partial(
        LocalCluster,
        n_workers=processes,
        threads_per_worker=threads,
        memory_limit=0,  # the plan has counted
        dashboard_address="127.0.0.1:0",  # any free port, for none would be 8787
        silence_logs=_QUIET,
        scheduler_kwargs={"allowed_failures": 0},  # the engine counts
    )
    with few, _told_of_no_start():
        try:
            return start()
        except AssertionError:  # Dask's, where its thread did not begin within ten seconds
            return start()
