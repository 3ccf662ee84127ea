"""From what a method finds to what every run has: one tree, layers, neighbours.

A method's clusters become branches of Shoal's own tree: its communities are cut at the clusters,
those of a cluster are joined before all else, and the cut into K gives the method's clusters
exactly. So coarser and finer cuts mean what they mean in any run. A method's own dendrogram becomes
the tree as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.core.checked import check_count
from shoal.core.communities import find_communities
from shoal.core.condense import all_excess, condense, fewest_leaves, smallest_cluster
from shoal.core.dendrogram import Dendrogram
from shoal.core.graph import MOST_NEIGHBOURS, Graph, build_graph, build_graph_with_piles
from shoal.core.layers import Layer
from shoal.core.nearest import nearest_neighbours
from shoal.core.piles import find_piles
from shoal.core.tree import Tree
from shoal.errors import InputError
from shoal.methods.base import MOST_CLUSTERS, Partition, WeightedRows
from shoal.methods.dendrograms import cut, laid_out
from shoal.methods.run import without_noise

# Added to the excess of splits between clusters while ranks are given, so that they come before
# those within clusters; float32 keeps four decimals beside it.
_ABOVE = 1024.0
_FAINTEST = -100.0  # excess where a side is too small to tell
_EXAMINED = 500  # splits of a dendrogram whose excess is measured
_GAPS = 4  # layers of a dendrogram beside the one asked for, at the widest gaps of its heights
_FINEST = 50  # clusters of these layers


@dataclass(frozen=True)
class MethodStructure:
    """The structure of a run that a method made; see `core.structure.Structure`."""

    tree: Tree
    layers: tuple[Layer, ...]
    neighbours: NDArray[np.int32]  # (m, k), as the next two
    affinities: NDArray[np.float32]
    distances: NDArray[np.float32]
    clusters: NDArray[np.int32]  # (m,) The method's cluster of each row, noise in the nearest


def method_structure(
    found: Partition,
    rows: WeightedRows,
    *,
    seed: int = 0,
    workers: int = 1,
    neighbours: int | None = None,
    layers: Sequence[int] = (),
    radius: NDArray | None = None,
) -> MethodStructure:
    """Build the tree of a method's clusters, and mark the layer that they are.

    Parameters
    ----------
    found : Partition
        From `run_method`.
    rows : WeightedRows
        At least 2.
    seed, workers, neighbours, radius
        As in `core.structure.fit_structure`.
    layers : sequence of int
        More K to mark.

    Raises
    ------
    InputError
        When there are more clusters than can be compared with each other, or more are asked for
        than there are rows.
    """
    clusters = without_noise(rows.vectors, found.labels)
    k = int(clusters.max()) + 1
    check_count("k", max([k, *layers]), len(rows), "representatives")
    if found.merges is None and k > MOST_CLUSTERS:
        raise InputError(
            f"the method found {k:,} clusters: at most {MOST_CLUSTERS:,} can be shown, so "
            "change its parameters to find fewer"
        )
    graph, distances = _graph(rows, neighbours, workers, radius)
    if found.merges is None:
        tree = _tree_of_clusters(rows, graph, clusters, seed)
    else:
        tree = _tree_of_merges(found.merges, rows, graph)
        if found.heights is not None:
            layers = layers or widest_gaps(found.heights)
    marked = tuple(_layer(tree, each, each == k) for each in sorted({k, *layers}))
    return MethodStructure(tree, marked, graph.neighbours, graph.affinities, distances, clusters)


def _layer(tree: Tree, k: int, primary: bool) -> Layer:
    excess = float(tree.excess[k - 2]) if k > 1 else np.inf
    return Layer(k, excess, float("nan"), primary)


def _graph(
    rows: WeightedRows, neighbours: int | None, workers: int, radius: NDArray | None
) -> tuple[Graph, NDArray[np.float32]]:
    """Build the graph of nearest neighbours, by which rows are confident or far out."""
    vectors, weights = rows.vectors, rows.weights
    near = min(neighbours or MOST_NEIGHBOURS, len(rows) - 1)
    nearest = nearest_neighbours(vectors, near, workers=workers)
    piles = find_piles(vectors, weights, *nearest, radius)
    if piles.any():
        return build_graph_with_piles(vectors, nearest, weights, piles, neighbours, workers)
    graph = build_graph(*nearest, weights, neighbours)
    return graph, nearest[1][:, : graph.neighbours.shape[1]]


def _tree_of_clusters(
    rows: WeightedRows, graph: Graph, clusters: NDArray[np.int32], seed: int
) -> Tree:
    """Join communities within clusters, and then the clusters, by the Paris linkage."""
    m, k = len(rows), int(clusters.max()) + 1
    keys = clusters.astype(np.int64) * m + find_communities(graph, seed)
    used, communities = np.unique(keys, return_inverse=True)
    groups = (used // m).astype(np.int32)
    plan = Dendrogram(rows.vectors, rows.weights, graph, communities.astype(np.int32), groups)
    excess = _all_excess(plan, rows, graph)
    above = plan.root + 1 - (k - 1)  # nodes from here on join clusters
    excess[above:] = _ABOVE + np.nan_to_num(excess[above:], nan=_FAINTEST)
    tree = condense(plan, excess)
    ranked = tree.excess.astype(np.float64)
    ranked[: k - 1] -= _ABOVE
    ranked[: k - 1][ranked[: k - 1] <= _FAINTEST] = -np.inf
    return Tree(tree.order, tree.splits, ranked.astype(np.float32))


def _tree_of_merges(merges: NDArray[np.int64], rows: WeightedRows, graph: Graph) -> Tree:
    """Lay a dendrogram out, its highest splits with the excess that Shoal sees in them."""
    m = len(rows)
    order, places = laid_out(merges)
    excess = np.full(m - 1, -np.inf, np.float32)
    c = min(m, _EXAMINED + 1)
    if c > 1:
        communities = cut(merges, c)
        top = merges[m - c :]  # the last c − 1 merges, over the clusters that the others made
        number = {}
        for node in np.unique(top[top < 2 * m - c]).tolist():
            number[node] = int(communities[_a_row(merges, node, m)])
        number |= {2 * m - c + t: c + t for t in range(c - 1)}
        joined = np.asarray([[number[a], number[b]] for a, b in top.tolist()], np.int64)
        plan = Dendrogram(rows.vectors, rows.weights, graph, communities, merges=joined)
        found = _all_excess(plan, rows, graph)[c:][::-1]
        excess[: c - 1] = np.where(np.isnan(found), -np.inf, found)
    return Tree(order.astype(np.int32), places.astype(np.int32), excess)


def _a_row(merges: NDArray[np.int64], node: int, m: int) -> int:
    while node >= m:
        node = int(merges[node - m, 0])
    return node


def _all_excess(plan: Dendrogram, rows: WeightedRows, graph: Graph) -> NDArray[np.float64]:
    """Measure the excess of all nodes of a dendrogram; NaN where a side is too small to tell."""
    least, fewest = smallest_cluster(rows.weights), fewest_leaves(len(rows))
    return all_excess(plan, rows.vectors, rows.weights, graph, least, fewest)


def widest_gaps(heights: NDArray[np.float64]) -> tuple[int, ...]:
    """Return the K of 2 .. 50 before the widest gaps of a dendrogram's heights, as ratios.

    >>> widest_gaps(np.array([1.0, 1.1, 1.2, 6.0, 9.0]))[:1]
    (3,)
    """
    top = heights[::-1][:_FINEST].astype(np.float64)
    if len(top) < 2 or top[0] <= 0:
        return ()
    floor = 1e-9 * top[0]
    gaps = np.log(np.maximum(top[:-1], floor)) - np.log(np.maximum(top[1:], floor))
    return tuple((np.argsort(-gaps, kind="stable")[:_GAPS] + 2).tolist())
