import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from sknetwork.clustering import Louvain

from shoal.core.communities import find_communities
from shoal.core.graph import Graph, build_graph, build_graph_with_piles
from shoal.core.nearest import nearest_neighbours


def graph_of(matrix):
    s = sparse.csr_matrix(np.asarray(matrix, np.float64))
    none = np.zeros((s.shape[0], 0))
    indptr = s.indptr.astype(np.int64)
    return Graph(indptr, s.indices, s.data, np.ones(s.shape[0]), none.astype("i4"), none)


def cloud_graph(m, d=5, seed=0):
    x = np.random.default_rng(seed).normal(size=(m, d)).astype(np.float32)
    return build_graph(*nearest_neighbours(x, 15))


def two_cliques(n):
    matrix = np.kron(np.eye(2), np.ones((n, n))) - np.eye(2 * n)
    matrix[n - 1, n] = matrix[n, n - 1] = 0.1
    return matrix


def partitions(n):
    """Every partition of n rows, as labels."""
    if n == 1:
        yield [0]
        return
    for labels in partitions(n - 1):
        for label in range(max(labels) + 2):
            yield [*labels, label]


def modularity(matrix, labels):
    same = np.equal.outer(labels, labels)
    strength, total = matrix.sum(0), matrix.sum()
    return ((matrix / total - np.outer(strength, strength) / total**2) * same).sum()


def test_two_cliques_are_two_communities():
    assert len(np.unique(find_communities(graph_of(two_cliques(5))))) == 2
    labels = find_communities(graph_of(two_cliques(5)))
    assert (labels == np.repeat(labels[[0, 5]], 5)).all()


@given(st.integers(0, 999))
def test_nearly_as_modular_as_the_best_partition(seed):
    generator = np.random.default_rng(seed)
    matrix = np.triu(generator.random((7, 7)) * (generator.random((7, 7)) < 0.4), 1)
    matrix[:3, :3] += np.triu(np.ones((3, 3)), 1)
    matrix[3:, 3:] += np.triu(np.ones((4, 4)), 1)
    matrix += matrix.T
    best = max(modularity(matrix, labels) for labels in partitions(7))
    assert modularity(matrix, find_communities(graph_of(matrix), seed)) >= 0.8 * best


@pytest.mark.parametrize(("m", "seed"), [(20, 0), (300, 1), (3000, 2)])
def test_communities_are_those_of_scikit_network(m, seed):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(m, 5)).astype(np.float32)
    graph = build_graph(*nearest_neighbours(x, 15), generator.integers(1, 9, m))
    louvain = Louvain(resolution=max(1.0, m / 30), shuffle_nodes=True, random_state=seed)
    theirs, ours = louvain.fit_predict(graph.matrix()), find_communities(graph, seed)
    pairs = np.unique(np.stack([theirs, ours]), axis=1)
    assert pairs.shape[1] == theirs.max() + 1 == ours.max() + 1
    assert (np.diff(np.bincount(ours)) <= 0).all()


def test_without_edges_every_row_is_its_own():
    labels = find_communities(graph_of(np.zeros((4, 4))))
    assert labels.tolist() == [0, 1, 2, 3]
    assert labels.dtype == np.int32


@pytest.mark.parametrize("m", [20, 300, 3000])
def test_numbers_run_from_zero_without_gaps(m):
    labels = find_communities(cloud_graph(m))
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))
    assert labels.dtype == np.int32
    assert np.array_equal(labels, find_communities(cloud_graph(m)))


def test_more_rows_have_more_communities():
    counts = [find_communities(cloud_graph(m)).max() + 1 for m in (100, 1000, 5000)]
    assert counts[0] < counts[1] < counts[2] < 5000 / 2


def test_a_community_does_not_span_parts_without_an_edge():
    x = np.random.default_rng(0).normal(size=(400, 3)) + 1000 * np.arange(4).repeat(100)[:, None]
    graph = build_graph(*nearest_neighbours(x.astype(np.float32), 8))
    n_parts, part = connected_components(graph.matrix())
    labels = find_communities(graph)
    assert n_parts >= 4
    assert all(len(np.unique(part[labels == c])) == 1 for c in np.unique(labels))


def test_a_pile_is_a_community_and_changes_no_other():
    x = np.concatenate([np.random.default_rng(0).normal(size=(90, 3)), [[9, 9, 9]]])
    x = x.astype(np.float32)
    piles = np.arange(91) == 90
    graph, _ = build_graph_with_piles(x, nearest_neighbours(x, 8), np.where(piles, 80, 1), piles)
    found = find_communities(graph)
    alone = find_communities(build_graph(*nearest_neighbours(x[:90], 8)))
    assert (found == found[90]).sum() == 1
    assert len(np.unique(np.stack([found[:90], alone]), axis=1).T) == len(np.unique(alone))
