import os

import numpy as np
import pytest

from shoal.rows import direct_io, open_source
from shoal.rows import store as stores

pytestmark = pytest.mark.skipif(
    not hasattr(os, "O_DIRECT"), reason="this system has no reading past its cache"
)


@pytest.fixture
def file(tmp_path):
    """A file of a length that is not a multiple of a page, and its bytes."""
    path = tmp_path / "numbers.bin"
    numbers = np.random.default_rng(0).integers(0, 256, 3 * direct_io.ALIGNED + 1234, np.uint8)
    numbers.tofile(path)
    if direct_io.read_direct(path, 0, 10) is None:
        pytest.skip("the file system of this folder has no reading past the cache")
    return path, numbers


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 4096), (1, 4096), (4095, 2), (4096, 8192), (100, 13000), (12_288, 5000), (13_521, 1)],
)
def test_any_range_is_what_the_file_has(file, start, length):
    path, numbers = file
    assert np.array_equal(
        direct_io.read_direct(path, start, length), numbers[start : start + length]
    )


def test_behind_the_end_there_is_nothing(file):
    path, numbers = file
    assert len(direct_io.read_direct(path, len(numbers), 100)) == 0
    assert len(direct_io.read_direct(path, 10 * len(numbers), 100)) == 0


def test_a_system_that_refuses_gives_none_and_other_errors_are_raised(file, monkeypatch):
    path, _ = file

    def refuses(*_):
        raise OSError(22, "Invalid argument")

    with pytest.raises(FileNotFoundError):
        direct_io.read_direct(path.with_name("none.bin"), 0, 10)
    monkeypatch.setattr(direct_io.os, "preadv", refuses)
    assert direct_io.read_direct(path, 0, 10) is None


def test_only_what_is_larger_than_half_of_the_memory_outgrows_the_cache(monkeypatch):
    half = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    assert not direct_io.outgrows_cache(half)
    assert direct_io.outgrows_cache(half + 1)
    monkeypatch.delattr(direct_io.os, "O_DIRECT")
    assert not direct_io.outgrows_cache(half + 1)


@pytest.fixture
def shards(tmp_path, monkeypatch):
    """Two files of rows of 100 numbers, read past the cache from 4,096 bytes on."""
    monkeypatch.setattr(stores, "outgrows_cache", lambda size: True)
    monkeypatch.setattr(stores, "LEAST", 4096)
    numbers = np.random.default_rng(1).integers(0, 2**15, (300, 10, 10), np.int16)
    for name, part in (("a.npy", numbers[:170]), ("b.npy", numbers[170:])):
        np.save(tmp_path / name, part)
    return tmp_path, numbers


@pytest.mark.parametrize(("start", "stop"), [(0, 170), (3, 99), (100, 250), (170, 300), (5, 6)])
def test_rows_read_past_the_cache_are_the_same(shards, monkeypatch, start, stop):
    folder, _ = shards
    store = open_source(folder).store
    past = store.read(start, stop)
    monkeypatch.setattr(stores, "read_direct", lambda *_: None)
    through = store.read(start, stop)
    assert past.bad == through.bad == {}
    assert past.data.dtype == through.data.dtype
    assert np.array_equal(past.data, through.data)
    past.data[:] = 0  # whoever reads rows may write into them


def test_most_rows_are_read_past_the_cache(shards, monkeypatch):
    folder, numbers = shards
    asked = []

    def noted(path, start, length):
        asked.append((path.name, length))
        return direct_io.read_direct(path, start, length)

    monkeypatch.setattr(stores, "read_direct", noted)
    store = open_source(folder).store
    assert np.array_equal(store.read(10, 50).data, numbers[10:50])
    store.read(0, 2)  # a little is read through the cache
    store.read(160, 200)  # and what lies in two files
    assert asked == [("a.npy", 40 * 200)]


def test_a_file_that_changed_or_is_gone_is_said_as_ever(shards):
    folder, _ = shards
    store = open_source(folder).store
    store.read(0, 100)
    (folder / "b.npy").write_bytes(b"shorter")
    (folder / "a.npy").unlink()
    assert "a.npy cannot be read: No such file" in store.read(0, 100).bad[0]
    assert "b.npy changed its size" in store.read(170, 300).bad[0]


def test_memory_is_used_again_once_nobody_holds_what_was_read_into_it():
    windows = direct_io.Windows()
    first = windows.take(8192)
    held = first[100:].view(np.uint16).reshape(-1, 2)
    address = first.ctypes.data
    assert address % direct_io.ALIGNED == 0
    assert len(first) == 8192
    del first
    assert windows.take(8192).ctypes.data != address
    del held
    assert address in {windows.take(8192).ctypes.data for _ in range(2)}


def test_memory_of_another_length_is_let_go():
    windows = direct_io.Windows()
    held = windows.take(4096)
    windows.take(8192)
    assert len(windows.take(4096)) == 4096
    assert len(windows._all) == 2
    windows.drop()
    assert not windows._all
    assert len(held) == 4096
