import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.explore import orders
from shoal.explore.orders import ORDERS, Runs, Shuffled, ordered
from shoal.explore.positions import Positions


@given(st.integers(0, 300), st.integers(0, 1000), st.integers(0, 300), st.integers(0, 40))
def test_a_shuffle_has_every_row_once_and_any_page_is_a_part_of_it(n, seed, start, count):
    positions = Positions.ranges(np.array([10]), np.array([10 + n]))
    shuffled = Shuffled(positions, seed)
    whole = shuffled.take(0, n)
    assert sorted(whole.tolist()) == list(range(10, 10 + n))
    assert shuffled.take(start, start + count).tolist() == whole[start : start + count].tolist()


def test_a_shuffle_is_even_and_another_for_another_seed():
    positions = Positions.ranges(np.array([0]), np.array([4000]))
    pages = np.stack([Shuffled(positions, seed).take(0, 20) for seed in range(300)])
    counts = np.histogram(pages, 8, (0, 4000))[0]
    assert np.abs(counts - 750).max() < 5 * 750**0.5
    assert len(np.unique(pages[:, 0])) > 270


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=10), st.data())
def test_runs_are_taken_one_after_the_other(pairs, data):
    low, length = np.array(pairs, int).reshape(-1, 2).T
    whole = [position for a, n in pairs for position in range(a, a + n)]
    start, stop = (data.draw(st.integers(0, 60)) for _ in range(2))
    runs = Runs.of(low, low + length)
    assert len(runs) == len(whole)
    assert runs.take(start, stop).tolist() == whole[start:stop]


@pytest.mark.parametrize("exact", [10**6, 0])
@pytest.mark.parametrize("order", ORDERS)
def test_an_order_has_each_row_of_the_set_once(explorer, monkeypatch, order, exact):
    monkeypatch.setattr(orders, "EXACT", exact)
    cut = explorer.cut(4)
    for number in range(4):
        positions = cut.positions_of(number)
        found = ordered(positions, cut, order)
        wanted = positions
        if order == "outliers":
            wanted = positions & explorer.atlas.outliers
        elif order == "duplicates":
            wanted = positions & explorer.atlas.twins
        assert len(found) == len(wanted)
        assert np.array_equal(np.sort(found.take(0, len(found))), wanted.all())


def test_boundary_rows_come_in_the_order_of_their_confidence(explorer):
    cut = explorer.cut(None)
    positions = cut.positions_of(1)
    found = ordered(positions, cut, "boundary")
    assert (np.diff(cut.confidence(found.take(0, len(found)))) >= 0).all()


def test_typical_rows_begin_in_the_middle_of_their_cluster(digits):
    cut = digits.cut(None)
    for number in range(len(cut.ids)):
        found = ordered(cut.positions_of(number), cut, "typical").take(0, 10**6)
        assert found[0] == cut.medoids[number]
        away = cut.away[digits.atlas.leaves_at(found)]
        assert away[: len(away) // 2].mean() < away[len(away) // 2 :].mean()


@pytest.mark.parametrize("few", [0, 3, 60_000])
def test_clusters_take_turns_in_what_is_typical(explorer, monkeypatch, few):
    cut = explorer.cut(5)
    everything = Positions.ranges(np.zeros(1), np.array([explorer.atlas.n_positions]))
    if few:
        monkeypatch.setattr(orders, "EXACT", 0)
        monkeypatch.setattr(orders, "_TURNS", few * 5)
    clusters = cut.labels(ordered(everything, cut, "typical").take(0, 10**6))
    by_size = np.argsort(-cut.sizes, kind="stable")
    for turn in range(few or 10):
        there = by_size[cut.sizes[by_size] > turn]  # a small cluster has no more to show
        assert clusters[: len(there)].tolist() == there.tolist()
        clusters = clusters[len(there) :]
    within = [ordered(cut.positions_of(c), cut, "typical").take(0, 5) for c in range(5)]
    found = ordered(everything, cut, "typical").take(0, 5 * max(1, min(few or 5, 5)))
    for cluster, first in enumerate(within):
        mine = found[cut.labels(found) == cluster]
        assert mine.tolist() == first[: len(mine)].tolist()


def test_large_sets_are_ordered_leaf_by_leaf(vectors, monkeypatch):
    monkeypatch.setattr(orders, "EXACT", 0)
    cut = vectors.cut(2)
    found = ordered(cut.positions_of(0), cut, "boundary").take(0, 10**6)
    leaves = vectors.atlas.leaves_at(found)
    assert (np.diff(cut.shares[leaves]) >= 0).all()
    assert len(np.flatnonzero(np.diff(leaves))) + 1 == len(np.unique(leaves))
