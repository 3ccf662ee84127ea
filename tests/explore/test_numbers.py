import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoal.explore.numbers import Numbers
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
