from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from shoal.core.dendrogram import Dendrogram, between_communities, paris_merges
from shoal.core.graph import Graph

seeds = st.integers(0, 9999)


def graph_of(matrix):
    s = sparse.csr_matrix(np.asarray(matrix, np.float64))
    none = np.zeros((s.shape[0], 0))
    indptr = s.indptr.astype(np.int64)
    return Graph(indptr, s.indices, s.data, np.ones(s.shape[0]), none.astype("i4"), none)


def random_parts(seed):
    """Vectors, weights, a graph that may fall apart, and communities that ignore it."""
    generator = np.random.default_rng(seed)
    m = int(generator.integers(1, 40))
    c = int(generator.integers(1, m + 1))
    matrix = np.triu(generator.random((m, m)) * (generator.random((m, m)) < 0.15), 1)
    communities = generator.permutation(np.r_[np.arange(c), generator.integers(0, c, m - c)])
    vectors = generator.normal(size=(m, 3)).astype(np.float32)
    weights = generator.integers(1, 9, m).astype(np.float64)
    return vectors, weights, graph_of(matrix + matrix.T), communities.astype(np.int32)


def slow_paris(between):
    """The definition: join the pair with the largest w_ab / (s_a s_b), add up, repeat."""
    names = {i: {i} for i in range(len(between))}
    strength = between.sum(1)
    merges, ratios = [], []
    while len(names) > 1:
        best = (-1.0, 0, 0)
        for a in names:
            for b in (other for other in names if other < a):
                weight = sum(between[i, j] for i in names[a] for j in names[b])
                s_a, s_b = (sum(strength[i] for i in names[x]) for x in (a, b))
                best = max(best, (weight / (s_a * s_b), a, b))
        ratio, a, b = best
        merges.append({a, b})
        ratios.append(ratio)
        names[len(between) + len(merges) - 1] = names.pop(a) | names.pop(b)
    return merges, ratios


def test_merges_hand_computed():
    between = np.array([[10.0, 4, 1], [4, 10, 1], [1, 1, 5]])
    # strengths 15, 15, 7: ratios 4/225 for 0–1, 1/105 for the others
    assert [set(pair) for pair in paris_merges(between).tolist()] == [{0, 1}, {2, 3}]


def test_one_community_has_no_merges():
    assert paris_merges(np.ones((1, 1))).shape == (0, 2)


@given(seeds, st.integers(2, 9))
def test_merges_are_those_of_the_definition(seed, c):
    half = np.random.default_rng(seed).random((c, c))
    between = half + half.T
    slow, ratios = slow_paris(between)
    assert [set(pair) for pair in paris_merges(between).tolist()] == slow
    assert all(a >= b - 1e-12 for a, b in pairwise(ratios))


@given(seeds)
def test_weights_between_communities_are_sums(seed):
    vectors, weights, graph, communities = random_parts(seed)
    between = between_communities(vectors, weights, graph, communities)
    matrix = graph.matrix().toarray()
    c = communities.max() + 1
    slow = np.array(
        [
            [matrix[np.ix_(communities == a, communities == b)].sum() for b in range(c)]
            for a in range(c)
        ]
    )
    alone = slow.sum(1) == 0
    slow[alone, alone] = 1
    assert np.allclose(between, slow, atol=2e-6 * slow.sum())
    assert (between[~np.eye(c, dtype=bool)] > 0).all()
    assert np.allclose(between, between.T)


@given(seeds)
def test_faint_ties_are_those_of_the_formula(seed):
    vectors, weights, _, communities = random_parts(seed)
    m, c = len(vectors), communities.max() + 1
    between = between_communities(vectors, weights, graph_of(np.zeros((m, m))), communities)
    centres = [
        np.average(vectors[communities == a], 0, weights[communities == a]) for a in range(c)
    ]
    square = np.array([[((a - b) ** 2).sum() for b in centres] for a in centres])
    slow = 1e-6 / c / (1 + square / max(np.median(square), 1e-300))
    np.fill_diagonal(slow, 1)
    assert np.allclose(between, slow, rtol=1e-5, atol=0)


def test_parts_without_an_edge_are_joined_by_nearness():
    x = np.repeat([0.0, 1, 10, 12], 3)[:, None].astype(np.float32)
    matrix = np.kron(np.eye(4), np.ones((3, 3)) - np.eye(3))
    plan = Dendrogram(x, np.ones(12), graph_of(matrix), np.repeat(np.arange(4), 3))
    assert [set(plan.children[v]) for v in (4, 5, 6)] == [{0, 1}, {2, 3}, {4, 5}]


@given(seeds)
def test_every_node_is_a_run_made_of_its_children(seed):
    vectors, weights, graph, communities = random_parts(seed)
    plan = Dendrogram(vectors, weights, graph, communities)
    m, c = len(vectors), communities.max() + 1
    assert plan.n_leaves == c
    assert sorted(plan.order) == list(range(m))
    assert (plan.low[plan.root], plan.high[plan.root]) == (0, m)
    for v in range(plan.root + 1):
        rows = plan.order[plan.low[v] : plan.high[v]]
        assert plan.weight[v] == pytest.approx(weights[rows].sum())
        first, second = plan.children[v]
        if v < c:
            assert (first, second) == (-1, -1)
            assert set(communities[rows]) == {v}
            assert len(rows) == (communities == v).sum()
        else:
            assert (plan.low[v], plan.high[v]) == (plan.low[first], plan.high[second])
            assert plan.high[first] == plan.low[second]
            assert plan.weight[first] >= plan.weight[second]
        leaves = plan.leaves(v)
        assert leaves == sorted(set(communities[rows]), key=lambda leaf: plan.low[leaf])


def test_rows_lie_along_the_longest_coordinate():
    x = np.array([[0, 5], [1, 0], [0, 9], [1, 2]], np.float32)
    plan = Dendrogram(x, np.ones(4), graph_of(np.ones((4, 4))), np.zeros(4, np.int32))
    assert plan.order.tolist() == [1, 3, 0, 2]
    assert plan.leaves(plan.root) == [0]
