import numpy as np
import pytest

import shoal

GROUPS = np.array([[0.0, 0, 0], [30, 0, 0], [0, 30, 0]])
DRAW = np.random.default_rng(0)
ROWS = np.repeat(GROUPS, 60, axis=0) + DRAW.normal(size=(180, 3))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return shoal.fit(ROWS, tmp_path_factory.mktemp("map") / "rows.shoal", workers=1)


def places(table):
    return np.column_stack([table["x"].to_numpy(), table["y"].to_numpy()])


def test_every_row_has_a_place_near_those_of_its_cluster(run):
    table = run.map_table()
    assert table.column_names == ["row", "name", "x", "y", "cluster"]
    assert table["row"].to_pylist() == list(range(180))
    assert np.array_equal(table["cluster"].to_numpy(), run.labels())
    xy, labels = places(table), run.labels()
    assert ((xy >= 0) & (xy <= 1)).all()
    middles = np.array([np.median(xy[labels == c], axis=0) for c in range(3)])
    near = ((xy[:, None] - middles) ** 2).sum(axis=2).argmin(axis=1)
    assert (near == labels).mean() > 0.95
    assert run.map_table().equals(table)


def test_places_are_those_of_the_drawn_layout(run):
    xy = places(run.map_table())
    layout = np.load(run.path / "map" / "layout" / "whole.npy")
    rows = run.representatives.rows[run.tree.order]
    assert np.abs(xy[rows] - layout).max() < 0.05


def test_new_rows_are_placed_among_their_like(run):
    run.edits.rename(0, "zero")
    try:
        table = run.map_table(np.concatenate([GROUPS, ROWS[:5]]))
    finally:
        run.edits.undo()
    assert table["cluster_name"].to_pylist().count("zero") >= 1
    xy, new, labels = places(run.map_table()), places(table), run.labels()
    for at, cluster in enumerate(table["cluster"].to_pylist()[:3]):
        low, high = (f(xy[labels == cluster], axis=0) for f in (np.min, np.max))
        assert ((new[at] >= low) & (new[at] <= high)).all()
    assert np.abs(new[3:] - xy[:5]).max() < 0.05


def test_rows_that_cannot_be_read_have_no_place(tmp_path):
    rows = ROWS.copy()
    rows[7] = np.nan
    run = shoal.fit(rows, tmp_path / "gaps.shoal", workers=1)
    table = run.map_table()
    assert [i for i, x in enumerate(table["x"].to_pylist()) if x is None] == [7]
    assert run.map_table(rows[6:9])["y"].null_count == 1
