import numpy as np
import pytest

import shoal
from shoal.core import relabelling
from shoal.errors import SettingError
from shoal.progress import Silent
from shoal.settings import fit_settings
from shoal.synthetic import digits


class Notes(Silent):
    def __init__(self):
        self.all = []

    def note(self, text):
        self.all.append(text)

    @property
    def refinement(self):
        return next((note for note in self.all if "efined:" in note), None)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(relabelling, "_STEPS", 100)
    monkeypatch.setattr(relabelling, "_HIDDEN", 32)


def touching():
    generator = np.random.default_rng(5)
    return (
        generator.normal(size=(800, 8)) + np.repeat([0, 3.4], 400)[:, None] * (np.arange(8) == 0)
    ).astype(np.float32)


def fit(source, out, **settings):
    notes = Notes()
    run = shoal.fit(source, out, progress=notes, **{"workers": 1, **settings})
    return run, notes


def files(run):
    folder = run.path
    return {
        path.relative_to(folder): path.read_bytes()
        for name in ("tree", "assign")
        for path in sorted((folder / name).rglob("*"))
        if path.is_file() and not path.name.startswith("_") and path.parent.name != "refined"
    }


def test_a_run_is_refined_the_same_by_any_number_of_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(relabelling, "_ERRORS", -np.inf)  # take what little training gave
    plain, _ = fit(touching(), tmp_path / "plain", k=2)
    one, notes = fit(touching(), tmp_path / "one", refine=True, k=2)
    two, _ = fit(touching(), tmp_path / "two", refine=True, k=2, workers=2)
    assert files(one) == files(two)
    assert notes.refinement.startswith("Refined: ")
    assert one.info()["refined"] == notes.refinement
    assert "refined" not in plain.info()
    changed = plain.labels() != one.labels()
    assert 0 < changed.sum() < 100
    assert [layer.k for layer in one.layers] == [layer.k for layer in plain.layers]
    found = one.predict(touching()).cluster
    assert (found == one.labels()).mean() > 0.99


def test_what_is_no_structure_stays(tmp_path):
    blob = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
    run, notes = fit(blob, tmp_path / "one", refine=True)
    assert notes.refinement == "Not refined: there is only one cluster."
    run, notes = fit(blob, tmp_path / "three", refine=True, k=3)
    assert notes.refinement.startswith("Not refined: two halves of the rows")
    assert files(run) == files(fit(blob, tmp_path / "plain", k=3)[0])


def test_images_are_altered_and_read_from_where_they_lie(tmp_path, monkeypatch):
    images, _ = digits()
    images = np.concatenate([images[:300], images[:5]])  # some come twice
    seen = []
    monkeypatch.setattr(
        "shoal.stages.relabelling.altered", lambda some, seed: seen.append(some) or some
    )
    _, notes = fit(images, tmp_path / "run", refine=True, k=4)
    assert notes.refinement is not None
    assert sum(map(len, seen)) >= 8 * 300
    of_one = np.unique(np.concatenate(seen[: len(seen) // 8 or 1]).reshape(-1, 64), axis=0)
    assert len(of_one) == 300


def test_representatives_of_several_rows_are_refined(tmp_path):
    run, notes = fit(touching(), tmp_path / "run", refine=True, k=2, representatives=500)
    assert notes.refinement is not None
    assert len(run.labels()) == 800


def test_only_shoals_own_clusters_are_refined():
    with pytest.raises(SettingError, match="refine True is for the method shoal"):
        fit_settings(refine=True, method="kmeans", k=3)
    with pytest.raises(SettingError, match="refine must be true or false; got 'yes'"):
        fit_settings(refine="yes")
    assert not fit_settings(refine=False, method="kmeans", k=3).refine
