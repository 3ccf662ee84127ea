import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.core.graph import build_graph, rebuild_graph
from shoal.core.nearest import nearest_neighbours
from shoal.core.null import REAL, WEAK
from shoal.core.review import (
    BorderlineRows,
    chance_by_links,
    chance_by_margin,
    chance_of_two,
    near_pairs,
    uncertainty,
)


def clouds(gap, n=300):
    """Three round clouds in a line: two `gap` apart, the third far off."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(3 * n, 4)).astype(np.float32)
    x[n : 2 * n, 0] += gap
    x[2 * n :, 0] += 60
    return x, np.repeat([0, 1, 2], n)


def pairs(gap):
    x, labels = clouds(gap)
    graph = build_graph(*nearest_neighbours(x, 15))
    found = near_pairs(x, np.ones(len(x)), graph, labels)
    return {(min(p.one, p.other), max(p.one, p.other)): p for p in found}, labels


def test_a_split_is_asked_about_most_where_it_is_just_beyond_chance():
    # one person's two kinds are another's one between chance's reach and a clear split
    open_ = [uncertainty(chance_of_two(excess)) for excess in (-2.0, REAL, WEAK, 5.0)]
    assert min(open_[1:3]) > 0.9
    assert max(open_[0], open_[3]) < 0.2


def test_clusters_that_are_one_cloud_are_the_same():
    found, labels = pairs(0.5)
    assert found[0, 1].chance > 0.95
    sides = labels[list(found[0, 1].bridge)]
    assert set(sides) == {0, 1}
    assert (0, 2) not in found


def test_clusters_far_apart_are_not_the_same():
    found, _ = pairs(7)
    assert (0, 1) not in found or found[0, 1].chance < 0.05


def test_the_chance_falls_with_the_gap():
    chances = [pairs(gap)[0][0, 1].chance for gap in (0.5, 4, 5.5)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > chances[-1] + 0.5


def test_pairs_that_are_known_are_not_compared_again():
    x, labels = clouds(4)
    graph = build_graph(*nearest_neighbours(x, 15))
    parts = labels * 2 + (x[:, 1] > 0)
    known: dict = {}
    first = near_pairs(x, np.ones(len(x)), graph, parts, known)
    assert len(known) == len(first) > 1
    renumbered = np.array([5, 3, 1, 0, 2, 4])[parts]
    again = near_pairs(x, np.ones(len(x)), graph, renumbered, known)
    assert len(known) == len(first)
    assert again == near_pairs(x, np.ones(len(x)), graph, renumbered)
    parts[parts == 1] = 0
    merged = near_pairs(x, np.ones(len(x)), graph, parts, known)
    assert merged == near_pairs(x, np.ones(len(x)), graph, parts)


def test_rows_without_a_cluster_are_left_out():
    x, labels = clouds(0.5)
    graph = build_graph(*nearest_neighbours(x, 15))
    labels[:300] = -1
    assert near_pairs(x, np.ones(len(x)), graph, labels - (labels > 0)) == []


def test_the_rebuilt_graph_is_the_graph():
    x, _ = clouds(2)
    weights = np.random.default_rng(1).integers(1, 9, len(x)).astype(float)
    found, away = nearest_neighbours(x, 15)
    graph = build_graph(found, away, weights)
    k = graph.neighbours.shape[1]
    again = rebuild_graph(graph.neighbours, graph.affinities, away[:, :k], weights)
    assert (again.matrix() != graph.matrix()).nnz == 0
    assert np.allclose(again.inverse_dimension, graph.inverse_dimension, rtol=1e-3)


def test_a_row_half_way_is_as_likely_of_either():
    chance = chance_by_margin(np.array([0, 128, 255], np.uint8))
    assert chance == pytest.approx([0.5, 0.1988, 0], abs=1e-3)
    assert uncertainty(chance[0]) == 1


def test_ties_by_hand():
    neighbours = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
    affinities = np.array([[0.5, 0.25, 0.25], [1, 1, 0], [1, 1, 1], [1, 1, 1]])
    other, chance = chance_by_links(neighbours, affinities, np.array([0, 0, 1, 2]))
    assert other.tolist() == [1, 1, 0, 0]
    assert chance == pytest.approx([0.25 / 0.75, 0.5, 0.5, 0.5])


def test_what_is_tied_to_its_own_only_is_not_torn():
    other, chance = chance_by_links(np.array([[1], [0]]), np.ones((2, 1)), np.array([0, 0]))
    assert (other.tolist(), chance.tolist()) == ([-1, -1], [0, 0])


ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 8)), min_size=1, max_size=120
)


@given(ROWS, st.integers(1, 50))
def test_torn_rows_are_the_same_in_any_blocks(given_rows, size):
    cluster, other, eighths = np.array(given_rows).T
    chance, rows = eighths / 16, np.arange(len(cluster))
    whole, parts = BorderlineRows(4), BorderlineRows(4)
    whole.add(rows, cluster, other, chance)
    for a in range(0, len(rows), size):
        block = slice(a, a + size)
        parts.add(rows[block], cluster[block], other[block], chance[block])
    for one, found in zip(whole.found(), parts.found(), strict=True):
        assert (one.cluster, one.other, one.rows) == (found.cluster, found.other, found.rows)
        mine = (cluster == one.cluster) & (other == one.other)
        assert found.expected == pytest.approx(chance[mine].sum())
        assert found.gain == pytest.approx((chance * uncertainty(chance))[mine].sum())
        assert list(one.rows) == sorted(rows[mine], key=lambda r: (-chance[r], r))[:24]


def test_ties_are_counted_as_a_slow_twin_counts_them():
    draw = np.random.default_rng(3)
    neighbours = draw.integers(-1, 60, (60, 5)).astype(np.int32)
    affinities = (draw.integers(0, 4, (60, 5)) / 4).astype(np.float32)
    labels = draw.integers(-1, 4, 60)
    other, chance = chance_by_links(neighbours, affinities, labels)
    for row in range(60):
        votes: dict = {}
        for at, tie in zip(neighbours[row], affinities[row], strict=True):
            if at >= 0 and labels[at] >= 0:
                votes[labels[at]] = votes.get(labels[at], 0.0) + float(tie)
        own = votes.pop(labels[row], 0.0)
        best = max(votes.values(), default=0.0)
        if labels[row] < 0 or best == 0:
            assert other[row] == -1
        else:
            assert votes[other[row]] == best
            assert chance[row] == pytest.approx(min(best / (best + own), 0.5))
