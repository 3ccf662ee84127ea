import shutil

import numpy as np
import pytest
from tests.edits.conftest import fresh, rows_of_six_groups

import shoal
from shoal.edits.carry import Overlap
from shoal.edits.log import NAME
from shoal.errors import RunError
from shoal.settings import fit_settings


def again(path, out, rows=None, **settings):
    """Fit once more, with the edits of the run in `path`."""
    rows = rows_of_six_groups() if rows is None else rows
    shoal.fit(rows, out, workers=1, previous=str(path), **settings)
    return fresh(out)


def settings_of(path):
    kept = shoal.open(path)._folder.settings
    return {"representatives": kept.get("representatives")}


def everything(edits):
    """Edits of every kind."""
    labels = edits.labels()
    edits.rename(0, "first")
    edits.merge([1, 3], name="both")
    edits.split(1, 2)
    edits.split(0, 3)
    new = edits.move(np.flatnonzero(labels == 2)[:9], name="nine").facts["to"]
    edits.move(np.flatnonzero(labels == 4)[:3], 2)
    edits.note(2, "a note")
    edits.mark(new, "junk")
    edits.confirm(edits.rows_of(2)[:4], 2)
    edits.keep_apart(0, 2)
    edits.keep_whole(2)
    edits.answer_quiz(0, edits.rows_of(0)[:5], edits.rows_of(0)[5:6])
    edits.lock(4)
    edits.merge([0, new], into=0)
    edits.undo()


def test_on_the_same_fit_everything_is_as_it_was(edits, fitted, tmp_path):
    everything(edits)
    after = again(fitted, tmp_path / "new", **settings_of(fitted))
    assert np.array_equal(after.labels(), edits.labels())
    assert after.state.clusters == edits.state.clusters
    assert (after.state.apart, after.state.whole) == (edits.state.apart, edits.state.whole)
    assert after.state.answers.keys() == edits.state.answers.keys()
    assert not [entry for entry in after.entries() if entry.op == "skipped"]


def test_parts_keep_their_numbers_whatever_order_the_tree_has_them_in(edits, fitted, tmp_path):
    ids = edits.split(0, 4).facts["ids"]
    assert ids != sorted(ids)
    after = again(fitted, tmp_path / "new", **settings_of(fitted))
    assert np.array_equal(after.labels(), edits.labels())


def test_nothing_is_carried_twice_nor_over_edits(edits, fitted, tmp_path):
    edits.merge([0, 1])
    after = again(fitted, tmp_path / "new", **settings_of(fitted))
    seq = after.seq
    assert again(fitted, tmp_path / "new", **settings_of(fitted)).seq == seq
    edits.merge([2, 3])
    assert again(fitted, tmp_path / "new", **settings_of(fitted)).seq == seq


def test_another_fit_of_the_same_rows_has_the_same_people_say_the_same(edits, fitted, tmp_path):
    everything(edits)
    after = again(fitted, tmp_path / "new", seed=7, representatives=200)
    assert after.fit.fingerprint != edits.fit.fingerprint
    names = {c.name: c.id for c in after.state.clusters.values() if c.name}
    assert {"first", "both", "nine"} <= set(names)
    was, now = edits.labels(), after.labels()
    for cluster in edits.state.clusters.values():
        mine = was == cluster.id
        if cluster.name and mine.any():
            there = now == names[cluster.name]
            assert 2 * (mine & there).sum() > (mine | there).sum(), cluster.name
    assert sum(after.sizes().values()) + (now < 0).sum() == len(now)


def test_what_makes_no_sense_any_more_is_in_the_log_with_the_reason(edits, fitted, tmp_path):
    edits.rename(3, "will be gone")
    edits.merge([1, 2])
    edits.split(0, 2)
    edits.rename(0, "stays")
    after = again(fitted, tmp_path / "new", layers=2)
    skipped = {e.facts["what"]: e.facts["why"] for e in after.entries() if e.op == "skipped"}
    assert skipped
    assert all(why for why in skipped.values())
    done = {e.describe() for e in after.entries() if e.op != "skipped"}
    for entry in edits.done:
        said = "Took cluster 6 out of cluster 0" if entry.op == "split" else entry.describe()
        assert said in done or any(what.startswith(said) for what in skipped), said


def test_edits_that_the_new_fit_shows_by_itself_are_not_done_again(tmp_path):
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(600, 5)).astype(np.float32)
    rows[:, 0] += np.repeat([0, 6, 40], 200)
    shoal.fit(rows, tmp_path / "three", workers=1, layers=3)
    before = fresh(tmp_path / "three")
    one, two = (int(np.bincount(before.labels()[a : a + 200]).argmax()) for a in (0, 200))
    before.merge([one, two], name="both")
    after = again(tmp_path / "three", tmp_path / "two", rows, layers=2)
    assert "together already" in next(e.facts["why"] for e in after.entries() if e.op == "skipped")
    assert "both" in [c.name for c in after.state.clusters.values()]
    assert (np.unique(after.labels()[:400]).size, len(after.state.clusters)) == (1, 2)

    (tmp_path / "three" / NAME).unlink()
    shoal.fit(rows, tmp_path / "coarse", workers=1, layers=2)
    coarse = fresh(tmp_path / "coarse")
    whole = int(np.bincount(coarse.labels()[:400]).argmax())
    parts = coarse.split(whole, 2).facts["ids"]
    coarse.rename(parts[0], "left")
    coarse.rename(parts[1], "right")
    fine = again(tmp_path / "coarse", tmp_path / "fine", rows, layers=3)
    assert "already" in next(e.facts["why"] for e in fine.entries() if e.op == "skipped")
    assert len(fine.state.clusters) == 3
    names = {c.name: c.id for c in fine.state.clusters.values() if c.name}
    assert np.array_equal(fine.labels() == names["left"], coarse.labels() == parts[0])
    assert np.array_equal(fine.labels() == names["right"], coarse.labels() == parts[1])


def test_a_split_is_carried_where_the_new_fit_has_the_parts_together(tmp_path):
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(600, 5)).astype(np.float32)
    rows[:, 0] += np.repeat([0, 6, 40], 200)
    shoal.fit(rows, tmp_path / "one", workers=1, layers=2, representatives=100)
    before = fresh(tmp_path / "one")
    whole = int(np.bincount(before.labels()[:400]).argmax())
    before.split(whole, 2)
    after = again(tmp_path / "one", tmp_path / "two", rows, layers=2, representatives=200)
    assert [e.op for e in after.entries()] == ["divide"]
    assert (after.labels() == before.labels()).mean() > 0.98


def test_edits_reach_rows_by_their_names(tmp_path):
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (bunch.images * 15).astype(np.uint8)
    chosen = np.flatnonzero(np.isin(bunch.target, (0, 1, 4)))
    for folder, rows in (("may", chosen[:200]), ("june", chosen[50:300])):
        (tmp_path / folder).mkdir()
        for row in rows:
            Image.fromarray(images[row]).save(tmp_path / folder / f"{row:04}.png")
    shoal.fit(tmp_path / "may", tmp_path / "may.shoal", workers=1, layers=3)
    before = fresh(tmp_path / "may.shoal")
    taken = before.rows_of(0)[[3, -3, -2]]
    before.move(taken, name="odd")
    names = shoal.open(tmp_path / "may.shoal").table()["name"].to_pylist()
    shoal.fit(
        tmp_path / "june",
        tmp_path / "june.shoal",
        workers=1,
        layers=3,
        previous=str(tmp_path / "may.shoal"),
    )
    run = shoal.open(tmp_path / "june.shoal")
    table = run.table()
    called = zip(table["name"].to_pylist(), table["cluster_name"].to_pylist(), strict=True)
    odd = {name for name, cluster in called if cluster}
    assert odd == {names[row] for row in taken if int(names[row][:4]) in chosen[50:300]}
    gone = [e.facts["why"] for e in run.edits.entries() if e.op == "skipped"]
    assert gone == ["they are not in the new data"] * (len(odd) < 3)


def test_shared_rows_are_counted_by_representative(edits, fitted, tmp_path):
    shoal.fit(rows_of_six_groups(), tmp_path / "new", workers=1, representatives=50)
    other = fresh(tmp_path / "new")
    overlap = Overlap.between(edits.fit, other.fit)
    old, new = edits.fit.result.representative_of_row, other.fit.result.representative_of_row
    expected: dict[tuple[int, int], int] = {}
    for a, b in zip(old.tolist(), new.tolist(), strict=True):
        if a >= 0 and b >= 0:
            expected[a, b] = expected.get((a, b), 0) + 1
    found = zip(overlap.old.tolist(), overlap.new.tolist(), overlap.count.tolist(), strict=True)
    assert {(a, b): n for a, b, n in found} == expected
    assert np.array_equal(overlap.known, other.fit.counts)


def test_a_fit_that_would_leave_edits_without_their_clusters_is_refused(edits, fitted, tmp_path):
    copy = shutil.copytree(fitted, tmp_path / "copy")
    fresh(copy).merge([0, 1])
    toml = (copy / "run.toml").read_bytes()
    kept = settings_of(fitted)
    with pytest.raises(
        RunError, match="has edits, and these settings or data give a different fit"
    ):
        shoal.fit(rows_of_six_groups(), copy, workers=1, seed=9, **kept)
    assert (copy / "run.toml").read_bytes() == toml
    run = shoal.fit(rows_of_six_groups(), copy, workers=1, **kept)
    assert run.edits.edited
    assert fit_settings(seed=9).seed == 9
