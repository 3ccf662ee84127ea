import io
import shutil

import pytest
from PIL import Image
from starlette.testclient import TestClient

from shoal.errors import InputError
from shoal.explore.serve import Address
from shoal.explore.shelf import Shelf, runs_in

HOST = "127.0.0.1:7430"


@pytest.fixture(scope="module")
def folder(digits_path, vectors_path, tmp_path_factory):
    """Two runs, a damaged one, and a folder that is none."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(digits_path, folder / "my digits.shoal")
    shutil.copytree(vectors_path, folder / "vectors.shoal")
    (folder / "broken.shoal").mkdir()
    (folder / "broken.shoal" / "run.toml").write_text("<b>no toml")
    (folder / "notes").mkdir()
    return folder


@pytest.fixture
def client(folder):
    """Asks as a browser does, and closes what it opened."""
    shelf = Shelf(folder)
    app = Address(None, "127.0.0.1", 7430, None).guarded(shelf.app)
    yield TestClient(app, f"http://{HOST}", headers={"x-shoal": "1"})
    shelf.close()


def test_runs_are_listed_with_pictures_and_what_was_found(client, folder):
    page = client.get("/").text
    assert "3 runs" in page
    assert 'href="/runs/my%20digits.shoal/"' in page
    assert page.count("clusters, ") + page.count("clusters; ") == 2
    assert page.count('class="faces"') == 1  # vectors have no pictures
    assert "<b>no toml" not in page
    assert 'href="/runs/broken.shoal/"' not in page
    assert "broken" in page
    faces = Image.open(io.BytesIO(client.get("/faces/my%20digits.shoal").content))
    assert faces.width > 3 * faces.height
    assert client.get("/faces/vectors.shoal").status_code == 404


def test_each_run_is_explored_and_edited_under_its_own_address(client):
    assert client.get("/runs/my%20digits.shoal", follow_redirects=False).status_code == 307
    assert "main.js" in client.get("/runs/my%20digits.shoal/").text
    assert client.get("/static/main.js").status_code == 200
    rows = {
        name: client.get(f"/runs/{name}.shoal/api/run").json()["rows"]
        for name in ("my%20digits", "vectors")
    }
    assert rows == {"my%20digits": 600, "vectors": 900}
    body = {"op": "rename", "cluster": 0, "name": "zeros"}
    assert client.post("/runs/vectors.shoal/api/edits", json=body).status_code == 200
    called = [
        client.get(f"/runs/{name}.shoal/api/clusters").json()["clusters"][0]["name"]
        for name in ("my%20digits", "vectors")
    ]
    assert called == [None, "zeros"]
    assert "1 edit" in client.get("/").text
    undo = client.post("/runs/vectors.shoal/api/edits", json={"op": "undo"})
    assert undo.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/runs/nothing/api/run",
        "/runs/notes/",
        "/runs/..%2Fruns/",
        "/runs/%2e%2e/",
        "/faces/nothing",
        "/static/../shelf.py",
        "/api/run",
        "/runs//",
    ],
)
def test_nothing_else_is_served(client, path):
    assert client.get(path).status_code == 404


def test_a_damaged_run_says_so_when_it_is_opened(client):
    answer = client.get("/runs/broken.shoal/api/run")
    assert answer.status_code == 503
    assert "broken.shoal" in answer.json()["error"]["message"]


def test_a_run_itself_and_an_empty_folder_are_no_shelf(folder, tmp_path):
    assert runs_in(folder / "vectors.shoal") == []
    with pytest.raises(InputError, match="holds no runs"):
        Shelf(tmp_path)


def test_streams_end_when_it_stops(folder):
    shelf = Shelf(folder)
    app = shelf.open("vectors.shoal")
    shelf.app.state.stopping = True
    assert app.state.stopping
    shelf.close()
