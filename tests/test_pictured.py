"""Fits of vectors that are shown by images."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.explore.conftest import client_of, prepared
from typer.testing import CliRunner

import shoal
from shoal.cli.app import app
from shoal.errors import InputError, RunError
from shoal.explore.explorer import Explorer

KINDS, N = 3, 60
TRUTH = np.arange(N) * KINDS // N
VECTORS = np.random.default_rng(0).normal(size=(N, 8)) + 9 * np.eye(8)[TRUTH]


@pytest.fixture
def folder(tmp_path):
    """Sixty images of one grey for each kind, and the vectors that they were made into."""
    (tmp_path / "photos").mkdir()
    for at in range(N):
        path = tmp_path / "photos" / f"{at:02}.png"
        Image.fromarray(np.full((70, 80, 3), 20 + 80 * TRUTH[at], np.uint8)).save(path)
    np.save(tmp_path / "vectors.npy", VECTORS.astype(np.float32))
    return tmp_path


def cli(*words):
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(word) for word in words])


def is_right(run):
    """Tell whether each cluster is one kind, whose images have one grey level."""
    labels, pictures = run.labels(), run.source
    greys = [int(pictures.read_original(row)[0, 0, 0]) for row in range(run.n_rows)]
    return run.primary.k == KINDS and len({*zip(labels.tolist(), greys, strict=True)}) == KINDS


def test_vectors_are_clustered_and_images_exported(folder):
    out = folder / "x.shoal"
    fitted = cli("fit", folder / "vectors.npy", "--images", folder / "photos", "-o", out)
    assert fitted.exit_code == 0, fitted.stderr
    assert "shown by 60 grey images of 70×80 (photos)" in fitted.stderr
    run = shoal.open(out)
    assert is_right(run)
    assert run.table()["name"][7].as_py() == "07.png"
    assert cli("export", out, "--to", folder / "out", "--as", "folders").exit_code == 0
    assert len(list((folder / "out").rglob("*.png"))) == N
    assert cli("export", out, "--to", folder / "page", "--as", "html").exit_code == 0
    assert "data:image" in (folder / "page" / "report.html").read_text() or list(
        (folder / "page").rglob("*.webp")
    )
    again = cli("fit", folder / "vectors.npy", "--images", folder / "photos", "-o", out)
    assert "Nothing to do" in again.stderr


def test_counts_that_differ_are_one_sentence(folder):
    (folder / "photos" / "00.png").unlink()
    wrong = cli("fit", folder / "vectors.npy", "--images", folder / "photos", "--dry-run")
    assert wrong.exit_code == 2
    assert "60 vectors" in wrong.stderr
    assert "59 grey images" in wrong.stderr
    with pytest.raises(InputError, match="59 grey images"):
        shoal.fit(VECTORS, images=folder / "photos", workers=1)


def test_vectors_in_memory_find_their_images_again(folder):
    out = folder / "x.shoal"
    run = shoal.fit(VECTORS, out, images=str(folder / "photos"), workers=1)
    assert is_right(run)
    assert is_right(shoal.open(out))
    assert not shoal.open(out).changed.any()
    Image.new("RGB", (9, 9)).save(folder / "photos" / "03.png")
    assert np.flatnonzero(shoal.open(out).changed).tolist() == [3]
    (folder / "photos" / "03.png").unlink()
    with pytest.raises(RunError, match=r"the images of .* are gone: 60 rows, but 59 grey images"):
        _ = shoal.open(out).source


@pytest.mark.parametrize("given", ["list", "array", "source"])
def test_images_in_python(folder, given):
    paths = sorted((folder / "photos").iterdir())
    images = {
        "list": paths,
        "array": np.stack([np.asarray(Image.open(path)) for path in paths]),
        "source": shoal.open_source(folder / "photos"),
    }[given]
    assert is_right(shoal.fit(VECTORS, images=images, workers=1))


def test_new_vectors_are_predicted_and_new_images_refused(folder):
    out = folder / "x.shoal"
    run = shoal.fit(folder / "vectors.npy", out, images=folder / "photos", workers=1)
    assert np.array_equal(run.predict(VECTORS.astype(np.float32)).cluster, run.labels())
    refused = cli("predict", out, folder / "photos")
    assert refused.exit_code == 2
    assert "but the run was fitted to vectors" in refused.stderr


def test_rows_are_added_wherever_their_images_are_listed(folder):
    kept = np.flatnonzero(np.arange(N) % 10)
    moved = folder / "later"
    moved.mkdir()
    for at in range(0, N, 10):
        (folder / "photos" / f"{at:02}.png").rename(moved / f"{at:02}.png")
    np.save(folder / "vectors.npy", VECTORS[kept])
    first, second = folder / "1.shoal", folder / "2.shoal"
    shoal.fit(folder / "vectors.npy", first, images=folder / "photos", workers=1)
    for path in moved.iterdir():
        path.rename(folder / "photos" / path.name)
    np.save(folder / "vectors.npy", VECTORS)
    given = {"images": folder / "photos", "workers": 1}
    shoal.fit(folder / "vectors.npy", second, previous=first, **given)
    run = shoal.open(second)
    assert run.info()["added"]["added"] == N // 10
    assert is_right(run)
    np.save(folder / "vectors.npy", VECTORS[::-1])  # other vectors for the same images
    with pytest.raises(InputError, match="is not what it was"):
        shoal.fit(folder / "vectors.npy", folder / "3.shoal", previous=first, **given)


def test_a_file_with_vectors_and_images_is_fitted_by_its_vectors(folder):
    paths = [f"photos/{at:02}.png" for at in range(N)]
    cells = {"path": paths, "embedding": pa.array(VECTORS.tolist())}
    pq.write_table(pa.table(cells), folder / "both.parquet")
    out = folder / "x.shoal"
    facts = cli("fit", folder / "both.parquet", "-o", out, "--json")
    assert json.loads(facts.stdout)["source"].startswith("60 grey images")
    run = shoal.open(out)
    assert is_right(run)
    assert np.array_equal(run.predict(folder / "both.parquet").cluster, run.labels())
    images = shoal.fit(folder / "both.parquet", folder / "i.shoal", as_="images", workers=1)
    assert images.predict(folder / "both.parquet").cluster.shape == (N,)


def test_the_explorer_shows_images_and_finds_none_by_another(folder):
    out = folder / "x.shoal"
    shoal.fit(VECTORS, out, images=str(folder / "photos"), workers=1)
    client = client_of(Explorer(shoal.open(prepared(out)), out))
    facts = client.get("/api/run").json()
    assert facts["thumb"] is not None
    assert facts["kind"] == "vectors"
    answer = client.post("/api/search", content=(folder / "photos" / "00.png").read_bytes())
    assert "cannot be searched by an image" in answer.text
