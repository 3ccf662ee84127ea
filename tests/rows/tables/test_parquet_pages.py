import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoal.rows.tables.parquet_pages import (
    Pages,
    decoded_bytes,
    group_bytes,
    largest_entry,
    leaves,
    page_sizes,
    reading_bytes,
)

N = 3000


def opened(tmp_path, table, **options):
    """The metadata of a file, and what reads it."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(table), path, compression="none", **options)
    descriptor = os.open(path, os.O_RDONLY)
    return pq.read_metadata(path), lambda at, length: os.pread(descriptor, length, at)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_the_largest_page_is_found_by_the_headers(tmp_path, version):
    table = {"x": np.arange(N, dtype=np.float64), "text": ["a" * (n % 40) for n in range(N)]}
    options = {"use_dictionary": ["text"], "data_page_version": version, "write_statistics": True}
    meta, read = opened(tmp_path, table, max_rows_per_page=100, write_batch_size=50, **options)
    numbers, texts = leaves(meta, 0, ["x", "text"])
    found = page_sizes(numbers, read)
    assert found.values == 100
    assert 800 <= found.packed == found.plain < 820
    coded = page_sizes(texts, read)
    assert coded.dictionary == sum(4 + n for n in range(40))
    assert coded.values == 100
    assert reading_bytes([numbers, texts], read, 0) < 70_000  # small chunks are taken for a page


def test_statistics_that_are_longer_than_what_is_read_of_a_header(tmp_path):
    table = {"text": ["x" * 50_000, "y" * 60_000] * 20}
    meta, read = opened(tmp_path, table, use_dictionary=False, max_rows_per_page=4)
    found = page_sizes(*leaves(meta, 0, ["text"]), read)
    assert found.values == 4
    assert 220_000 <= found.plain < 250_000


def test_damaged_headers_make_a_chunk_one_page(tmp_path):
    meta, _ = opened(tmp_path, {"x": np.arange(N, dtype=np.float64)}, use_dictionary=False)
    (chunk,) = leaves(meta, 0, ["x"])
    whole = Pages(chunk.total_compressed_size, chunk.total_uncompressed_size, 0, N)
    for damage in (b"", b"\xff" * 5000, b"\x15\x00\x15\x09\x15\x09\x00", b"\x1b" * 5000):
        assert page_sizes(chunk, lambda at, length, d=damage: d[:length]) == whole


def test_what_a_row_group_takes_is_counted_by_its_values(tmp_path):
    lists = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(20 * N, np.float32)), 20)
    table = {"x": np.zeros(N), "vector": lists, "text": ["abc"] * N}
    meta, _ = opened(tmp_path, table, row_group_size=N // 2)
    numbers = [decoded_bytes(leaves(meta, group, ["x", "vector"])) for group in (0, 1)]
    assert numbers == [8 * 21 * N // 2] * 2  # however well zeros are packed
    assert [chunk.path_in_schema for chunk in leaves(meta, 0, ["vector"])] == [
        "vector.list.element"
    ]
    assert all(size >= 8 * 22 * N // 2 for size in group_bytes(meta))


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
def test_the_largest_entry_of_a_dictionary_is_found_by_its_lengths(tmp_path, compression):
    path = tmp_path / "x.parquet"
    cells = [f"{n % 50}" * (n % 50 + 1) for n in range(400)] + ["é" * 700]
    pq.write_table(pa.table({"a": cells, "b": range(401)}), path, compression=compression)
    meta, data = pq.read_metadata(path), path.read_bytes()

    def read(at, length):
        return data[at : at + length]

    chunk = meta.row_group(0).column(0)
    assert largest_entry(chunk, read) == 1400
    assert largest_entry(chunk, lambda at, length: b"\xff" * length) >= 1400  # all that it can be
    pq.write_table(pa.table({"a": cells}), path, use_dictionary=False)
    assert largest_entry(pq.read_metadata(path).row_group(0).column(0), read) == 0
