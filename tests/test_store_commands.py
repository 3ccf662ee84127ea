"""Every command that opens a run, on a copy of one in a store: what it says is as here."""

import json

import fsspec
import numpy as np
import pytest
from sklearn.datasets import load_digits
from starlette.testclient import TestClient
from tests.s3 import s3_server
from typer.testing import CliRunner

import shoal
from shoal.cli.app import app
from shoal.explore.drawing import start_drawing
from shoal.explore.explorer import Explorer
from shoal.explore.prepare import home_of, prepare_leaves
from shoal.explore.serve import Address, make_app
from shoal.storage import RunFolder, as_place

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

N = 600


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A run on a disk, with edits; the source and the truth lie beside it."""
    root = tmp_path_factory.mktemp("here")
    images = (load_digits().images * 15).astype(np.uint8)
    np.save(root / "digits.npy", images[:N])
    np.save(root / "more.npy", images[N : N + 50])
    np.save(root / "truth.npy", load_digits().target[:N])
    run = shoal.fit(root / "digits.npy", root / "run", workers=1)
    run.edits.merge([0, 1])
    run.edits.rename(2, "twos")
    return root


@pytest.fixture(scope="module", params=["memory", "s3"])
def there(request, here):
    """A copy of all that in a store."""
    if request.param == "memory":
        yield copied(here, "memory://shoal")
        fsspec.filesystem("memory").store.clear()
    else:
        with s3_server():
            yield copied(here, "s3://shoal")


def copied(here, url):
    for path in here.rglob("*"):
        if path.is_file() and path.name != ".lock":
            place = as_place(f"{url}/{path.relative_to(here).as_posix()}")
            place.write([memoryview(path.read_bytes())], path.stat().st_size)
    return url


def done(*words, code=0):
    found = CliRunner().invoke(app, [str(word) for word in words])
    assert found.exit_code == code, (found.stdout, found.stderr)
    return found.stdout if code == 0 else found.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("layers", "RUN"),
        ("labels", "RUN"),
        ("labels", "RUN", "--raw", "--k", "5"),
        ("eval", "RUN", "--truth", "HERE/truth.npy"),
        ("info", "RUN"),
        ("compare", "RUN"),
        ("edits", "list", "RUN"),
    ],
    ids=lambda words: words[0],
)
def test_it_prints_what_it_prints_of_a_run_on_a_disk(here, there, words):
    said = [
        done(*(word.replace("RUN", f"{root}/run").replace("HERE", str(here)) for word in words))
        for root in (here, there)
    ]
    assert said[1].replace(there, str(here)) == said[0]
    assert len(said[0]) > 20


def test_files_are_written_to_either_place(here, there, tmp_path):
    for words in (("labels", "run"), ("predict", "run", "more.npy")):
        for ending in ("csv", "parquet", "npy"):
            name = f"{words[0]}.{ending}"
            given = [words[0], *(f"{there}/{word}" for word in words[1:])]
            local = [words[0], *(f"{here}/{word}" for word in words[1:])]
            assert f"{there}/out/{name}: " in done(*given, "-o", f"{there}/out/{name}")
            done(*given, "-o", tmp_path / name, "--force")
            done(*local, "-o", tmp_path / f"local-{name}")
            expected = (tmp_path / f"local-{name}").read_bytes()
            assert (tmp_path / name).read_bytes() == expected
            assert as_place(f"{there}/out/{name}").read_bytes() == expected
            said = done(*given, "-o", f"{there}/out/{name}", code=2)
            assert f"{there}/out/{name} exists: give another name, or --force" in said
    assert not list(tmp_path.glob("*:*"))


def test_exports(here, there, tmp_path):
    for kind, name in (("csv", "labels.csv"), ("html", "report.html")):
        done("export", f"{there}/run", "--to", f"{there}/{kind}", "--as", kind)
        done("export", f"{there}/run", "--to", tmp_path / kind, "--as", kind)
        data = as_place(f"{there}/{kind}/{name}").read_bytes()
        assert data == (tmp_path / kind / name).read_bytes()
    done("export", f"{there}/run", "--to", tmp_path / "folders", "--as", "folders")
    assert len(list(tmp_path.glob("folders/cluster-*/*.png"))) == N
    done("export", f"{there}/run", "--to", tmp_path / "folders", "--as", "folders", "--undo")
    assert not (tmp_path / "folders").exists()
    said = done("export", f"{there}/run", "--to", f"{there}/f", "--as", "folders", code=2)
    assert "is not a local folder, which this export needs: give one" in said


def test_edits_made_on_a_disk_are_read_and_none_are_made_there(here, there):
    run, local = shoal.open(f"{there}/run"), shoal.open(here / "run")
    assert len(run.edits.entries()) == 2
    assert np.array_equal(run.labels(), local.labels())
    assert not np.array_equal(run.labels(), run.labels(raw=True))
    said = done("edits", "undo", f"{there}/run", code=2)
    assert (
        f"shoal: {there}/run is not on a local disk, where edits are stored: copy the run" in said
    )
    assert len(shoal.open(f"{there}/run").edits.entries()) == 2


def test_rows_are_added_to_a_run_there(here, there, tmp_path):
    images = np.concatenate([np.load(here / name) for name in ("digits.npy", "more.npy")])
    np.save(tmp_path / "grown.npy", images)
    place = as_place(f"{there}/grown.npy")
    data = (tmp_path / "grown.npy").read_bytes()
    place.write([memoryview(data)], len(data))
    words = ("-q", "--json", "--previous")
    told = json.loads(done("fit", place, *words, f"{there}/run", "-o", f"{there}/grown"))
    local = json.loads(
        done("fit", tmp_path / "grown.npy", *words, here / "run", "-o", tmp_path / "grown")
    )
    assert told["rows"] == local["rows"] == N + 50
    assert told["layers"] == local["layers"]
    one, other = shoal.open(f"{there}/grown"), shoal.open(tmp_path / "grown")
    assert np.array_equal(one.labels(), other.labels())
    assert done("compare", f"{there}/run", f"{there}/grown")


def test_it_is_explored_without_edits(there):
    folder = RunFolder.open(f"{there}/run")
    home = home_of(folder)
    prepare_leaves(folder, home)
    explorer = Explorer(shoal.open(f"{there}/run"), home, True)
    if there.startswith("s3"):  # the map is drawn by another process
        told = []
        start_drawing(explorer.run.path, home, told.append).wait()
        assert told[-1]["trouble"] is None
    site = Address(None, "127.0.0.1", 7430, None).guarded(make_app(explorer))
    client = TestClient(site, "http://127.0.0.1:7430", headers={"x-shoal": "1"})
    for name in ("run", "clusters"):
        answer = client.get(f"/api/{name}")
        assert answer.status_code == 200, answer.text
    assert "twos" in client.get("/api/clusters").text
