"""The rows of a source by shard, with prefetching."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock, Thread

from shoal.rows import Batch, Source
from shoal.stages.quarantine import reasons_in_shard
from shoal.stages.shards import Shards
from shoal.storage import StageFolder, read_json, read_npy


class _Fetched:
    """Ranges of rows that threads prefetch; pickles as empty."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._batches: dict[int, Future[Batch]] = {}

    def __reduce__(self) -> tuple[type[_Fetched], tuple[()]]:
        return _Fetched, ()

    def begin(self, source: Source, start: int, stop: int) -> None:
        """Start to read a range, unless it was started."""
        with self._lock:
            if start in self._batches:
                return
            future = self._batches[start] = Future()
        Thread(target=_read_into, args=(future, source, start, stop), daemon=True).start()

    def take(self, source: Source, start: int, stop: int) -> Batch:
        """Return a range of rows, waiting for a prefetch or reading it now."""
        with self._lock:
            future = self._batches.pop(start, None)
        return source.read(start, stop) if future is None else future.result()


def _read_into(future: Future[Batch], source: Source, start: int, stop: int) -> None:
    try:
        future.set_result(source.read(start, stop))
    except BaseException as error:  # raised by whoever waits for the future
        future.set_exception(error)


class Later:
    """Items that come next, in order; threads share it, and it pickles as empty."""

    def __init__(self) -> None:
        self._items: deque[int] = deque()

    def __reduce__(self) -> tuple[type[Later], tuple[()]]:
        return Later, ()

    def add(self, item: int) -> None:
        self._items.append(item)

    def take(self) -> int | None:
        """Return the first item, which is taken off; None if there is none."""
        with suppress(IndexError):
            return self._items.popleft()
        return None


@dataclass(frozen=True)
class Rows:
    """The rows of a source by shard, from the numbers stored by the index or read again.

    With `base`, the rows are the features stored there by shard.
    """

    source: Source
    shards: Shards
    index: StageFolder
    base: StageFolder | None = None
    fetched: _Fetched = field(default_factory=_Fetched, compare=False, repr=False)

    def read(self, number: int) -> Iterator[Batch]:
        """Iterate over the blocks of a shard: rows, and the reasons for unusable ones."""
        if self.base is not None:
            bad = read_json(self.base.part("base", number, "json"))
            given = {int(at): reason for at, reason in bad.items()}
            yield Batch(read_npy(self.base.part("base", number)), given)
            return
        if self.index.has("numbers", number):
            bad = self.index.part("quarantine", number, "parquet")
            known = reasons_in_shard(bad, self.shards.bounds(number)[0])
            yield Batch(read_npy(self.index.part("numbers", number)), known)
            return
        for start, stop in self._blocks(number):
            yield self.fetched.take(self.source, start, stop)

    def fetch(self, number: int) -> None:
        """Start to prefetch a shard that will be read next, if the source waits for reads."""
        far = self.base is None and self.source.waits
        if far and not self.index.has("numbers", number):
            self.fetched.begin(self.source, *next(self._blocks(number)))

    def _blocks(self, number: int) -> Iterator[tuple[int, int]]:
        start, stop = self.shards.bounds(number)
        length = self.shards.block(self.source)
        for a in range(start, stop, length):
            yield a, min(stop, a + length)
