"""The promise of `--memory`: whatever is in a source, all processes together stay within it."""

import io
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.measure import watching
from PIL import Image
from tfrecord.writer import TFRecordWriter

pytestmark = pytest.mark.slow

PROMISED = 1024  # MiB
DRAW = np.random.default_rng(0)
ROWS = 40
LARGE = 250_000_000  # bytes of a file, just below the most that one may have
SIDE = 8900  # of a picture whose file is as large
CASES = {}


def case(make):
    """Register what writes a source with an oversized member into a folder and returns its path."""
    CASES[make.__name__] = make
    return make


def png(side=28):
    file = io.BytesIO()
    Image.fromarray(DRAW.integers(0, 256, (side, side), np.uint8)).save(file, "PNG")
    return file.getvalue()


def large_png():
    """A small picture in a large file that cannot be packed."""
    return png() + DRAW.bytes(LARGE)


def small_files(folder):
    for row in range(ROWS):
        (folder / f"{row:02d}.png").write_bytes(png())
    return folder


def sparse(path, head, size):
    """Write a file of zeros behind a head, which takes no disk."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)


def table_of(path, notes):
    numbers = {
        name: DRAW.normal(size=len(notes)) + 5 * (np.arange(len(notes)) % 3) for name in "ab"
    }
    table = pa.table({**numbers, "note": notes})
    pq.write_table(table, path, row_group_size=len(notes), use_dictionary=False)
    return path


@case
def parquet_row_group(folder):
    return table_of(folder / "x.parquet", [f"{row:08d}" * 25_000 for row in range(2000)])


@case
def parquet_cell(folder):
    notes = [f"{row}" * (320_000_000 if row == 7 else 1) for row in range(300)]
    return table_of(folder / "x.parquet", notes)


@case
def parquet_images(folder):
    images = [png() + bytes(200_000) for _ in range(3000)]
    whole = {"data_page_size": 1 << 31, "write_batch_size": 3000, "max_rows_per_page": 1 << 30}
    table = pa.table({"image": images})
    pq.write_table(table, folder / "x.parquet", use_dictionary=False, compression="none", **whole)
    return folder / "x.parquet"


@case
def png_pictures(folder):
    for row, mode in enumerate(["RGB", "RGBA", "L"]):
        Image.new(mode, (13_000, 13_000)).save(folder / f"large-{row}.png", compress_level=1)
    return small_files(folder)


@case
def progressive_jpegs(folder):
    for row, mode in enumerate(["CMYK", "CMYK", "RGB"]):
        Image.new(mode, (9000, 9000)).save(folder / f"large-{row}.jpg", progressive=True)
    return small_files(folder)


@case
def tiff_page(folder):
    pages = [Image.fromarray(DRAW.integers(0, 256, (28, 28), np.uint8)) for _ in range(ROWS)]
    pages.insert(3, Image.new("F", (9500, 9500)))
    pages.insert(9, Image.new("RGB", (9500, 9500)))
    pages[0].save(folder / "x.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    return folder / "x.tif"


@case
def ppm_and_bmp(folder):
    size = SIDE * SIDE * 3
    info = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, 0, size, 0, 0, 0, 0)
    for row in range(3):
        sparse(folder / f"large-{row}.ppm", b"P6\n%d %d\n255\n" % (SIDE, SIDE), size)
        head = b"BM" + struct.pack("<IHHI", 54 + size, 0, 0, 54) + info
        sparse(folder / f"large-{row}.bmp", head, size)
    return small_files(folder)


@case
def hdf5_chunk(folder):
    shape, deflate = (5000, 400, 400), zlib.compressobj(1)
    packed = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(-(-np.prod(shape) >> 20)))
    with h5py.File(folder / "x.h5", "w") as file:
        rows = file.create_dataset("x", shape, "u1", chunks=shape, compression="gzip")
        rows.id.write_direct_chunk((0, 0, 0), packed + deflate.flush())
    return folder / "x.h5"


@case
def hdf5_cell(folder):
    with h5py.File(folder / "x.h5", "w") as file:
        rows = file.create_dataset("x", (ROWS,), h5py.vlen_dtype(np.uint8))
        for row in range(ROWS):
            rows[row] = np.frombuffer(large_png() if row == 9 else png(), np.uint8)
    return folder / "x.h5"


@case
def tfrecord_records(folder):
    writer = TFRecordWriter(str(folder / "x.tfrecord"))
    for row in range(ROWS):
        image = large_png() if row in (10, 11) else png()
        writer.write({"image": (image, "byte"), "label": (row % 3, "int")})
    writer.close()
    return folder / "x.tfrecord"


@case
def npy_pictures(folder):
    pictures = np.lib.format.open_memmap(folder / "x.npy", "w+", "f8", (4, 6000, 6000, 3))
    pictures[:, 0, 0] = 1
    return folder / "x.npy"


@case
def packed_npz(folder):
    head = {"descr": "|u1", "fortran_order": False, "shape": (1500, 1000, 1000)}
    options = {"compression": zipfile.ZIP_DEFLATED, "compresslevel": 1}
    with (
        zipfile.ZipFile(folder / "x.npz", "w", **options) as file,
        file.open("x.npy", "w", force_zip64=True) as member,
    ):
        np.lib.format.write_array_header_2_0(member, head)
        for _ in range(1500):
            member.write(bytes(1_000_000))
    return folder / "x.npz"


@case
def zip_members(folder):
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for row in range(ROWS):
            file.writestr(f"{row:02d}.png", large_png() if row in (4, 30) else png())
    return folder / "x.zip"


@case
def tar_members(folder):
    sparse(folder / "large.ppm", b"P6\n%d %d\n255\n" % (SIDE, SIDE), SIDE * SIDE * 3)
    with tarfile.open(folder / "x.tar", "w") as file:
        for row in range(ROWS):
            (folder / "small.png").write_bytes(png())
            file.add(folder / "small.png", f"{row:02d}.png")
        for row in range(2):
            file.add(folder / "large.ppm", f"large-{row}.ppm")
    return folder / "x.tar"


@case
def csv_line(folder):
    with (folder / "x.csv").open("w") as file:
        file.write("a,b,note\n")
        for row in range(3000):
            note = "x" * 300_000_000 if row == 1500 else f"n{row}"
            file.write(f"{row % 3 * 5 + row % 7 / 9},{row % 4 * 4},{note}\n")
    return folder / "x.csv"


@pytest.mark.parametrize("name", CASES)
def test_a_source_with_an_oversized_member_takes_what_was_promised(tmp_path, name):
    (tmp_path / "source").mkdir()
    source = CASES[name](tmp_path / "source")
    command = [sys.executable, "-m", "shoal", "fit", source, "-o", tmp_path / "run"]
    process = subprocess.Popen(
        [*command, "--memory", f"{PROMISED}MiB", "--workers", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    with watching(process.pid) as peak:
        _, said = process.communicate(timeout=600)
    # Nothing is allowed above it: looking 50 times a second can only miss a peak, never add one.
    assert peak() <= PROMISED, said
    refused = "give --memory" in said or "more than the 512 that are allowed" in said
    assert process.returncode == 0 or (process.returncode == 2 and refused), said
    assert "Traceback" not in said
