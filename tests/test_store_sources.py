"""From each kind of source in an object store to the labels that the same file gives on a disk."""

import csv
import io
import tarfile
import zipfile

import fsspec
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from tests.s3 import s3_server
from tests.web import serving
from tfrecord.writer import TFRecordWriter

import shoal

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

N = 280  # few, as the server takes some milliseconds a request
PIXELS = (load_digits().images[:N] * 15).astype(np.uint8)
TRUTH = load_digits().target[:N]


@pytest.fixture(scope="module")
def bucket():
    """An S3 server; shards are small, so that each source has some."""
    with s3_server() as patch:
        patch.setattr("shoal.stages.shards._SHARD_ROWS", 100)
        yield "s3://shoal"


def png(at):
    file = io.BytesIO()
    Image.fromarray(PIXELS[at]).save(file, "PNG")
    return file.getvalue()


def tar(root):
    for number, rows in enumerate(np.array_split(np.arange(N), 2)):
        with tarfile.open(root / f"shard-{number}.tar", "w") as archive:
            for at in rows:
                for ending, data in (("png", png(at)), ("cls", str(TRUTH[at]).encode())):
                    info = tarfile.TarInfo(f"{at:04}.{ending}")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
    return "shard-{0..1}.tar"


def zipped(root):
    with zipfile.ZipFile(root / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for at in range(N):
            archive.writestr(f"{at:04}.png", png(at))
    return "x.zip"


def parquet(root):
    table = pa.table({"image": [png(at) for at in range(N)], "label": TRUTH})
    pq.write_table(table, root / "x.parquet", row_group_size=100)
    return "x.parquet"


def records(root):
    writer = TFRecordWriter(str(root / "x.tfrecord"))
    for at in range(N):
        writer.write({"image/encoded": (png(at), "byte")})
    writer.close()
    return "x.tfrecord"


def hdf5(root):
    with h5py.File(root / "x.h5", "w") as file:
        file.create_dataset("images", data=PIXELS, chunks=(100, 8, 8), compression="gzip")
    return "x.h5"


def npz(root):
    np.savez_compressed(root / "x.npz", images=PIXELS)
    return "x.npz"


def table(root):
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, N)
    numbers = rng.normal(4 * group[:, None], 1, (N, 3)).round(3)
    with (root / "x.csv").open("w", newline="") as file:
        rows = [[*row, ["red", "green", "blue"][g]] for row, g in zip(numbers, group, strict=True)]
        csv.writer(file).writerows([["a", "b", "c", "colour"], *rows])
    return "x.csv"


SLOW = [pytest.param(make, marks=pytest.mark.slow) for make in (zipped, records, hdf5, npz)]


@pytest.mark.parametrize("make", [tar, parquet, table, *SLOW], ids=lambda make: make.__name__)
def test_labels_are_those_of_the_same_file_on_a_disk(bucket, tmp_path, make):
    (tmp_path / "data").mkdir()
    name = make(tmp_path / "data")
    put(tmp_path / "data", make.__name__)
    run = shoal.fit(f"{bucket}/{make.__name__}/{name}", f"{bucket}/{make.__name__}.shoal")
    expected = shoal.fit(tmp_path / "data" / name, tmp_path / "local.shoal")
    assert run.info()["stages"]["index"]["shards"] >= 3
    assert run.table().equals(expected.table())
    assert run.primary.k == expected.primary.k > 1


def test_the_same_from_a_web_server(tmp_path):
    (tmp_path / "data").mkdir()
    name = tar(tmp_path / "data")
    with serving(tmp_path / "data") as server:
        run = shoal.fit(f"{server.url}/{name}", tmp_path / "web.shoal")
        assert len(run.source.labels()) == N
    expected = shoal.fit(tmp_path / "data" / name, tmp_path / "local.shoal")
    assert run.table().equals(expected.table())


@pytest.mark.slow
@pytest.mark.parametrize("make", [tar, parquet], ids=lambda make: make.__name__)
def test_processes_of_beam_read_there(bucket, tmp_path, make):
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed")
    from tests.engines.tasks import THREADS

    (tmp_path / "data").mkdir()
    name = make(tmp_path / "data")
    put(tmp_path / "data", f"beam-{make.__name__}")
    run = shoal.fit(
        f"{bucket}/beam-{make.__name__}/{name}",
        f"{bucket}/beam-{make.__name__}.shoal",
        engine="beam",
        engine_options=THREADS,
    )
    expected = shoal.fit(tmp_path / "data" / name, tmp_path / "local.shoal")
    assert run.table().equals(expected.table())


def put(folder, under):
    """Copy files into the store."""
    store = fsspec.filesystem("s3", use_listings_cache=False)
    for path in folder.iterdir():
        store.pipe_file(f"shoal/{under}/{path.name}", path.read_bytes())
