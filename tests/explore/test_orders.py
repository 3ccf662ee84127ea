import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.explore import orders
from shoal.explore.orders import CLOSEST, ORDERS, Runs, Shuffled, closest, ordered, passing
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


def good(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def none_of(explorer, order):
    """All rows but outliers, or but those with an equal."""
    everything = explorer.chosen(None).positions
    return everything - passing(everything, explorer.atlas, order)


def test_without_outliers_the_farthest_come_first(explorer):
    cut, positions = explorer.cut(None), none_of(explorer, "outliers")
    found = closest(positions, cut, "outliers").take(0, 1000)
    assert len(found) == len(set(found.tolist())) == CLOSEST
    assert positions.holds(found).all()

    def away(rows):
        leaves = explorer.atlas.leaves_at(rows)
        return cut.away[leaves] / cut.usual_away[cut.of_leaf[leaves]]

    assert (np.diff(away(found)) <= 0).all()
    rest = (positions - Positions.of(found)).all()
    assert away(found).min() >= away(rest).max()


def test_without_equals_the_most_alike_come_in_pairs(digits):
    cut, positions = digits.cut(None), none_of(digits, "duplicates")
    found = closest(positions, cut, "duplicates").take(0, 1000)
    vectors = digits.atlas.vectors[digits.atlas.leaves_at(positions.all())]
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    nearest = np.unravel_index(apart.argmin(), apart.shape)
    assert set(found[:2].tolist()) == set(positions.all()[list(nearest)].tolist())
    assert len(found) == len(set(found.tolist())) == CLOSEST


def test_where_representatives_stand_for_many_no_pairs_are_known(vectors):
    assert len(closest(none_of(vectors, "duplicates"), vectors.cut(None), "duplicates")) == 0


def test_sets_tell_how_many_pass_and_the_gallery_shows_the_closest_where_none_do(digits, ask):
    client, atlas = ask(digits), digits.atlas
    run = good(client.get("/api/run"))
    assert (run["outliers"], run["duplicates"]) == (len(atlas.outliers), len(atlas.twins))
    without = atlas.rows[none_of(digits, "outliers").all()].tolist()
    chosen = good(client.post("/api/sets", json={"rows": without}))
    assert chosen["outliers"] == 0
    found = good(client.get(f"/api/rows?set={chosen['set']}&order=outliers"))
    assert found["total"] == CLOSEST
    some = good(client.post("/api/sets", json={"clusters": [0]}))
    wanted = digits.cut(None).positions_of(0) & atlas.outliers
    assert some["outliers"] == len(wanted)


def test_no_rows_at_all_are_none(digits):
    nothing = Positions.of(np.empty(0, np.int64))
    for order in ("outliers", "duplicates"):
        found = closest(nothing, digits.cut(None), order)
        assert isinstance(found, Runs)
        assert len(found) == 0
