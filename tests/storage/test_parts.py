import errno
import os
import subprocess
import sys
import threading
import tracemalloc
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import RunError, StorageFullError
from shoal.storage import parts
from shoal.storage.parts import write_bytes, write_columns, write_json, write_npy, write_table
from shoal.storage.reading import as_array, read_json, read_npy, read_table

ARRAYS = [
    np.arange(12, dtype=np.float32).reshape(3, 4),
    np.asfortranarray(np.arange(12).reshape(3, 4)),
    np.arange(20)[::3],
    np.zeros((0, 5), np.uint8),
    np.array(3.5),
    np.array(["a", "bcd"]),
    np.zeros(2, [("a", "i4"), ("b", "f8")]),
]
TABLE = pa.table({"row": [0, 1, 2], "name": ["a", None, "é"]})


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
@pytest.mark.parametrize("mmap", [False, True])
def test_an_array_is_read_back(tmp_path, array, mmap):
    path = tmp_path / "new" / "folder" / "a.npy"
    write_npy(path, array)
    back = read_npy(path, mmap=mmap)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
    np.testing.assert_array_equal(np.load(path), array)
    assert isinstance(back, np.memmap) == mmap


def test_a_table_is_read_back_whole_or_by_columns(tmp_path):
    write_table(tmp_path / "t.parquet", TABLE)
    assert read_table(tmp_path / "t.parquet").equals(TABLE)
    assert read_table(tmp_path / "t.parquet", ["name"]).column_names == ["name"]


def test_json_is_read_back_with_numpy_numbers_as_numbers(tmp_path):
    write_json(tmp_path / "a.json", {"b": np.float32(0.5), "a": [np.int64(1), None, "é"]})
    assert read_json(tmp_path / "a.json") == {"a": [1, None, "é"], "b": 0.5}


def test_a_file_is_flushed_before_it_has_its_name(tmp_path, monkeypatch):
    sizes, was_there = [], []

    def fsync(file):
        sizes.append(os.fstat(file).st_size)
        was_there.append((tmp_path / "a.json").exists())

    monkeypatch.setattr(os, "fsync", fsync)
    write_json(tmp_path / "a.json", {"a": 1})
    with parts.replacing(tmp_path / "b.bin") as temporary:
        temporary.write_bytes(b"abc")
    assert sizes == [(tmp_path / "a.json").stat().st_size, 3]
    assert was_there[0] is False


def test_the_same_gives_the_same_bytes(tmp_path):
    for name in ("1", "2"):
        write_npy(tmp_path / f"{name}.npy", np.asarray(ARRAYS[0], order="CF"[name == "2"]))
        write_table(tmp_path / f"{name}.parquet", TABLE)
        write_json(tmp_path / f"{name}.json", dict(sorted({"a": 1, "b": 2}.items())))
    for ext in ("npy", "parquet", "json"):
        assert (tmp_path / f"1.{ext}").read_bytes() == (tmp_path / f"2.{ext}").read_bytes()


def test_objects_are_refused_both_ways(tmp_path):
    objects = np.array([{}, []], dtype=object)
    with pytest.raises(TypeError, match="Python objects"):
        write_npy(tmp_path / "a.npy", objects)
    np.save(tmp_path / "b.npy", objects)
    with pytest.raises(RunError, match=r"b\.npy is damaged"):
        read_npy(tmp_path / "b.npy")


def test_rows_and_names_take_few_bytes_and_are_read_as_they_were(tmp_path):
    n, draw = 20_000, np.random.default_rng(0)
    columns = {
        "row": np.arange(n),
        "name": [f"tiles-{row:08}" for row in range(n)],
        "representative": draw.integers(0, 1 << 15, n).astype(np.int32),
        "distance": draw.random(n).astype(np.float16).astype(np.float32),
        "cluster": draw.integers(0, 4, n).astype(np.int32),
    }
    table = pa.table(columns)
    for name, most in (("row", 0.1), ("name", 0.4), ("representative", 2.2), ("distance", 2)):
        path = tmp_path / f"{name}.parquet"
        write_table(path, table.select([name, "cluster"]))
        assert path.stat().st_size < (most + 0.4) * n + 1000
        assert read_table(path).equals(table.select([name, "cluster"]))


@pytest.mark.parametrize("rows", [["a"], [1.5], [None], []])
def test_columns_of_other_types_are_written_too(tmp_path, rows):
    table = pa.table({"row": rows, "name": pa.array(rows).cast(pa.large_string())})
    write_table(tmp_path / "t.parquet", table)
    assert read_table(tmp_path / "t.parquet").equals(table)


READERS = {"npy": read_npy, "parquet": read_table, "json": read_json}


@pytest.fixture
def run_with_parts(tmp_path):
    run = tmp_path / "mnist.shoal"
    write_bytes(run / "run.toml", b"format = 1\n")
    write_npy(run / "features" / "vectors" / "part-00000.npy", ARRAYS[0])
    write_table(run / "features" / "vectors" / "part-00000.parquet", TABLE)
    write_json(run / "features" / "vectors" / "part-00000.json", {"a": [1, 2]})
    return run


@pytest.mark.parametrize("rows", [0, 1, 13])
def test_columns_of_numbers_are_written_like_a_table_and_read_as_arrays(tmp_path, rows):
    some = np.random.default_rng(0)
    columns = {
        "representative": some.integers(-1, 9, rows).astype(np.int32)[::-1],
        "distance": some.random((rows, 2)).astype(np.float32)[:, 0],
        "outlier": some.random(rows) < 0.5,
    }
    write_columns(tmp_path / "a", columns)
    write_table(tmp_path / "b", pa.table(columns))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    table = read_table(tmp_path / "a")
    for name, column in columns.items():
        np.testing.assert_array_equal(as_array(table[name]), column, strict=True)


def test_columns_of_numbers_are_written_and_read_without_pandas(tmp_path):
    code = """if True:
        import sys, numpy as np
        from pathlib import Path
        from shoal.storage import as_array, read_table, write_columns
        path = Path(sys.argv[1])
        write_columns(path, {"a": np.arange(3), "b": np.array([True, False, True])})
        assert as_array(read_table(path)["a"]).tolist() == [0, 1, 2]
        assert "pandas" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], check=True)


@pytest.mark.parametrize("ext", READERS)
@pytest.mark.parametrize("keep", [0, 1, 0.5, 0.99])
def test_a_truncated_part_is_named_with_the_way_out(run_with_parts, ext, keep):
    path = run_with_parts / "features" / "vectors" / f"part-00000.{ext}"
    whole = path.read_bytes()
    cut = len(whole) - 3 if keep == 0.99 else int(keep if keep == 1 else keep * len(whole))
    path.write_bytes(whole[:cut])
    with pytest.raises(RunError) as caught:
        READERS[ext](path)
    stage = run_with_parts / "features"
    assert str(caught.value) == (
        f"{path} is damaged: delete the folder {stage} and run shoal fit again"
    )


@pytest.mark.parametrize("ext", READERS)
def test_a_missing_part_is_named_with_the_way_out(run_with_parts, ext):
    path = run_with_parts / "features" / "vectors" / f"part-00009.{ext}"
    with pytest.raises(RunError, match=r"part-00009\.\w+ is missing: delete the folder .*features"):
        READERS[ext](path)


def test_a_folder_in_place_of_a_part_is_named(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(RunError, match=r"cannot be read \(Is a directory\): run shoal fit again"):
        read_json(tmp_path / "a.json")


def test_bytes_after_an_array_are_damage(tmp_path):
    write_npy(tmp_path / "a.npy", ARRAYS[0])
    with (tmp_path / "a.npy").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(RunError, match="is damaged"):
        read_npy(tmp_path / "a.npy")


@given(at=st.integers(0, 127), byte=st.integers(0, 255))
def test_a_changed_header_gives_an_array_or_our_error(tmp_path_factory, at, byte):
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    write_npy(path, ARRAYS[0])
    data = bytearray(path.read_bytes())
    data[at] = byte
    path.write_bytes(data)
    with suppress(RunError):
        assert isinstance(read_npy(path), np.ndarray)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_failed_write_leaves_the_old_file_and_says_what_to_do(tmp_path, monkeypatch, code):
    path = tmp_path / "a.npy"
    write_npy(path, ARRAYS[0])
    before = path.read_bytes()

    def fail(file, piece):
        file.write(piece[:10])
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(parts, "_write_all", fail)
    with pytest.raises(StorageFullError, match=r"a\.npy .*run the same command again"):
        write_npy(path, ARRAYS[1])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.npy"]


LIMITED = """
import resource, sys, numpy as np
from pathlib import Path
from shoal.storage.parts import write_npy
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
folder = Path(sys.argv[1])
write_npy(folder / "small.npy", np.zeros(100))
try:
    write_npy(folder / "large.npy", np.zeros(1000))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_limit_on_file_sizes_is_like_a_full_disk(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"StorageFullError {tmp_path / 'large.npy'} needs 8,128 bytes, ")
    assert os.listdir(tmp_path) == ["small.npy"]


def test_a_disk_that_is_really_full(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted here; the limit on file sizes stands in for it")
    try:
        write_npy(disk / "small.npy", np.zeros(1000))
        with pytest.raises(
            StorageFullError, match=r"large\.npy needs 80,128 bytes, \d+,\d+ bytes free there"
        ):
            write_npy(disk / "large.npy", np.zeros(10_000))
        assert os.listdir(disk) == ["small.npy"]
        write_npy(disk / "again.npy", np.zeros(1000))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_place_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFullError, match="cannot be written"):
        write_bytes(tmp_path / "file" / "a.json", b"{}")


def test_threads_writing_one_part_leave_one_whole_file(tmp_path):
    arrays = [np.full(50_000, i) for i in range(8)]
    path = tmp_path / "a.npy"
    threads = [threading.Thread(target=write_npy, args=(path, array)) for array in arrays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(read_npy(path).tolist())) == 1
    assert os.listdir(tmp_path) == ["a.npy"]


def test_writing_an_array_takes_no_second_copy_of_it(tmp_path):
    array = np.ones(4_000_000, np.uint8)
    tracemalloc.start()
    write_npy(tmp_path / "a.npy", array)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
