"""Passes on workers that can be lost: what the engines for Beam, Dask and Spark share."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from threadpoolctl import threadpool_limits

from shoal import errors
from shoal.engines.base import Item, Launch, Task

TRIES = 3
"""Attempts at an item on its worker, and passes over items whose worker was lost."""

_PAUSE = 0.5  # seconds before the second attempt, twice as many before the third

Failure = dict[str, str]
"""The class and message of a task's error, which any worker can send to the launcher."""

Outcome = Failure | str | None
"""None if an item is done, a text that says how its worker was lost, or a failure."""


class Work:
    """A task on a worker: set up by its first item in a process, and tried again when it fails."""

    def __init__(self, task: Task[Any], prepare: Callable[[], None], threads: int = 1) -> None:
        self._task, self._prepare, self._threads = task, prepare, threads
        self._lock, self._slots = threading.Lock(), threading.Semaphore(threads)
        self._limits: Any = None
        self._setup_error: Exception | None = None

    def __reduce__(self) -> tuple[type[Work], tuple[Any, ...]]:
        return Work, (self._task, self._prepare, self._threads)

    def __call__(self, item: Any) -> Failure | None:
        """Process one item; return what went wrong."""
        with self._lock:
            if self._limits is None:
                # One BLAS thread per worker: sums then have the same order on any number of them.
                self._limits = threadpool_limits(limits=1)
                self._setup_error = attempt(self._set_up)
        with self._slots:
            error = self._setup_error or attempt(lambda: self._task(item))
        return failure_of(error) if error else None

    def _set_up(self) -> None:
        self._prepare()
        self._task.setup()

    def close(self) -> None:
        """Restore the number of BLAS threads."""
        if self._limits is not None:
            self._limits.restore_original_limits()


class WorkerEngine(ABC):
    """Runs passes over items, and again over those whose worker was lost."""

    threads = 1
    """Items at a time in one worker process, at most."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch

    def run(
        self,
        task: Task[Item],
        items: Sequence[Item],
        on_done: Callable[[Item], None] | None = None,
        *,
        completed: Callable[[], Collection[Item]] | None = None,
        describe: Callable[[Item], str] = str,
    ) -> None:
        """Run `task` on all `items`; see `Engine.run`."""
        unreported = dict(enumerate(items))
        failed: dict[int, Failure] = {}
        lost = dict.fromkeys(unreported, "")

        def report(number: int) -> None:
            if unreported.pop(number, None) is not None and on_done is not None:
                on_done(items[number])

        def report_stored() -> set[int]:
            stored = () if completed is None else completed()
            numbers = {number for number, item in enumerate(items) if item in stored}
            for number in numbers:
                report(number)
            return numbers

        work = Work(task, self.launch.prepare, self.threads)
        for attempts in range(1, TRIES + 1):
            # The last pass runs them one by one, to find the item that its worker does not survive.
            batches = [[number] for number in lost] if attempts == TRIES else [list(lost)]
            lost = {}
            for batch in filter(None, batches):
                of_batch = {number: items[number] for number in batch}
                for number, outcome in self._outcomes(work, of_batch, report_stored):
                    if outcome is None:
                        report(number)
                    elif isinstance(outcome, str):
                        lost[number] = outcome
                    else:
                        failed[number] = outcome
        if failed:
            first = min(failed)
            kind = getattr(errors, failed[first]["kind"], errors.WorkError)
            raise kind(f"{describe(items[first])}: {failed[first]['message']}")
        stored = items if completed is None else completed()
        missing = list(lost) or [n for n, item in enumerate(items) if item not in stored]
        if missing:
            more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
            raise _incomplete(describe(items[missing[0]]) + more, lost.get(missing[0]))

    @abstractmethod
    def _outcomes(
        self,
        work: Work,
        items: Mapping[int, Any],
        report_stored: Callable[[], Collection[int]],
    ) -> Iterator[tuple[int, Outcome]]:
        """Run `work` once on items, at least one; yield the number of each and its outcome.

        `report_stored` reports the items whose results are in storage as done, and returns their
        numbers.
        """


def attempt(work: Callable[[], None]) -> Exception | None:
    """Call `work` up to `TRIES` times, as a network or a disk may recover; return the last error.

    An `InputError` is not tried again.
    """
    for number in range(1, TRIES + 1):
        try:
            work()
            return None
        except Exception as error:
            last = error
            if isinstance(error, errors.InputError):
                break
            time.sleep(_PAUSE * number if number < TRIES else 0)
    return last


def failure_of(error: Exception) -> Failure:
    """Describe an error; only Shoal's own have a sentence for users."""
    ours = isinstance(error, errors.ShoalError)
    message = str(error) if ours else f"{type(error).__name__}: {last_line(error)}"
    return {"kind": type(error).__name__, "message": message}


def last_line(error: BaseException) -> str:
    """Return the last line of an error: runners put whole tracebacks into theirs."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip()[:300] if lines else type(error).__name__


def _incomplete(named: str, why: str | None) -> errors.WorkError:
    if why is None:
        return errors.WorkError(
            f"{named} could not be done: workers ended well, but what they wrote is not "
            "here; give a run folder with -o that all workers reach"
        )
    return errors.WorkError(
        f"{named} could not be done in {TRIES} passes, workers were lost ({why}): run "
        "the same command again and it continues"
    )


def unsuitable(engine: str, why: str) -> errors.WorkError:
    """Return the error of workers that cannot load a task."""
    return errors.WorkError(
        f"{engine}'s workers cannot take the work ({why}): give them the same Python, Shoal and "
        "libraries as here, and run the same command again"
    )


def engine_lost(what: str) -> errors.WorkError:
    """Return the error of a scheduler or a driver that ended."""
    return errors.WorkError(f"{what} was lost: run the same command again and it continues")
