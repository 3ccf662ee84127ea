"""Views of other stores: joined, in part, or with their axes reordered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import UnlikeError
from shoal.rows.arrays.pixels import show
from shoal.rows.base import Batch
from shoal.rows.memory_budget import MemoryNeed, memory_need
from shoal.rows.store import AnyStore, Part, Parted, Store


@dataclass(frozen=True)
class JoinedStore(Parted):
    parts: tuple[Store, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.parts[0].dtype

    @property
    def row_shape(self) -> tuple[int, ...]:
        return self.parts[0].row_shape

    @property
    def memory_need(self) -> MemoryNeed:
        return sum(map(memory_need, self.parts), MemoryNeed())

    def fill(self, part: Store, low: int, out: NDArray) -> dict[int, str]:
        batch = part.read(low, low + len(out))
        out[...] = batch.data
        return batch.bad

    def files(self) -> list[Part]:
        return [file for store in self.parts for file in store.files()]

    def facts(self) -> dict[str, Any]:
        return {"joined": [store.facts() for store in self.parts]}


def joined(stores: Sequence[Store], names: Sequence[str]) -> Store:
    check_alike([(store.dtype, store.row_shape) for store in stores], names)
    return stores[0] if len(stores) == 1 else JoinedStore(tuple(stores))


def check_alike(
    rows: Sequence[tuple[np.dtype[Any], tuple[int, ...]]], names: Sequence[str]
) -> None:
    for (dtype, shape), name in zip(rows, names, strict=True):
        if (dtype, shape) != rows[0]:
            raise UnlikeError(
                f"{name} has rows of {show(shape)} {dtype}, but {names[0]} of "
                f"{show(rows[0][1])} {rows[0][0]}: they must have the same shape and type"
            )


@dataclass(frozen=True)
class RowView(AnyStore):
    """Part of each row of a store, with a shape of its own and its axes reordered."""

    inner: Store
    # axis of the part that becomes the first, the second and so on; empty for no change
    axes: tuple[int, ...] = ()
    skip: int = 0  # numbers skipped at the beginning of each row
    # shape of the rest, before its axes move; None for that of the row
    part_shape: tuple[int, ...] | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.inner.dtype

    @property
    def row_shape(self) -> tuple[int, ...]:
        shape = self.part_shape or self.inner.row_shape
        return tuple(shape[axis] for axis in self.axes) if self.axes else shape

    @property
    def n_rows(self) -> int:
        return self.inner.n_rows

    @property
    def by_range(self) -> bool:
        return self.inner.by_range

    def read(self, start: int, stop: int) -> Batch:
        batch = self.inner.read(start, stop)
        rows = batch.data
        if self.part_shape is not None:
            flat = rows.reshape(len(rows), math.prod(rows.shape[1:]))
            rows = flat[:, self.skip :].reshape(len(rows), *self.part_shape)
        if self.axes:
            rows = rows.transpose(0, *(axis + 1 for axis in self.axes))
        return Batch(np.ascontiguousarray(rows), batch.bad)

    def names(self, start: int, stop: int) -> list[str] | None:
        return self.inner.names(start, stop)

    def facts(self) -> dict[str, Any]:
        seen = [self.skip, list(self.part_shape or ()), list(self.axes)]
        return {**self.inner.facts(), "view": seen}


def axes_to_image(order: str) -> tuple[int, ...]:
    """Return the axes of height, width and channels in rows of a given order.

    >>> axes_to_image("CHW"), axes_to_image("CWH"), axes_to_image("WH"), axes_to_image("")
    ((1, 2, 0), (2, 1, 0), (1, 0), ())
    """
    return tuple(order.index(letter) for letter in "HWC" if letter in order)
