import io

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from shoal.errors import InputError, StorageFullError
from shoal.export import write_labels, write_report


@pytest.fixture
def table():
    return pa.table(
        {
            "row": [0, 1, 2],
            "name": ['a "b", c.png', None, "é\n.png"],
            "cluster": pa.array([1, 0, -1], pa.int32()),
            "confidence": pa.array([0.5, 1, 0], pa.float32()),
            "outlier": [True, False, False],
        }
    )


def test_every_format_gives_the_same_labels(table, tmp_path):
    for ending in ("parquet", "csv", "npy"):
        write_labels(table, tmp_path / f"labels.{ending}")
    assert pa.parquet.read_table(tmp_path / "labels.parquet").equals(table)
    assert np.array_equal(np.load(tmp_path / "labels.npy"), [1, 0, -1])
    assert np.load(tmp_path / "labels.npy").dtype == np.int32
    options = pa.csv.ParseOptions(newlines_in_values=True)
    read = pa.csv.read_csv(
        io.BytesIO((tmp_path / "labels.csv").read_bytes()), parse_options=options
    )
    assert read.column_names == table.column_names
    assert read["cluster"].to_pylist() == [1, 0, -1]
    assert read["name"].to_pylist() == ['a "b", c.png', "", "é\n.png"]


def test_tables_are_written_one_after_the_other_as_they_are_made(table, tmp_path):
    for ending in ("parquet", "csv", "npy"):
        whole, parts = tmp_path / f"whole.{ending}", tmp_path / f"parts.{ending}"
        write_labels(table, whole)
        assert write_labels((table.slice(at, 1) for at in range(3)), parts, rows=3) == 3
        if ending == "parquet":
            assert pa.parquet.read_table(parts).equals(table)
        else:
            assert parts.read_bytes() == whole.read_bytes()
    assert write_labels((table.slice(at, 1) for at in range(3)), tmp_path / "n.npy") == 3
    with pytest.raises(ValueError, match="blocks of 3 rows for an array of 4"):
        write_labels(iter([table]), tmp_path / "four.npy", rows=4)
    assert not (tmp_path / "four.npy").exists()


def test_a_file_that_is_there_is_replaced_only_when_told(table, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("mine")
    with pytest.raises(InputError, match="exists: give another name, or --force"):
        write_labels(table, path)
    assert path.read_text() == "mine"
    write_labels(table, path, force=True)
    assert path.read_text().startswith('"row","name","cluster","confidence","outlier"')


def test_other_endings_and_places_are_refused(table, tmp_path):
    with pytest.raises(InputError, match=r"one of \.parquet, \.csv, \.npy"):
        write_labels(table, tmp_path / "labels.xlsx")
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write_labels(table, tmp_path / "x.csv", force=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFullError):
        write_labels(table, tmp_path / "file" / "labels.csv")


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.npy", "x.html"])
def test_a_link_in_the_place_of_a_file_is_replaced_and_never_followed(tmp_path, vector_run, name):
    other, path = tmp_path / "other", tmp_path / name

    def write(force):
        if name == "x.html":
            write_report(vector_run, path, force=force)
        else:
            write_labels(pa.table({"cluster": pa.array([1], pa.int32())}), path, force=force)

    for there in (True, False):
        other.write_text("precious") if there else other.unlink()
        path.unlink(missing_ok=True)
        path.symlink_to(other)
        with pytest.raises(InputError, match="exists"):
            write(False)
        write(True)
        assert not path.is_symlink()
        assert other.exists() == there
        assert not there or other.read_text() == "precious"
