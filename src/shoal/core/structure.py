"""Fit the structure of the representatives: graph, communities, tree, layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.checked import check_count
from shoal.core.communities import find_communities
from shoal.core.condense import all_excess, condense, fewest_leaves, smallest_cluster
from shoal.core.constraints import Constraints, all_apart, constrain, groups_of, split_by_group
from shoal.core.dendrogram import Dendrogram
from shoal.core.graph import MOST_NEIGHBOURS, Graph, build_graph, build_graph_with_piles
from shoal.core.layers import Layer, count_above, find_layers
from shoal.core.metrics import adjusted_rand
from shoal.core.mixtures import MOST_ROWS, gaussian_groups
from shoal.core.nearest import nearest_neighbours
from shoal.core.null import REAL, SURE, has_structure
from shoal.core.piles import find_piles
from shoal.core.primary import clearest_cut, cut_scores
from shoal.core.products import in_threads
from shoal.core.stability import Resampled, draw_subsets
from shoal.core.tree import Tree

_VOTED = 400
# Small data get several trees, which choose K together: they cost little there.
_DRAWS = 7
_SEEDS = 1000  # apart, so that two fits share no draw
_CHEAP = 20_000
_AGREED = 0.5


@dataclass(frozen=True)
class Structure:
    """Result of `fit_structure`: the tree, its layers, and the neighbours in the graph."""

    tree: Tree
    layers: tuple[Layer, ...]
    neighbours: NDArray[np.int32]
    affinities: NDArray[np.float32]
    distances: NDArray[np.float32]

    @property
    def primary(self) -> Layer:
        """The suggested layer."""
        return next(layer for layer in self.layers if layer.primary)


def fit_structure(
    vectors: NDArray[np.float32],
    weights: NDArray | None = None,
    *,
    seed: int = 0,
    workers: int = 1,
    min_size: int | None = None,
    neighbours: int | None = None,
    layers: str | tuple[int, ...] = "auto",
    k: int | None = None,
    detail: float | None = None,
    resamples: int = 8,
    constraints: Constraints | None = None,
    radius: NDArray | None = None,
) -> Structure:
    """Find the tree over the representatives, and its layers.

    The result has the same bytes for any number of threads, `workers`.

    Parameters
    ----------
    vectors, weights
        (m, d) distinct and finite, and (m,) rows of each; 1 by default.
    min_size
        Minimum rows of a cluster; by default 0.05% of the rows, or of the representatives if it
        has as many, at least 5.
    neighbours
        Neighbours in the graph; by default chosen from the data.
    layers
        The K of the layers, the first one primary; "auto" for those found in the data.
    k
        An additional K, which becomes primary.
    detail
        Lowest excess of a split in the primary layer; by default from the data.
    resamples
        Number of random subsets for stability; 0 for none, and for no mixture of few rows.
    constraints
        Groups that stay together, or are separated.
    radius
        (m,) root mean square distance of the rows of each, to distinguish piles from coarse
        representatives; 0 by default. Infinite: many equal rows are not a group.
    """
    m = len(vectors)
    weights = np.ones(m) if weights is None else np.asarray(weights, np.float64)
    requested = None if isinstance(layers, str) else layers
    check_count("k", max([*(requested or ()), k or 1]), m, "representatives")
    if m < 2:
        return _tiny(m, requested, k)
    nearest = nearest_neighbours(vectors, min(neighbours or MOST_NEIGHBOURS, m - 1), workers)
    piles = find_piles(vectors, weights, *nearest, radius)
    if m < 3 and not piles.all():
        return _tiny(m, requested, k)
    rows = _Rows(vectors, weights, piles, min_size, neighbours)
    graph, distances = rows.joined(nearest, workers)
    chosen = _choose_tree(rows, graph, seed, resamples, detail, constraints, workers)
    if chosen.mixture_k and not (k or requested):
        k = chosen.mixture_k
    marked = tuple(
        # what other rows change, or what other draws change, whichever is more
        replace(
            one, stability=min(one.stability, mean_agreement(chosen.tree, chosen.others, one.k))
        )
        for one in find_layers(chosen.tree, weights, chosen.resampled, chosen.primary, requested, k)
    )
    return Structure(chosen.tree, marked, graph.neighbours, graph.affinities, distances)


@dataclass(frozen=True)
class _Rows:
    """The representatives, and the settings of every tree over them or over some of them."""

    vectors: NDArray[np.float32]
    weights: NDArray[np.float64]
    piles: NDArray[np.bool_]
    min_size: int | None
    neighbours: int | None

    def joined(
        self, nearest: tuple[NDArray[np.int32], NDArray[np.float32]], workers: int = 1
    ) -> tuple[Graph, NDArray[np.float32]]:
        """Build the graph, and return the distances to the neighbours that it uses."""
        if self.piles.any():
            settings = self.weights, self.piles, self.neighbours, workers
            return build_graph_with_piles(self.vectors, nearest, *settings)
        graph = build_graph(*nearest, self.weights, self.neighbours)
        return graph, nearest[1][:, : graph.neighbours.shape[1]]

    def subset_tree(self, chosen: NDArray[np.int64], seed: int) -> Tree:
        """Build the tree of some rows, without stability."""
        least = self.min_size
        if least is not None:
            share = self.weights[chosen].sum() / self.weights.sum()
            least = max(1, round(least * share))
        vectors = np.ascontiguousarray(self.vectors[chosen])
        weights, piles = self.weights[chosen], self.piles[chosen]
        part = _Rows(vectors, weights, piles, least, self.neighbours)
        near = min(self.neighbours or MOST_NEIGHBOURS, len(chosen) - 1)
        graph, _ = part.joined(nearest_neighbours(vectors, near))
        return _Draw.of(part, graph, seed).tree


@dataclass(frozen=True)
class _Chosen:
    tree: Tree
    others: list[Tree]
    """Of the same rows, from other seeds."""
    primary: int
    """K of the primary layer."""
    resampled: Resampled | None
    mixture_k: int | None
    """Number of the groups that a mixture of few rows shows."""


def _choose_tree(
    rows: _Rows,
    graph: Graph,
    seed: int,
    resamples: int,
    detail: float | None,
    constraints: Constraints | None,
    workers: int,
) -> _Chosen:
    """Build several trees, and choose K and the best tree for it.

    If a mixture shows more groups of few rows, they are kept apart in the trees.
    """
    m, mixture_k = graph.n_rows, None
    subsets = draw_subsets(m, seed, resamples, graph.copies)
    seeds = range(_SEEDS * seed, _SEEDS * seed + (_DRAWS if subsets and m <= _CHEAP else 1))
    draw = partial(_Draw.of, rows, graph, detail=detail, constraints=constraints)
    draws, resampled = _draw_trees(rows, subsets, seed, draw, seeds, workers)
    primary, best = choose_draw(draws, rows.weights, resampled)
    if resampled and constraints is None and detail is None and not rows.piles.any():
        groups = _groups_of_few(rows, seed, primary)
        if groups is not None:
            mixture_k = int(groups.max()) + 1
            draw = partial(_Draw.of, rows, graph, constraints=all_apart(groups))
            draws = in_threads(draw, [(one,) for one in seeds], workers)
            _confirm(draws, resampled, workers)
            primary, best = choose_draw(draws, rows.weights, resampled)
    others = [one.tree for one in draws if one is not draws[best]]
    primary = max(primary, draws[best].least_k())
    return _Chosen(draws[best].tree, others, primary, resampled, mixture_k)


def _draw_trees(
    rows: _Rows,
    subsets: Sequence[NDArray[np.int64]],
    seed: int,
    draw: Callable[[int], _Draw],
    seeds: Sequence[int],
    workers: int,
) -> tuple[list[_Draw], Resampled | None]:
    """Build a tree of each subset and a draw of each seed; only one if its splits are noise."""
    jobs: list[tuple[Any, ...]] = [
        (rows.subset_tree, part, seed + 1 + i) for i, part in enumerate(subsets)
    ]
    jobs += [(draw, one) for one in seeds[1:]]
    first, more = _unless_noise(partial(draw, seeds[0]), jobs, workers)
    if not more:
        return [first], None
    trees, draws = tuple(more[: len(subsets)]), [first, *more[len(subsets) :]]
    resampled = Resampled(tuple(subsets), trees, first.copies)
    _confirm(draws, resampled, workers)
    return draws, resampled


def _confirm(draws: Sequence[_Draw], resampled: Resampled, workers: int) -> None:
    in_threads(_Draw.confirm, [(one, resampled) for one in draws], workers)


def _unless_noise(
    first: Callable[[], _Draw], jobs: Sequence[tuple[Any, ...]], workers: int
) -> tuple[_Draw, list[Any]]:
    """Build the first tree and, at the same time, do the jobs, unless its splits are noise.

    Some jobs are then done for nothing, but only while the first tree is built.
    """
    noise = Event()

    def build() -> _Draw:
        found = first()
        if not found.surpasses_noise:
            noise.set()
        return found

    def do(job: Callable[..., Any], *given: Any) -> Any:
        return None if noise.is_set() else job(*given)

    found, *more = in_threads(do, [(build,), *jobs], workers)
    return found, [] if noise.is_set() else more


def _groups_of_few(rows: _Rows, seed: int, primary: int) -> NDArray[np.int32] | None:
    """Return the groups of few rows that a mixture shows beyond the graph; None if it does not."""
    if rows.weights.sum() > MOST_ROWS or primary == 1:
        return None
    groups = gaussian_groups(rows.vectors, rows.weights, seed, primary)
    least = smallest_cluster(rows.weights, rows.min_size)
    if groups is None or np.bincount(groups, rows.weights).min() < least:
        return None
    return groups


@dataclass
class _Draw:
    """One of the trees that different visiting orders give."""

    plan: Dendrogram
    excess: NDArray[np.float64]
    detail: float | None
    constraints: Constraints | None
    groups: NDArray[np.int32] | None
    copies: NDArray[np.float64] | None

    @classmethod
    def of(
        cls,
        rows: _Rows,
        graph: Graph,
        seed: int,
        detail: float | None = None,
        constraints: Constraints | None = None,
    ) -> _Draw:
        """Build the tree of one seed, without stability."""
        communities, groups = find_communities(graph, seed), None
        if constraints is not None:
            communities = split_by_group(communities, constraints)
            groups = groups_of(communities, constraints)
        vectors, weights = rows.vectors, rows.weights
        plan = Dendrogram(vectors, weights, graph, communities, groups)
        least = smallest_cluster(weights, rows.min_size)
        fewest = fewest_leaves(len(vectors), rows.min_size)
        excess = all_excess(plan, vectors, weights, graph, least, fewest)
        return cls(plan, excess, detail, constraints, groups, graph.copies)

    @cached_property
    def tree(self) -> Tree:
        """The tree of all real splits; of those that are confirmed, after the vote."""
        return self._condensed(self.excess, self.plan.children[:, 0])

    def confirm(self, resampled: Resampled) -> None:
        """Replace the tree by that of the splits that the trees of subsets confirm."""
        self.tree = self._condensed(*vote(self.plan, self.excess, resampled))

    def _condensed(self, real: NDArray[np.float64], follow: NDArray[np.int64]) -> Tree:
        """Condense to the real splits, after the constraints, if any."""
        if self.constraints is not None and self.groups is not None:
            least = max(SURE, self.detail or 0.0)
            real, follow = constrain(self.plan, self.groups, self.constraints, real, follow, least)
        return condense(self.plan, real, follow)

    @property
    def surpasses_noise(self) -> bool:
        """Whether any layer could be marked."""
        return has_structure(self.tree.excess) or (self.detail or np.inf) <= self.tree.excess[0]

    def least_k(self) -> int:
        """Return the smallest K that separates all groups that must be separated."""
        if self.constraints is None or not len(self.constraints.apart):
            return 1
        groups, first = np.unique(self.constraints.group, return_index=True)
        of = dict(zip(groups.tolist(), first.tolist(), strict=True))
        pairs = [(of[a], of[b]) for a, b in self.constraints.apart.tolist() if a in of and b in of]
        if not pairs:
            return 1
        one, other = np.asarray(pairs).T
        return int(self.tree.apart(one, other).max())


def choose_draw(
    draws: Sequence[_Draw], weights: NDArray[np.float64], resampled: Resampled | None
) -> tuple[int, int]:
    """Choose the K of the primary layer from all draws, and the index of the best draw for it.

    With a given detail, the median of the draws by K; otherwise as `clearest_cut`.
    """
    if draws[0].detail is None:
        return clearest_cut([cut_scores(one.tree, weights, resampled) for one in draws])
    ks = [count_above(one.tree, draws[0].detail) for one in draws]
    median = int(np.argsort(ks, kind="stable")[len(ks) // 2])
    return ks[median], median


def mean_agreement(tree: Tree, others: Sequence[Tree], k: int) -> float:
    """Return the mean ARI of a tree's cut into `k` with those of other draws; 1 without any."""
    if not others:
        return 1.0
    labels = tree.labels(k)
    return float(np.mean([adjusted_rand(labels, other.labels(k)) for other in others]))


def _tiny(m: int, requested: tuple[int, ...] | None, k: int | None) -> Structure:
    """Return the structure of one or two rows: a single cluster unless more were requested."""
    tree = Tree(
        np.arange(m, dtype=np.int32),
        np.arange(1, m, dtype=np.int32),
        np.full(max(m - 1, 0), -np.inf, np.float32),
    )
    other = np.arange(m - 1, -1, -1, dtype=np.int32)[:, None][:, : m - 1]
    ones = np.ones((m, m - 1), np.float32)
    marked = find_layers(tree, np.ones(m), None, requested=requested, k=k)
    return Structure(tree, marked, other, ones, ones)


def vote(
    plan: Dendrogram, excess: NDArray[np.float64], resampled: Resampled
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Confirm the splits with the largest excess by trees of random subsets.

    A side is confirmed if the trees reproduce it (mean Jaccard of at least one half), or if a
    confirmed split is below it. If only one side of a split is confirmed, the other stays with it
    and is not a cluster; a split without a confirmed side ends its branch.

    Returns the excess of the confirmed splits, NaN at other nodes, and the child to follow there,
    −1 to end: both (nodes,).
    """
    real, follow = excess.copy(), plan.children[:, 0].copy()
    candidates = np.flatnonzero(excess >= REAL)
    candidates = candidates[np.argsort(-excess[candidates], kind="stable")][:_VOTED]
    sides = plan.children[candidates].ravel()
    seen = resampled.stability(plan.order, np.stack([plan.low[sides], plan.high[sides]], 1))
    confirmed = np.zeros(plan.root + 1, np.bool_)
    confirmed[sides] = ~(seen < _AGREED)
    for v in range(plan.n_leaves, plan.root + 1):
        first, second = plan.children[v]
        if excess[v] >= REAL:
            if not confirmed[second]:
                real[v], follow[v] = np.nan, first if confirmed[first] else -1
            elif not confirmed[first]:
                real[v], follow[v] = np.nan, second
        confirmed[v] |= confirmed[first] or confirmed[second]
    return real, follow
