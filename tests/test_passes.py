"""Passes over all rows after a fit: on an engine they say what they say in memory."""

import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from typer.testing import CliRunner

import shoal
from shoal import passes
from shoal.cli.app import app
from shoal.core.contingency import contingency
from shoal.engines.local import LocalEngine
from shoal.errors import SettingError
from shoal.evaluation import contingency_of, count_classes
from shoal.model import Model
from shoal.progress import Silent

DIGITS = load_digits()
IMAGES = (DIGITS.images * 15).astype(np.uint8)
COLUMNS = ("cluster", "confidence", "unknown")


class Elsewhere:
    """An engine whose workers, for all that passes know, are not threads of this process."""

    def __init__(self, workers):
        self.local = LocalEngine(workers)

    def run(self, *given, **more):
        self.local.run(*given, **more)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr("shoal.stages.shards._SHARD_ROWS", 120)


@pytest.fixture(scope="module", params=[None, 400], ids=["every row", "400 representatives"])
def fitted(request, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shoal.stages.shards._SHARD_ROWS", 120)
        np.save(path := tmp_path_factory.mktemp("passes") / "old.npy", IMAGES[:1400])
        return shoal.fit(path, path.with_name("run"), representatives=request.param).path


@pytest.fixture
def run(fitted, tmp_path):
    """A copy of the run, to be edited."""
    return shoal.open(shutil.copytree(fitted, tmp_path / "run"))


def predicted(run, rows, engine, **asked):
    model = Model(run.model.result.folder, workers=1, curation=run.edits)
    return list(passes.predict_blocks(model, model.open(rows), engine, **asked))


def scored(run, truth, cut=None, engine=Elsewhere):
    """Scores by rows that are counted by an engine."""
    known = truth >= 0
    classes, pairs = count_classes(run.model.result, truth, known, engine(2))
    return contingency_of(classes, pairs, truth, cut or run.clustering())


def counted(truth, cut):
    """The same by the label of every row."""
    known = truth >= 0
    return contingency(truth[known], cut.labels()[known])


def same(one, other):
    return all(np.array_equal(getattr(one, n), getattr(other, n), equal_nan=True) for n in COLUMNS)


def test_new_rows_get_what_they_get_in_memory(run):
    run.edits.rename(int(run.labels()[0]), "of the first")
    found = predicted(run, IMAGES[1400:], Elsewhere(2))
    whole = run.predict(IMAGES[1400:])
    assert len(found) == 4
    assert np.array_equal(np.concatenate([one.cluster for one in found]), whole.cluster)
    assert np.array_equal(np.concatenate([one.confidence for one in found]), whole.confidence)
    assert found[0].names == whole.names != {}
    assert not list(run.path.glob("predict-*"))


def test_rows_are_placed_by_the_rule_of_a_method(tmp_path):
    run = shoal.fit(IMAGES[:300], tmp_path / "run", method="kmeans", k=5)
    found, whole = predicted(run, IMAGES[1400:], Elsewhere(2)), run.predict(IMAGES[1400:])
    assert np.array_equal(np.concatenate([one.cluster for one in found]), whole.cluster)


def test_what_is_there_is_not_predicted_again_and_all_is_told(run, monkeypatch):
    done = []

    class Stopping(Elsewhere):
        def run(self, task, items, *given, **more):
            super().run(task, items[:3], *given, **more)
            raise KeyboardInterrupt

    class Counting(Elsewhere):
        def run(self, task, items, *given, **more):
            done.extend(items)
            super().run(task, items, *given, **more)

    class Told(Silent):
        rows = 0

        def advance(self, n=1):
            self.rows += n

    with pytest.raises(KeyboardInterrupt):
        predicted(run, IMAGES[1400:], Stopping(1))
    told = Told()
    found = predicted(run, IMAGES[1400:], Counting(1), progress=told)
    assert done == [3]
    assert told.rows == 397
    whole = run.predict(IMAGES[1400:])
    assert np.array_equal(np.concatenate([one.cluster for one in found]), whole.cluster)


def test_cells_that_are_amiss_are_counted_over_all_parts(tmp_path):
    draw = np.random.default_rng(0)
    table = pd.DataFrame({"a": draw.normal(size=600), "b": draw.normal(size=600)})
    table.loc[300:, ["a", "b"]] += 30
    table["plan"] = ["free", "paid"] * 300
    run = shoal.fit(table, tmp_path / "run")
    table.loc[::7, "a"] = np.nan
    source = run.model.open(table)
    notes, other = passes.Notes(source), run.predict(table)
    found = list(passes.predict_blocks(run.model, source, Elsewhere(2), notes=notes))
    assert len(found) > 1
    assert notes.remarks == other.remarks
    assert "86 of a" in notes.remarks[0]


def test_rows_are_counted_as_shard_by_shard_in_memory(run):
    truth = DIGITS.target[:1400].astype(np.int64)
    truth[::9] = -1
    for layer in range(len(run.layers)):
        cut = run.clustering(layer=layer)
        one, other = scored(run, truth, cut), counted(truth, cut)
        here = scored(run, truth, cut, LocalEngine)
        assert np.array_equal(one.table.toarray(), here.table.toarray())
        assert np.array_equal(one.table.toarray(), other.table.toarray())
        assert np.array_equal(one.classes, other.classes)
        assert np.array_equal(one.clusters, other.clusters)
        assert np.array_equal(one.noise, other.noise)
    assert not list(run.path.glob("eval-*"))


def test_rows_that_people_moved_are_counted_where_they_are(run):
    truth = DIGITS.target[:1400].astype(np.int64)
    truth[::9] = -1
    largest = np.bincount(run.labels()).argmax()
    run.edits.move(np.flatnonzero(run.labels() == largest)[:60], author="test")
    run.edits.move(np.arange(0, 50), author="test")
    found = run.clustering()
    assert found.state is not None
    assert len(found.state.rows)
    one, other = scored(run, truth, found), counted(truth, found)
    assert np.array_equal(one.table.toarray(), other.table.toarray())
    assert np.array_equal(one.clusters, other.clusters)


def test_a_cluster_that_edits_left_empty_is_none(run):
    truth, labels = DIGITS.target[:1400], run.labels()
    run.edits.move(np.flatnonzero(labels == labels[0]), author="test")
    one, other = scored(run, truth), counted(truth, run.clustering())
    assert np.array_equal(one.clusters, other.clusters)


def test_beam_says_what_threads_say(run, tmp_path):
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed")
    from tests.engines.tasks import THREADS

    on_beam = {"engine": "beam", "engine_options": THREADS}
    found, other = run.predict(IMAGES[1400:], **on_beam), run.predict(IMAGES[1400:])
    assert same(found, other)
    truth = DIGITS.target[:1400]
    assert run.evaluate(truth, **on_beam) == run.evaluate(truth)
    assert {path.name for path in run.path.iterdir() if path.is_dir()} == {
        *("index", "features", "project", "summarise", "tree", "assign")
    }


def test_the_commands(run, tmp_path):
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed")
    from tests.engines.tasks import HERE

    np.save(tmp_path / "new.npy", IMAGES[1400:])
    np.save(tmp_path / "truth.npy", DIGITS.target[:1400])
    np.save(tmp_path / "old.npy", IMAGES[:1400])
    shoal.fit(tmp_path / "old.npy", tmp_path / "other")
    tool, out = CliRunner(), []
    for name, words in (("one", []), ("two", ["--engine", "beam", "--", *HERE])):
        path = tmp_path / f"{name}.parquet"
        told = tool.invoke(
            app, ["predict", f"{run.path}", f"{tmp_path}/new.npy", "-o", f"{path}", *words]
        )
        assert told.exit_code == 0, told.output
        scores = tool.invoke(
            app, ["eval", f"{tmp_path}/other", "--truth", f"{tmp_path}/truth.npy", "--json", *words]
        )
        assert scores.exit_code == 0, scores.output
        out.append((path.read_bytes(), scores.stdout))
    assert out[0] == out[1]


def test_options_without_an_engine(run):
    with pytest.raises(SettingError, match=r"--runner=FlinkRunner behind -- .* --engine beam"):
        run.predict(IMAGES[:2], engine_options=["--runner=FlinkRunner"])
