"""Communities joined step by step into one dendrogram (the Paris linkage)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse

from shoal.core.graph import Graph

# Links communities without a common edge by distance; far below any real edge weight.
_FAINT = 1e-6


class Dendrogram:
    """All merges as nodes 0 .. 2 c − 2, each a run of the rows in leaf order.

    Nodes 0 .. c − 1 are the communities; node c + t is the t-th merge; the last is the root.

    Parameters
    ----------
    vectors, weights, graph
        (m, d), (m,) and the graph of the representatives.
    communities
        (m,) from `find_communities`.
    groups
        (c,) groups of communities that are joined before anything else; −1 for none.
    merges
        (c − 1, 2) the merges, if known: nodes, numbered as by `paris_merges`.

    Attributes
    ----------
    order
        (m,) rows in leaf order.
    low, high
        (2 c − 1,) the run of each node in `order`.
    children
        (2 c − 1, 2) the heavier child first; −1 for communities.
    weight
        (2 c − 1,) rows of the data under each node.

    References
    ----------
    Bonald et al., "Hierarchical graph clustering using node pair sampling" (Paris), 2018.
    """

    def __init__(
        self,
        vectors: NDArray,
        weights: NDArray,
        graph: Graph,
        communities: NDArray,
        groups: NDArray | None = None,
        merges: NDArray[np.int64] | None = None,
    ) -> None:
        c = int(communities.max()) + 1
        self.n_leaves = c
        self.root = 2 * c - 2
        self.weight = np.concatenate([np.bincount(communities, weights), np.zeros(c - 1)])
        self.children = np.full((2 * c - 1, 2), -1, np.int64)
        if merges is None:
            between = between_communities(vectors, weights, graph, communities)
            merges = paris_merges(between) if groups is None else grouped_merges(between, groups)
        for t, (a, b) in enumerate(merges):
            self.children[c + t] = (a, b) if self.weight[a] >= self.weight[b] else (b, a)
            self.weight[c + t] = self.weight[a] + self.weight[b]
        self._place(vectors, communities)

    def _place(self, vectors: NDArray, communities: NDArray) -> None:
        """Set the run of every node, and the place of rows along their community's main axis."""
        c = self.n_leaves
        size = np.concatenate([np.bincount(communities, minlength=c), np.zeros(c - 1, np.int64)])
        for v in range(c, self.root + 1):
            size[v] = size[self.children[v]].sum()
        self.low = np.zeros(2 * c - 1, np.int64)
        for v in range(self.root, c - 1, -1):
            first, second = self.children[v]
            self.low[first] = self.low[v]
            self.low[second] = self.low[v] + size[first]
        self.high = self.low + size
        self.order = np.lexsort((_along_main_axis(vectors, communities), self.low[communities]))

    def leaves(self, node: int) -> list[int]:
        """Return the communities under a node in leaf order."""
        found = []
        stack = [node]
        while stack:
            v = stack.pop()
            first, second = self.children[v]
            if first < 0:
                found.append(v)
            else:
                stack.extend((int(second), int(first)))
        return found


def between_communities(
    vectors: NDArray, weights: NDArray, graph: Graph, communities: NDArray
) -> NDArray[np.float64]:
    """Sum edge weights between communities, (c, c), plus a tiny weight by nearness."""
    m, c = len(communities), int(communities.max()) + 1
    member = sparse.csr_matrix((np.ones(m), (communities, np.arange(m))), shape=(c, m))
    between: NDArray[np.float64] = (member @ graph.matrix() @ member.T).toarray()
    alone = between.sum(1) <= 0
    between[alone, alone] = 1.0
    strength = between.sum(1)
    heavy = sparse.csr_matrix((weights, (communities, np.arange(m))), shape=(c, m))
    centres = np.asarray(heavy @ vectors.astype(np.float64))
    centres /= np.bincount(communities, weights)[:, None]
    near = _nearness(centres)
    near *= (_FAINT / strength.sum() * strength)[:, None]
    near *= strength
    between += near
    return between


def _nearness(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / (1 + squared distance / their median) for each pair, 0 on the diagonal."""
    norms = (centres**2).sum(1)
    near = centres @ centres.T  # changed in place: it can have 10,000 columns
    near *= -2.0
    near += norms[:, None]
    near += norms
    np.maximum(near, 0.0, out=near)
    near /= max(float(np.median(near)), 1e-300)
    near += 1.0
    np.reciprocal(near, out=near)
    np.fill_diagonal(near, 0.0)
    return near


def grouped_merges(between: NDArray[np.float64], groups: NDArray[np.int32]) -> NDArray[np.int64]:
    """Join the communities of each group by `paris_merges`, then the groups and all others.

    The groups, (c,), are −1 for communities of no group; takes and returns arrays like
    `paris_merges`.
    """
    c = len(between)
    merges: list[tuple[int, int]] = []
    part = np.arange(c)  # the branch that each community is in
    top = np.arange(c)  # the node that a branch has become
    for group in range(int(groups.max(initial=-1)) + 1):
        mine = np.flatnonzero(groups == group)
        inside = between[np.ix_(mine, mine)]
        # Their weight to other branches remains in their strength.
        inside[np.diag_indices(len(mine))] += between[mine].sum(axis=1) - inside.sum(axis=1)
        _append(merges, paris_merges(inside), mine, c)
        if len(mine):
            part[mine], top[mine[0]] = mine[0], c + len(merges) - 1 if len(mine) > 1 else mine[0]
    branches, at = np.unique(part, return_inverse=True)
    member = sparse.csr_matrix((np.ones(c), (at, np.arange(c))), shape=(len(branches), c))
    outside = np.asarray(member @ (member @ between).T)
    _append(merges, paris_merges(np.ascontiguousarray(outside)), top[branches], c)
    return np.asarray(merges, np.int64).reshape(-1, 2)


def _append(
    merges: list[tuple[int, int]], found: NDArray[np.int64], nodes: NDArray[np.int64], c: int
) -> None:
    """Add merges of some nodes to those of all communities."""
    names = [*nodes.tolist(), *range(c + len(merges), c + len(merges) + len(found))]
    merges.extend((names[a], names[b]) for a, b in found.tolist())


def paris_merges(between: NDArray[np.float64]) -> NDArray[np.int64]:
    """Agglomerate by the largest ratio w_ab / (s_a s_b): the Paris linkage.

    `between`, (c, c), is symmetric; its diagonal holds the weight inside, both directions. Returns
    the two joined at each step, (c − 1, 2); the t-th step makes number c + t.
    """
    c = len(between)
    merges, w = np.empty((max(c - 1, 0), 2), np.int64), between.copy()
    alive, stale = np.ones((2, c), np.bool_)
    s, best = np.zeros((2, c))
    ids, partner = np.arange(c), np.empty(c, np.int64)
    _merge(w, s, alive, stale, ids, best, partner, merges)
    return merges


@njit(cache=True, nogil=True, error_model="numpy")
def _merge(w, s, alive, stale, ids, best, partner, merges):  # type: ignore[no-untyped-def]
    """Fill `merges`; `stale`: communities whose partner, that of the largest ratio, is unknown."""
    c = len(w)
    for i in range(c):
        for j in range(c):
            s[i] += w[i, j]
    for t in range(c - 1):
        for i in range(c):
            if alive[i] and stale[i]:
                stale[i] = False
                best[i], partner[i] = -1.0, -1
                for j in range(c):
                    if alive[j] and j != i:
                        ratio = w[i, j] / (s[i] * s[j])
                        if ratio > best[i]:
                            best[i], partner[i] = ratio, j
        a = -1
        for i in range(c):
            if alive[i] and (a < 0 or best[i] > best[a]):
                a = i
        b = partner[a]
        merges[t, 0], merges[t, 1] = ids[a], ids[b]
        # Loops: sums of rows and slices take 3 seconds to compile.
        for i in range(c):
            w[a, i] += w[b, i]
        for i in range(c):
            w[i, a] += w[i, b]
        s[a] += s[b]
        alive[b] = False
        ids[a] = c + t
        for i in range(c):
            if alive[i]:
                if i == a or partner[i] == a or partner[i] == b:
                    stale[i] = True
                else:
                    ratio = w[i, a] / (s[i] * s[a])
                    if ratio > best[i]:
                        best[i], partner[i] = ratio, a


def _along_main_axis(vectors: NDArray, communities: NDArray) -> NDArray[np.float64]:
    """Place of each row along the longest coordinate of its community."""
    m, c = len(communities), int(communities.max()) + 1
    counts = np.bincount(communities, minlength=c)[:, None]
    member = sparse.csr_matrix((np.ones(m), (communities, np.arange(m))), shape=(c, m))
    x = vectors.astype(np.float64)
    variance = np.asarray(member @ x**2) / counts - (np.asarray(member @ x) / counts) ** 2
    along: NDArray[np.float64] = x[np.arange(m), variance.argmax(1)[communities]]
    return along
