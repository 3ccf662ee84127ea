"""The engine for one machine: a pool of threads.

The kernels release the interpreter's lock (numba, BLAS, image decoders), so threads use every
core, share memory, and start at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from threadpoolctl import threadpool_limits

from shoal.engines.base import FetchingTask, Item, Task


class LocalEngine:
    """Runs tasks on `workers` threads of this process, with one BLAS thread in each."""

    def __init__(self, workers: int) -> None:
        self.workers = max(1, workers)

    def run(
        self,
        task: Task[Item],
        items: Sequence[Item],
        on_done: Callable[[Item], None] | None = None,
        *,
        completed: Callable[[], Collection[Item]] | None = None,
        describe: Callable[[Item], str] = str,
    ) -> None:
        """Run `task` on all `items`; the first error stops the items not yet begun.

        `completed` and `describe` are for engines whose workers can be lost; not used here.
        """
        if not items:
            return
        task.setup()
        fetching = task if isinstance(task, FetchingTask) else None

        def one(number: int) -> None:
            if fetching is not None and number + self.workers < len(items):
                fetching.fetch(items[number + self.workers])
            task(items[number])
            if on_done is not None:
                on_done(items[number])

        # One BLAS thread a worker: sums then have the same order for any number of workers.
        with threadpool_limits(limits=1), ThreadPoolExecutor(self.workers) as pool:
            futures = [pool.submit(one, number) for number in range(len(items))]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
            failed = [f for f in futures if f in done and f.exception() is not None]
            if failed:
                pool.shutdown(wait=True, cancel_futures=True)
                failed[0].result()

    def close(self) -> None: ...  # Nothing is kept
