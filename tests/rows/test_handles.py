import io
import os
import tarfile
import zipfile

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io
from PIL import Image
from tfrecord.writer import TFRecordWriter

from shoal.errors import SourceError
from shoal.rows import Taken, handles, open_source
from shoal.rows.handles import Headers, KnownFile, both_ends, inspect_file, origins


def test_small_pieces_are_those_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(handles, "_AHEAD", 64)
    data = np.random.default_rng(0).bytes(1000)
    (tmp_path / "x").write_bytes(data)
    with inspect_file(tmp_path / "x") as (opened, _):
        headers = Headers(opened)
        for at, length in ((0, 5), (60, 4), (61, 4), (200, 100), (250, 20), (3, 9), (990, 50)):
            assert headers.read(at, length) == data[at : at + length]


def test_what_is_missing_at_first_is_said(tmp_path):
    with (
        pytest.raises(SourceError, match=r"no\.bin cannot be read: No such"),
        inspect_file(tmp_path / "no.bin"),
    ):
        pass


def test_both_ends_of_a_short_file_overlap(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abcdef")
    assert (both_ends(path, 2), both_ends(path, 4)) == (b"abef", b"abcdcdef")


def test_a_file_of_another_size_or_time_has_changed(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    now = path.stat()
    KnownFile(path, now.st_size, now.st_mtime_ns).check_unchanged()
    for size, time in ((4, now.st_mtime_ns), (3, now.st_mtime_ns + 1)):
        with pytest.raises(SourceError, match="changed"):
            KnownFile(path, size, time).check_unchanged()


N = 60
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 8, 8), np.uint8)


def png(at):
    file = io.BytesIO()
    Image.fromarray(IMAGES[at]).save(file, "PNG")
    return file.getvalue()


PNGS = [png(at) for at in range(N)]


def save_tar(path):
    with tarfile.open(path, "w") as file:
        for at, data in enumerate(PNGS):
            member = tarfile.TarInfo(f"{at}.png")
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))


def save_zip(path):
    with zipfile.ZipFile(path, "w") as file:
        for at, data in enumerate(PNGS):
            file.writestr(f"{at}.png", data)


def save_records(path):
    writer = TFRecordWriter(str(path))
    for data in PNGS:
        writer.write({"image/encoded": (data, "byte")})
    writer.close()


def save_hdf5(path, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=IMAGES, **options)


def save_table(path):
    numbers = np.random.default_rng(1).lognormal(size=(N, 3))
    lines = [f"{a:.3f},{b:.3f},{c:.3f},{'xyz'[at % 3]}" for at, (a, b, c) in enumerate(numbers)]
    path.write_text("\n".join(["height,weight,age,kind", *lines]))


def save_columns(path):
    numbers = np.random.default_rng(1).normal(size=(N, 3))
    pq.write_table(pa.table({f"e{i}": numbers[:, i] for i in range(3)}), path)


KINDS = {
    "a.npy": lambda path: np.save(path, IMAGES),
    "a.npz": lambda path: np.savez(path, images=IMAGES),
    "packed.npz": lambda path: np.savez_compressed(path, images=IMAGES),
    "a.tar": save_tar,
    "a.zip": save_zip,
    "a.tfrecord": save_records,
    "plain.h5": save_hdf5,
    "packed.h5": lambda path: save_hdf5(path, chunks=(9, 8, 8), compression="gzip"),
    "table.csv": save_table,
    "a.mat": lambda path: scipy.io.savemat(path, {"X": IMAGES}),
    "images.parquet": lambda path: pq.write_table(pa.table({"image": PNGS}), path),
    "columns.parquet": save_columns,
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("taken", [False, True])
def test_the_file_is_known_and_a_link_to_another(tmp_path, name, taken):
    path = tmp_path / name
    KINDS[name](path)
    source = open_source(path)
    source = source.take(Taken(np.arange(40), N)) if taken else source
    found = path.stat()
    assert origins(source) == [(name, found.st_size, found.st_mtime_ns, None)]
    path.rename(tmp_path / "other")
    path.symlink_to(tmp_path / "other")
    assert origins(source) == [(name, found.st_size, found.st_mtime_ns, str(tmp_path / "other"))]
    (tmp_path / "other").unlink()
    assert origins(source)[0][1] == -1


def test_many_files_come_in_order_with_links_in_their_folders(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "b").symlink_to(tmp_path / "real")
    for folder in ("set", "set/b"):
        np.save(tmp_path / folder / "a.npy", IMAGES)
    source = open_source([tmp_path / "set" / "a.npy", tmp_path / "set" / "b" / "a.npy"])
    assert [(name, link) for name, _, _, link in origins(source)] == [
        ("a.npy", None),
        ("b/a.npy", str(tmp_path / "real" / "a.npy")),
    ]
    (tmp_path / "linked").symlink_to(tmp_path / "set")  # the folder itself may be a link
    assert origins(open_source(tmp_path / "linked" / "a.npy"))[0][3] is None


def test_image_files_and_memory_have_none(tmp_path):
    for at in range(3):
        (tmp_path / f"{at}.png").write_bytes(PNGS[at])
    assert origins(open_source(tmp_path)) == []
    assert origins(open_source(IMAGES)) == []
    os.rename(tmp_path / "0.png", tmp_path / "3.png")
