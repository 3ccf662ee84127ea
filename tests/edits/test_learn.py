import numpy as np
import pytest
from tests.edits.conftest import fresh, rows_of_six_groups

import shoal
from shoal.edits.learn import EditConstraints, Relations, relations_of
from shoal.errors import RunError, SettingError
from shoal.storage import RunFolder


def fit_again(path, out, **settings):
    return shoal.fit(rows_of_six_groups(), out, workers=1, constraints=str(path), **settings)


def apart(labels, one, other):
    return not set(labels[one]) & set(labels[other])


def test_lessons_by_hand(edits):
    assert relations_of(edits.state).clusters == []
    edits.rename(0, "says nothing")
    assert relations_of(edits.state).clusters == []
    edits.merge([1, 2])
    assert relations_of(edits.state) == Relations(frozenset({1}), frozenset())
    new = edits.split(0, 2).facts["ids"]
    assert relations_of(edits.state).apart == {tuple(sorted(new))}
    odd = edits.move(edits.rows_of(3)[:4]).facts["to"]
    assert (3, odd) in relations_of(edits.state).apart
    edits.move(edits.rows_of(4)[:1], 3)
    assert (3, 4) in relations_of(edits.state).apart
    assert 3 not in relations_of(edits.state).together
    edits.keep_whole(4)
    edits.keep_apart(4, 5)
    assert relations_of(edits.state).together == {1, 4}
    assert (4, 5) in relations_of(edits.state).apart
    edits.mark(4, "junk")
    assert relations_of(edits.state).together == {1}
    assert not any(4 in pair for pair in relations_of(edits.state).apart)


def test_what_is_undone_teaches_nothing(edits):
    edits.merge([0, 1])
    edits.undo()
    assert relations_of(edits.state).clusters == []


@pytest.mark.parametrize("settings", [{"seed": 3}, {"seed": 3, "representatives": 200}])
def test_the_next_fit_obeys_what_people_said(edits, fitted, tmp_path, settings):
    was = edits.labels()
    edits.merge([1, 2], name="both")
    parts = edits.split(0, 2).facts["ids"]
    mine = np.flatnonzero(was == 3)
    along = rows_of_six_groups()[mine, 0]
    odd = edits.move(mine[along > np.quantile(along, 0.7)]).facts["to"]
    now = edits.labels()
    labels = fit_again(fitted, tmp_path / "new", **settings).labels()
    plain = shoal.fit(rows_of_six_groups(), workers=1, **settings).labels()
    left, right, out = now == parts[0], now == parts[1], now == odd
    assert not apart(plain, left, right)
    assert apart(plain, was == 1, was == 2)

    def share(one):  # of its rows that are in the commonest cluster
        return max(np.bincount(labels[one][labels[one] >= 0])) / one.sum()

    # A representative of rows on both sides of a border can obey for one of them only.
    least = 0.5 if "representatives" in settings else 0.8
    assert share(now == 1) > 0.98
    for one, other in ((left, right), (out, now == 3)):
        assert share(one) > least
        assert np.bincount(labels[one]).argmax() != np.bincount(labels[other]).argmax()


def test_every_representative_obeys_to_the_letter(edits, fitted, tmp_path):
    was = edits.labels()
    edits.merge([1, 2])
    edits.split(0, 3)
    edits.move(np.flatnonzero(was == 3)[::4])
    now = edits.labels()
    run = fit_again(fitted, tmp_path / "new", seed=3)
    rows, labels = run.representatives.rows, run.labels(raw=True)
    told = relations_of(edits.state)
    for cluster in told.together:
        assert len(set(labels[rows[now[rows] == cluster]])) == 1
    for one, other in told.apart:
        assert apart(labels[rows], now[rows] == one, now[rows] == other)


def test_the_tree_depends_on_the_edits_and_only_then(edits, fitted, tmp_path):
    empty = EditConstraints(edits)
    before = empty.fingerprint
    assert empty.constraints(RunFolder.open(fitted)) is None
    plain = shoal.fit(rows_of_six_groups(), tmp_path / "plain", workers=1, seed=3)
    taught = fit_again(fitted, tmp_path / "taught", seed=3)
    assert np.array_equal(plain.tree.order, taught.tree.order)
    edits.merge([0, 1])
    assert EditConstraints(fresh(fitted)).fingerprint != before
    assert fit_again(fitted, tmp_path / "taught", seed=3).primary.k == plain.primary.k - 1


def test_learning_and_keeping_go_together(edits, fitted, tmp_path):
    edits.merge([1, 2], name="both")
    edits.rename(0, "first")
    run = fit_again(fitted, tmp_path / "new", seed=3, previous=str(fitted))
    names = {c.name for c in run.edits.state.clusters.values() if c.name}
    assert names == {"both", "first"}
    why = [e.facts["why"] for e in run.edits.entries() if e.op == "skipped"]
    assert len(why) == 1
    assert "together already" in why[0]


def test_a_run_cannot_teach_itself_nor_one_that_is_not_there(fitted, tmp_path):
    with pytest.raises(SettingError, match="is the run being written"):
        fit_again(fitted, fitted)
    with pytest.raises(RunError, match="does not exist"):
        fit_again(tmp_path / "nowhere", tmp_path / "new")
