import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from PIL import Image

from shoal.errors import InputError
from shoal.rows import open_source

N = 12
NAMES = [f"pictures/{'ab'[at % 2]}{at}.png" for at in range(N)]
LABELS = ["cat", "dog"] * (N // 2)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    for at, name in enumerate(NAMES):
        Image.new("L", (8, 8), 9 * at).save(tmp_path / name)
    return tmp_path


def structs(names, listed=False):
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = [{"bytes": None, "path": name} for name in names]
    return pa.array([[c] for c in cells], pa.list_(kind)) if listed else pa.array(cells, kind)


@pytest.mark.parametrize(
    "column",
    [
        {"image_path": NAMES},
        {"path": pa.array(NAMES).dictionary_encode()},
        {"file_name": pa.array(NAMES, pa.large_string())},
        {"thing": NAMES},
        {"image": structs(NAMES)},
        {"images": structs(NAMES, listed=True)},
        {"note": ["x.png"] + ["none"] * (N - 1), "path": NAMES, "other": NAMES[::-1]},
    ],
)
def test_paths_are_read_relative_to_the_file(folder, column):
    pq.write_table(pa.table({**column, "label": LABELS}), folder / "x.parquet", row_group_size=5)
    source = open_source(folder / "x.parquet")
    assert (source.kind, source.n_rows) == ("images", N)
    assert source.read(0, N).data[:, 0, 0, 0].tolist() == [9 * at for at in range(N)]
    assert source.names(0, N) == NAMES
    assert source.label_origin == "column label"
    assert source.labels() == LABELS


def test_it_reads_what_a_csv_of_the_same_table_does(folder):
    table = pa.table({"image_path": NAMES, "weight": np.arange(N) / 7})
    pq.write_table(table, folder / "x.parquet")
    pa.csv.write_csv(table, folder / "x.csv")
    csv, parquet = open_source(folder / "x.csv"), open_source(folder / "x.parquet")
    np.testing.assert_array_equal(csv.read(0, N).data, parquet.read(0, N).data)
    assert csv.names(0, N) == parquet.names(0, N)
    assert open_source(folder / "x.parquet", as_="table").kind == "table"
    assert open_source(folder / "x.parquet", key="image_path").kind == "images"


def test_missing_files_are_said(folder):
    names = [*NAMES, "pictures/gone.png", None]
    pq.write_table(pa.table({"path": names}), folder / "x.parquet")
    bad = open_source(folder / "x.parquet").read(0, N + 2).bad
    assert sorted(bad) == [N, N + 1]
    assert "missing" in bad[N]
    pq.write_table(pa.table({"image": structs(["nowhere/a.png"] * 30)}), folder / "y.parquet")
    with pytest.raises(InputError, match=r"nowhere/a\.png: the file is missing"):
        open_source(folder / "y.parquet")


def test_each_of_several_files_has_its_own_folder(folder):
    for at, name in enumerate(("one", "two")):
        (folder / name / "pictures").mkdir(parents=True)
        Image.new("L", (8, 8), 50 + at).save(folder / name / "pictures/p.png")
        pq.write_table(pa.table({"path": ["pictures/p.png"] * 3}), folder / name / "x.parquet")
    paths = [folder / "one/x.parquet", folder / "two/x.parquet"]
    source = open_source([str(path) for path in paths])
    assert source.read(0, 6).data[:, 0, 0, 0].tolist() == [50] * 3 + [51] * 3


def test_a_table_with_a_few_names_of_files_is_a_table(folder):
    columns = {"age": np.arange(N) % 5, "pay": np.arange(N) * 900.0, "photo": ["a.png", *[""] * 11]}
    pq.write_table(pa.table(columns), folder / "x.parquet")
    assert open_source(folder / "x.parquet").kind == "table"
