import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoal.errors import SourceError
from shoal.rows import memory_budget, open_source
from shoal.rows.memory_budget import ReadCache, memory_need
from shoal.rows.tables import parquet_cursors, parquet_files
from shoal.rows.tables.parquet_files import ParquetCells, inspect_parquet

N, D = 24_000, 128
VECTORS = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """One row group of 12 MB, which is 24 MB as it is counted."""
    path = tmp_path_factory.mktemp("large") / "x.parquet"
    lists = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.ravel()), D)
    table = pa.table({"vector": lists, "name": [f"row {n}" for n in range(N)]})
    pq.write_table(table, path, row_group_size=N, data_page_size=1 << 16)
    return path


@pytest.fixture
def begun(monkeypatch):
    """Where cursors began, one entry each."""
    begun = []
    whole = parquet_cursors.Cursor.__init__

    def begin(cursor, file, group, *more):
        begun.append(group)
        whole(cursor, file, group, *more)

    monkeypatch.setattr(parquet_cursors.Cursor, "__init__", begin)
    monkeypatch.setattr(ReadCache, "most", 8 * MEBIBYTE)
    monkeypatch.setattr(parquet_cursors, "_WINDOW_BYTES", MEBIBYTE)
    monkeypatch.setattr(parquet_cursors, "_BATCH_BYTES", MEBIBYTE)
    return begun


def test_a_large_row_group_is_read_once_by_ranges_in_order(path, begun):
    source = open_source(path)
    begun.clear()
    for start in range(0, N, 1000):
        batch = source.read(start, start + 1000)
        np.testing.assert_array_equal(batch.data, VECTORS[start : start + 1000])
        assert source.names(start, start + 1) == [f"row {start}"]
    assert begun == [0, 0]  # the vectors and the names
    np.testing.assert_array_equal(source.read(50, 60).data, VECTORS[50:60])
    assert begun == [0, 0, 0]  # back again


def test_threads_read_on_in_turn(path, begun):
    source = open_source(path)
    begun.clear()
    with ThreadPoolExecutor(4) as pool:
        pieces = list(pool.map(lambda at: source.read(at, at + 500).data, range(0, N, 500)))
    np.testing.assert_array_equal(np.concatenate(pieces), VECTORS)
    assert len(begun) < 24  # of 48 ranges; by each from the beginning it were 48


def test_reading_takes_a_piece_of_the_group_and_not_all_of_it(path, begun, monkeypatch):
    taken, whole = [], parquet_cursors.Cursor.batch

    def batch(cursor, row):
        found = whole(cursor, row)
        taken.append(pa.total_allocated_bytes())
        return found

    monkeypatch.setattr(parquet_cursors.Cursor, "batch", batch)
    source = open_source(path)
    before = pa.total_allocated_bytes()
    for start in range(0, N, 6000):
        source.read(start, start + 6000)
    assert len(taken) > 20
    assert (max(taken) - before) / MEBIBYTE < 9  # of 24 that the group takes


def test_what_cannot_be_read_in_the_memory_there_is_says_what_would_do(path, begun, monkeypatch):
    source = open_source(path)
    monkeypatch.setattr(ReadCache, "most", MEBIBYTE)
    reasons = set(source.read(0, 10).bad.values())
    assert len(reasons) == 1
    assert "x.parquet page by page takes 6 MiB of memory, more than the 1 MiB" in reasons.pop()
    with pytest.raises(SourceError, match=r"page by page takes .*: give --memory \d"):
        open_source(path)


def test_one_huge_page_or_dictionary_is_counted(tmp_path):
    images = [bytes([n]) * 200_000 for n in range(60)]
    for options in (
        {"use_dictionary": False, "data_page_size": 1 << 30, "max_rows_per_page": 1 << 30},
        {"use_dictionary": True, "dictionary_pagesize_limit": 1 << 30},
    ):
        path = tmp_path / "y.parquet"
        pq.write_table(pa.table({"image": images}), path, write_batch_size=60, **options)
        (part,) = parquet_files.inspect_parquet([path])
        assert parquet_files.reading_need([part], ["image"]).least > 12_000_000


def test_a_plan_counts_what_is_kept_and_no_more_than_there_is_room_for(path):
    found = memory_need(open_source(path))
    assert 3 * MEBIBYTE < found.least < 40 * MEBIBYTE
    assert found.best == 4 * inspect_parquet([path])[0].sizes[0]
    assert memory_budget.usual_cache_bytes(1 << 30) == 128 * MEBIBYTE


def texts_at(path, cells, **options):
    table = pa.table({"a": np.arange(len(cells)) % 7 + 0.5, "note": cells})
    pq.write_table(table, path, row_group_size=len(cells), **options)
    return inspect_parquet([path])[0]


@pytest.mark.parametrize(
    ("coding", "coded", "mixed"),
    [
        ({"use_dictionary": False}, (), False),
        ({"use_dictionary": ["note"]}, ("note",), False),
        ({"use_dictionary": ["note"], "dictionary_pagesize_limit": 1 << 14}, (), True),
        ({"use_dictionary": ["note"], "data_page_version": "2.0"}, ("note",), False),
    ],
)
def test_texts_come_in_a_dictionary_only_where_they_are_stored_in_one(
    tmp_path, coding, coded, mixed
):
    path = tmp_path / "x.parquet"
    cells = [f"note {n}" * 30 for n in range(4000)]
    part = texts_at(path, cells, **coding)
    forms = parquet_cursors.RowGroup(part, 0, ("a", "note")).forms
    assert (forms.coded, forms.mixed) == (coded, mixed)
    assert parquet_cursors.RowGroup(part, 0, ("a",)).forms == parquet_cursors.TextForms()
    assert ParquetCells((part,), ("note",)).texts(0, 4000, "note") == cells


def test_texts_that_differ_take_the_memory_of_a_batch(tmp_path, begun):
    cells = [f"{n:08d}" * 1000 for n in range(4000)]  # 32 MB
    small = {"data_page_size": 1 << 16, "write_batch_size": 8}
    part = texts_at(tmp_path / "x.parquet", cells, use_dictionary=False, **small)
    before, most = pa.total_allocated_bytes(), 0
    for _, bad in ParquetCells((part,), ("note",)).pieces(0, 4000, ["note"]):
        assert not bad
        most = max(most, pa.total_allocated_bytes() - before)
    assert begun == [0]
    assert most < 12 * MEBIBYTE  # it was all of them, several times


def test_a_cell_as_large_as_its_page_counts_as_often_as_arrow_copies_it(tmp_path, begun):
    cells = ["x" if n != 7 else "y" * 4_000_000 for n in range(100)]
    part = texts_at(tmp_path / "x.parquet", cells, use_dictionary=False)
    ((_, bad),) = ParquetCells((part,), ("note",)).pieces(0, 100, ["note"])
    assert begun == []
    assert list(bad) == list(range(100))
    assert re.search(r"takes 1[45] MiB of memory, more than the 8 MiB .* give --memory", bad[0])


def test_what_others_keep_goes_first_while_a_source_is_opened():
    with memory_budget.memory_limit(1 << 30):
        most, one, other, used = ReadCache.most, ReadCache(), ReadCache(), ReadCache()
        other.keep("x", None, most - 100)
        with other.lock:
            one.make_room(200, "it")
            assert other.take("x", lambda _: -2) is None  # there, though not preferred
            assert ReadCache.all_bytes() == most - 100
        one.make_room(200, "it")
        assert ReadCache.all_bytes() == 0
    one.keep("x", None, ReadCache.most)
    used.make_room(ReadCache.most, "it")  # later the plan has counted both
    assert ReadCache.all_bytes() == ReadCache.most
    one.drop()


def test_large_cells_that_lie_together_come_a_few_at_a_time(tmp_path, begun, monkeypatch):
    monkeypatch.setattr(ReadCache, "most", 16 * MEBIBYTE)
    cells = ["x" * 200_000 if n < 100 else "y" for n in range(40_000)]  # 500 bytes in the mean
    part = texts_at(
        tmp_path / "x.parquet",
        cells,
        use_dictionary=False,
        data_page_size=1 << 20,
        write_batch_size=5,
    )
    sizes = [t.nbytes for t, _ in ParquetCells((part,), ("note",)).pieces(0, 200, ["note"])]
    assert begun == [0]
    assert max(sizes) < 2 * MEBIBYTE
    assert sum(sizes) > 100 * 200_000


@pytest.mark.parametrize("kept", [8, 512])
def test_a_large_text_that_repeats_is_not_written_out_for_all_rows(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(ReadCache, "most", kept * MEBIBYTE)
    monkeypatch.setattr(parquet_cursors, "_REPEATED_BYTES", 4 * MEBIBYTE)
    cells = ["x" * 200_000] * 3000
    part = texts_at(tmp_path / "x.parquet", cells, use_dictionary=["note"])
    files = ParquetCells((part,), ("note",))
    sizes = [(len(table), table.nbytes) for table, _ in files.pieces(0, 100, ["note"])]
    assert sum(count for count, _ in sizes) == 100
    assert max(size for _, size in sizes) < 5 * MEBIBYTE
    (name,) = set(files.texts(0, 100, "note"))
    assert len(name) < 2000  # cut, as names are shown to people
