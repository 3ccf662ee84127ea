from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from shoal.core.communities import find_communities
from shoal.core.condense import all_excess, condense, fewest_leaves, smallest_cluster
from shoal.core.dendrogram import Dendrogram
from shoal.core.excess import split_excess
from shoal.core.graph import Graph, build_graph
from shoal.core.nearest import nearest_neighbours

seeds = st.integers(0, 9999)


def graph_of(matrix):
    s = sparse.csr_matrix(np.asarray(matrix, np.float64))
    none = np.zeros((s.shape[0], 0))
    indptr = s.indptr.astype(np.int64)
    return Graph(indptr, s.indices, s.data, np.ones(s.shape[0]), none.astype("i4"), none)


def chain(weights=(4, 3, 2, 1)):
    """Communities 0 to 3 of two rows each, joined one by one: ((0 1) 2) 3 are 4, 5 and 6."""
    matrix = np.kron(np.eye(4), np.ones((2, 2)))
    for (a, b), weight in {(0, 1): 0.5, (1, 2): 0.1, (2, 3): 0.01}.items():
        matrix[2 * a : 2 * a + 2, 2 * b : 2 * b + 2] = weight
        matrix[2 * b : 2 * b + 2, 2 * a : 2 * a + 2] = weight
    x = np.arange(8, dtype=np.float32)[:, None]
    return Dendrogram(
        x, np.repeat(weights, 2).astype(np.float64), graph_of(matrix), np.repeat(np.arange(4), 2)
    )


def random_plan(seed):
    """A dendrogram of random communities, excess of some splits, the sides to follow."""
    generator = np.random.default_rng(seed)
    m = int(generator.integers(2, 40))
    c = int(generator.integers(1, min(m, 12) + 1))
    half = np.triu(generator.random((m, m)) * (generator.random((m, m)) < 0.3), 1)
    communities = generator.permutation(np.r_[np.arange(c), generator.integers(0, c, m - c)])
    x = generator.normal(size=(m, 2)).astype(np.float32)
    weights = 10.0 ** generator.uniform(0, 3, m)
    plan = Dendrogram(x, weights, graph_of(half + half.T), communities)
    nodes = plan.root + 1
    inner = np.arange(nodes) >= c
    real = np.where(inner & (generator.random(nodes) < 0.5), generator.normal(2, 2, nodes), np.nan)
    chosen = generator.integers(0, 3, nodes)
    follow = np.where(chosen < 2, plan.children[np.arange(nodes), chosen % 2], -1)
    return plan, real, np.where(inner, follow, -1), communities


def rows_of(plan, node):
    return set(plan.order[plan.low[node] : plan.high[node]].tolist())


def best_at(plan, real, follow, node):
    """The largest excess of the real splits at or below a node."""
    if node < plan.n_leaves:
        return -np.inf
    if np.isnan(real[node]):
        return best_at(plan, real, follow, follow[node])
    return max(real[node], *(best_at(plan, real, follow, side) for side in plan.children[node]))


def slow_clusters(plan, real, follow, threshold, node, aside=()):
    """The rule in words: `aside` are the pieces that go with the node until their turn comes."""
    rows, aside = rows_of(plan, node), list(aside)
    whole = rows.union(*(rows_of(plan, piece) for _, piece in aside))
    while best_at(plan, real, follow, node) > -np.inf:
        first, second = plan.children[node]
        small = plan.weight[second] < 0.02 * plan.weight[node]
        if np.isnan(real[node]):
            aside.append((-np.inf, first + second - follow[node]))
            node = follow[node]
        elif small and best_at(plan, real, follow, first) > real[node]:
            aside.append((real[node], second))
            node = first
        else:
            break
    here = -np.inf if best_at(plan, real, follow, node) == -np.inf else real[node]
    late, piece = max(aside, default=(-np.inf, None))
    if max(here, late) < threshold:
        return [whole]
    first, second = plan.children[node]
    if late >= here:
        aside.remove((late, piece))
        first, second = node, piece
    return [
        *slow_clusters(plan, real, follow, threshold, first, aside),
        *slow_clusters(plan, real, follow, threshold, second),
    ]


def as_sets(labels):
    return sorted((set(np.flatnonzero(labels == c).tolist()) for c in np.unique(labels)), key=min)


@pytest.mark.parametrize(
    ("weights", "least"),
    [
        (np.ones(1000), 5),
        (np.ones(40_000), 20),
        (np.ones(300_000), 50),
        (np.full(1000, 100.0), 50),
        (np.full(1000, 1e6), 500_000),
    ],
)
def test_smallest_cluster(weights, least):
    assert smallest_cluster(weights) == pytest.approx(least)
    assert smallest_cluster(weights, 7) == 7


@pytest.mark.parametrize(("leaves", "fewest"), [(1000, 5), (40_000, 20), (300_000, 50)])
def test_fewest_leaves(leaves, fewest):
    assert fewest_leaves(leaves) == pytest.approx(fewest)
    assert fewest_leaves(leaves, 7) == np.inf
    # where each leaf is one row, that is what the smallest cluster weighs: neither changes a thing
    assert fewest_leaves(leaves) == smallest_cluster(np.ones(leaves))


def test_a_real_split_at_the_root_hand_computed():
    plan = chain()
    real = np.full(7, np.nan)
    real[6] = 3.0
    tree = condense(plan, real)
    assert tree.order.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert tree.splits[:3].tolist() == [6, 4, 2]
    assert tree.excess[0] == 3
    assert (tree.excess[1:] == -np.inf).all()


def test_pieces_left_aside_stay_with_the_larger_part():
    plan = chain()
    real = np.full(7, np.nan)
    real[4] = 3.0  # 0 from 1, below two splits that are none
    assert as_sets(condense(plan, real).labels(2)) == [{0, 1, 4, 5, 6, 7}, {2, 3}]


def test_a_branch_ends_where_there_is_no_side_to_follow():
    plan = chain()
    real, follow = np.full(7, np.nan), np.array([-1, -1, -1, -1, 0, -1, 5])
    real[4] = 3.0
    assert (condense(plan, real, follow).excess == -np.inf).all()


def test_a_split_counts_no_more_than_the_one_it_depends_on():
    real = np.full(7, np.nan)
    real[[6, 5, 4]] = 2.0, 5.0, 3.0
    assert condense(chain(), real).excess[:4].tolist() == [2, 2, 2, -np.inf]


def test_a_small_side_comes_off_after_the_stronger_split_below_it():
    plan = chain((60, 50, 1, 1))
    real = np.full(7, np.nan)
    real[[6, 5, 4]] = 1.5, 2.0, 4.0
    tree = condense(plan, real)
    assert tree.excess[:4].tolist() == [4, 2, 1.5, -np.inf]
    assert as_sets(tree.labels(2)) == [{0, 1, 4, 5, 6, 7}, {2, 3}]
    assert as_sets(tree.labels(3)) == [{0, 1, 6, 7}, {2, 3}, {4, 5}]
    assert as_sets(tree.labels(4)) == [{0, 1}, {2, 3}, {4, 5}, {6, 7}]


@given(seeds)
def test_clusters_above_a_threshold_are_those_of_the_rule(seed):
    plan, real, follow, _ = random_plan(seed)
    tree = condense(plan, real, follow)
    for threshold in real[~np.isnan(real)]:
        k = 1 + int((tree.excess >= np.float32(threshold)).sum())
        slow = slow_clusters(
            plan, real.astype(np.float32), follow, np.float32(threshold), plan.root
        )
        assert as_sets(tree.labels(k)) == sorted(slow, key=min)


@given(seeds)
def test_the_tree_holds_every_row_and_every_place_once(seed):
    plan, real, follow, communities = random_plan(seed)
    m, c = len(communities), plan.n_leaves
    tree = condense(plan, real, follow)
    assert sorted(tree.order) == list(range(m))
    assert sorted(tree.splits) == list(range(1, m))
    assert (np.diff(tree.excess[np.isfinite(tree.excess)]) <= 0).all()
    assert np.array_equal(np.isfinite(tree.excess), np.sort(np.isfinite(tree.excess))[::-1])
    assert as_sets(tree.labels(c)) == as_sets(communities)


@given(seeds)
def test_below_the_communities_the_longest_piece_is_halved(seed):
    plan, real, follow, _ = random_plan(seed)
    tree = condense(plan, real, follow)
    longest = [np.diff(tree.bounds(k)).max() for k in range(plan.n_leaves, tree.n_leaves + 1)]
    assert all(a >= b for a, b in pairwise(longest))
    assert longest[-1] == 1


@pytest.mark.parametrize("fewest", [8, np.inf])
def test_every_large_enough_split_has_its_excess_less_a_charge(fewest):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(300, 3)).astype(np.float32)
    x[200:] += 10
    weights = generator.integers(1, 4, 300).astype(np.float64)
    graph = build_graph(*nearest_neighbours(x, 10), weights)
    plan = Dendrogram(x, weights, graph, find_communities(graph))
    found = all_excess(plan, x, weights, graph, 12.0, fewest)
    rows = plan.order
    matrix = graph.matrix().toarray()[np.ix_(rows, rows)]
    s = sparse.csr_matrix(matrix)
    parts = x[rows], weights[rows], graph.inverse_dimension[rows], (s.indptr, s.indices, s.data)
    for v in range(plan.root + 1):
        first, second = plan.children[v]
        small = [
            plan.weight[c] < 12 and plan.high[c] - plan.low[c] < fewest for c in (first, second)
        ]
        if first < 0 or any(small):
            assert np.isnan(found[v])
        else:
            low, middle, high = plan.low[v], plan.high[first], plan.high[v]
            fits = min(plan.weight[v] / plan.weight[second], (high - low) / (high - middle))
            charge = 0.25 * np.log(max(fits / 2, 1))
            assert found[v] == pytest.approx(split_excess(*parts, low, middle, high) - charge)
    assert np.nanargmax(found) == plan.root
