import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import sparse

from shoal.core.communities import find_communities
from shoal.core.dendrogram import Dendrogram
from shoal.core.excess import _PILE_RATIO, split_excess
from shoal.core.graph import build_graph
from shoal.core.nearest import nearest_neighbours
from shoal.core.null import null_log_ratio

seeds = st.integers(0, 9999)


def random_piece(seed, m=24):
    """Rows in leaf order, weights, inverse dimensions, edges, and a run with a cut in it."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(m, 3)).astype(np.float32)
    half = np.triu(generator.random((m, m)) * (generator.random((m, m)) < 0.3), 1)
    low, middle, high = sorted(generator.choice(m + 1, 3, replace=False))
    weights = generator.integers(1, 5, m).astype(np.float64)
    return x, weights, generator.random(m), half + half.T, int(low), int(middle), int(high)


def edges_of(matrix):
    s = sparse.csr_matrix(matrix)
    return s.indptr, s.indices, s.data


def excess_of(x, weights, inverse, matrix, low, middle, high):
    return split_excess(x, weights, inverse, edges_of(matrix), low, middle, high)


def slow_ratio(weights, matrix, a, b):
    inside = [matrix[np.ix_(side, side)].sum() for side in (a, b)]
    across = matrix[np.ix_(a, b)]
    number = sum((matrix[np.ix_(side, side)] > 0).sum() for side in (a, b)) + (across > 0).sum()
    if number == 0:
        return None
    mean_edge = (sum(inside) + across.sum()) / number
    mean_edge *= min(weights[a].mean(), weights[b].mean()) / weights[np.r_[a, b]].mean()
    count = across.sum() / mean_edge
    upper = mean_edge * (count + np.sqrt(count) + 0.5)
    s_a, s_b = inside[0] + upper, inside[1] + upper
    return upper * (s_a + s_b) / (s_a * s_b)


def slow_excess(x, weights, inverse, matrix, low, middle, high):
    a, b = np.arange(low, middle), np.arange(middle, high)
    axis = np.average(x[b], 0, weights[b]) - np.average(x[a], 0, weights[a])
    along = x @ (axis / np.linalg.norm(axis))
    extent = 0.0
    for side in (a, b):
        mean = np.average(along[side], weights=weights[side])
        extent += np.sqrt(12 * np.average((along[side] - mean) ** 2, weights=weights[side]))
    inside = [matrix[np.ix_(side, side)].sum() for side in (a, b)]
    step = sum(
        matrix[i, j] * abs(along[i] - along[j]) for side in (a, b) for i in side for j in side
    )
    ratio = slow_ratio(weights, matrix, a, b)
    if ratio is None:
        return 0.0
    share = max(2 * step / max(sum(inside), 1e-300) / max(extent, 1e-300), 1e-12)
    run = slice(low, high)
    dimension = 1 / max(np.average(inverse[run], weights=weights[run]), 1e-3)
    return np.log(share / ratio) - null_log_ratio(dimension, 2 / share, high - low)


def of_rows(x, middle):
    graph = build_graph(*nearest_neighbours(x, 10))
    edges = (graph.indptr, graph.indices, graph.weights)
    return split_excess(x, np.ones(len(x)), graph.inverse_dimension, edges, 0, middle, len(x))


def test_four_rows_on_a_line_hand_computed():
    x = np.arange(4, dtype=np.float32)[:, None]
    path = np.diag(np.ones(3), 1) + np.diag(np.ones(3), -1)
    # One edge crosses; one standard error and a half make it 2.5. Two edges lie inside, each of
    # step 1; the extent is sqrt(12) (1/2 + 1/2); the sides have strength 2 + 2.5.
    ratio = 2.5 * 9 / 4.5**2
    expected = 2 / np.sqrt(12)
    found = excess_of(x, np.ones(4), np.ones(4), path, 0, 2, 4)
    assert found == pytest.approx(np.log(expected / ratio) - null_log_ratio(1, np.sqrt(12), 4))


@given(seeds)
@example(204)  # no edge lies inside a side
def test_same_as_the_slow_twin(seed):
    piece = random_piece(seed)
    assert excess_of(*piece) == pytest.approx(slow_excess(*piece), abs=1e-5)


@given(seeds)
def test_the_same_for_other_units_and_another_place(seed):
    x, *rest = random_piece(seed)
    weights, inverse, matrix, *run = rest
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    other = (7 * x @ turn + 3).astype(np.float32)
    found = excess_of(other, 5 * weights, inverse, 0.1 * matrix, *run)
    assert found == pytest.approx(excess_of(x, *rest), abs=1e-3)


@given(seeds)
def test_the_same_with_the_sides_swapped(seed):
    x, weights, inverse, matrix, low, middle, high = random_piece(seed)
    turned = np.r_[np.arange(middle, high), np.arange(low, middle)]
    parts = x[turned], weights[turned], inverse[turned], matrix[np.ix_(turned, turned)]
    found = excess_of(*parts, 0, high - middle, high - low)
    assert found == pytest.approx(excess_of(x, weights, inverse, matrix, low, middle, high))


def test_nothing_to_tell_gives_zero():
    x, alike = np.arange(4, dtype=np.float32)[:, None], np.zeros((4, 1), np.float32)
    ones = np.ones(4)
    assert excess_of(x, ones, ones, np.zeros((4, 4)), 0, 2, 4) == 0
    assert excess_of(alike, ones, ones, np.ones((4, 4)), 0, 2, 4) == 0


@pytest.mark.parametrize("d", [1, 2, 5, 20])
def test_a_cloud_cut_in_the_middle_has_little_excess(d):
    x = np.random.default_rng(d).random((2000, d)).astype(np.float32)
    assert of_rows(x[np.argsort(x[:, 0])], 1000) < 0.8


@pytest.mark.parametrize("d", [2, 5, 20])
def test_two_far_clouds_have_much_excess(d):
    x = np.random.default_rng(d).random((2000, d)).astype(np.float32)
    x[1000:] += 3
    assert of_rows(x, 1000) > 3


def test_a_thin_line_cut_across_is_no_discovery():
    x = np.random.default_rng(0).random((2000, 2)).astype(np.float32) * np.float32([1000, 1])
    assert of_rows(x[np.argsort(x[:, 0])], 1000) < 0.8


@pytest.mark.parametrize("times", [1, 50, 1000])
def test_what_a_side_without_edges_to_the_other_weighs_does_not_matter(times):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(230, 3)).astype(np.float32)
    x[200:] += 100
    weights = np.where(np.arange(230) < 200, times, 1).astype(np.float64)
    graph = build_graph(*nearest_neighbours(x, 10), weights)
    matrix = graph.matrix().tocsr()
    edges = (matrix.indptr, matrix.indices, matrix.data)
    found = split_excess(x, weights, np.full(230, 1 / 3), edges, 0, 200, 230)
    even = build_graph(*nearest_neighbours(x, 10), np.ones(230)).matrix().tocsr()
    same = (even.indptr, even.indices, even.data)
    without = split_excess(x, np.ones(230), np.full(230, 1 / 3), same, 0, 200, 230)
    assert found == pytest.approx(without, abs=0.35)


def pile_graph(weights):
    """The edges of piles alone: each copy has ten, of weight 1/3."""
    return edges_of(np.diag(10 / 3 * np.asarray(weights)))


def test_two_piles_hand_computed():
    x, weights = np.array([[0.0], [1.0]], np.float32), np.array([50.0, 20.0])
    found = split_excess(
        x, weights, np.ones(2), pile_graph(weights), 0, 1, 2, copies=(weights, 10.0)
    )
    # half an edge, of 500 + 200 that weigh a third, beside those of either side
    assert found == pytest.approx(np.log(0.5 / (0.5 * 701 / (500.5 * 200.5))))


def test_a_split_of_other_rows_takes_no_notice_of_piles():
    x, weights, inverse, matrix, *_ = random_piece(5)
    alone = excess_of(x, weights, inverse, matrix, 0, 10, 24)
    more = np.zeros((26, 26))
    more[1:25, 1:25] = matrix
    more[0, 0] = more[25, 25] = 1000.0
    x = np.concatenate([[[9, 9, 9]], x, [[-7, 5, 5]]]).astype(np.float32)
    weights, inverse = np.r_[300, weights, 400], np.r_[1, inverse, 1]
    copies = np.r_[300, np.ones(24), 400]
    found = split_excess(x, weights, inverse, edges_of(more), 0, 11, 26, copies=(copies, 10.0))
    assert found == pytest.approx(alone)


def test_empty_space_between_pieces_of_a_side_does_not_hide_a_split():
    x = np.repeat(np.float32([[0, 0], [1, 0], [3, 1]]), 60, axis=0)
    x = x + 1e-4 * np.random.default_rng(0).normal(size=x.shape).astype(np.float32)
    graph = build_graph(*nearest_neighbours(x, 8))
    edges = graph.indptr, graph.indices, graph.weights
    parts = x, np.ones(180), graph.inverse_dimension, edges, 0, 120, 180
    bounds = np.array([0, 60, 120, 180])
    assert split_excess(*parts) < 0
    assert split_excess(*parts, bounds) > 2


@pytest.mark.parametrize("d", [64, 300])
def test_a_pile_is_no_more_of_a_discovery_than_the_best_split_of_a_round_group(d):
    # the excess of a pile is ln(_PILE_RATIO / ratio), as by hand above: 0 at the ratio of chance
    found = []
    for seed in range(6):
        x = np.random.default_rng([seed, d]).normal(size=(150, d)).astype(np.float32)
        graph = build_graph(*nearest_neighbours(x, 15), np.ones(150))
        plan = Dendrogram(x, np.ones(150), graph, find_communities(graph, seed))
        sides, matrix = plan.children[plan.root], graph.matrix().toarray()
        a, b = (plan.order[plan.low[side] : plan.high[side]] for side in sides)
        found.append(np.log(slow_ratio(np.ones(150), matrix, a, b)))
    assert np.mean(found) == pytest.approx(np.log(_PILE_RATIO), abs=0.25)
