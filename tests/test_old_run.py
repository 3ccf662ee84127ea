"""A run that an earlier version wrote (commit 0275276) is read, shown, corrected, gone on from."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from tests.explore.conftest import client_of

import shoal
from shoal.errors import RunError
from shoal.explore.explorer import Explorer
from shoal.explore.prepare import prepare_leaves
from shoal.storage import RunFolder

OLD = Path(__file__).parent / "data" / "run-0275276.tar.xz"


@pytest.fixture
def old(tmp_path):
    with tarfile.open(OLD) as archive:
        archive.extractall(tmp_path, filter="data")
    about = tmp_path / "run.shoal/run.toml"
    text = about.read_text(encoding="utf-8")
    about.write_text(text.replace("/srv/digits", str(tmp_path)), encoding="utf-8")
    return tmp_path / "run.shoal"


def test_it_opens_predicts_and_exports(old, tmp_path):
    run = shoal.open(old)
    assert [layer.k for layer in run.layers] == [2, 3, 4]
    assert np.bincount(run.labels()).tolist() == sorted(np.bincount(run.labels()), reverse=True)
    images = np.load(tmp_path / "digits.npy")
    assert (run.predict(images).cluster == run.labels()).mean() > 0.9
    run.export(tmp_path / "report", "html")
    assert "Cluster 3" in (tmp_path / "report/report.html").read_text(encoding="utf-8")


def test_it_is_corrected(old):
    run = shoal.open(old)
    run.edits.merge([0, 1])
    assert len(np.unique(run.labels())) == 3
    run.edits.undo()
    assert len(np.unique(run.labels())) == 4


def test_the_page_shows_it(old):
    prepare_leaves(RunFolder.open(old), old)
    with client_of(Explorer(shoal.open(old), old)) as client:
        assert client.get("/api/run").json()["rows"] == 100


def test_a_fit_goes_on_from_it(old, tmp_path):
    run = shoal.fit(tmp_path / "digits.npy", old)
    assert run.n_rows == 100
    assert run.primary.k >= 3


def test_a_newer_one_is_refused_by_its_version(old):
    about = old / "run.toml"
    text = about.read_text(encoding="utf-8").replace("format = 1", "format = 99")
    about.write_text(text.replace("0.1.0.dev0", "7.0.0"), encoding="utf-8")
    with pytest.raises(RunError, match="newer Shoal"):
        shoal.open(old)
