"""Changes of clusters between two clusterings of the same rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoal.core.contingency import Contingency, contingency
from shoal.errors import InputError


@dataclass(frozen=True)
class Match:
    """A cluster before and the same cluster after."""

    before: int
    after: int
    rows_before: int
    rows_after: int
    shared: int
    overlap: float
    """Jaccard index: rows in both over rows in either."""


@dataclass(frozen=True)
class Change:
    """One cluster on one side, and the clusters of the other side that share its rows."""

    cluster: int
    rows: int
    parts: tuple[int, ...]
    """The others, by number of shared rows."""
    shared: tuple[int, ...]
    """The rows shared with each."""


@dataclass(frozen=True)
class Comparison:
    """The changes; a matched cluster may also have split or merged.

    Attributes
    ----------
    matched
        Clusters that are the same on both sides: more than half of the rows of both together.
    split
        Old clusters most of whose rows are in several new clusters, each of which consists mostly
        of its rows.
    merged
        New clusters most of whose rows are from several old clusters, each of which has most of its
        rows in it.
    died
        All other old clusters; `parts` has the clusters of their rows.
    born
        All other new clusters; `parts` has the old clusters of their rows.
    moved
        Rows whose change is not one of these lists.
    rows
        Number of compared rows.
    """

    matched: tuple[Match, ...]
    split: tuple[Change, ...]
    merged: tuple[Change, ...]
    died: tuple[Change, ...]
    born: tuple[Change, ...]
    moved: int
    rows: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(before: ArrayLike, after: ArrayLike) -> Comparison:
    """Compare two clusterings of the same rows, (n,) whole numbers.

    Rows that are −1 on either side are left out.

    Raises
    ------
    InputError
        If the lengths differ, or no row has a cluster on both sides.

    Examples
    --------
    >>> found = compare([0, 0, 0, 1, 1, 2, 2, 2], [5, 5, 5, 6, 6, 6, 6, 6])
    >>> [(m.before, m.after) for m in found.matched], [c.parts for c in found.merged]
    ([(0, 5), (2, 6)], [(2, 1)])
    """
    return compare_table(shared_rows(before, after))


def shared_rows(before: ArrayLike, after: ArrayLike) -> Contingency:
    """Count the rows that the clusters of two clusterings share; see `compare`."""
    one, other = np.asarray(before), np.asarray(after)
    if one.shape != other.shape:
        raise InputError(f"{len(one):,} rows before, but {len(other):,} after: give the same rows")
    known = (one >= 0) & (other >= 0)
    if not known.any():
        raise InputError("no row has a cluster on both sides: there is nothing to compare")
    return contingency(one[known], other[known])


def compare_table(shared: Contingency) -> Comparison:
    """Compare two clusterings by the rows that their clusters share.

    References
    ----------
    The kinds of change are those of Spiliopoulou et al., "MONIC: modeling and monitoring
    cluster transitions", KDD 2006, with one half for all their thresholds.
    """
    cells = shared.table.tocoo()
    a, b, n = cells.row, cells.col, cells.data.astype(np.int64)
    rows_a = np.bincount(a, n, len(shared.classes)).astype(np.int64)
    rows_b = np.bincount(b, n, len(shared.clusters)).astype(np.int64)
    # More than half of both together, which holds for at most one pair of a cluster.
    same = 2 * n > rows_a[a] + rows_b[b] - n
    split = _unions(a, n, 2 * n > rows_b[b], rows_a)
    merged = _unions(b, n, 2 * n > rows_a[a], rows_b)
    explained = same | split | merged
    gone, new = ~np.isin(a, a[explained]), ~np.isin(b, b[explained])
    sides = (shared.classes.astype(np.int64), shared.clusters.astype(np.int64))
    return Comparison(
        tuple(
            Match(
                int(sides[0][i]),
                int(sides[1][j]),
                int(rows_a[i]),
                int(rows_b[j]),
                int(both),
                float(both / (rows_a[i] + rows_b[j] - both)),
            )
            for i, j, both in zip(a[same], b[same], n[same], strict=True)
        ),
        _changes(*sides, a[split], b[split], n[split], rows_a),
        _changes(*sides[::-1], b[merged], a[merged], n[merged], rows_b),
        _changes(*sides, a[gone], b[gone], n[gone], rows_a),
        _changes(*sides[::-1], b[new], a[new], n[new], rows_b),
        int(n[~explained].sum()),
        int(n.sum()),
    )


def _unions(
    whole: NDArray, n: NDArray[np.int64], part: NDArray[np.bool_], rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which cells are among several that together make up most of a cluster."""
    count = np.bincount(whole[part], minlength=len(rows))
    shared = np.bincount(whole[part], n[part], len(rows))
    real = (count >= 2) & (2 * shared > rows)
    return np.asarray(part & real[whole])


def _changes(
    ids: NDArray[np.int64],
    other_ids: NDArray[np.int64],
    cluster: NDArray,
    other: NDArray,
    n: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> tuple[Change, ...]:
    """Gather cells by cluster, the most shared rows first."""
    found = []
    for one in np.unique(cluster):
        mine = np.flatnonzero(cluster == one)
        mine = mine[np.lexsort((other[mine], -n[mine]))]
        parts = tuple(other_ids[other[mine]].tolist())
        found.append(Change(int(ids[one]), int(rows[one]), parts, tuple(n[mine].tolist())))
    return tuple(found)
