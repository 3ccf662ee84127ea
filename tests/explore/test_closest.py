import numpy as np

from shoal.explore import closest as module
from shoal.explore.closest import CLOSEST, closest, passing
from shoal.explore.orders import Listed
from shoal.explore.positions import Positions


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
        found = module.closest(nothing, digits.cut(None), order)
        assert isinstance(found, Listed)
        assert len(found) == 0
