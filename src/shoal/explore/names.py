"""Names in every cut: they belong to rows, so a cut shows them wherever it has those rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shoal.explore.cuts import Cut

# Nearly all: a few rows that were moved by hand make no other cluster of it.
_NEARLY_ALL = 0.9
_LISTED = 2


def names_in(cut: Cut, edited: Cut) -> list[str | None]:
    """Return what each cluster of a cut is called, by the names that people gave, (c,).

    A cluster with the rows of a named one has its name; one within a named one is "part of" it;
    one that holds named ones and little else lists them, one that holds some of them and more
    "and others".
    """
    given = [cluster.name for cluster in edited.state.clusters.values()]
    if cut.name == edited.name or not any(given):
        return [cluster.name for cluster in cut.state.clusters.values()]
    shared = shared_rows(edited, cut)
    return [_called(shared, edited.sizes, given, at, int(n)) for at, n in enumerate(cut.sizes)]


def _called(
    shared: sparse.csc_array, sizes: NDArray[np.int64], given: list[str | None], at: int, rows: int
) -> str | None:
    span = slice(*shared.indptr[at : at + 2])
    some, counts = shared.indices[span], shared.data[span]
    within = []
    for place in np.argsort(-counts, kind="stable").tolist():
        cluster, common = int(some[place]), int(counts[place])
        name = given[cluster]
        if name is None:
            continue
        if common >= _NEARLY_ALL * rows:
            return name if common >= _NEARLY_ALL * sizes[cluster] else f"part of {name}"
        if common >= _NEARLY_ALL * sizes[cluster]:
            within.append((name, common))
    if not within:
        return None
    listed = ", ".join(name for name, _ in within[:_LISTED])
    whole = len(within) <= _LISTED and sum(n for _, n in within) >= _NEARLY_ALL * rows
    return listed if whole else f"{listed} and others"


def shared_rows(before: Cut, after: Cut) -> sparse.csc_array:
    """Count the rows that clusters of two cuts share, by leaves and moved rows only, (c, d)."""
    atlas = before.atlas
    moved = np.union1d(before.moved[0], after.moved[0])
    leaf = atlas.leaves_at(moved)
    sides: list[tuple[NDArray, NDArray, NDArray]] = [
        (before.of_leaf, after.of_leaf, atlas.counts),
        (before.of_leaf[leaf], after.of_leaf[leaf], np.full(len(moved), -1)),
        (before.labels(moved), after.labels(moved), np.ones(len(moved), np.int64)),
    ]
    rows, columns, counts = (np.concatenate(side) for side in zip(*sides, strict=True))
    shape = (len(before.ids), len(after.ids))
    table = sparse.coo_array((counts.astype(np.int64), (rows, columns)), shape=shape).tocsc()
    table.sum_duplicates()
    table.eliminate_zeros()
    return table
