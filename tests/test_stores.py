"""Sources and runs in an object store: an S3 server of its own, spoken to over HTTP."""

import gc

import fsspec
import numpy as np
import pytest
from sklearn.datasets import load_digits
from tests.s3 import s3_server
from tests.stored import stored
from tests.test_pipeline import contents

import shoal
from shoal.errors import RunError, SourceError
from shoal.rows import open_source
from shoal.storage import as_place, places

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ASKED = {"representatives": 150}
IMAGES = (load_digits().images[:600] * 15).astype(np.uint8)


@pytest.fixture(scope="module")
def bucket():
    """An S3 server with digits in it; shards are small."""
    with s3_server() as patch:
        patch.setattr("shoal.stages.shards._SHARD_ROWS", 150)
        store = fsspec.filesystem("s3", use_listings_cache=False)
        for number, part in enumerate(np.array_split(IMAGES, 3)):
            with store.open(f"shoal/digits/{number}.npy", "wb") as file:
                np.save(file, part)
        yield "s3://shoal"


@pytest.fixture(scope="module")
def local(bucket, tmp_path_factory):
    run = shoal.fit(f"{bucket}/digits", tmp_path_factory.mktemp("runs") / "local", **ASKED)
    return contents(run.path)


def test_a_source_in_a_store_has_the_rows_of_the_files(bucket):
    source = open_source(f"{bucket}/digits")
    assert source.description == "600 grey images of 8×8 (digits)"
    assert np.array_equal(source.read(150, 450).data[..., 0], IMAGES[150:450])


@pytest.fixture(scope="module")
def run(bucket):
    """A run in the store, whole after each test."""
    return shoal.fit(f"{bucket}/digits", f"{bucket}/run", **ASKED)


def test_a_run_in_a_store_has_the_same_bytes(bucket, local, run):
    assert stored(f"{bucket}/run") == local
    again = shoal.open(f"{bucket}/run")
    assert np.array_equal(again.labels(), run.labels())
    assert len(again.table()) == 600
    with pytest.raises(RunError, match=r"s3://shoal/run is not on a local disk, .* back"):
        again.edits.rename(0, "zero")


def test_a_fit_in_a_store_goes_on_where_it_stopped(bucket, local, run):
    url = as_place(f"{bucket}/run")
    (url / "assign" / "_done.json").unlink()
    (url / "assign" / "rows" / "part-00002.parquet").unlink()
    (url / "project" / "vectors" / "part-00001.npy").unlink()
    shoal.fit(f"{bucket}/digits", url, **ASKED)
    assert stored(url) == local


def test_an_upload_that_breaks_off_is_never_seen(bucket, monkeypatch):
    monkeypatch.setattr(places, "_AT_ONCE", 0)
    url = as_place(f"{bucket}/uploads/x")

    def pieces():
        for _ in range(11):  # a part of an upload has 5 MiB at least, and fsspec sends 50
            yield memoryview(bytes(5 << 20))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        url.write(pieces(), 60 << 20)
    gc.collect()  # a file that is let go of closes itself
    assert not url.exists()
    assert list(url.parent.iterdir()) == []
    url.write([memoryview(b"whole")], 5)
    assert url.read_bytes() == b"whole"


def test_images_in_a_store(bucket, photos):
    store = fsspec.filesystem("s3", use_listings_cache=False)
    for path in sorted(photos.rglob("*.jpg"))[::8]:
        store.pipe_file(f"shoal/photos/{path.relative_to(photos).as_posix()}", path.read_bytes())
    source = open_source(f"{bucket}/photos")
    assert source.n_rows == 10
    assert source.names(0, 1) == ["china/00.jpg"]
    assert not source.read(0, 10).bad


def test_what_is_not_there(bucket):
    with pytest.raises(SourceError, match="s3://shoal/none does not exist, or has no files in it"):
        open_source(f"{bucket}/none")
    with pytest.raises(RunError, match="s3://shoal/none does not exist"):
        shoal.open(f"{bucket}/none")


def test_processes_of_beam_work_in_a_store(bucket, local):
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed")
    from tests.engines.tasks import THREADS

    url = f"{bucket}/beam"
    shoal.fit(f"{bucket}/digits", url, engine="beam", engine_options=THREADS, **ASKED)
    assert stored(url) == local
