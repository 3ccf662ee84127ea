"""What goes wrong between a fit and where it reads and writes: a sentence, and nothing is lost."""

import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from sklearn.datasets import load_digits
from tests.s3 import KEYS, Wire, forget, reader, rights_heeded, s3_server
from tests.stored import stored
from tests.test_pipeline import contents
from tests.web import serving

import shoal
from shoal.errors import PlaceError, ShoalError, StorageFullError
from shoal.storage import as_place, places

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ASKED = {"representatives": 150}


@pytest.fixture(scope="module")
def server():
    """An S3 server; shards are small."""
    with s3_server() as patch:
        patch.setattr("shoal.stages.shards._SHARD_ROWS", 150)
        patch.setattr(places, "WAITS", (0.0,))
        patch.setattr("s3fs.S3FileSystem.retries", 1)
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        yield os.environ["AWS_ENDPOINT_URL"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "digits.npy"
    np.save(path, (load_digits().images[:600] * 15).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def expected(server, digits, tmp_path_factory):
    run = shoal.fit(digits, tmp_path_factory.mktemp("runs") / "local", **ASKED)
    return contents(run.path)


@pytest.fixture
def wire(server, monkeypatch):
    found = Wire(int(server.rpartition(":")[2]))
    monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
    forget()
    yield found
    found.close()
    forget()


def test_a_network_cut_again_and_again_costs_nothing_that_is_done(wire, digits, expected):
    url = "s3://shoal/cut"
    for room in (50_000, 100_000):
        wire.mend()
        wire.break_after(room)
        with pytest.raises(ShoalError, match=r"s3://shoal/cut.* run the same command again"):
            shoal.fit(digits, url, **ASKED)
    wire.mend()
    shoal.fit(digits, url, **ASKED)
    assert stored(url) == expected


def test_a_source_that_goes_away_stops_the_fit_and_it_goes_on_after(tmp_path, digits, expected):
    run = tmp_path / "run"
    with serving(digits.parent) as server:
        server.fault = lambda path: "drop" if (run / "index").exists() else None
        with pytest.raises(PlaceError, match=r"digits\.npy cannot be reached .*: check the addr"):
            shoal.fit(f"{server.url}/digits.npy", run, workers=1, **ASKED)
        assert not (run / "assign" / "_done.json").exists()
        server.fault = None
        shoal.fit(f"{server.url}/digits.npy", run, **ASKED)
    found = contents(run)
    labels = [name for name in expected if name.startswith(("tree/order", "assign/rows"))]
    assert labels
    assert all(found[name] == expected[name] for name in labels)
    assert shoal.open(run).quarantine.num_rows == 0


def test_who_may_only_read_reads(server, digits, tmp_path, monkeypatch):
    shoal.fit(np.load(digits)[:90], "s3://shoal/closed")
    for name, value in reader(server).items():
        monkeypatch.setenv(name, value)
    forget()
    with rights_heeded(server):
        assert len(shoal.open("s3://shoal/closed").labels()) == 90
        with pytest.raises(StorageFullError, match=r"s3://shoal/other/run.toml denies access"):
            shoal.fit(digits, "s3://shoal/other", **ASKED)
        monkeypatch.setenv(KEYS[0], "AKIANOTTHERE")
        forget()
        with pytest.raises(PlaceError, match="denies access to these credentials"):
            shoal.open("s3://shoal/closed")
    forget()


def test_without_keys_or_a_bucket(server, digits, monkeypatch):
    with pytest.raises(StorageFullError, match=r"s3://no-such/run/run.toml cannot be writ"):
        shoal.fit(digits, "s3://no-such/run", **ASKED)
    for name in KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    forget()
    with pytest.raises(ShoalError, match=r"cannot be used without credentials \(Unable to locate"):
        shoal.fit("s3://shoal/x.npy", "s3://shoal/none", **ASKED)
    forget()


@pytest.mark.slow
def test_a_server_killed_amid_a_pass(tmp_path):
    rows = np.random.default_rng(0).integers(0, 256, (60_000, 24, 24), dtype=np.uint8)
    np.save(tmp_path / "x.npy", rows)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-c", SERVE, str(tmp_path), str(port)]
    url = f"http://127.0.0.1:{port}/x.npy"
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        fit = [sys.executable, "-m", "shoal", "fit", url, "-o", str(tmp_path / "run"), "-q"]
        with subprocess.Popen(fit, stderr=subprocess.PIPE, text=True) as running:
            while not list(tmp_path.glob("run/features/*")) and running.poll() is None:
                time.sleep(0.02)
            process.kill()
            said = running.communicate()[1]
    assert running.returncode == 2
    assert said.startswith(f"shoal: {url} cannot be reached (")
    assert "Traceback" not in said
    with serving(tmp_path, port=port):
        run = shoal.fit(url, tmp_path / "run")
    assert run.quarantine.num_rows == 0
    assert as_place(run.path) == tmp_path / "run"


SERVE = """
import sys
from tests.web import Ranged, Server
server = Server(sys.argv[1], Ranged, int(sys.argv[2]))
print("ready", flush=True)
server.serve_forever()
"""
