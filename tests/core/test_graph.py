import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.core.graph import (
    LEAST_NEIGHBOURS,
    MOST_NEIGHBOURS,
    build_graph,
    build_graph_with_piles,
    choose_neighbours,
    inverse_dimension,
    neighbours_before_jump,
    rebuild_graph,
    shared_neighbours,
)
from shoal.core.nearest import nearest_neighbours


def cloud(m, d, seed=0):
    return np.random.default_rng(seed).random((m, d)).astype(np.float32)


def random_lists(m, k, seed):
    """Neighbours in any order, ascending distances, and how many of them count."""
    generator = np.random.default_rng(seed)
    others = [np.delete(np.arange(m), i) for i in range(m)]
    neighbours = np.stack([generator.permutation(row)[:k] for row in others]).astype(np.int32)
    distances = np.sort(generator.exponential(size=(m, k)), axis=1) + 1e-3
    return neighbours, distances, generator.integers(1, k + 1, m).astype(np.int32)


def slow_shares(neighbours, kept):
    own = [{i, *row[:n]} for i, (row, n) in enumerate(zip(neighbours.tolist(), kept, strict=True))]
    shares = np.zeros(neighbours.shape)
    for i, row in enumerate(neighbours.tolist()):
        for t, j in enumerate(row[: kept[i]]):
            shares[i, t] = len(own[i] & own[j]) / len(own[i] | own[j])
    return shares


def slow_kept(distances):
    kept = []
    for row in np.log(distances):
        for j in range(LEAST_NEIGHBOURS, len(row)):
            inverse = max(sum(row[j - 1] - row[: j - 1]) / (j - 1), 0.02)
            if j * (row[j] - row[j - 1]) / inverse > 12:
                break
        else:
            j = len(row)
        kept.append(j)
    return kept


sizes = st.tuples(st.integers(8, 30), st.integers(1, 7), st.integers(0, 999))


def test_shares_hand_computed():
    neighbours = np.array([[1, 2], [0, 2], [1, 3], [2, 1]], np.int32)
    full = np.full(4, 2, np.int32)
    # with itself: {0 1 2}, {0 1 2}, {1 2 3}, {1 2 3}
    assert shared_neighbours(neighbours, full).tolist() == [[1, 0.5], [1, 0.5], [0.5, 1], [1, 0.5]]
    full[0] = 1  # {0 1} now, and 2 does not count
    shares = shared_neighbours(neighbours, full)
    assert shares[0].tolist() == [pytest.approx(2 / 3), 0]
    assert shares[1].tolist() == [pytest.approx(2 / 3), 0.5]


@given(sizes)
def test_shares_are_those_of_sets(size):
    neighbours, _, kept = random_lists(*size)
    assert np.allclose(shared_neighbours(neighbours, kept), slow_shares(neighbours, kept))


def test_a_jump_ends_the_neighbourhood():
    smooth = 1 + 0.1 * np.arange(15.0)
    jump = smooth.copy()
    jump[9:] *= 20
    early = smooth.copy()
    early[2:] *= 1e6  # fewer than five neighbours are never left
    assert neighbours_before_jump(np.stack([smooth, jump, early])).tolist() == [15, 9, 15]


@given(sizes)
def test_jumps_are_those_of_the_formula(size):
    m, _, seed = size
    distances = np.sort(np.random.default_rng(seed).pareto(1, (m, 15)), axis=1) + 1e-6
    assert neighbours_before_jump(distances).tolist() == slow_kept(distances)


@pytest.mark.parametrize("d", [2, 5, 20])
def test_a_smooth_density_has_few_jumps(d):
    _, distances = nearest_neighbours(cloud(4000, d), 15)
    assert (neighbours_before_jump(distances.astype(np.float64)) < 15).mean() < 0.02


def test_inverse_dimension_hand_computed():
    distances = np.exp(np.array([[0.0, 1, 2, 9], [1, 1, 1, 1]]))
    kept = np.array([3, 4], np.int32)
    assert np.allclose(inverse_dimension(distances, kept), [1.5, 0])  # ((2 − 0) + (2 − 1)) / 2


@given(sizes)
def test_inverse_dimension_is_that_of_the_formula(size):
    m, k, seed = size
    _, distances, kept = random_lists(m, k, seed)
    logs = np.log(distances)
    slow = [
        np.mean(row[n - 1] - row[: n - 1]) if n > 1 else 0
        for row, n in zip(logs, kept, strict=True)
    ]
    assert np.allclose(inverse_dimension(distances, kept), slow)


@pytest.mark.parametrize("d", [1, 2, 4, 8])
def test_dimension_of_a_cube(d):
    _, distances = nearest_neighbours(cloud(4000, d), 15)
    kept = np.full(4000, 15, np.int32)
    assert 1 / inverse_dimension(distances.astype(np.float64), kept).mean() == pytest.approx(
        d, rel=0.15
    )


@pytest.mark.parametrize(("m", "k"), [(10, LEAST_NEIGHBOURS), (500, 8), (10**5, MOST_NEIGHBOURS)])
def test_few_rows_get_few_neighbours(m, k):
    distances = np.tile(np.arange(1, 16.0) ** 0.5, (m, 1))  # a plane
    assert choose_neighbours(distances) == k


def test_neighbours_end_where_the_dimension_grows():
    line = np.arange(1, 16.0)
    leaves = line.copy()
    leaves[7:] = 7 + 0.01 * np.arange(1, 9)  # many more rows in reach: no longer a line
    assert choose_neighbours(np.tile(line, (2000, 1))) == 10
    assert choose_neighbours(np.tile(leaves, (2000, 1))) == 7


def test_thin_loops_get_few_neighbours():
    angle = np.arange(8) * 2 * np.pi / 8
    axes = np.random.default_rng(0).normal(size=(150, 2, 16))  # loops of eight rows
    loops = np.einsum("ap,cpd->cad", np.stack([np.cos(angle), np.sin(angle)], 1), axes)
    found = [
        choose_neighbours(nearest_neighbours(x, MOST_NEIGHBOURS)[1].astype(np.float64))
        for x in (loops.reshape(-1, 16).astype(np.float32), cloud(1200, 16))
    ]
    assert found[0] < found[1]


@given(sizes, st.booleans())
def test_graph_holds_the_larger_share_of_both_directions(size, weighted):
    neighbours, distances, _ = random_lists(*size)
    m, k = neighbours.shape
    weights = np.random.default_rng(0).integers(1, 9, m) if weighted else np.ones(m)
    graph = build_graph(neighbours, distances, weights if weighted else None, k)
    shares = slow_shares(neighbours, slow_kept(distances))
    slow = np.zeros((m, m))
    for i, row in enumerate(neighbours):
        for t, j in enumerate(row):
            share = shares[i, t] * np.sqrt(weights[i] * weights[j])
            slow[i, j] = max(slow[i, j], share)
            slow[j, i] = max(slow[j, i], share)
    assert np.allclose(graph.matrix().toarray(), slow, atol=1e-6)
    assert np.array_equal(graph.matrix().toarray(), graph.matrix().toarray().T)
    assert graph.n_rows == m
    for a, b in zip(graph.indptr[:-1], graph.indptr[1:], strict=True):
        assert (np.diff(graph.indices[a:b]) > 0).all()


@given(sizes)
def test_neighbours_and_their_shares_are_kept_as_they_were(size):
    neighbours, distances, _ = random_lists(*size)
    before, k = neighbours.copy(), neighbours.shape[1]
    graph = build_graph(neighbours, distances, None, k)
    assert np.array_equal(graph.neighbours, before)
    assert np.array_equal(neighbours, before)
    assert np.allclose(graph.affinities, slow_shares(before, slow_kept(distances)))


@given(sizes)
def test_weights_scale_the_edges(size):
    neighbours, distances, _ = random_lists(*size)
    plain = build_graph(neighbours, distances)
    heavy = build_graph(neighbours, distances, np.full(len(distances), 4))
    assert np.allclose(heavy.weights, 4 * plain.weights)
    assert np.array_equal(heavy.indices, plain.indices)


def test_no_more_neighbours_than_there_are():
    x = cloud(30, 3)
    found, distances = nearest_neighbours(x, 15)
    assert build_graph(found, distances, n_neighbours=40).neighbours.shape == (30, 15)
    assert build_graph(found, distances, n_neighbours=3).neighbours.shape == (30, 3)


@pytest.mark.parametrize("x", [np.zeros((20, 2)), np.repeat(cloud(5, 2), 4, axis=0)])
def test_duplicates_stay_finite(x):
    graph = build_graph(*nearest_neighbours(x.astype(np.float32), 8))
    assert np.isfinite(graph.weights).all()
    assert np.isfinite(graph.inverse_dimension).all()
    assert (graph.weights <= 1).all()


def test_piles_are_tied_to_themselves_alone_and_change_no_other_tie():
    x = np.concatenate([cloud(60, 4), 9 * cloud(3, 4)]).astype(np.float32)
    piles = np.arange(63) >= 60
    weights = np.where(piles, 50.0, 1.0)
    near = nearest_neighbours(x, 10)
    graph, distances = build_graph_with_piles(x, near, weights, piles, 8)
    found, away = nearest_neighbours(x[:60], 10)
    plain = build_graph(found, away, np.ones(60), 8)
    assert (graph.matrix()[:60, :60] != plain.matrix()).nnz == 0
    assert np.array_equal(distances[:60], away[:, :8])
    assert graph.matrix()[60:].nnz == 3
    assert np.array_equal(graph.neighbours[60:, 0], [60, 61, 62])
    assert np.array_equal(graph.neighbours[60:, 1:], near[0][60:, :7])
    assert graph.copies.tolist() == weights.tolist()
    # each copy has the edges of a row in the mean
    edges = plain.matrix()
    assert graph.degree == pytest.approx(edges.nnz / 60)
    assert graph.matrix().diagonal()[60:] == pytest.approx(50 * edges.sum() / 60)
    again = rebuild_graph(graph.neighbours, graph.affinities, distances, weights)
    assert (again.matrix() != graph.matrix()).nnz == 0
    assert np.allclose(again.inverse_dimension, graph.inverse_dimension, rtol=1e-3)
    assert again.copies.tolist() == graph.copies.tolist()


@pytest.mark.parametrize("others", [0, 1, 2])
def test_piles_with_hardly_any_other_rows(others):
    x = cloud(3 + others, 4).astype(np.float32)
    piles = np.arange(len(x)) < 3
    near = nearest_neighbours(x, len(x) - 1)
    graph, distances = build_graph_with_piles(x, near, np.where(piles, 9.0, 1.0), piles)
    assert graph.matrix().diagonal()[:3].min() > 0
    assert graph.matrix()[:3].nnz == 3
    assert distances.shape == graph.neighbours.shape == graph.affinities.shape
    assert np.isfinite(graph.inverse_dimension).all()
