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
"""The error of a task, in words that travel from any worker to the launcher."""

Outcome = Failure | str | None
"""None where an item is done, a text that says how its worker was lost, or a failure."""


class Work:
    """A task on a worker: set up by its first item in a process, and tried again when it fails."""

    def __init__(self, task: Task[Any], prepare: Callable[[], None], threads: int = 1) -> None:
        self._task, self._prepare, self._threads = task, prepare, threads
        self._lock, self._places = threading.Lock(), threading.Semaphore(threads)
        self._limits: Any = None
        self._failed: Exception | None = None

    def __reduce__(self) -> tuple[type[Work], tuple[Any, ...]]:
        return Work, (self._task, self._prepare, self._threads)

    def __call__(self, item: Any) -> Failure | None:
        """Process one item; return what went wrong."""
        with self._lock:
            if self._limits is None:
                # One BLAS thread per worker: sums then have the same order on any number of them.
                self._limits = threadpool_limits(limits=1)
                self._failed = attempt(self._set_up)
        with self._places:
            error = self._failed or attempt(lambda: self._task(item))
        return describe(error) if error else None

    def _set_up(self) -> None:
        self._prepare()
        self._task.setup()

    def close(self) -> None:
        """Give BLAS its threads back."""
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
        there: Callable[[], Collection[Item]] | None = None,
        name: Callable[[Item], str] = str,
    ) -> None:
        """Run `task` on all `items`; see `Engine.run`."""
        untold = dict(enumerate(items))
        failed: dict[int, Failure] = {}
        lost = dict.fromkeys(untold, "")

        def tell(number: int) -> None:
            if untold.pop(number, None) is not None and on_done is not None:
                on_done(items[number])

        def look() -> set[int]:
            found = () if there is None else there()
            numbers = {number for number, item in enumerate(items) if item in found}
            for number in numbers:
                tell(number)
            return numbers

        work = Work(task, self.launch.prepare, self.threads)
        for tries in range(1, TRIES + 1):
            # One by one at last: then it is known which item its worker does not survive.
            batches = [[number] for number in lost] if tries == TRIES else [list(lost)]
            lost = {}
            for batch in filter(None, batches):
                for number, outcome in self._outcomes(work, {n: items[n] for n in batch}, look):
                    if outcome is None:
                        tell(number)
                    elif isinstance(outcome, str):
                        lost[number] = outcome
                    else:
                        failed[number] = outcome
        if failed:
            first = min(failed)
            kind = getattr(errors, failed[first]["kind"], errors.WorkError)
            raise kind(f"{name(items[first])}: {failed[first]['message']}")
        present = items if there is None else there()
        missing = list(lost) or [n for n, item in enumerate(items) if item not in present]
        if missing:
            raise _incomplete([name(items[number]) for number in missing], lost.get(missing[0]))

    @abstractmethod
    def _outcomes(
        self, work: Work, items: Mapping[int, Any], look: Callable[[], Collection[int]]
    ) -> Iterator[tuple[int, Outcome]]:
        """Run `work` once on items, at least one; yield the number of each and its outcome.

        `look` reports the items whose results are in storage as done, and returns their numbers.
        """


def attempt(work: Callable[[], None]) -> Exception | None:
    """Try some times, as a network or a disk may come back; return the last error, if any."""
    for again in range(1, TRIES + 1):
        try:
            work()
            return None
        except Exception as error:
            last = error
            if isinstance(error, errors.InputError):
                break
            time.sleep(_PAUSE * again if again < TRIES else 0)
    return last


def describe(error: Exception) -> Failure:
    """Describe an error; only Shoal's own have a sentence for users."""
    ours = isinstance(error, errors.ShoalError)
    message = str(error) if ours else f"{type(error).__name__}: {last_line(error)}"
    return {"kind": type(error).__name__, "message": message}


def last_line(error: BaseException) -> str:
    """Return the last line of an error: runners put whole tracebacks into theirs."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip()[:300] if lines else type(error).__name__


def _incomplete(names: Sequence[str], why: str | None) -> errors.WorkError:
    more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    if why is None:
        return errors.WorkError(
            f"{names[0]}{more} could not be done: workers ended well, but what they wrote is not "
            "here; give a run folder with -o that all workers reach"
        )
    return errors.WorkError(
        f"{names[0]}{more} could not be done in {TRIES} passes, workers were lost ({why}): run "
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
