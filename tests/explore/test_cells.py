import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shoal.explore.cells import drawn, drawn_names
from shoal.sources import open_source


def test_cells_of_a_table_are_numbers_and_a_one_for_each_category():
    source = open_source({"age": [1.0, 2, 6, None], "plan": ["a", "b", "a", "b"]}, as_="table")
    assert drawn_names(source) == ["age", "plan: a", "plan: b"]
    found = drawn(source, source.read(0, 4).data)
    np.testing.assert_array_equal(found, [[1, 1, 0], [2, 0, 1], [6, 1, 0], [2, 0, 1]])


def test_vectors_are_drawn_as_they_are(tmp_path):
    source = open_source(np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(drawn(source, source.read(0, 2).data), [[0, 1, 2], [3, 4, 5]])
    assert drawn_names(source) is None
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,4\n")
    assert drawn_names(open_source(tmp_path / "x.csv")) == ["a", "b"]
    pq.write_table(pa.table({"v": [[1.0, 2], [3, 4]]}), tmp_path / "x.parquet")
    assert drawn_names(open_source(tmp_path / "x.parquet")) is None
