"""All that is known of one row: where it lies, between which clusters, and what is next to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.morton import SIDE, to_places
from shoal.explore.atlas import Atlas
from shoal.explore.cuts import Cut
from shoal.stages.vectors import read_vectors

if TYPE_CHECKING:
    from shoal.explore.explorer import Explorer

_ALIKE = 60
_EACH = 8
_SHOWN_CLUSTERS = 4
_NEAREST = 24


def near_positions(
    atlas: Atlas, position: int, most: int
) -> tuple[NDArray[np.int64], NDArray | None]:
    """Return the positions of the rows nearest to one, and their distances where these are known.

    They are looked for among the rows of the same leaf and of the leaves next to it.
    """
    leaf = int(atlas.leaves_at(np.array([position]))[0])
    around = atlas.neighbours[0][atlas.order[leaf]]
    low, high = int(atlas.start[leaf]), int(atlas.start[leaf + 1])
    own = np.arange(max(low, position - _ALIKE // 2), min(high, position + _ALIKE // 2))
    each = 1 if atlas.result.rows_are_representatives else _EACH
    others, _ = atlas.first_positions(atlas.leaf_of[around[around >= 0]], each)
    found = np.concatenate([own[own != position], others]).astype(np.int64)
    mine = vectors_of(atlas, np.array([position]))
    away = None if mine is None else distances_to(atlas, found, mine[0])
    if away is None:
        return found[:most], None
    nearest = np.argsort(away, kind="stable")[:most]
    return found[nearest], away[nearest]


def distances_to(
    atlas: Atlas, positions: NDArray[np.int64], vector: NDArray[np.float32]
) -> NDArray[np.float64] | None:
    """Return the distances of some rows to a vector, None where the run has no vectors any more."""
    vectors = vectors_of(atlas, positions)
    if vectors is None:
        return None
    away: NDArray[np.float64] = np.sqrt(((vectors - vector) ** 2).sum(axis=1, dtype=np.float64))
    return away


def vectors_of(atlas: Atlas, positions: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """Return the vectors of some rows, None where the run no longer has them."""
    rows = atlas.rows[positions]
    size, folder = int(atlas.result.summary["shard_rows"]), atlas.run.stage("project")
    shards = rows // size
    found = np.empty((len(rows), atlas.vectors.shape[1]), np.float32)
    for shard in np.unique(shards).tolist():
        if not folder.has("vectors", shard) or folder.has("places", shard):
            return None
        mine = np.flatnonzero(shards == shard)
        found[mine] = read_vectors(folder, shard, rows[mine] % size)
    return found


def between(cut: Cut, position: int) -> list[dict[str, Any]]:
    """Return the clusters that a row's ties lead to, and what share of them leads to each."""
    atlas = cut.atlas
    leaf = int(atlas.leaves_at(np.array([position]))[0])
    neighbours, affinities = (array[atlas.order[leaf]] for array in atlas.neighbours[:2])
    counted = (neighbours >= 0) & (affinities > 0)
    linked = cut.of_leaf[atlas.leaf_of[neighbours[counted]]]
    share = np.bincount(linked, affinities[counted], len(cut.ids))
    if not share.sum():
        return []
    share = share / share.sum()
    most = np.argsort(-share, kind="stable")[:_SHOWN_CLUSTERS]
    shown = most[share[most] > 0]
    return [{"cluster": int(cut.ids[c]), "share": round(float(share[c]), 3)} for c in shown]


def place_on_map(atlas: Atlas, position: int) -> list[float] | None:
    if not atlas.has_map:
        return None
    x, y = to_places(atlas.spots[np.array([position])])
    return [(float(x[0]) + 0.5) / SIDE, (float(y[0]) + 0.5) / SIDE]


def row_facts(explorer: Explorer, row: int, k: int | None) -> dict[str, Any]:
    atlas = explorer.atlas
    position = int(atlas.positions[np.array([row])][0])
    if position < 0:
        return _bad_row(explorer, row)
    near, away = near_positions(atlas, position, _NEAREST)
    neighbours = explorer.rows_shown(near, k)
    for at, neighbour in enumerate(neighbours):
        neighbour["distance"] = None if away is None else round(float(away[at]), 4)
    return {
        **explorer.rows_shown(np.array([position]), k)[0],
        "quarantined": None,
        "between": between(explorer.cut(k), position),
        "neighbours": neighbours,
        "xy": place_on_map(atlas, position),
        "apart": explorer.apart.place(position)
        if atlas.has_map and explorer.pictures is not None
        else None,
        "metadata": None if explorer.metadata is None else explorer.metadata.of_row(row),
    }


def _bad_row(explorer: Explorer, row: int) -> dict[str, Any]:
    import pyarrow.compute as pc

    table = explorer.run.quarantine
    found = table.filter(pc.equal(table["row"], row)).to_pylist()
    facts = found[0] if found else {"name": None, "reason": "it could not be read"}
    return {"row": row, "name": facts["name"], "quarantined": facts["reason"]}
