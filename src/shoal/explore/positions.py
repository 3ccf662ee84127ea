"""Sets of positions: sorted ranges that do not touch, however many rows they hold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Positions:
    """A set of positions (see `stages.leaves`) as ranges: `low` up to, not including, `high`.

    Parameters
    ----------
    low, high : ndarray, shape (r,), int64
        Ascending; no two ranges overlap or touch.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]

    @classmethod
    def of(cls, positions: NDArray) -> Positions:
        """Make the set of some positions, in any order, repeated or not.

        >>> Positions.of(np.array([7, 3, 4, 3])).pairs()
        [(3, 5), (7, 8)]
        """
        found = np.unique(np.asarray(positions, np.int64))
        if not len(found):
            return cls(found, found)
        begins = np.flatnonzero(np.diff(found, prepend=found[0] - 2) > 1)
        ends = np.append(begins[1:], len(found)) - 1
        return cls(found[begins], found[ends] + 1)

    @classmethod
    def ranges(cls, low: NDArray, high: NDArray) -> Positions:
        """Make a set of ranges that may touch or overlap, in any order; empty ones are left out.

        >>> Positions.ranges(np.array([5, 0, 2]), np.array([6, 2, 2])).pairs()
        [(0, 2), (5, 6)]
        """
        low, high = np.asarray(low, np.int64), np.asarray(high, np.int64)
        low, high = low[low < high], high[low < high]
        if not len(low):
            return cls(low, high)
        order = np.argsort(low, kind="stable")
        low, reached = low[order], np.maximum.accumulate(high[order])
        begins = np.flatnonzero(np.append(True, low[1:] > reached[:-1]))
        return cls(low[begins], reached[np.append(begins[1:] - 1, len(low) - 1)])

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """Positions in each range and all before it, (r,)."""
        return np.cumsum(self.high - self.low)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.low) else 0

    def pairs(self) -> list[tuple[int, int]]:
        return list(zip(self.low.tolist(), self.high.tolist(), strict=True))

    def take(self, at: NDArray) -> NDArray[np.int64]:
        """Return the positions at some positions in ascending order of positions."""
        at = np.asarray(at, np.int64)
        range_ = np.searchsorted(self.ends, at, side="right")
        return self.high[range_] - (self.ends[range_] - at)

    def all(self) -> NDArray[np.int64]:
        lengths = self.high - self.low
        return np.repeat(self.high - self.ends, lengths) + np.arange(len(self))

    def holds(self, positions: NDArray) -> NDArray[np.bool_]:
        if not len(self.low):
            return np.zeros(len(positions), np.bool_)
        at = np.searchsorted(self.low, positions, side="right") - 1
        return (at >= 0) & (positions < self.high[np.maximum(at, 0)])

    def __and__(self, other: Positions) -> Positions:
        if not len(self.low) or not len(other.low):
            return Positions.of(np.empty(0, np.int64))
        # For each range of the one, those of the other that overlap it follow each other.
        first = np.searchsorted(other.high, self.low, side="right")
        count = np.maximum(np.searchsorted(other.low, self.high, side="left") - first, 0)
        mine = np.repeat(np.arange(len(self.low)), count)
        theirs = np.arange(count.sum()) + np.repeat(first - (np.cumsum(count) - count), count)
        return Positions.ranges(
            np.maximum(self.low[mine], other.low[theirs]),
            np.minimum(self.high[mine], other.high[theirs]),
        )

    def __or__(self, other: Positions) -> Positions:
        return Positions.ranges(
            np.concatenate([self.low, other.low]), np.concatenate([self.high, other.high])
        )

    def __sub__(self, other: Positions) -> Positions:
        if not len(other.low) or not len(self.low):
            return self
        end = int(self.high[-1])
        return self & Positions.ranges(
            np.append(min(0, int(self.low[0])), other.high), np.append(other.low, end)
        )
