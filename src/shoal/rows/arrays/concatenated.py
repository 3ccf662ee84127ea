"""Several stores of rows of one shape, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import UnlikeError
from shoal.rows.arrays.pixels import show
from shoal.rows.base import Batch
from shoal.rows.memory_budget import Holds, holds
from shoal.rows.store import Store, check_range


@dataclass(frozen=True)
class JoinedStore:
    stores: tuple[Store, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.stores[0].dtype

    @property
    def row_shape(self) -> tuple[int, ...]:
        return self.stores[0].row_shape

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        return np.cumsum([0, *(store.n_rows for store in self.stores)], dtype=np.int64)

    @property
    def n_rows(self) -> int:
        return int(self.starts[-1])

    @property
    def holds(self) -> Holds:
        return sum((holds(store) for store in self.stores), Holds())

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, self.n_rows)
        data = np.empty((stop - start, *self.row_shape), self.dtype)
        bad: dict[int, str] = {}
        for store, first in zip(self.stores, self.starts.tolist(), strict=False):
            low, high = max(start, first), min(stop, first + store.n_rows)
            if low < high:
                batch = store.read(low - first, high - first)
                data[low - start : high - start] = batch.data
                bad |= {low - start + row: reason for row, reason in batch.bad.items()}
        return Batch(data, bad)

    def names(self, start: int, stop: int) -> None:
        """Rows have no names."""

    def facts(self) -> dict[str, Any]:
        return {"joined": [store.facts() for store in self.stores]}


def joined(stores: Sequence[Store], names: Sequence[str]) -> Store:
    """Join stores; `names` are those of their files, for people."""
    first = stores[0]
    for store, name in zip(stores, names, strict=True):
        if (store.dtype, store.row_shape) != (first.dtype, first.row_shape):
            raise UnlikeError(
                f"{name} has rows of {show(store.row_shape)} {store.dtype}, but {names[0]} of "
                f"{show(first.row_shape)} {first.dtype}: files must be alike"
            )
    return first if len(stores) == 1 else JoinedStore(tuple(stores))
