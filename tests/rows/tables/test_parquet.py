import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoal.errors import InputError, SourceError
from shoal.rows import open_source
from shoal.rows.tables import parquet_cursors, parquet_files

VECTORS = np.random.default_rng(2).normal(size=(100, 4)).astype(np.float32)
NAMES = [f"row-{n}" for n in range(100)]


def columns(rows=slice(None), **more):
    return {"id": NAMES[rows], **{f"c{at}": VECTORS[rows, at] for at in range(4)}, **more}


def write(path, table, **options):
    pq.write_table(pa.table(table), path, **options)
    return path


def lists(kind):
    flat = pa.array(VECTORS.ravel())
    if kind == "fixed":
        return pa.FixedSizeListArray.from_arrays(flat, 4)
    make = pa.ListArray if kind == "list" else pa.LargeListArray
    return make.from_arrays(np.arange(0, 404, 4), flat)


@pytest.mark.parametrize("large", [False, True])
def test_numeric_columns_across_row_groups(tmp_path, monkeypatch, large):
    if large:
        monkeypatch.setattr(parquet_files, "_SHARE", 1 << 60)
        monkeypatch.setattr(parquet_cursors, "_MOST_ROWS", 7)
    source = open_source(write(tmp_path / "x.parquet", columns(), row_group_size=30))
    source = pickle.loads(pickle.dumps(source))
    assert source.description == "100 vectors of 4 numbers (x.parquet, named by id)"
    for start, stop in ((0, 100), (29, 31), (30, 60), (95, 100), (100, 100), (0, 0)):
        np.testing.assert_array_equal(source.read(start, stop).data, VECTORS[start:stop])
        assert source.names(start, stop) == NAMES[start:stop]


@pytest.mark.parametrize("kind", ["fixed", "list", "large"])
def test_a_column_of_lists(tmp_path, kind):
    table = {"file": NAMES, "label": np.arange(100) % 3, "vector": lists(kind)}
    source = open_source(write(tmp_path / "x.parquet", table, row_group_size=40))
    assert source.description.endswith("(x.parquet, column vector, named by file)")
    np.testing.assert_array_equal(source.read(35, 90).data, VECTORS[35:90])
    assert source.names(1, 2) == ["row-1"]


def test_several_columns_of_lists_need_a_key(tmp_path):
    path = write(tmp_path / "x.parquet", {"a": lists("list"), "b": lists("fixed")})
    with pytest.raises(InputError, match=r"2 columns of lists: give --key a or another \(a, b\)"):
        open_source(path)
    with pytest.raises(InputError, match="no column of lists called c: it has a, b"):
        open_source(path, key="c")
    np.testing.assert_array_equal(open_source(path, key="b").read(0, 9).data, VECTORS[:9])


def test_bad_cells_and_lists_are_rows_with_a_reason(tmp_path):
    table = columns(c1=[*VECTORS[:98, 1].tolist(), None, float("inf")])
    batch = open_source(write(tmp_path / "x.parquet", table)).read(90, 100)
    assert batch.bad == {
        8: "column c1 is empty or not a number",
        9: "column c1 is inf, which is too large",
    }
    uneven = {"v": pa.array([[1.0, 2], [3.0], None, [4.0, None], [5.0, 6]])}
    batch = open_source(write(tmp_path / "y.parquet", uneven)).read(0, 5)
    assert batch.bad == {
        1: "the list has 1 numbers, not 2",
        2: "the list is empty, not 2",
        3: "the cell does not have 2 numbers",
    }
    np.testing.assert_array_equal(batch.data[[0, 4]], [[1, 2], [5, 6]])


@pytest.mark.skipif(
    int(pa.__version__.partition(".")[0]) < 26, reason="this pyarrow refuses to read such lists"
)
def test_null_fixed_lists_do_not_shift_the_others(tmp_path):
    vectors = pa.array([[1.0, 2], None, [5.0, 6]], pa.list_(pa.float32(), 2))
    batch = open_source(write(tmp_path / "x.parquet", {"v": vectors})).read(0, 3)
    assert batch.bad == {1: "the list is empty, not 2"}
    np.testing.assert_array_equal(batch.data, [[1, 2], [0, 0], [5, 6]])


def test_parts_in_a_folder_are_one_source(tmp_path):
    for at in range(0, 100, 25):
        write(tmp_path / f"part-{at}.parquet", columns(slice(at, at + 25)))
    source = open_source(tmp_path)
    with ThreadPoolExecutor(4) as threads:
        parts = list(threads.map(lambda at: source.read(at, at + 20).data, range(0, 100, 20)))
    np.testing.assert_array_equal(np.concatenate(parts), VECTORS)
    assert source.names(24, 26) == ["row-24", "row-25"]
    write(tmp_path / "part-99.parquet", {"z": [1.0]})
    with pytest.raises(
        SourceError, match=r"part-99\.parquet has other columns than part-0\.parquet"
    ):
        open_source(tmp_path)


def test_text_beside_numbers_makes_a_table_unless_vectors_are_asked_for(tmp_path):
    path = write(tmp_path / "x.parquet", columns(colour=["red", "blue"] * 50))
    assert open_source(path).kind == "table"
    assert open_source(path, as_="vectors").shape == (4,)
    with pytest.raises(InputError, match="cannot be read --as images without their shape"):
        open_source(path, as_="images")


def test_damaged_empty_and_changed_files(tmp_path):
    path = write(tmp_path / "x.parquet", columns())
    source = open_source(path)
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    batch = source.read(3, 5)
    assert batch.bad[1] == "x.parquet cannot be read: the file changed after it was opened"
    assert source.names(3, 5) == ["", ""]
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        open_source(path)
    with pytest.raises(SourceError, match="has no rows"):
        open_source(write(path, {"a": pa.array([], pa.float32())}))
