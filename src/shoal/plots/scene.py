"""The clusters of a run as they are drawn, with names, sizes and colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.edits import Clustering
from shoal.errors import InputError
from shoal.export.findings import middle_rows
from shoal.fitted_run import FittedRun
from shoal.plots.canvas import colours, plain
from shoal.rows import Source
from shoal.rows.pictures import pictures_of, rows_of
from shoal.stages.result import Result


@dataclass(frozen=True, eq=False)
class Scene:
    """A run and its clusters to draw."""

    run: FittedRun
    clustering: Clustering

    @property
    def result(self) -> Result:
        return self.clustering.result

    @cached_property
    def sizes(self) -> dict[int, int]:
        return self.clustering.sizes

    @cached_property
    def clusters(self) -> list[int]:
        """The clusters, the largest first."""
        return sorted(self.sizes, key=lambda c: (-self.sizes[c], c))

    @cached_property
    def place(self) -> Mapping[int, int]:
        return {cluster: at for at, cluster in enumerate(self.clusters)}

    @cached_property
    def colours(self) -> NDArray[np.float64]:
        """A colour for each of `clusters`, (K, 3)."""
        return colours(len(self.clusters))

    @cached_property
    def pictures(self) -> Source:
        found = pictures_of(self.run.source)
        if found.kind != "images":
            raise InputError(
                f"{found.description}: there are no images to show; of tables and vectors see "
                "profile, distributions, map or sizes"
            )
        return found

    @property
    def table(self) -> Source:
        """The rows of a table, or vectors."""
        found = rows_of(self.run.source)
        if found.kind == "images":
            raise InputError(
                f"{found.description}: images have no columns; see centroids or examples"
            )
        return found

    def title(self, cluster: int, longest: int = 24) -> str:
        """Return a cluster's name, or its number."""
        name = self.clustering.names.get(cluster)
        return plain(name, longest) if name else str(cluster)

    def checked(self, cluster: int) -> int:
        """Check that a cluster exists, and return it."""
        if cluster not in self.sizes:
            known = ", ".join(map(str, self.clusters[:8]))
            raise InputError(f"--cluster {cluster} is none of the clusters: {known}, …")
        return cluster

    def largest(self, most: int) -> list[int]:
        return self.clusters[:most]

    def of_all(self, shown: int) -> str:
        k = len(self.clusters)
        whole = "1 cluster" if k == 1 else f"{k:,} clusters"
        return whole if shown >= k else f"the {shown:,} largest of {whole}"

    def typical_rows(self, cluster: int, count: int) -> list[int]:
        """Return the rows nearest to the mean of a cluster, nearest first."""
        mine = np.flatnonzero(self.clustering.of_representative == cluster)
        found = middle_rows(self.result.representatives, mine, count - 1)
        state = self.clustering.state
        if found or state is None:
            return list(found)
        moved = state.rows[state.row_cluster == cluster]
        return [int(row) for row in moved[:count]]

    def drawn_rows(self, cluster: int, count: int) -> list[int]:
        """Return a weighted sample of rows of a cluster."""
        mine = np.flatnonzero(self.clustering.of_representative == cluster)
        ends = np.cumsum(self.result.counts[mine])
        if not len(mine) or ends[-1] == 0:
            return self.typical_rows(cluster, count)
        total = int(ends[-1])
        wanted = (np.arange(min(count, total)) + 0.5) * total / min(count, total)
        chosen = mine[np.searchsorted(ends, wanted, side="right").clip(max=len(mine) - 1)]
        return [int(row) for row in self.result.representatives.rows[chosen]]

    def sample(self, most: int) -> NDArray[np.int64]:
        """Return up to `most` representatives, evenly spread over the tree."""
        order = np.asarray(self.result.tree.order, np.int64)
        if len(order) > most:
            order = order[np.linspace(0, len(order) - 1, most).astype(np.int64)]
        return np.sort(order)

    def vectors(self, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(self.result.representatives.vectors[chosen], np.float64)

    def places(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the index in `clusters` of representatives' clusters; −1 for none."""
        labels: Any = self.clustering.of_representative[chosen]
        return np.array([self.place.get(int(label), -1) for label in labels], np.int64)
