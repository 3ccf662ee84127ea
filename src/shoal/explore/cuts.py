"""A clustering as the page shows it: a plain cut, or the base cut with its edits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.null import WEAK
from shoal.core.verdicts import affinity_share, row_confidence
from shoal.edits import State
from shoal.explore.atlas import Atlas
from shoal.explore.positions import Positions

# A judgement, not fitted: a half marks more clusters than a person looks through.
_ABOUT_AS_CLEAR = 2 / 3


@dataclass(frozen=True)
class Cut:
    """The clusters of one state of the edits; here they are numbered 0 .. c − 1 by id."""

    atlas: Atlas
    state: State  # without edits that of a plain cut
    name: str = ""  # unique among the cuts of the run

    @cached_property
    def rows_name(self) -> str:
        """Name of the first cut with the same rows in the same clusters."""
        return self.name

    def reuse_all(self, before: Cut) -> None:
        """Reuse the results of a cut with the same rows in the same clusters."""
        own = ("atlas", "state", "name", "comes_apart", "rows_name")
        vars(self).update({name: v for name, v in vars(before).items() if name not in own})
        if self.state.base.k == before.state.base.k:  # which colours go by
            vars(self).update(rows_name=before.rows_name)

    def reuse_clusters(self, before: Cut) -> None:
        """Reuse the results of another cut for clusters with the same leaves."""
        if not {"means", "away", "shares"} <= set(vars(before)):
            return
        known = {leaves: cluster for cluster, leaves in enumerate(before.leaf_ranges) if leaves}
        same = np.array([known.get(leaves, -1) for leaves in self.leaf_ranges])
        old, new = same >= 0, np.flatnonzero(same < 0)
        means = np.empty((len(self.ids), before.means.shape[1]), np.float32)
        means[old], means[new] = before.means[same[old]], self._means_of(new)
        leaves = np.flatnonzero(~old[self.of_leaf])
        away, shares = before.away.copy(), before.shares.copy()
        away[leaves] = self._away_of(leaves, means)
        shares[leaves] = self._shares_of(leaves)
        vars(self).update(means=means, away=away, shares=shares)

    @cached_property
    def leaf_ranges(self) -> list[bytes]:
        """The leaf ranges of each cluster, as bytes; empty if it has no rows."""
        change = np.flatnonzero(np.diff(self.of_leaf, prepend=-1))
        ranges = np.stack([change, np.append(change[1:], len(self.of_leaf))], axis=1)
        order = np.argsort(self.of_leaf[change], kind="stable")
        ends = np.cumsum(np.bincount(self.of_leaf[change], minlength=len(self.ids)))
        each = np.split(ranges[order], ends[:-1])
        filled = self.weights > 0
        return [one.tobytes() if there else b"" for one, there in zip(each, filled, strict=True)]

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Rows in the leaves of each cluster, before single rows were moved, (c,)."""
        counts = self.atlas.counts.astype(np.float64)
        return np.asarray(np.bincount(self.of_leaf, counts, len(self.ids)), np.float64)

    @cached_property
    def ids(self) -> NDArray[np.int64]:  # (c,), ascending
        return np.fromiter(self.state.clusters, np.int64, len(self.state.clusters))

    @cached_property
    def of_leaf(self) -> NDArray[np.int32]:
        """The cluster of each leaf, (m,)."""
        labels = self.state.of_representative[self.atlas.order]
        return np.searchsorted(self.ids, labels).astype(np.int32)

    @cached_property
    def pieces(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Positions at which the cluster changes, with the end, and the cluster of each piece."""
        change = np.flatnonzero(np.diff(self.of_leaf, prepend=-1))
        return np.append(self.atlas.start[change], self.atlas.n_positions), self.of_leaf[change]

    @cached_property
    def moved(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Positions of rows that left the cluster of their leaf, ascending, and their cluster."""
        state = self.state
        foreign = state.foreign
        positions = self.atlas.positions[state.rows[foreign]].astype(np.int64)
        order = np.argsort(positions)
        cluster = np.searchsorted(self.ids, state.row_cluster[foreign]).astype(np.int32)
        return positions[order], cluster[order]

    def labels(self, positions: NDArray) -> NDArray[np.int32]:
        bounds, cluster = self.pieces
        found = cluster[np.searchsorted(bounds, positions, side="right") - 1]
        moved, to = self.moved
        if len(moved):
            at = np.minimum(np.searchsorted(moved, positions), len(moved) - 1)
            there = moved[at] == positions
            found[there] = to[at[there]]
        return found

    def row_labels(self) -> NDArray[np.int64]:
        """Return the cluster of each row, −1 for quarantined ones, (N,)."""
        found = np.full(self.atlas.n_rows, -1, np.int64)
        found[self.atlas.rows[:]] = self.labels(np.arange(self.atlas.n_positions))
        return found

    def number(self, cluster_id: int) -> int:
        """Return the number of the cluster with an id, −1 if there is none."""
        at = int(np.searchsorted(self.ids, cluster_id))
        return at if at < len(self.ids) and self.ids[at] == cluster_id else -1

    def positions_of(self, cluster: int) -> Positions:
        bounds, owner = self.pieces
        mine = np.flatnonzero(owner == cluster)
        found = Positions.ranges(bounds[mine], bounds[mine + 1])
        moved, to = self.moved
        return (found - Positions.of(moved[to != cluster])) | Positions.of(moved[to == cluster])

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Rows of each cluster, (c,)."""
        sizes = self.state.sizes
        return np.fromiter((sizes[c] for c in self.ids.tolist()), np.int64, len(self.ids))

    @cached_property
    def shares(self) -> NDArray[np.float32]:
        """Share of each leaf's link weight that stays in its cluster, (m,)."""
        return self._shares_of(np.arange(len(self.of_leaf)))

    def _shares_of(self, leaves: NDArray[np.int64]) -> NDArray[np.float32]:
        neighbours, affinities, _ = self.atlas.neighbours
        which = self.atlas.order[leaves]
        labels = self.state.of_representative
        return affinity_share(neighbours[which], affinities[which], labels, which)

    def confidence(self, positions: NDArray, leaves: NDArray | None = None) -> NDArray[np.float32]:
        """Return the confidence of rows in the clusters of their leaves, 0..1."""
        leaves = self.atlas.leaves_at(positions) if leaves is None else leaves
        if self.atlas.result.rows_are_representatives:
            return self.shares[leaves]
        second, margin = self.atlas.second[positions], self.atlas.margin[positions]
        return row_confidence(self.shares, self.of_leaf, leaves.astype(np.int32), second, margin)

    @cached_property
    def means(self) -> NDArray[np.float32]:
        """Mean of each cluster's leaves, weighted by rows, (c, d)."""
        return self._means_of(np.arange(len(self.ids)))

    def _means_of(self, clusters: NDArray[np.int64]) -> NDArray[np.float32]:
        vectors, counts = self.atlas.vectors, self.atlas.counts
        by_cluster = np.argsort(self.of_leaf, kind="stable")
        begins = np.searchsorted(self.of_leaf[by_cluster], np.arange(len(self.ids) + 1))
        means = np.zeros((len(clusters), vectors.shape[1]))
        for at, cluster in enumerate(clusters.tolist()):
            leaves = by_cluster[begins[cluster] : begins[cluster + 1]]
            weights = counts[leaves].astype(np.float64)
            if not weights.sum():
                # One made of moved rows only has no leaf: its mean is that of those rows' leaves.
                positions, to = self.moved
                leaves = self.atlas.leaves_at(positions[to == cluster])
                weights = np.ones(len(leaves))
            if len(leaves):
                means[at] = weights @ vectors[leaves] / weights.sum()
        return means.astype(np.float32)

    @cached_property
    def away(self) -> NDArray[np.float32]:
        """Distance of each leaf from the mean of its cluster, (m,)."""
        return self._away_of(np.arange(len(self.of_leaf)), self.means)

    def _away_of(
        self, leaves: NDArray[np.int64], means: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        apart = self.atlas.vectors[leaves] - means[self.of_leaf[leaves]]
        away: NDArray[np.float32] = np.sqrt(np.einsum("ij,ij->i", apart, apart))
        return away

    @cached_property
    def usual_away(self) -> NDArray[np.float64]:
        """Mean of `away` over the leaves of each cluster; 1 instead of 0, (c,)."""
        total = np.bincount(self.of_leaf, self.away, len(self.ids))
        count = np.bincount(self.of_leaf, minlength=len(self.ids))
        mean = total / np.maximum(count, 1)
        return np.where(mean > 0, mean, 1.0)

    @cached_property
    def medoids(self) -> NDArray[np.int64]:
        """Position of the row nearest to the mean of each cluster, −1 without rows, (c,)."""
        away = np.where(self.atlas.counts > 0, self.away, np.inf)
        least = np.full(len(self.ids), np.inf)
        by_cluster = np.argsort(self.of_leaf, kind="stable")  # a tenth of what minimum.at takes
        owner, begins = np.unique(self.of_leaf[by_cluster], return_index=True)
        least[owner] = np.minimum.reduceat(away[by_cluster], begins)
        nearest = np.flatnonzero((away <= least[self.of_leaf]) & np.isfinite(away))
        owner, at = np.unique(self.of_leaf[nearest], return_index=True)
        medoids = np.full(len(self.ids), -1, np.int64)
        medoids[owner] = self.atlas.start[nearest[at]]
        left = np.flatnonzero(np.isin(medoids, self.moved[0])).astype(np.int32)
        for cluster in np.unique(np.append(self.moved[1], left)):
            positions = self.positions_of(int(cluster))
            if len(positions) and not positions.holds(medoids[cluster : cluster + 1])[0]:
                medoids[cluster] = self._middle(positions, int(cluster))
            elif not len(positions):
                medoids[cluster] = -1
        return medoids

    def _middle(self, positions: Positions, cluster: int) -> int:
        """Return the position whose leaf is nearest to the mean of a cluster, among up to 2,000."""
        tried = positions.take(np.unique(np.linspace(0, len(positions) - 1, 2000).astype(np.int64)))
        leaves = self.atlas.leaves_at(tried)
        away = ((self.atlas.vectors[leaves] - self.means[cluster]) ** 2).sum(axis=1)
        return int(tried[away.argmin()])

    @cached_property
    def outliers(self) -> NDArray[np.int64]:
        """Outliers in each cluster, (c,)."""
        found = np.bincount(self.of_leaf, self.atlas.outlying, len(self.ids))
        moved, to = self.moved
        far = self.atlas.outliers.holds(moved)
        leaves = self.atlas.leaves_at(moved[far])
        found -= np.bincount(self.of_leaf[leaves], minlength=len(found))
        found += np.bincount(to[far], minlength=len(found))
        return found.astype(np.int64)

    @cached_property
    def separation(self) -> NDArray[np.float64]:
        """Mean of `shares` over the rows of each cluster; NaN without rows, (c,)."""
        total = self.weights
        kept = np.bincount(self.of_leaf, self.atlas.counts * self.shares, len(self.ids))
        return np.where(total > 0, kept / np.maximum(total, 1), np.nan)

    @cached_property
    def comes_apart(self) -> NDArray[np.int64]:
        """The K from which the tree splits each cluster further, 0 if it never does, (c,).

        Splits that a merge undid do not count: the person who merged decided that it is one.
        """
        tree = self.atlas.result.tree
        ks = np.arange(2, tree.n_leaves + 1)
        left = self.of_leaf[tree.splits - 1]
        within = (left == self.of_leaf[tree.splits]) & (ks > self.state.base.k)
        first = np.zeros(len(self.ids), np.int64)
        owner, at = np.unique(left[within], return_index=True)
        first[owner] = ks[within][at]
        return first

    def _mixed(self, apart: int) -> bool:
        """Return whether the next split, at K = `apart`, is about as clear as the last taken."""
        excess = self.atlas.result.tree.excess
        k = self.state.base.k
        last = float(excess[k - 2]) if 2 <= k <= len(excess) + 1 else 0.0
        return apart > 0 and float(excess[apart - 2]) >= max(WEAK, _ABOUT_AS_CLEAR * last)

    def listing(self, colours: NDArray[np.int64]) -> list[dict[str, Any]]:
        """List the clusters for the page, by id, with their colour numbers, (c,)."""
        atlas, medoids = self.atlas, self.medoids
        leaves = atlas.leaves_at(np.maximum(medoids, 0))
        rows = atlas.rows[np.maximum(medoids, 0)]
        places = atlas.xy[leaves].astype(float).round(5) if atlas.has_map else None
        found = []
        for number, cluster in enumerate(self.state.clusters.values()):
            there, separation = medoids[number] >= 0, self.separation[number]
            apart = int(self.comes_apart[number])
            mixed = self._mixed(apart) and cluster.id not in self.state.whole
            found.append(
                {
                    "id": cluster.id,
                    "name": cluster.name,
                    "note": cluster.note,
                    "mark": cluster.mark,
                    "locked": cluster.locked,
                    "rows": int(self.sizes[number]),
                    "outliers": int(self.outliers[number]),
                    "separation": None if np.isnan(separation) else round(separation, 4),
                    "mixed_at": apart if mixed else None,
                    "medoid": int(rows[number]) if there else None,
                    "leaf": int(leaves[number]) if there else None,
                    "xy": places[number].tolist() if places is not None and there else None,
                    "colour": int(colours[number]),
                }
            )
        return found
