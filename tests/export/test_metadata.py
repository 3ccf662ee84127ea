import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoal.errors import InputError
from shoal.export.metadata import add_metadata, read_metadata


def read(path, names, n_rows):
    table, joined = read_metadata(path, None if names is None else pa.array(names), n_rows)
    return table.to_pydict(), joined


def test_files_are_joined_by_name_or_by_line(tmp_path):
    (tmp_path / "by-name.csv").write_text("x;file\n1;c.png\n2;zzz.png\n3;a.png\n")
    found = read(tmp_path / "by-name.csv", ["a.png", "b.png", "c.png"], 3)
    assert found == ({"x": [3, None, 1]}, "2 of 3 rows found by the column file")
    pq.write_table(pa.table({"x": [5, 6, 7]}), tmp_path / "lines.parquet")
    assert read(tmp_path / "lines.parquet", None, 3) == ({"x": [5, 6, 7]}, "One line per row")
    with pytest.raises(InputError, match="has 3 rows, but the run has 4"):
        read_metadata(tmp_path / "lines.parquet", None, 4)
    with pytest.raises(InputError, match="cannot be read"):
        read_metadata(tmp_path / "none.csv", None, 4)


@pytest.mark.parametrize(
    ("names", "written"),
    [
        (["x/a.tif#page=1", "x/a.tif#page=2", "y/b.tif"], ["y/b.tif", "x/a.tif"]),
        (["x/a.tif#page=1", "x/a.tif#page=2", "y/b.tif"], ["b.tif", "a.tif"]),
        (["x/a.tif", "x/a.tif", "y/b.tif"], ["b", "a"]),
        (["a.png", "a.png", "b.jpg"], ["b", "a"]),
    ],
)
def test_names_are_found_without_pages_folders_and_extensions(tmp_path, names, written):
    pq.write_table(pa.table({"n": written, "x": [7, 8]}), tmp_path / "m.parquet")
    assert read(tmp_path / "m.parquet", names, 3)[0] == {"x": [8, 8, 7]}


def test_two_files_called_alike_in_two_folders_are_not_told_apart_by_their_names(tmp_path):
    (tmp_path / "m.csv").write_text("n,x\na.png,1\nb.png,2\n")
    with pytest.raises(InputError, match="no column has the names of the rows"):
        read_metadata(tmp_path / "m.csv", pa.array(["1/a.png", "2/a.png", "1/b.png"]), 3)


def test_rows_are_found_by_their_numbers_where_some_are_there(tmp_path):
    pq.write_table(pa.table({"row": [2, 0], "group": [1, 1]}), tmp_path / "groups.parquet")
    found, joined = read(tmp_path / "groups.parquet", None, 3)
    assert found == {"group": [1, None, 1]}
    assert "2 of 3 rows found by the column row" in joined
    pq.write_table(pa.table({"row": [2, 3], "group": [1, 1]}), tmp_path / "groups.parquet")
    with pytest.raises(InputError, match="has 2 rows"):
        read_metadata(tmp_path / "groups.parquet", None, 3)


def test_small_numbers_are_not_taken_for_names_of_files(tmp_path):
    (tmp_path / "m.csv").write_text("class\n1\n0\n1\n")
    found = read(tmp_path / "m.csv", ["0.png", "1.png", "2.png"], 3)
    assert found == ({"class": [1, 0, 1]}, "One line per row")


def test_columns_are_added_to_labels_by_their_rows():
    labels = [pa.table({"row": [0, 1], "cluster": [5, 6]}), pa.table({"row": [3], "cluster": [7]})]
    known = pa.table({"row": [9] * 4, "cluster": list("abcd"), "x": [1, 2, None, 4]})
    first, second = add_metadata(labels, known)
    expected = {"row": [0, 1], "cluster": [5, 6], "cluster (metadata)": ["a", "b"], "x": [1, 2]}
    assert first.to_pydict() == expected
    assert second["x"].to_pylist() == [4]
