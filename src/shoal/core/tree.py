"""The one tree over the representatives, from which any K is a cut."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.checked import check_count
from shoal.core.record_lists import Tabular, cell


@dataclass(frozen=True, repr=False)
class Tree(Tabular):
    """A binary tree as a leaf order and its split positions, clearest split first.

    Every cluster of every cut is a contiguous piece of `order`; the cut into k clusters uses the
    first k − 1 of `splits`. A cluster below the minimum size stays with its larger sibling.

    Parameters
    ----------
    order : ndarray, shape (m,), int32
        Representatives in leaf order.
    splits : ndarray, shape (m - 1,), int32
        Positions in `order` (1 .. m − 1) before which to split, by rank.
    excess : ndarray, shape (m - 1,), float32
        The excess of each split, capped by that of the split it depends on, so it is non-increasing
        along the ranks; −inf for splits within communities.
    """

    order: NDArray[np.int32]
    splits: NDArray[np.int32]
    excess: NDArray[np.float32]

    def records(self) -> list[dict[str, Any]]:
        """Return the splits, clearest first: K and excess of each."""
        return [
            {"k": k, "excess": excess}
            for k, excess in enumerate(self.excess.astype(float).tolist(), start=2)
        ]

    def __repr__(self) -> str:
        first = ", ".join(cell(excess) for excess in self.excess[:5].astype(float).tolist())
        more = ", …" if len(self.excess) > 5 else ""
        return f"<Tree of {self.n_leaves:,} leaves; excess of its splits: {first}{more}>"

    @property
    def n_leaves(self) -> int:
        """Number of representatives."""
        return len(self.order)

    def bounds(self, k: int) -> NDArray[np.int64]:
        """Return the k + 1 bounds of the cut into k clusters, positions in `order`.

        Raises
        ------
        SettingError
            If k is not between 1 and the number of leaves.
        """
        check_count("k", k, self.n_leaves, "representatives")
        inner = np.sort(self.splits[: k - 1].astype(np.int64))
        return np.concatenate([[0], inner, [self.n_leaves]])

    def labels(self, k: int) -> NDArray[np.int32]:
        """Return the cluster of each representative, 0 .. k − 1 in leaf order, shape (m,)."""
        bounds = self.bounds(k)
        labels = np.empty(self.n_leaves, np.int32)
        labels[self.order] = np.repeat(np.arange(k, dtype=np.int32), np.diff(bounds))
        return labels

    def apart(self, one: NDArray, other: NDArray) -> NDArray[np.int32]:
        """Return the smallest k that separates two leaves, (n,); m + 1 for the same leaf.

        The first split between two leaves is the least rank in a range of positions, which two
        ranges of `least_ranks` cover.
        """
        a, b = self.leaf_positions[one], self.leaf_positions[other]
        low, high = np.minimum(a, b), np.maximum(a, b)
        found = np.full(len(low), self.n_leaves + 1, np.int32)
        differ = np.flatnonzero(low < high)
        low, length = low[differ], (high - low)[differ]
        power = np.frexp(length)[1] - 1
        ranks, last = self.least_ranks, low + length - (1 << power)
        found[differ] = np.minimum(ranks[power, low], ranks[power, last]) + 2
        return found

    @cached_property
    def leaf_positions(self) -> NDArray[np.int32]:
        """The position of each leaf in the order, (m,)."""
        position = np.empty(self.n_leaves, np.int32)
        position[self.order] = np.arange(self.n_leaves, dtype=np.int32)
        return position

    @cached_property
    def least_ranks(self) -> NDArray[np.int32]:
        """Least rank of the splits before positions i + 1 .. i + 2^p, at [p, i]."""
        m = self.n_leaves
        rank = np.empty(max(m - 1, 0), np.int32)
        rank[self.splits - 1] = np.arange(m - 1, dtype=np.int32)
        table = [rank]
        for power in range(1, max(m - 1, 1).bit_length()):
            above, half = table[-1].copy(), 1 << (power - 1)
            np.minimum(above[:-half], table[-1][half:], out=above[:-half])
            table.append(above)
        return np.stack(table)

    def moved(self, hosts: NDArray[np.integer]) -> Tree:
        """Return the tree with some leaves moved next to others, and so into their clusters.

        `hosts`, (m,), holds for each leaf the one to move it next to, or itself to stay. Hosts must
        stay. A moved leaf is separated from its host by one of the last splits.
        """
        position = self.leaf_positions
        host = position[hosts]
        order = np.lexsort((position, host != position, host)).astype(np.int32)
        before = np.searchsorted(np.sort(host), self.splits)  # leaves before each split
        kept = np.sort(np.unique(before, return_index=True)[1])
        kept = kept[(before[kept] > 0) & (before[kept] < self.n_leaves)]
        last = np.setdiff1d(np.arange(1, self.n_leaves), before[kept])
        splits = np.concatenate([before[kept], last]).astype(np.int32)
        excess = np.concatenate([self.excess[kept], np.full(len(last), -np.inf, np.float32)])
        return Tree(order, splits, excess)

    def linkage(self, k: int) -> list[tuple[int, int, float]]:
        """Return the k − 1 merges above the cut into k, lowest first: left, right, excess.

        Clusters are 0 .. k − 1 in leaf order; the t-th merge makes cluster k + t.
        """
        starts, clusters = self.bounds(k)[:-1].tolist(), list(range(k))
        merges: list[tuple[int, int, float]] = []
        for t in range(k - 2, -1, -1):
            right = bisect_left(starts, int(self.splits[t]))  # starts at the split
            merges.append((clusters[right - 1], clusters[right], float(self.excess[t])))
            clusters[right - 1] = k + len(merges) - 1
            del starts[right], clusters[right]
        return merges

    def to_arrays(self) -> dict[str, NDArray]:
        """Return the arrays that `from_arrays` reads."""
        return {"order": self.order, "splits": self.splits, "excess": self.excess}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray]) -> Tree:
        """Inverse of `to_arrays`."""
        return cls(
            np.asarray(arrays["order"], np.int32),
            np.asarray(arrays["splits"], np.int32),
            np.asarray(arrays["excess"], np.float32),
        )
