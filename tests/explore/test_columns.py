from types import SimpleNamespace

import numpy as np
import pytest

from shoal.explore.columns import _BINS, _spread, columns
from shoal.explore.numbers import Numbers
from shoal.rows import open_source


@pytest.fixture
def table(vectors, tmp_path):
    """The run of vectors, as if its rows came from a table."""
    draw = np.random.default_rng(0)
    lines = [f"{draw.normal():.4f},{'ab'[at % 2]},{at % 300 + 0.5}" for at in range(900)]
    (tmp_path / "t.csv").write_text("size,kind,place\n" + "\n".join(lines) + "\n")
    source = open_source(tmp_path / "t.csv", as_="table")
    vars(vectors)["numbers"] = Numbers(source)
    return vectors


def test_two_columns_of_the_same_rows_with_their_clusters(table, ask):
    answer = ask(table).get("/api/columns?x=2&y=0&k=4")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["names"] == ["size", "kind", "place"]
    assert found["labels"] == [None, None]
    points, labels = found["points"], table.run.labels(k=4)
    assert points["x"] == [row % 300 + 0.5 for row in points["row"]]
    assert points["cluster"] == labels[points["row"]].tolist()
    assert found["rows"] == (labels >= 0).sum() == len(points["row"])
    assert sum(map(sum, found["spread"]["bins"].values())) == found["rows"]


def test_a_column_of_categories_is_counted_by_category(table, ask):
    found = ask(table).get("/api/columns?x=1&y=0").json()
    assert sorted(found["labels"][0]) == ["a", "b"]
    labels = table.run.labels()
    for cluster, counts in found["spread"]["bins"].items():
        rows = np.flatnonzero(labels == int(cluster))
        wanted = [int((rows % 2 == "ab".index(kind)).sum()) for kind in found["labels"][0]]
        assert counts == wanted


def test_two_columns_of_numbers_are_chosen_where_none_are_named(table, ask):
    found = ask(table).get("/api/columns").json()
    assert [found["names"][found[axis]] for axis in "xy"] == ["size", "place"]


def test_values_far_out_stay_in_the_last_bins():
    values = np.append(np.arange(1000.0), [1e9, np.nan])
    found = _spread(values, np.zeros(1002, np.int64), None)
    assert found["high"] < 1000
    assert sum(found["bins"][0]) == 1001
    assert len(found["bins"][0]) == _BINS
    assert max(found["bins"][0]) < 100


@pytest.mark.parametrize("values", [[], [5.0, 5.0], [np.nan]])
def test_nothing_to_spread_is_no_error(values):
    found = _spread(np.array(values), np.zeros(len(values), np.int64), None)
    assert sum(map(sum, found["bins"].values())) == sum(np.isfinite(values))


def test_rows_without_named_columns_have_none_to_draw(explorer, ask):
    answer = ask(explorer).get("/api/columns")
    assert answer.status_code == 400
    assert "no named columns" in answer.json()["error"]["message"]
    asked = SimpleNamespace(whole=None, k=None)
    with pytest.raises(ValueError, match="no named columns"):
        columns(explorer, asked)
