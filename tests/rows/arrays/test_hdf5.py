import io
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.rows.opened import opened_under

from shoal.errors import InputError, SourceError
from shoal.rows import Source, open_source, thumbnails
from shoal.rows.arrays.hdf5 import CACHE_BYTES, FIXED_COPIES, VARIABLE_COPIES, Hdf5Rows, cell_bytes
from shoal.rows.memory_budget import FileBudget, MemoryBudget, ReadCache, memory_need
from shoal.rows.store import FileStore

IMAGES = np.random.default_rng(1).integers(0, 256, (30, 12, 10, 3), dtype=np.uint8)


def png(value):
    file = io.BytesIO()
    Image.fromarray(np.full((8, 10), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


WAYS = {
    "contiguous": {},
    "chunked": {"chunks": (7, 12, 10, 3)},
    "packed": {"chunks": (7, 12, 10, 3), "compression": "gzip", "shuffle": True},
}


def write(path, key="images", data=IMAGES, userblock=0, **options):
    with h5py.File(path, "a", userblock_size=userblock) as file:
        file.create_dataset(key, data=data, **options)
    return path


@pytest.mark.parametrize("way", WAYS)
def test_arrays_are_read_in_any_range(tmp_path, way):
    path = write(tmp_path / "x.h5", **WAYS[way])
    source = pickle.loads(pickle.dumps(open_source(path)))
    assert isinstance(source, Source)
    assert source.description == "30 colour images of 12×10 (x.h5, dataset images)"
    assert isinstance(source.store, FileStore if way == "contiguous" else Hdf5Rows)
    with ThreadPoolExecutor(4) as threads:
        parts = list(threads.map(lambda at: source.read(at, at + 6).data, range(0, 30, 6)))
    np.testing.assert_array_equal(np.concatenate(parts), IMAGES)
    assert thumbnails(source, [3], 5).shape == (1, 5, 5, 3)


@pytest.mark.parametrize("dtype", [">f4", "<f8", "int16"])
def test_vectors_of_any_type_behind_a_user_block(tmp_path, dtype):
    values = np.arange(40).reshape(10, 4).astype(dtype)
    path = write(tmp_path / "x.hdf5", "a/v", values, userblock=1024)
    np.testing.assert_array_equal(open_source(path).read(2, 9).data, values[2:9])


def test_a_dataset_is_chosen_by_its_key_or_by_what_it_can_be(tmp_path):
    path = write(tmp_path / "x.h5", "train/images")
    write(path, "train/labels", np.arange(30))
    assert open_source(path).n_rows == 30
    write(path, "test/images", IMAGES[:5])
    with pytest.raises(InputError, match=r"2 datasets .* give --key test/images, or another \(it"):
        open_source(path)
    assert open_source(path, key="/test/images").n_rows == 5
    with pytest.raises(InputError, match="no dataset nope: it holds test/images"):
        open_source(path, key="nope")


@pytest.mark.parametrize("way", ["contiguous", "packed"])
def test_files_of_a_folder_are_one_source(tmp_path, way):
    for at in range(3):
        write(tmp_path / f"{at}.h5", data=IMAGES[10 * at : 10 * at + 10], **WAYS[way])
    source = open_source(tmp_path)
    np.testing.assert_array_equal(source.read(0, 30).data, IMAGES)
    np.testing.assert_array_equal(source.read(8, 22).data, IMAGES[8:22])
    assert source.description.endswith(f"({tmp_path.name}, 3 HDF5 files, dataset images)")
    write(tmp_path / "3.h5", data=IMAGES[:, :5])
    with pytest.raises(SourceError, match=r"3\.h5 has rows of 5×10×3 uint8, but 0\.h5 of 12×10×3"):
        open_source(tmp_path)
    (tmp_path / "3.h5").unlink()
    write(tmp_path / "3.h5", "other")
    with pytest.raises(SourceError, match=r"3\.h5 has no dataset images, unlike 0\.h5"):
        open_source(tmp_path)


@pytest.mark.parametrize("kind", ["vlen", "opaque", "bytes"])
def test_encoded_images(tmp_path, kind):
    cells = [png(10 * at) for at in range(12)]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        if kind == "vlen":
            data = file.create_dataset("jpg", 12, h5py.vlen_dtype(np.uint8))
            for at, cell in enumerate(cells):
                data[at] = np.frombuffer(cell, np.uint8)
        elif kind == "opaque":
            longest = max(map(len, cells))
            file["jpg"] = np.array([np.void(cell.ljust(longest, b"\0")) for cell in cells])
        else:
            file["jpg"] = np.array(cells)
        file["labels"] = np.arange(12) % 3
    source = pickle.loads(pickle.dumps(open_source(tmp_path / "x.h5")))
    assert source.description == "12 grey images of 8×10 (x.h5, dataset jpg)"
    assert source.read(1, 12).data[:, 0, 0, 0].tolist() == [10 * at for at in range(1, 12)]
    assert list(source.labels()) == [at % 3 for at in range(12)]
    assert source.file_name(3, None) == "row-03.png"
    assert source.encoded(3).startswith(cells[3])


def test_bad_cells_and_files_that_change(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("jpg", 4, h5py.vlen_dtype(np.uint8))
        data[0], data[2] = (np.frombuffer(png(v), np.uint8) for v in (7, 9))
        data[3] = np.frombuffer(b"text", np.uint8)
    source = open_source(tmp_path / "x.h5")
    batch = source.read(0, 4)
    assert batch.bad[1] == "the file is empty"
    assert batch.bad[3].endswith("begins with 'text'")
    assert batch.data[[0, 2], 0, 0, 0].tolist() == [7, 9]
    os.utime(tmp_path / "x.h5", ns=(1, 1))
    reason = "x.h5 cannot be read: the file changed after it was opened"
    assert set(source.read(0, 4).bad.values()) == {reason}


def test_many_files_are_not_all_open_at_once(tmp_path):
    for at in range(12):
        write(tmp_path / f"{at}.h5", data=IMAGES[2 * at : 2 * at + 2], chunks=(1, 12, 10, 3))
    source = open_source(tmp_path)
    for _ in range(2):
        np.testing.assert_array_equal(source.read(0, 24).data, IMAGES[:24])
    assert 0 < opened_under(tmp_path) <= 8


def test_damaged_files_say_so(tmp_path):
    path = write(tmp_path / "x.h5", **WAYS["packed"])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match="cannot be read as HDF5"):
        open_source(path)


def test_a_damaged_chunk_costs_its_rows_and_no_others(tmp_path):
    path = write(tmp_path / "x.h5", chunks=(10, 12, 10, 3), compression="gzip")
    source = pickle.loads(pickle.dumps(open_source(path)))
    with h5py.File(path) as file:
        at = file["images"].id.get_chunk_info(2).byte_offset
    stat, data = path.stat(), bytearray(path.read_bytes())
    data[at + 50 : at + 90] = bytes(40)
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    batch = source.read(0, 30)
    assert sorted(batch.bad) == list(range(20, 30))
    assert batch.bad[20].startswith("x.h5 cannot be read: ")
    np.testing.assert_array_equal(batch.data[:20], IMAGES[:20])


def test_without_h5py_the_command_to_install_it_is_said(tmp_path):
    path = write(tmp_path / "x.h5")
    code = (
        "import sys; sys.modules['h5py'] = None; from shoal.rows import open_source; "
        "open_source(sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    expected = "x.h5 is an HDF5 file, and reading those needs h5py: pip install 'shoal[hdf5]'"
    assert done.stderr.splitlines()[-1].endswith(expected)


@pytest.mark.parametrize("kind", ["variable", "fixed"])
def test_a_cell_that_there_is_no_room_for_is_not_read(tmp_path, monkeypatch, kind):
    large = png(1) + b"\0" * 3_000_000
    with h5py.File(tmp_path / "x.h5", "w") as file:
        variable = h5py.vlen_dtype(np.uint8)
        rows = file.create_dataset("x", (12,), variable if kind == "variable" else "V3000200")
        for row in range(12):
            cell = large if row in (2, 10) or kind == "fixed" else png(row)
            rows[row] = np.frombuffer(cell, np.uint8) if kind == "variable" else np.void(cell)
    reading = open_source(tmp_path / "x.h5")
    assert not reading.read(0, 12).bad
    monkeypatch.setattr("shoal.rows.arrays.hdf5.FILES", FileBudget(1 << 20, MemoryBudget(4 << 20)))
    if kind == "fixed":
        with pytest.raises(SourceError, match="reading the cell takes 5 MiB of memory, more than"):
            open_source(tmp_path / "x.h5")
        return
    found = reading.read(0, 12)
    assert list(found.bad) == [2, 10]
    assert "reading the cell takes 17 MiB of memory, more than the 4 MiB" in found.bad[2]


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_chunk_that_is_unpacked_whole_is_in_the_plan_or_refused(tmp_path, monkeypatch, shuffle):
    path = write(tmp_path / "x.h5", chunks=(30, 12, 10, 3), compression="gzip", shuffle=shuffle)
    with h5py.File(path) as file:
        stored = file["images"].id.get_storage_size()
    store = open_source(path).store
    assert store.chunk == IMAGES.nbytes + (IMAGES.nbytes if shuffle else min(stored, IMAGES.nbytes))
    assert memory_need(open_source(path)).least == store.chunk + CACHE_BYTES
    monkeypatch.setattr(ReadCache, "most", CACHE_BYTES + 10_000)
    with pytest.raises(SourceError, match=r"reading a chunk of x.h5, dataset images, takes 32 MiB"):
        open_source(path)
    plain = write(tmp_path / "y.h5", chunks=(30, 12, 10, 3))  # is read in place, not as a whole
    assert open_source(plain).store.chunk == 0


CELL_WAYS = {
    "contiguous": {},
    "chunked": {"chunks": (4,)},
    "gzip": {"chunks": (4,), "compression": "gzip", "shuffle": True},
    "lzf": {"chunks": (4,), "compression": "lzf"},
}
LENGTHS = [1, 0, 70_000, 3, 5, 0, 8, 2, 9, 11]


def counted(path, low=0, high=10):
    with h5py.File(path) as file, path.open("rb") as stream:
        return cell_bytes(file["x"], low, high, stream).tolist()


@pytest.mark.parametrize("way", CELL_WAYS)
@pytest.mark.parametrize("userblock", [0, 1024])
def test_cells_of_variable_length_tell_theirs_unread(tmp_path, way, userblock):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", userblock_size=userblock) as file:
        kind = h5py.vlen_dtype(np.uint16)
        rows = file.create_dataset("x", (len(LENGTHS),), kind, **CELL_WAYS[way])
        for row, length in enumerate(LENGTHS):
            if length:
                rows[row] = np.zeros(length, np.uint16)
    expected = [2 * VARIABLE_COPIES * length for length in LENGTHS]
    assert counted(path) == expected
    assert counted(path, 3, 9) == expected[3:9]


def test_cells_that_nobody_wrote_are_empty(tmp_path):
    for options in CELL_WAYS.values():
        path = tmp_path / "x.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("x", (10,), h5py.vlen_dtype(np.uint8), **options)
        assert counted(path) == [0] * 10


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=10, max_size=10
    )
)
def test_texts_tell_their_bytes(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("texts") / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=texts, dtype=h5py.string_dtype())
    assert counted(path) == [VARIABLE_COPIES * len(text.encode()) for text in texts]


def test_blocks_of_fixed_length(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", (10,), "V700")
    assert counted(tmp_path / "x.h5", 2, 4) == [FIXED_COPIES * 700] * 2
