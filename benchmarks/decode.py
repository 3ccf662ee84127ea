"""Images a second that are read and decoded to what an encoder wants, by kind of source."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg
from PIL import Image
from sklearn.datasets import load_sample_images

from benchmarks.base import Benchmark, Inputs, Measurement, Must, Row, at_least, middle, of_case
from shoal.rows import ImageRequest, Source, as_requested, open_source
from shoal.rows.images.tfrecord import masked_crc

SMALL, SMALL_SIZE = 2000, (224, 224)
LARGE, LARGE_SIZE = 24, (3000, 4000)
REPEATS, BLOCK = 3, 8
WANTED = ImageRequest((224, 224), channels=3, sampling="bicubic")
LARGE_CASE, SMALL_CASE = "4000×3000 JPEG, folder", "224×224 JPEG, folder"


def photos(n: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Cut pieces of scikit-learn's photos at random places and scale them, with a camera's noise.

    Yields
    ------
    uint8 arrays, shape (*size, 3)
    """
    originals = [Image.fromarray(photo) for photo in load_sample_images().images]
    random = np.random.default_rng(0)
    for at in range(n):
        photo = originals[at % len(originals)]
        share = random.uniform(0.4, 1)
        width, height = int(photo.width * share), int(photo.height * share)
        left = random.integers(photo.width - width + 1)
        top = random.integers(photo.height - height + 1)
        piece = photo.crop((left, top, left + width, top + height))
        scaled = np.asarray(piece.resize(size[::-1], Image.Resampling.BICUBIC), np.int16)
        yield (scaled + random.normal(0, 5, scaled.shape)).clip(0, 255).astype(np.uint8)


def encoded(n: int, size: tuple[int, int], form: str) -> list[bytes]:
    """Encode photos as JPEG of quality 90, plain or progressive, or as PNG."""
    made = []
    for pixels in photos(n, size):
        if form == "JPEG":
            made.append(simplejpeg.encode_jpeg(pixels, quality=90, colorsubsampling="420"))
            continue
        file = io.BytesIO()
        options = {"compress_level": 1} if form == "PNG" else {"quality": 90, "progressive": True}
        Image.fromarray(pixels).save(file, "PNG" if form == "PNG" else "JPEG", **options)
        made.append(file.getvalue())
    return made


def write_folder(path: Path, files: Sequence[bytes]) -> Path:
    """Write files of a folder."""
    path.mkdir()
    for at, data in enumerate(files):
        (path / f"{at:05d}.jpg").write_bytes(data)
    return path


def write_tar(path: Path, files: Sequence[bytes]) -> Path:
    """Write a tar archive."""
    with tarfile.open(path.with_suffix(".tar"), "w") as archive:
        for at, data in enumerate(files):
            info = tarfile.TarInfo(f"{at:05d}.jpg")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path.with_suffix(".tar")


def write_zip(path: Path, files: Sequence[bytes]) -> Path:
    """Write a zip archive."""
    with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_STORED) as archive:
        for at, data in enumerate(files):
            archive.writestr(f"{at:05d}.jpg", data)
    return path.with_suffix(".zip")


def write_parquet(path: Path, files: Sequence[bytes]) -> Path:
    """Write a Parquet file of one column, in one row group."""
    table = pa.table({"image": pa.array(files, pa.binary())})
    pq.write_table(table, path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def write_tfrecord(path: Path, files: Sequence[bytes]) -> Path:
    """Write a TFRecord file of Examples with one feature."""

    def field(number: int, body: bytes) -> bytes:
        length, digits = len(body), bytearray()
        while length > 127:
            digits.append(length & 127 | 128)
            length >>= 7
        return bytes([number << 3 | 2, *digits, length]) + body

    with path.with_suffix(".tfrecord").open("wb") as file:
        for data in files:
            feature = field(2, field(1, field(1, data)))
            record = field(1, field(1, field(1, b"image/encoded") + feature))
            head = struct.pack("<Q", len(record))
            file.write(head + struct.pack("<I", masked_crc(head)) + record)
            file.write(struct.pack("<I", masked_crc(record)))
    return path.with_suffix(".tfrecord")


WRITERS: dict[str, Callable[[Path, Sequence[bytes]], Path]] = {
    "folder": write_folder,
    "tar": write_tar,
    "zip": write_zip,
    "Parquet": write_parquet,
    "TFRecord": write_tfrecord,
}


def measure(case: str, source: Source) -> Iterator[Measurement]:
    """Read all rows with one thread for each core, some times."""
    rows = as_requested(source, WANTED)
    starts = range(0, rows.n_rows, BLOCK)

    def read(start: int) -> int:
        batch = rows.read(start, min(start + BLOCK, rows.n_rows))
        return len(batch.data) - len(batch.bad)

    for _ in range(REPEATS):
        began, cpu = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            good = sum(pool.map(read, starts))
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
        assert good == rows.n_rows
        facts = {"images_a_second": good / seconds, "cpu_ms_an_image": 1000 * used / good}
        yield Measurement(case, good, seconds, None, None, facts)


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Measure large photos by format, then small ones by kind of source."""
    for form in ("JPEG", "progressive JPEG", "PNG"):
        files = encoded(LARGE, LARGE_SIZE, form)
        path = write_folder(inputs.scratch / form.replace(" ", "-"), files)
        yield from measure(f"4000×3000 {form}, folder", open_source(path))
    files = encoded(SMALL, SMALL_SIZE, "JPEG")
    for name, write in WRITERS.items():
        path = write(inputs.scratch / "small", files)
        yield from measure(f"224×224 JPEG, {name}", open_source(path))


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge large photos and small ones."""
    large = middle(of_case(rows, LARGE_CASE), "images_a_second")
    small = middle(of_case(rows, SMALL_CASE), "images_a_second")
    return [
        at_least("4000×3000 JPEG a second", large, 12),
        at_least("224×224 JPEG a second", small, 400),
    ]


BENCHMARK = Benchmark("decode", "images read and decoded to 224 × 224 a second", run, musts)
