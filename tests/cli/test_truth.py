import gzip
import subprocess

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from shoal.cli.truth import read_truth
from shoal.errors import InputError
from shoal.rows import open_source

LABELS = [2, 10, 2, 1]


@pytest.fixture
def rows():
    return open_source(np.zeros((4, 6, 6), np.uint8))


@pytest.fixture
def photos(tmp_path):
    for name in ("cats/b.png", "cats/a.png", "dogs/a.png", "dogs/deep/z.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(path)
    return open_source(tmp_path / "photos")


def classes(truth):
    return [truth.names[c] if c >= 0 else None for c in truth.classes]


@pytest.mark.parametrize(
    "array",
    [
        np.array(LABELS),
        np.array(LABELS, float),
        np.array([LABELS]).T,
        np.array(LABELS).astype(str),
        np.array(LABELS).astype("S2"),
    ],
)
def test_arrays_of_any_kind(rows, tmp_path, array):
    np.save(tmp_path / "y.npy", array)
    truth = read_truth(str(tmp_path / "y.npy"), rows)
    assert truth.names == ("1", "2", "10")
    assert truth.classes.tolist() == [1, 2, 1, 0]


@pytest.mark.parametrize("kind", ["uint8", "int32", "uint64"])
@pytest.mark.parametrize("more", [0, 2**40])
def test_whole_numbers_are_coded_as_their_text_would_be(rows, tmp_path, kind, more):
    if np.iinfo(kind).max < more:
        return
    labels = np.array([7, 7 + more, 3, 3], kind)
    np.save(tmp_path / "y.npy", labels)
    np.save(tmp_path / "text.npy", labels.astype(str))
    truth, slow = (read_truth(str(tmp_path / name), rows) for name in ("y.npy", "text.npy"))
    assert truth.names == slow.names
    assert truth.classes.tolist() == slow.classes.tolist()


def test_a_column_of_a_parquet_file(rows, tmp_path):
    path = str(tmp_path / "y.parquet")
    table = pa.table({"source": pa.array(LABELS, pa.uint16()), "kind": ["a", None, "b", "a"]})
    pq.write_table(table, path)
    assert classes(read_truth(path, rows, "source")) == ["2", "10", "2", "1"]
    assert classes(read_truth(path, rows, "kind")) == ["a", None, "b", "a"]
    with pytest.raises(InputError, match="columns source, kind: choose one with --key"):
        read_truth(path, rows)
    with pytest.raises(InputError, match="no column digit: it has source, kind"):
        read_truth(path, rows, "digit")
    pq.write_table(table.select(["source"]).slice(1), path)
    with pytest.raises(InputError, match="3 labels, but the run has 4 rows"):
        read_truth(path, rows)
    (tmp_path / "y.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(InputError, match="cannot be read"):
        read_truth(path, rows)


def test_missing_labels_are_not_known(rows, tmp_path):
    np.save(tmp_path / "y.npy", np.array([1.0, np.nan, 2, np.nan]))
    truth = read_truth(str(tmp_path / "y.npy"), rows)
    assert classes(truth) == ["1", None, "2", None]
    assert truth.unknown == 2


@pytest.mark.parametrize("word", ["NA", " n/a", "#N/A", "<NA>", "NaT", "none", "\\N", "?", ""])
def test_words_for_a_missing_label_are_those_of_tables(rows, tmp_path, word):
    labels = ["cat", word, "dog ", "dog"]
    (tmp_path / "y.csv").write_text("\n".join(["label", *(f'"{label}"' for label in labels)]))
    pq.write_table(pa.table({"label": labels}), tmp_path / "y.parquet")
    np.save(tmp_path / "y.npy", np.array(labels))
    for name in ("y.csv", "y.parquet", "y.npy"):
        truth = read_truth(str(tmp_path / name), rows, "label" if name == "y.csv" else None)
        assert classes(truth) == ["cat", None, "dog", "dog"]


def test_an_array_of_an_npz_is_found_by_name_key_or_shape(rows, tmp_path):
    path = str(tmp_path / "y.npz")
    np.savez(path, images=np.zeros((4, 6, 6)), labels=LABELS, other=np.arange(4))
    assert classes(read_truth(path, rows)) == ["2", "10", "2", "1"]
    assert classes(read_truth(path, rows, "other")) == ["0", "1", "2", "3"]
    with pytest.raises(InputError, match=r"no key nope: it holds images .*, labels .*, other"):
        read_truth(path, rows, "nope")
    np.savez(path, images=np.zeros((4, 6, 6)), mine=LABELS)
    assert classes(read_truth(path, rows)) == ["2", "10", "2", "1"]
    np.savez(path, a=LABELS, b=LABELS)
    with pytest.raises(InputError, match="2 arrays that can be labels: give --key a"):
        read_truth(path, rows)


@pytest.mark.parametrize("ending", ["idx1-ubyte", "idx1-ubyte.gz"])
def test_idx_labels(rows, tmp_path, ending):
    path = tmp_path / f"y.{ending}"
    data = b"\0\0\x08\x01" + (4).to_bytes(4, "big") + bytes(LABELS)
    path.write_bytes(gzip.compress(data) if ending.endswith("gz") else data)
    assert classes(read_truth(str(path), rows)) == ["2", "10", "2", "1"]
    path.write_bytes(gzip.compress(data[:-1]) if ending.endswith("gz") else data[:-1])
    with pytest.raises(InputError, match="1 bytes are missing"):
        read_truth(str(path), rows)


def test_a_dataset_of_an_hdf5_file(rows, tmp_path):
    path = str(tmp_path / "y.h5")
    with h5py.File(path, "w") as file:
        file["train/labels"] = LABELS
        file["train/names"] = ["b", "a", "b", "c"]
        file["train/images"] = np.zeros((4, 6, 6))
    assert classes(read_truth(path, rows)) == ["2", "10", "2", "1"]
    assert classes(read_truth(path, rows, "train/names")) == ["b", "a", "b", "c"]
    with pytest.raises(InputError, match="has no dataset nope: it holds"):
        read_truth(path, rows, "nope")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("2\n10\n2\n1\n", None),
        ("label\n2\n10\n2\n1\n", None),
        ("id;label\n7;2\n8;10\n9;2\n5;1\n", None),
        ("kind,id\n2,a\n10,b\n2,c\n1,d\n", "kind"),
    ],
)
def test_tables_in_the_order_of_the_rows(rows, tmp_path, text, key):
    (tmp_path / "y.csv").write_text(text)
    assert classes(read_truth(str(tmp_path / "y.csv"), rows, key)) == ["2", "10", "2", "1"]


def test_tables_by_name_in_any_order(photos, tmp_path):
    lines = "label,file\nrex,dogs/a.png\ntom,cats/a.png\n,cats/b.png\nspot,elsewhere.png\n"
    (tmp_path / "y.csv").write_text(lines)
    truth = read_truth(str(tmp_path / "y.csv"), photos, "label")
    assert classes(truth) == ["tom", None, "rex", None]


def test_folder_names(photos, tmp_path):
    assert classes(read_truth("folders", photos)) == ["cats", "cats", "dogs", "deep"]
    with pytest.raises(InputError, match="all 2 files are in one folder"):
        read_truth("folders", open_source(tmp_path / "photos" / "cats"))


def test_folders_called_by_a_word_for_missing_are_classes(tmp_path):
    for name in ("NA/a.png", "none/a.png", "scratch/a.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("L", (8, 8)).save(tmp_path / name)
    assert classes(read_truth("folders", open_source(tmp_path))) == ["NA", "none", "scratch"]


def test_folders_and_labels_in_an_archive(tmp_path):
    for name in ("x/cats/1.png", "x/dogs/2.png", "x/dogs/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(tmp_path / name)
    command = ["tar", "-cf", "x.tar", "--sort=name", "x"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert classes(read_truth("folders", open_source(tmp_path / "x.tar"))) == [
        "cats",
        "dogs",
        "dogs",
    ]
    with pytest.raises(InputError, match=r"3 .* has no labels of its own.* or folders"):
        read_truth("labels", open_source(tmp_path / "x.tar"))
    (tmp_path / "x/dogs/2.cls").write_text("7\n")
    (tmp_path / "x/dogs/3.cls").write_text("12\n")
    subprocess.run(command, cwd=tmp_path, check=True)
    assert classes(read_truth("labels", open_source(tmp_path / "x.tar"))) == [None, "7", "12"]


def test_numbered_archives_are_no_classes(tmp_path):
    for at in range(2):
        Image.new("L", (8, 8)).save(tmp_path / f"{at}.png")
        for name in (f"s-{at}.tar", f"{'ab'[at]}.tar"):
            subprocess.run(["tar", "-cf", name, f"{at}.png"], cwd=tmp_path, check=True)
    with pytest.raises(InputError, match=r"numbered archives such as s-0\.tar without folders"):
        read_truth("folders", open_source(f"{tmp_path}/s-*.tar"))
    truth = read_truth("folders", open_source(f"{tmp_path}/{{a,b}}.tar"))
    assert classes(truth) == ["a.tar", "b.tar"]


def test_what_does_not_go_with_the_rows_is_said(rows, tmp_path):
    path = tmp_path / "y.npy"
    with pytest.raises(InputError, match="does not exist"):
        read_truth(str(path), rows)
    np.save(path, np.arange(5))
    with pytest.raises(InputError, match="has 5 labels, but the run has 4 rows"):
        read_truth(str(path), rows)
    np.save(path, np.zeros((4, 3)))
    with pytest.raises(InputError, match="one label per row"):
        read_truth(str(path), rows)
    path.write_bytes(b"rubbish")
    with pytest.raises(InputError, match="cannot be read"):
        read_truth(str(path), rows)
    np.save(path, np.array([None, 1, 2, 3], object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        read_truth(str(path), rows)
    (tmp_path / "y.bin").write_bytes(b"rubbish")
    with pytest.raises(InputError, match=r"not a CSV, \.npy"):
        read_truth(str(tmp_path / "y.bin"), rows)
    with pytest.raises(InputError, match="have no file names"):
        read_truth("folders", rows)
    (tmp_path / "y.csv").write_text("a,b\n")
    with pytest.raises(InputError, match="no column c: it has a, b"):
        read_truth(str(tmp_path / "y.csv"), rows, "c")
    (tmp_path / "y.csv").write_text("?\n?\n?\n?\n")
    with pytest.raises(InputError, match="no label for any row"):
        read_truth(str(tmp_path / "y.csv"), rows)
