"""The clustering of a run: a cut of the tree, with or without edits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.record_lists import Tabular
from shoal.core.tree import Tree
from shoal.core.verdicts import row_confidence
from shoal.edits.curation import Curation
from shoal.edits.state import State
from shoal.engines.prefetch import prefetched
from shoal.settings import available_cores
from shoal.stages.result import Result
from shoal.storage import read_table

_COLUMNS = ("representative", "second", "margin", "outlier")


@dataclass(frozen=True, repr=False)
class Clustering(Tabular):
    """Clusters of all rows of a run; build it with `chosen`."""

    result: Result
    cut: int  # K of the cut, or of the one that the edits started from
    # (m,) int32 cluster of each representative: that of most of its rows
    of_representative: NDArray[np.int32]
    state: State | None = None  # None without edits
    seq: int = 0  # last log entry included

    @classmethod
    def chosen(
        cls,
        result: Result,
        curation: Curation | None,
        layer: int | None = None,
        k: int | None = None,
    ) -> Clustering:
        """Return the edited clustering, or a cut of the tree.

        The edited one needs a curation with active edits, and no other layer or K than they
        started from.
        """
        chosen = result.resolve_k(layer, k)
        if curation is not None:
            curation.refresh()
            named = layer is not None or k is not None
            if curation.edited and (not named or chosen == curation.k):
                state = curation.state
                return cls(result, state.base.k, state.voted, state, curation.seq)
        return cls(result, chosen, result.representative_labels(chosen))

    @property
    def edited(self) -> bool:
        return self.state is not None

    @property
    def names(self) -> dict[int, str]:
        """Names of the clusters that have one."""
        clusters = {} if self.state is None else self.state.clusters
        return {c.id: c.name for c in clusters.values() if c.name is not None}

    @property
    def marks(self) -> dict[int, str]:
        """The marks, ``good`` or ``junk``, of the clusters that have one."""
        clusters = {} if self.state is None else self.state.clusters
        return {c.id: c.mark for c in clusters.values() if c.mark is not None}

    @property
    def ids(self) -> list[int]:
        """Non-empty clusters in tree order."""
        return list(self._places)

    @property
    def sizes(self) -> dict[int, int]:
        """Rows of each cluster, counted without reading them all."""
        if self.state is not None:
            return {c: self.state.sizes[c] for c in self.ids}
        counts = np.bincount(self.of_representative, self.result.counts)
        return {c: int(counts[c]) for c in self.ids}

    def records(self) -> list[dict[str, Any]]:
        """Return the clusters, the largest first: cluster, rows, name, mark."""
        sizes, names, marks = self.sizes, self.names, self.marks
        order = sorted(sizes, key=lambda c: (-sizes[c], c))
        return [
            {"cluster": c, "rows": sizes[c], "name": names.get(c), "mark": marks.get(c)}
            for c in order
        ]

    def __repr__(self) -> str:
        edited = ", edited" * self.edited
        return f"<Clustering into {self.k:,} of {self.result.n_rows:,} rows{edited}>"

    @property
    def k(self) -> int:
        return len(self._places)

    @cached_property
    def _places(self) -> dict[int, int]:
        """The median leaf position of each cluster, ascending.

        For clusters of moved rows only, that of the rows' representatives.
        """
        tree = self.result.tree
        labels = self.of_representative[tree.order]
        by_cluster = np.argsort(labels, kind="stable")
        ids, start = np.unique(labels[by_cluster], return_index=True)
        middle = (start + np.append(start[1:], len(labels))) // 2
        places = dict(zip(ids.tolist(), by_cluster[middle].tolist(), strict=True))
        if self.state is not None:
            position = np.empty(tree.n_leaves, np.int64)
            position[tree.order] = np.arange(tree.n_leaves)
            for cluster in self.state.clusters:
                if cluster not in places:
                    mine = self.state.row_place[self.state.row_cluster == cluster]
                    places[cluster] = int(np.median(position[mine])) if len(mine) else 0
            places = {c: at for c, at in places.items() if self.state.sizes[c]}
        return dict(sorted(places.items(), key=lambda item: (item[1], item[0])))

    def linkage(self) -> list[tuple[int, int, float]]:
        """Return the merges above the clusters, lowest first: left, right, excess.

        Clusters are 0 .. k − 1 in the order of `ids`; the t-th merge makes cluster k + t. An edited
        cluster is placed at its median leaf.
        """
        return linkage_of(self.result.tree, list(self._places.values()))

    def tables(self) -> Iterator[Any]:
        """Return all rows as Arrow tables, shard by shard; see `Run.table`."""
        return prefetched(self._table, range(self.result.n_shards), available_cores())

    def labels(self) -> NDArray[np.int32]:
        """Return the cluster of each row, −1 where quarantined, (N,) int32."""
        if self.state is None:
            return self.result.labels(self.cut)
        found = np.empty(self.result.n_rows, np.int32)
        start = 0
        for (first,) in self.result.read_shards("representative"):
            stop = start + len(first)
            found[start:stop] = self.state.labels_of(np.arange(start, stop), first)
            start = stop
        return found

    def confidence(self) -> NDArray[np.float32]:
        """Return the confidence of each row, NaN where quarantined, (N,) float32.

        Rows that people moved have 1.
        """
        found = np.empty(self.result.n_rows, np.float32)
        start = 0
        for table in self.tables():
            found[start : start + table.num_rows] = table["confidence"]
            start += table.num_rows
        return found

    @cached_property
    def _shares(self) -> NDArray[np.float32]:
        return self.result.affinity_shares(self.of_representative)

    def _table(self, shard: int) -> Any:
        import pyarrow as pa

        run = self.result.folder
        first, second, margin, outlier = self.result.read_shard(shard, *_COLUMNS)
        start = shard * int(self.result.summary["shard_rows"])
        rows = np.arange(start, start + len(first))
        confidence = row_confidence(self._shares, self.of_representative, first, second, margin)
        labels = np.append(self.of_representative, np.int32(-1))[first]
        if self.state is not None:
            labels = self.state.labels_of(rows, first)
            low, high = np.searchsorted(self.state.rows, [start, start + len(first)])
            confidence[self.state.rows[low:high] - start] = 1
        named = run.stage("index").part("names", shard, "parquet")
        names = read_table(named)["name"] if named.exists() else pa.nulls(len(rows), pa.string())
        columns = {
            "row": rows,
            "name": names,
            "cluster": labels,
            "confidence": confidence,
            "outlier": outlier,
        }
        if self.state is not None:
            columns["cluster_name"] = texts_of(labels, self.names)
            columns["mark"] = texts_of(labels, self.marks)
        return pa.table(columns)


def linkage_of(tree: Tree, places: list[int]) -> list[tuple[int, int, float]]:
    """Return the merges of some leaves, lowest first, by the tree's splits between them.

    `places`: (k,) positions in leaf order, ascending; equal ones merge first.

    Examples
    --------
    >>> tree = Tree(np.arange(4), np.array([2, 1, 3]), np.array([5, 2, 1], np.float32))
    >>> linkage_of(tree, [0, 1, 3])
    [(0, 1, 2.0), (3, 2, 5.0)]
    """
    rank = np.empty(tree.n_leaves, np.int64)
    rank[tree.splits] = np.arange(len(tree.splits))
    between = [
        int(rank[a + 1 : b + 1].min()) if a < b else len(tree.splits) for a, b in pairwise(places)
    ]
    merges: list[tuple[int, int, float]] = []
    left, right = list(range(len(places))), list(range(len(places)))  # ends of each merged run
    name = list(range(len(places)))  # of the run that begins here
    for gap in sorted(range(len(between)), key=lambda gap: -between[gap]):
        low, high = left[gap], right[gap + 1]
        excess = float(tree.excess[between[gap]]) if between[gap] < len(tree.excess) else -np.inf
        merges.append((name[low], name[gap + 1], excess))
        name[low] = len(places) + len(merges) - 1
        right[low], left[high] = high, low
    return merges


def texts_of(labels: NDArray[np.int32], texts: Mapping[int, str]) -> Any:
    """Return the text of each row's cluster as a dictionary-encoded Arrow array."""
    import pyarrow as pa

    ids = sorted(texts)
    at = np.searchsorted(ids, labels).clip(0, max(len(ids) - 1, 0))
    known = np.isin(labels, ids)
    codes = pa.array(at.astype(np.int32), mask=~known)
    return pa.DictionaryArray.from_arrays(codes, pa.array([texts[c] for c in ids], pa.string()))
