"""Results in order, computed ahead by threads: for work that is too small for a stage."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Made = TypeVar("Made")


def prefetched(make: Callable[[Item], Made], items: Iterable[Item], workers: int) -> Iterator[Made]:
    """Return ``make(item)`` for each item in order; `workers` threads compute the next ones.

    At most twice as many results as workers are ahead. The first error is raised in its place, and
    no further items are started.
    """
    waiting: deque[Future[Made]] = deque()
    with threadpool_limits(limits=1), ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(make, item))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
