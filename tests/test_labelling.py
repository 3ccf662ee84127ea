import numpy as np
import pytest

import shoal
from shoal.errors import InputError

RNG = np.random.default_rng(0)
SIZES = (90, 80, 70, 60)
ROWS = np.concatenate([RNG.normal(8 * at, 1, (n, 3)) for at, n in enumerate(SIZES)])
# Two of the four groups are of one class, and ten rows of the first are of another.
TRUTH = np.repeat(["a", "b", "a", "c"], SIZES)
TRUTH[:10] = "c"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    return shoal.fit(ROWS, tmp_path_factory.mktemp("runs") / "rows.shoal", workers=1).path


@pytest.fixture
def run(fitted):
    opened = shoal.open(fitted)
    assert opened.primary.k == 4
    yield opened
    if opened.edits.edited:
        opened.edits.undo(len(opened.edits.done))


def names(run):
    return [line["name"] for line in run.edits.listing()]


def test_clusters_get_the_name_of_their_commonest_class(run):
    found = run.label(TRUTH)
    assert names(run) == ["a", "b", "a (2)", "c"]
    assert [line["label"] for line in found.records()] == ["a", "b", "a", "c"]
    assert found.records()[0]["purity"] == pytest.approx(80 / 90)
    assert found.accuracy == pytest.approx(290 / 300)
    assert (found.labelled, found.tested, found.named) == (300, 0, 4)
    assert np.isnan(found.test_accuracy)
    run.edits.undo(found.edits)
    assert names(run) == [None] * 4


def test_held_out_rows_have_no_say(run):
    truth, test = np.repeat([0, 1, 2, 3], SIZES), np.full(300, -1)
    held_out = np.arange(0, 300, 3)
    test[held_out] = truth[held_out]
    test[[0, 3]] = 3
    truth[held_out] = 1  # would change the classes, if it had a say
    found = run.label(truth, test, names=["w", "x", "y", "z"])
    assert names(run) == ["w", "x", "y", "z"]
    assert (found.labelled, found.tested) == (200, 100)
    assert (found.accuracy, found.test_accuracy) == (1, 0.98)


def test_clusters_without_labelled_rows_have_no_name(run):
    truth = np.where(np.arange(300) < 90, 5, -1)
    found = run.label(truth)
    assert names(run) == ["5", None, None, None]
    assert found.records()[1]["label"] is None
    assert found.score([0, 1, -1], [5, 5, 5]) == pytest.approx(1 / 3)


def test_names_of_people_and_locked_clusters_stay(run):
    run.edits.rename(0, "mine")
    run.edits.rename(2, "b")
    run.edits.rename(3, "locked")
    run.edits.lock(3)
    found = run.label(TRUTH)
    assert names(run) == ["mine", "b (2)", "b", "locked"]
    assert found.kept == (0, 2, 3)
    again = run.label(TRUTH, replace=True)
    assert names(run) == ["a", "b", "a (2)", "locked"]
    assert again.kept == (3,)
    assert run.label(TRUTH, replace=True).edits == 0


def test_another_cut_is_named_and_undone(run):
    found = run.label(TRUTH, k=8)
    assert len(found.records()) == run.edits.k == 8
    assert all(names(run))
    run.edits.undo(found.edits)
    assert run.edits.k == 4


def test_new_rows_are_scored_by_the_names(run):
    found = run.label(TRUTH)
    new = np.array([[0.0, 0, 0], [8, 8, 8], [16, 16, 16], [24, 24, 24]])
    clusters = run.predict(new).cluster
    assert found.score(clusters, np.array(["a", "b", "a", "b"])) == 0.75
    with pytest.raises(InputError, match="4 clusters, but 1"):
        found.score(clusters, ["a"])
    with pytest.raises(InputError, match="no row"):
        found.score(clusters, np.full(4, -1))


def test_nothing_is_named_without_a_say(run):
    for truth, test in ((np.full(300, -1), None), (np.zeros(300, int), np.zeros(300, int))):
        with pytest.raises(InputError, match="not held out"):
            run.label(truth, test)
    with pytest.raises(InputError, match="not held out"):
        run.label(np.full(300, np.nan))
    with pytest.raises(InputError, match="2 names of classes"):
        run.label(np.arange(300) % 3, names=["a", "b"])
    with pytest.raises(InputError, match="the test has shape"):
        run.label(TRUTH, TRUTH[:5])
    assert not run.edits.edited


def test_long_and_empty_classes_become_names(run):
    run.label(np.repeat(["x" * 200, "", " ", "é"], SIZES))
    assert names(run) == ["x" * 59 + "…", "(empty)", "(empty) (2)", "é"]
