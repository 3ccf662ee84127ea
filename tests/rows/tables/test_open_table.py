import io
import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.rows.opened import opened_under

from shoal.errors import InputError, SourceError
from shoal.rows import EncodedSource, ImageSource, Source, open_source, thumbnails
from shoal.rows.tables import parquet_cursors as cursors

N = 60


def png(value):
    file = io.BytesIO()
    Image.fromarray(np.full((8, 10), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


IMAGES = [png(4 * at) for at in range(N)]
VALUES = [4 * at for at in range(N)]
NAMES = [f"{'ab'[at % 2]}/img{at}.png" for at in range(N)]


def hugging_face(rows=slice(None)):
    """A table as the library `datasets` writes it."""
    features = {
        "image": {"_type": "Image"},
        "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
    }
    image = pa.array(
        [{"bytes": b, "path": p} for b, p in zip(IMAGES[rows], NAMES[rows], strict=True)],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    label = pa.array([at % 2 for at in range(N)][rows], pa.int64())
    note = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    return pa.table({"image": image, "label": label}).replace_schema_metadata(note)


def plain(rows=slice(None), **more):
    return pa.table({"file_name": NAMES[rows], "jpg": pa.array(IMAGES[rows], pa.binary()), **more})


@pytest.fixture(params=["one", "many", "large"])
def path(request, tmp_path, monkeypatch):
    if request.param == "large":  # as if row groups were too large to be held
        monkeypatch.setattr(cursors, "_WINDOW_BYTES", 300)
        monkeypatch.setattr(cursors, "_BATCH_BYTES", 300)
    if request.param == "one":
        pq.write_table(hugging_face(), tmp_path / "x.parquet", row_group_size=7)
        return tmp_path / "x.parquet"
    for at in range(0, N, 20):
        part = hugging_face(slice(at, at + 20))
        pq.write_table(part, tmp_path / f"part-{at}.parquet", row_group_size=15)
    return tmp_path


def test_rows_are_read_in_order_and_decoded(path):
    source = open_source(path)
    for protocol in (Source, ImageSource, EncodedSource):
        assert isinstance(source, protocol)
    assert source.n_rows == N
    assert source.names(0, N) == NAMES
    batch = source.read(0, N)
    assert batch.bad == {}
    assert batch.data[:, 0, 0, 0].tolist() == VALUES
    assert source.labels() == [["cat", "dog"][at % 2] for at in range(N)]
    many = "" if path.is_file() else ", 3 Parquet files"
    assert source.description == f"60 grey images of 8×10 ({path.name}{many}, column image)"


def test_any_range_from_many_threads_and_after_pickling(path):
    source = pickle.loads(pickle.dumps(open_source(path)))
    ranges = [(at, min(at + 9, N)) for at in (50, 3, 0, 13, 27, 14, 55, 8)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda ends: source.read(*ends).data[:, 0, 0, 0], ranges))
    for (start, stop), values in zip(ranges, found, strict=True):
        assert values.tolist() == VALUES[start:stop]
    assert source.read(5, 5).data.shape == (0, 8, 10, 1)


def test_single_rows_by_their_number(path):
    source = open_source(path)
    assert source.encoded(37) == IMAGES[37]
    assert source.path(37) is None
    assert source.file_name(37, NAMES[37]) == "img37.png"
    assert thumbnails(source, [59, 0, 59], 4)[:, 0, 0, 0].tolist() == [236, 0, 236]


def test_many_files_are_not_all_open_at_once(tmp_path):
    for at in range(30):
        pq.write_table(plain(slice(2 * at, 2 * at + 2)), tmp_path / f"{at}.parquet")
    source = open_source(tmp_path)
    for _ in range(2):
        assert source.read(0, N).data[:, 0, 0, 0].tolist() == VALUES
    assert 0 < opened_under(tmp_path) <= 16


def test_a_column_of_bytes_with_names_beside_it(tmp_path):
    pq.write_table(plain(cls=[f"c{at % 3}" for at in range(N)]), tmp_path / "x.parquet")
    source = open_source(tmp_path / "x.parquet")
    assert source.names(3, 5) == NAMES[3:5]
    assert source.labels()[:4] == ["c0", "c1", "c2", "c0"]
    assert source.description.endswith("(x.parquet, column jpg)")


def test_without_names_rows_have_file_and_number_or_none(tmp_path):
    pq.write_table(plain().drop(["file_name"]), tmp_path / "x.parquet")
    source = open_source(tmp_path / "x.parquet")
    assert source.names(0, 2) is None
    assert source.file_name(7, None) == "row-07.png"
    assert source.labels() is None
    pq.write_table(plain(slice(5)).drop(["file_name"]), tmp_path / "y.parquet")
    both = open_source(tmp_path)
    assert both.names(59, 62) == ["x.parquet:59", "y.parquet:0", "y.parquet:1"]
    assert both.file_name(60, "y.parquet:0") == "y.parquet:0.png"


def test_bad_cells_are_rows_with_a_reason(tmp_path):
    cells = [IMAGES[0], None, b"", b"text", IMAGES[1][:30], IMAGES[2]]
    pq.write_table(pa.table({"image": pa.array(cells, pa.binary())}), tmp_path / "x.parquet")
    batch = open_source(tmp_path / "x.parquet").read(0, 6)
    assert batch.bad[1] == "the cell is empty"
    assert batch.bad[2] == "the file is empty"
    assert batch.bad[3].endswith("it begins with 'text'")
    assert "damaged or cut off" in batch.bad[4]
    assert batch.data[[0, 5], 0, 0, 0].tolist() == [0, 8]


def test_several_columns_of_images_need_a_key(tmp_path):
    table = plain(mask=pa.array(IMAGES[::-1], pa.binary()))
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"2 columns of images: give --key jpg or another \(jpg,"):
        open_source(tmp_path / "x.parquet")
    source = open_source(tmp_path / "x.parquet", key="mask")
    assert source.read(0, 2).data[:, 0, 0, 0].tolist() == VALUES[::-1][:2]


def test_bytes_that_are_no_images_are_left_alone(tmp_path):
    table = {"v": np.arange(9.0), "w": np.ones(9), "blob": pa.array([b"x"] * 9, pa.binary())}
    pq.write_table(pa.table(table), tmp_path / "x.parquet")
    assert open_source(tmp_path / "x.parquet", as_="vectors").shape == (2,)


def test_files_that_change_later_or_differ(path):
    source = pickle.loads(pickle.dumps(open_source(path)))  # nothing of it is held any more
    file = path if path.is_file() else path / "part-20.parquet"
    pq.write_table(plain(), file)
    row = 0 if path.is_file() else 25
    assert source.read(row, row + 1).bad[0].endswith("the file changed after it was opened")
    if path.is_dir():
        with pytest.raises(SourceError, match="has other columns than"):
            open_source(path)


def test_only_what_is_asked_for_is_read(tmp_path):
    """A row group of 40 MB is read in pieces: 4 MB or so at a time, never as a whole."""
    noise = np.random.default_rng(0).bytes(400_000)
    cells = [IMAGES[at % N] + noise[at:] for at in range(100)]
    table = pa.table({"image": pa.array(cells, pa.binary())})
    pq.write_table(table, tmp_path / "x.parquet", use_dictionary=False, write_batch_size=2)
    source = pickle.loads(pickle.dumps(open_source(tmp_path / "x.parquet")))
    before = pa.total_allocated_bytes()
    assert source.read(0, 12).data[:, 0, 0, 0].tolist() == VALUES[:12]
    assert pa.total_allocated_bytes() - before < 16 << 20
    assert source.read(90, 100).data[:, 0, 0, 0].tolist() == [VALUES[a % N] for a in range(90, 100)]
    assert pa.total_allocated_bytes() - before < 2 * cursors._WINDOW_BYTES


STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("kind", ["structs", "bytes", "large", "fixed"])
def test_lists_of_one_image_are_images(tmp_path, monkeypatch, kind, large):
    if large:
        monkeypatch.setattr(cursors, "_WINDOW_BYTES", 300)
        monkeypatch.setattr(cursors, "_BATCH_BYTES", 300)
    structs = [[{"bytes": b, "path": p}] for b, p in zip(IMAGES, NAMES, strict=True)]
    blobs = [[b] for b in IMAGES]
    column = {
        "structs": pa.array(structs, pa.list_(STRUCT)),
        "bytes": pa.array(blobs),
        "large": pa.array(blobs, pa.large_list(pa.large_binary())),
        "fixed": pa.array(structs, pa.list_(STRUCT, 1)),
    }[kind]
    path = tmp_path / "x.parquet"
    pq.write_table(
        pa.table({"label": [at % 3 for at in range(N)], "images": column}), path, row_group_size=7
    )
    source = pickle.loads(pickle.dumps(open_source(path)))
    assert source.shape == (8, 10, 1)
    assert source.read(0, N).data[:, 0, 0, 0].tolist() == VALUES
    assert source.read(33, 40).data[:, 0, 0, 0].tolist() == VALUES[33:40]
    assert source.names(2, 4) == (NAMES[2:4] if kind in ("structs", "fixed") else None)
    assert source.labels()[:4] == ["0", "1", "2", "0"]


def test_lists_of_several_images_are_refused_by_name(tmp_path):
    pq.write_table(pa.table({"images": [[b, b] for b in IMAGES]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"60 rows of column images hold 120 images: .*explode"):
        open_source(tmp_path / "x.parquet")


def test_lists_of_no_image_have_a_reason(tmp_path):
    cells = [[b] for b in IMAGES]
    cells[3], cells[4], cells[5] = [], None, [None]
    pq.write_table(
        pa.table({"images": pa.array(cells, pa.list_(pa.binary()))}), tmp_path / "x.parquet"
    )
    batch = open_source(tmp_path / "x.parquet").read(0, 8)
    assert batch.bad == dict.fromkeys((3, 4, 5), "the cell is empty")
    assert batch.data[[2, 6], 0, 0, 0].tolist() == [8, 24]


def test_cells_with_a_path_and_no_bytes_say_so(tmp_path):
    cells = [{"bytes": b, "path": p} for b, p in zip(IMAGES, NAMES, strict=True)]
    cells[20]["bytes"], cells[21] = None, {"bytes": None, "path": None}
    pq.write_table(pa.table({"image": pa.array(cells, STRUCT)}), tmp_path / "x.parquet")
    batch = open_source(tmp_path / "x.parquet").read(18, 24)
    assert batch.bad == {
        2: f"the cell has no bytes, only the path {NAMES[20]}",
        3: "the cell is empty",
    }


def test_images_in_memory_are_named_and_labelled_by_the_other_columns():
    source = open_source(plain(label=[f"c{at % 3}" for at in range(N)]))
    assert source.names(3, 5) == NAMES[3:5]
    assert source.labels()[:4] == ["c0", "c1", "c2", "c0"]
    assert open_source(hugging_face()).labels()[:3] == ["cat", "dog", "cat"]


@pytest.mark.parametrize("where", ["file", "memory"])
def test_columns_that_are_picked_are_taken_beside_images(tmp_path, where):
    table = plain(age=[at % 9 for at in range(N)], pay=[at % 7 * 900.0 for at in range(N)])
    pq.write_table(table, tmp_path / "x.parquet")
    source = open_source(
        table if where == "memory" else tmp_path / "x.parquet", columns=["age", "pay"]
    )
    assert (source.kind, source.shape) == ("table", (2,))
