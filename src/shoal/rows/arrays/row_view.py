"""Rows seen another way than they lie: a part of the bytes of each, its axes in another order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from shoal.rows.base import Batch
from shoal.rows.store import Store
from shoal.rows.taken import by_range


@dataclass(frozen=True)
class RowView:
    """Part of each row of a store, given a shape, its axes in another order."""

    inner: Store  # the rows as they lie
    # which axis of the part becomes the first, the second and so on; empty for none moved
    axes: tuple[int, ...] = ()
    skip: int = 0  # numbers at the beginning of each row that are left out
    # shape of what is left, before its axes move; None for that of the row
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
        return by_range(self.inner)

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
    """Which axes of rows in some order are height, width and channels.

    >>> axes_to_image("CHW"), axes_to_image("CWH"), axes_to_image("WH"), axes_to_image("")
    ((1, 2, 0), (2, 1, 0), (1, 0), ())
    """
    return tuple(order.index(letter) for letter in "HWC" if letter in order)
