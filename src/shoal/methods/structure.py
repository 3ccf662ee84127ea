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
from shoal.methods.base import MOST_CLUSTERS, Partition
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
    """The structure of a run that a method made; see `core.structure.Structure`.

    Parameters
    ----------
    tree : Tree
    layers : tuple of Layer
    neighbours, affinities, distances : ndarray, shape (m, k)
    clusters : ndarray, shape (m,), int32
        The method's cluster of each row, noise with the nearest that is none.
    """

    tree: Tree
    layers: tuple[Layer, ...]
    neighbours: NDArray[np.int32]
    affinities: NDArray[np.float32]
    distances: NDArray[np.float32]
    clusters: NDArray[np.int32]


def method_structure(
    found: Partition,
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
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
    vectors, weights : ndarray, shape (m, d) and (m,)
        The rows, m ≥ 2.
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
    m = len(vectors)
    clusters = without_noise(vectors, found.labels)
    k = int(clusters.max()) + 1
    most = max([k, *layers])
    check_count("k", most, m, "representatives")
    if found.merges is None and k > MOST_CLUSTERS:
        raise InputError(
            f"the method found {k:,} clusters: at most {MOST_CLUSTERS:,} can be shown, so "
            "change its parameters to find fewer"
        )
    graph, distances = _graph(vectors, weights, neighbours, workers, radius)
    if found.merges is None:
        tree = _tree_of_clusters(vectors, weights, graph, clusters, seed)
        more: tuple[int, ...] = ()
    else:
        tree = _tree_of_merges(found.merges, vectors, weights, graph)
        more = () if found.heights is None else widest_gaps(found.heights)
    marked = tuple(
        Layer(
            each,
            float(tree.excess[each - 2]) if each > 1 else np.inf,
            float("nan"),
            each == k,
        )
        for each in sorted({k, *(layers or more)})
    )
    return MethodStructure(tree, marked, graph.neighbours, graph.affinities, distances, clusters)


def _graph(
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    neighbours: int | None,
    workers: int,
    radius: NDArray | None,
) -> tuple[Graph, NDArray[np.float32]]:
    """Build the graph of nearest neighbours, by which rows are confident or far out."""
    near = min(neighbours or MOST_NEIGHBOURS, len(vectors) - 1)
    nearest = nearest_neighbours(vectors, near, workers=workers)
    piles = find_piles(vectors, weights, *nearest, radius)
    if piles.any():
        return build_graph_with_piles(vectors, nearest, weights, piles, neighbours, workers)
    graph = build_graph(*nearest, weights, neighbours)
    return graph, nearest[1][:, : graph.neighbours.shape[1]]


def _tree_of_clusters(
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    graph: Graph,
    clusters: NDArray[np.int32],
    seed: int,
) -> Tree:
    """Join communities within clusters, and then the clusters, by the Paris linkage."""
    k = int(clusters.max()) + 1
    keys = clusters.astype(np.int64) * len(vectors) + find_communities(graph, seed)
    used, communities = np.unique(keys, return_inverse=True)
    groups = (used // len(vectors)).astype(np.int32)
    plan = Dendrogram(vectors, weights, graph, communities.astype(np.int32), groups)
    excess = _all_excess(plan, vectors, weights, graph)
    above = plan.root + 1 - (k - 1)  # nodes from here on join clusters
    excess[above:] = _ABOVE + np.nan_to_num(excess[above:], nan=_FAINTEST)
    tree = condense(plan, excess)
    ranked = tree.excess.astype(np.float64)
    ranked[: k - 1] -= _ABOVE
    ranked[: k - 1][ranked[: k - 1] <= _FAINTEST] = -np.inf
    return Tree(tree.order, tree.splits, ranked.astype(np.float32))


def _tree_of_merges(
    merges: NDArray[np.int64],
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    graph: Graph,
) -> Tree:
    """Lay a dendrogram out, its highest splits with the excess that Shoal sees in them."""
    m = len(vectors)
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
        plan = Dendrogram(vectors, weights, graph, communities, merges=joined)
        found = _all_excess(plan, vectors, weights, graph)[c:][::-1]
        excess[: c - 1] = np.where(np.isnan(found), -np.inf, found)
    return Tree(order.astype(np.int32), places.astype(np.int32), excess)


def _a_row(merges: NDArray[np.int64], node: int, m: int) -> int:
    """Return a row under a node."""
    while node >= m:
        node = int(merges[node - m, 0])
    return node


def _all_excess(
    plan: Dendrogram,
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    graph: Graph,
) -> NDArray[np.float64]:
    """Measure the excess of all nodes of a dendrogram; NaN where a side is too small to tell."""
    least, fewest = smallest_cluster(weights), fewest_leaves(len(vectors))
    return all_excess(plan, vectors, weights, graph, least, fewest)


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
