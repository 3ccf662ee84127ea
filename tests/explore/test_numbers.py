from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoal.explore.numbers import _BINS, Numbers, _spread, columns
from shoal.rows import open_source


def test_cells_of_a_table_are_shown_as_they_are_stored():
    table = {"age": [1.0, 2, 6, None], "plan": ["a", "b", "a", "b"]}
    numbers = Numbers(open_source(table, as_="table"))
    assert numbers.names == ["age", "plan"]
    assert numbers.row(0)["shown"] == [1.0, "a"]
    assert numbers.row(3)["shown"] == [None, "b"]
    away = [numbers.row(row)["away"] for row in range(4)]
    deviation = np.std([1, 2, 6])
    assert away[2] == [pytest.approx(3 / deviation, abs=0.01), 0]
    assert away[3][0] == 0
    assert numbers.usual() == {"mean": [3.0, None], "numbers": 2}


def test_vectors_are_shown_by_their_numbers(tmp_path):
    rows = np.arange(6.0).reshape(2, 3)
    numbers = Numbers(open_source(rows))
    assert numbers.names is None
    assert numbers.row(1) == {"shown": [3.0, 4.0, 5.0], "away": [1.0, 1.0, 1.0]}
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,4\n")
    assert Numbers(open_source(tmp_path / "x.csv")).names == ["a", "b"]
    pq.write_table(pa.table({"v": [[1.0, 2], [3, 4]]}), tmp_path / "x.parquet")
    assert Numbers(open_source(tmp_path / "x.parquet")).names is None


def test_long_vectors_are_shown_by_means():
    rows = np.tile(np.arange(256.0), (3, 1))
    numbers = Numbers(open_source(rows))
    shown = numbers.row(0)["shown"]
    assert len(shown) == 64
    assert shown == pytest.approx(np.arange(256).reshape(64, 4).mean(1))
    assert numbers.usual()["numbers"] == 256


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
