"""Condense a dendrogram and the excess of its splits to the tree."""

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from shoal.core.dendrogram import Dendrogram
from shoal.core.excess import split_excess
from shoal.core.graph import Graph
from shoal.core.null import SURE
from shoal.core.tree import Tree

_SEARCH = 0.25
_SMALL = 0.02
_LEAST_SHARE = 0.0005
_FEWEST, _ENOUGH = 5.0, 50.0


def smallest_cluster(weights: NDArray, min_size: int | None = None) -> float:
    """Return the minimum weight of a cluster: 0.05% of the rows, at least 5, at most 50 leaves."""
    if min_size is not None:
        return float(min_size)
    total = float(np.sum(weights))
    most = _ENOUGH * max(1.0, total / len(weights))
    return float(np.clip(_LEAST_SHARE * total, _FEWEST, most))


def fewest_leaves(n_leaves: int, min_size: int | None = None) -> float:
    """Return how many leaves form a cluster regardless of weight: 0.05% of them, 5 to 50.

    If leaves stand for many rows, a small distant group has leaves of its own with few rows. With
    an explicit size in rows, only that counts.
    """
    if min_size is not None:
        return np.inf
    return float(np.clip(_LEAST_SHARE * n_leaves, _FEWEST, _ENOUGH))


def all_excess(
    plan: Dendrogram,
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    graph: Graph,
    least: float,
    fewest: float = np.inf,
) -> NDArray[np.float64]:
    """Return the excess of every node both of whose children are large enough; NaN for the others.

    A child is large enough if it weighs `least`, or has `fewest` leaves.
    The smaller a side, the more places chance had to make one sparse, so an uneven split has a
    penalty: the logarithm of the number of sides of its size that fit. A node that is clearly two
    pieces counts as two pieces for the splits above it.
    """
    rows = plan.order
    matrix = graph.matrix()[rows][:, rows]
    edges = (matrix.indptr, matrix.indices, matrix.data)
    x = vectors[rows].astype(np.float64)  # once, not for each split
    w, inverse = weights[rows], graph.inverse_dimension[rows]
    copies = graph.copies_of(rows)
    pieces = [np.array([low]) for low in plan.low.tolist()]  # where those of each node begin
    excess = np.full(plan.root + 1, np.nan)
    for v in range(plan.n_leaves, plan.root + 1):
        sides = plan.children[v]
        leaves = plan.high[sides] - plan.low[sides]
        if ((plan.weight[sides] >= least) | (leaves >= fewest)).all():
            second = sides[1]
            low, middle, high = int(plan.low[v]), int(plan.low[second]), int(plan.high[v])
            fit = min(plan.weight[v] / plan.weight[second], leaves.sum() / leaves[1])
            searched = np.log(max(fit / 2.0, 1.0))
            bounds = np.concatenate([*(pieces[side] for side in sides), [high]])
            found = split_excess(x, w, inverse, edges, low, middle, high, bounds, copies)
            excess[v] = found - _SEARCH * searched
            if excess[v] >= SURE:
                pieces[v] = bounds[:-1]
    return excess


def condense(plan: Dendrogram, real: NDArray[np.float64], follow: NDArray | None = None) -> Tree:
    """Merge pieces that are not clusters into their sibling, and rank the splits.

    From the root down, a real split makes two clusters. At any other node, the side not followed
    stays with the larger part of the side that is followed. So does a small side (under 2%) whose
    split has less excess than one below, until its turn comes.

    Parameters
    ----------
    real
        (nodes,) excess of the real splits, NaN elsewhere.
    follow
        (nodes,) the child to follow where a split is not real, −1 to end there; by default the
        heavier child.
    """
    follow = plan.children[:, 0] if follow is None else follow
    best = _best_below(plan, real, follow)
    leaves: list[int] = []
    cuts: list[tuple[float, int, int]] = []  # excess, order of discovery, leaves before it
    fine: list[tuple[int, int]] = []  # node, leaves before it
    # A piece to lay out: its node, a heap of the pieces that go with it (less the excess of
    # their split, node), the cap of its excess, and for a second side the number of its split.
    stack: list[tuple[int, list[tuple[float, int]], float, int]] = [(plan.root, [], np.inf, -1)]
    n_found = 0
    while stack:
        node, others, cap, number = stack.pop()
        if number >= 0:
            cuts.append((cap, number, len(leaves)))
        node = _settled(plan, real, follow, best, node, others)
        late = -others[0][0] if others else -np.inf
        here = -np.inf if best[node] == -np.inf else float(real[node])
        if late == here == -np.inf:
            for piece in (node, *(piece for _, piece in sorted(others))):
                _lay_out(plan, piece, leaves, fine, piece != node)
            continue
        key = min(cap, max(late, here))
        first, second = plan.children[node].tolist()
        if late >= here:
            first, second = node, heappop(others)[1]
        stack.append((second, [], key, n_found))
        stack.append((first, others, key, -1))
        n_found += 1
    return _ranked(plan, leaves, cuts, fine)


def _best_below(plan: Dendrogram, real: NDArray, follow: NDArray) -> NDArray[np.float64]:
    """Return the largest excess of the real splits at or below each node; −inf for none."""
    best = np.full(plan.root + 1, -np.inf)
    for v in range(plan.n_leaves, plan.root + 1):
        if not np.isnan(real[v]):
            best[v] = max(real[v], *best[plan.children[v]])
        elif follow[v] >= 0:
            best[v] = best[follow[v]]
    return best


def _settled(
    plan: Dendrogram,
    real: NDArray,
    follow: NDArray,
    best: NDArray,
    node: int,
    others: list[tuple[float, int]],
) -> int:
    """Descend to the first split, and collect the pieces passed on the way.

    A small side whose split has less excess than one below is split off later, so that it neither
    hides that one nor is lost.
    """
    while best[node] > -np.inf:
        first, second = plan.children[node].tolist()
        if np.isnan(real[node]):
            heappush(others, (np.inf, first + second - int(follow[node])))
            node = int(follow[node])
        elif plan.weight[second] < _SMALL * plan.weight[node] and best[first] > real[node]:
            heappush(others, (-float(real[node]), second))
            node = first
        else:
            break
    return node


def _lay_out(
    plan: Dendrogram, piece: int, leaves: list[int], fine: list[tuple[int, int]], cut: bool
) -> None:
    """Append the communities of a piece, and the cuts between them by their node."""
    start = len(leaves)
    if cut:
        fine.append((plan.root + 1, start))
    leaves.extend(plan.leaves(piece))
    place = {low: start + i for i, low in enumerate(plan.low[leaves[start:]].tolist())}
    stack = [piece]
    while stack:
        first, second = plan.children[stack[-1]]
        node = stack.pop()
        if first >= 0:
            fine.append((node, place[int(plan.low[second])]))
            stack.extend((int(first), int(second)))


def _ranked(
    plan: Dendrogram,
    leaves: list[int],
    cuts: list[tuple[float, int, int]],
    fine: list[tuple[int, int]],
) -> Tree:
    """Convert cuts between communities to cuts between rows: real ones, fine ones, halvings."""
    low, high = plan.low[leaves], plan.high[leaves]
    order = np.concatenate([plan.order[a:b] for a, b in zip(low, high, strict=True)])
    start = np.concatenate([[0], np.cumsum(high - low)])
    cuts = sorted(cuts, key=lambda cut: (-cut[0], cut[1]))
    fine = sorted(fine, key=lambda cut: (-cut[0], cut[1]))
    places = [place for *_, place in cuts] + [place for _, place in fine]
    splits = np.concatenate([start[places].astype(np.int64), _halvings(start)])
    excess = np.full(len(splits), -np.inf, np.float32)
    excess[: len(cuts)] = [key for key, *_ in cuts]
    return Tree(order.astype(np.int32), splits.astype(np.int32), excess)


def _halvings(start: NDArray) -> NDArray[np.int64]:
    """Halve the communities, the longest pieces first, down to single rows."""
    lengths, places = [], []
    pieces = np.stack([start[:-1], start[1:]])
    while (pieces := pieces[:, pieces[1] - pieces[0] > 1]).size:
        (a, b), middle = pieces, pieces.sum(axis=0) // 2
        lengths.append(b - a)
        places.append(middle)
        pieces = np.concatenate([[a, middle], [middle, b]], axis=1)
    if not places:
        return np.empty(0, np.int64)
    cuts = np.concatenate(places)
    return cuts[np.lexsort([cuts, -np.concatenate(lengths)])].astype(np.int64)
