"""A source and a run at gs:// addresses: Google's protocol, spoken by an emulator over HTTP."""

import logging
import socket
from importlib.util import find_spec

import fsspec
import numpy as np
import pytest
from sklearn.datasets import load_digits
from tests.stored import stored
from tests.test_pipeline import contents

import shoal
from shoal.errors import RunError, SourceError
from shoal.rows import open_source

emulator = pytest.importorskip(
    "gcp_storage_emulator.server", reason="gcp-storage-emulator is not installed"
)
if find_spec("gcsfs") is None:
    pytest.skip("gcsfs is not installed: pip install 'shoal[gs]'", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def bucket():
    """An emulator with digits in it."""
    logging.getLogger("gcp_storage_emulator").setLevel(logging.ERROR)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket="shoal")
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # before gcsfs is loaded
        patch.setitem(fsspec.config.conf, "gs", {"token": "anon"})
        patch.setitem(fsspec.config.conf, "gcs", {"token": "anon"})
        patch.setattr("shoal.stages.shards._SHARD_ROWS", 300)
        store = fsspec.filesystem("gs", use_listings_cache=False)
        images = (load_digits().images[:700] * 15).astype(np.uint8)
        for number, part in enumerate(np.array_split(images, 2)):
            with store.open(f"shoal/digits/{number}.npy", "wb") as file:
                np.save(file, part)
        yield "gs://shoal"
    server.stop()


def test_a_run_in_a_google_bucket_has_the_same_bytes(bucket, tmp_path):
    source = open_source(f"{bucket}/digits")
    assert source.description == "700 grey images of 8×8 (digits)"
    run = shoal.fit(f"{bucket}/digits", f"{bucket}/run")
    local = shoal.fit(f"{bucket}/digits", tmp_path / "local")
    assert stored(f"{bucket}/run") == contents(local.path)
    assert np.array_equal(shoal.open(f"{bucket}/run").labels(), run.labels())


def test_what_is_not_there(bucket):
    with pytest.raises(SourceError, match="gs://shoal/none does not exist, or has no files in it"):
        open_source(f"{bucket}/none")
    with pytest.raises(RunError, match="gs://shoal/none does not exist"):
        shoal.open(f"{bucket}/none")
