"""Rows that are added to an earlier run: placed in its tree, judged, and proposed as clusters."""

import os
import shutil
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.test_pipeline import Interrupting, Noting, contents, differing

import shoal
from shoal.errors import InputError, RunError, SettingError
from shoal.stages import shards
from shoal.stages.result import Result

CENTRES = np.eye(6, 8)[:5] * 30


def blobs(of, seed):
    """Rows of some groups, far apart, in turn."""
    draw = np.random.default_rng(seed)
    return (CENTRES[np.asarray(of)] + draw.normal(size=(len(of), 8))).astype(np.float32)


OLD_OF = np.tile([0, 1, 1, 2, 2, 2], 50)  # 300 rows of three groups
SAME_OF = np.tile([0, 1, 1, 2, 2, 2], 20)
OTHER_OF = np.tile([0, 1, 1, 2, 2, 2, 3, 3], 15)  # a quarter of a fourth
OLD, SAME, OTHER = blobs(OLD_OF, 0), blobs(SAME_OF, 1), blobs(OTHER_OF, 2)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shards, "_SHARD_ROWS", 64)


@pytest.fixture(params=[None, 120], ids=["every row", "120 representatives"])
def m(request):
    return request.param


def fit(path, rows, **settings):
    return shoal.fit(rows, path, **{"workers": 1, **settings})


def rows_of(run):
    """Everything that is said of each row."""
    return pa.concat_tables(
        [pq.read_table(path) for path in Result(run._folder).folder.stage("assign").parts("rows")]
    )


def test_old_rows_keep_what_they_had_and_new_ones_go_where_they_belong(tmp_path, m):
    old = fit(tmp_path / "old", OLD, representatives=m)
    before = contents(tmp_path / "old")
    new = fit(tmp_path / "new", np.concatenate([OLD, SAME]), previous=str(tmp_path / "old"))
    assert contents(tmp_path / "old") == before
    assert old.primary.k == new.primary.k == 3
    for k in (2, 3, 7):
        assert np.array_equal(new.labels(k=k)[:300], old.labels(k=k))
        assert np.array_equal(new.confidence(k=k)[:300], old.confidence(k=k))
    assert rows_of(new).slice(0, 300).equals(rows_of(old))
    names = [np.bincount(new.labels()[:300][group == OLD_OF]).argmax() for group in range(3)]
    assert np.array_equal(new.labels()[300:], np.array(names)[SAME_OF])
    assert new.outliers[300:].mean() < 0.1
    again = shoal.open(tmp_path / "new")
    assert np.array_equal(again.predict(SAME).cluster, new.labels()[300:])
    assert again.predict(SAME).unknown.mean() < 0.2  # 24 rows held out tell no more
    assert again.model.fitted.novelty is not None
    assert again.predict(blobs([3, 4], 5)).unknown.all()


def test_rows_like_the_old_ones_fit_and_nothing_is_proposed(tmp_path, m):
    fit(tmp_path / "old", OLD, representatives=m)
    new = fit(tmp_path / "new", np.concatenate([OLD, SAME]), previous=str(tmp_path / "old"))
    report = new.drift.report
    assert (report["kept"], report["added"], report["read"]) == (300, 120, 120)
    assert report["unlike"]["high"] < 0.1
    assert report["proposals"] == []
    assert report["advice"] is None
    assert not any(found["changed"] for found in report["clusters"])
    shares = {found["cluster"]: found["added"] for found in report["clusters"]}
    assert [round(shares[c], 3) for c in range(3)] == [0.5, 0.333, 0.167]


def test_a_new_group_is_proposed_and_can_be_accepted(tmp_path, m):
    old = fit(tmp_path / "old", OLD, representatives=m)
    new = fit(tmp_path / "new", np.concatenate([OLD, OTHER]), previous=str(tmp_path / "old"))
    theirs = 300 + np.flatnonzero(OTHER_OF == 3)
    report = new.drift.report
    assert report["unlike"]["rows"] == len(theirs) == 30
    assert report["unlike"]["low"] < 0.25 < report["unlike"]["high"]
    assert [new.drift.rows(0).tolist()] == [theirs.tolist()]
    assert set(report["proposals"][0]["examples"]) <= set(theirs.tolist())
    assert "25.0% of the new rows fit no cluster" in report["advice"]
    assert not new.edits.edited
    found = new.accept_new("ada")
    assert found == [3] == new.accept_new("ada")
    assert np.array_equal(np.flatnonzero(new.labels() == 3), theirs)
    assert np.array_equal(new.labels()[:300], old.labels())
    new.edits.undo()
    assert set(new.labels()) == {0, 1, 2}


def test_a_new_group_beside_clusters_of_few_rows(tmp_path):
    old = blobs(np.tile([0, 1, 2], 15), 0)  # no row of which is at an unusual distance
    fit(tmp_path / "old", old)
    rows = np.concatenate([old, blobs(np.full(30, 3), 1)])
    new = fit(tmp_path / "new", rows, previous=str(tmp_path / "old"))
    assert new.drift.report["unlike"]["rows"] == 30


def test_scattered_outliers_are_no_group(tmp_path, m):
    fit(tmp_path / "old", OLD, representatives=m)
    lost = np.random.default_rng(3).normal(size=(30, 8)).astype(np.float32) * 60
    new = fit(tmp_path / "new", np.concatenate([OLD, SAME, lost]), previous=str(tmp_path / "old"))
    assert new.drift.report["unlike"]["rows"] >= 28
    assert new.drift.report["proposals"] == []
    assert new.outliers[420:].mean() > 0.9


def test_only_new_shards_are_worked_on_and_the_others_are_links(tmp_path, monkeypatch):
    np.save(tmp_path / "old.npy", OLD)
    np.save(tmp_path / "more.npy", SAME)
    fit(tmp_path / "old", [tmp_path / "old.npy"])
    read = []
    from shoal.rows.arrays.array import ArraySource

    plain = ArraySource.read

    def noting(self, start, stop):
        read.append((start, stop))
        return plain(self, start, stop)

    monkeypatch.setattr(ArraySource, "read", noting)
    both = [tmp_path / "old.npy", tmp_path / "more.npy"]
    new = fit(tmp_path / "new", both, previous=str(tmp_path / "old"))
    assert min(start for start, _ in read) == 256  # the last shard of the old run, not yet full
    for name in ("project/vectors/part-00003.npy", "tree/order/whole.npy"):
        assert os.path.samefile(tmp_path / "old" / name, tmp_path / "new" / name)
    name = "project/vectors/part-00004.npy"
    old_part, new_part = np.load(tmp_path / "old" / name), np.load(tmp_path / "new" / name)
    assert np.array_equal(new_part[: len(old_part)], old_part)
    for stage in ("index", "features", "project", "summarise", "tree", "assign", "drift"):
        new._folder.stage(stage).verify()
    shutil.rmtree(tmp_path / "old")
    assert len(shoal.open(tmp_path / "new").labels()) == 420


@pytest.mark.parametrize("linked", [True, False])
def test_copies_do_where_links_do_not(tmp_path, monkeypatch, linked):
    if not linked:

        def refuse(*_, **__):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    fit(tmp_path / "old", OLD)
    new = fit(tmp_path / "new", np.concatenate([OLD, SAME]), previous=str(tmp_path / "old"))
    path = "tree/order/whole.npy"
    assert os.path.samefile(tmp_path / "old" / path, tmp_path / "new" / path) == linked
    new._folder.stage("tree").verify()


def test_rows_can_be_added_again_and_again(tmp_path, m):
    fit(tmp_path / "a", OLD, representatives=m)
    rows = [OLD, SAME, OTHER, blobs(SAME_OF, 9)]
    runs = []
    for at, name in ((2, "b"), (3, "c"), (4, "d")):
        before = "abcd"["abcd".index(name) - 1]
        run = fit(tmp_path / name, np.concatenate(rows[:at]), previous=str(tmp_path / before))
        runs.append(run)
    b, c, d = runs
    assert np.array_equal(d.labels()[: c.n_rows], c.labels())
    assert np.array_equal(c.labels()[: b.n_rows], b.labels())
    assert [run.drift.report["unlike"]["rows"] >= 30 for run in runs] == [False, True, False]
    assert {run.drift.report["fitted"] for run in runs} == {300}
    assert "fitted to only 300 of now 660 rows" in d.drift.report["advice"]


def test_edits_go_along(tmp_path, m):
    old = fit(tmp_path / "old", OLD, representatives=m)
    old.edits.rename(2, "small ones")
    old.edits.merge([0, 1])
    old.edits.move([0, 1, 2], None, "odd")
    edited = old.labels()
    new = fit(tmp_path / "new", np.concatenate([OLD, SAME]), previous=str(tmp_path / "old"))
    assert np.array_equal(new.labels()[:300], edited)
    assert new.clustering().names == old.clustering().names
    assert set(new.labels()[300:]) == {0, 2}


def folder_of(path, names, images):
    path.mkdir(exist_ok=True)
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image).save(path / f"{name}.png")
    return path


@pytest.fixture
def photos(tmp_path):
    """A folder of 80 images of two kinds, and more to put between them."""
    draw = np.random.default_rng(0)
    images = draw.integers(0, 60, (120, 8, 8), np.uint8)
    images[::2, 2:5] += 190
    images[1::2, :, 2:5] += 190
    folder = folder_of(tmp_path / "photos", [f"{i:03d}" for i in range(0, 240, 3)], images[:80])
    return folder, images[80:]


def test_files_may_be_added_between_others(tmp_path, photos):
    folder, more = photos
    old = shoal.fit(folder, tmp_path / "old", workers=1, layers="2")
    folder_of(folder, [f"{i:03d}" for i in range(1, 120, 3)], more)
    new = shoal.fit(folder, tmp_path / "new", workers=1, previous=str(tmp_path / "old"))
    assert np.array_equal(new.labels()[:80], old.labels())
    table, was = new.table(), old.table()
    assert table["name"].to_pylist()[:80] == was["name"].to_pylist()
    assert table["name"][80].as_py() == "001.png"
    again = shoal.open(tmp_path / "new")
    assert again.source.path(80) == folder / "001.png"
    assert np.array_equal(again.source.read_original(80)[..., 0], more[0])
    assert np.array_equal(again.predict(folder).cluster[1::1][:1], again.labels()[80:81])


def test_files_that_are_gone_are_named(tmp_path, photos):
    folder, more = photos
    old = shoal.fit(folder, tmp_path / "old", workers=1, layers="2")
    folder_of(folder, [f"{i:03d}" for i in range(1, 120, 3)], more)
    (folder / "000.png").unlink()
    said = Noting()
    new = shoal.fit(
        folder, tmp_path / "new", workers=1, previous=str(tmp_path / "old"), progress=said
    )
    assert any("1 of 80 rows of" in note and "such as 000.png" in note for note in said.notes)
    assert new.drift is None
    assert (new.n_rows, old.n_rows) == (119, 80)


def test_files_that_changed_are_placed_anew_and_the_others_keep_what_they_had(tmp_path, photos):
    folder, more = photos
    Image.fromarray(more[1]).save(folder / "999.png")
    old = shoal.fit(folder, tmp_path / "old", workers=1, layers="2")
    folder_of(folder, [f"{i:03d}" for i in range(1, 120, 3)], more)
    Image.fromarray(more[1]).save(folder / "000.png")  # the other kind
    (folder / "999.png").write_bytes(b"no image")
    said = Noting()
    settings = {"workers": 1, "previous": str(tmp_path / "old")}
    new = shoal.fit(folder, tmp_path / "new", progress=said, **settings)
    assert any("2 of these are in files that changed (such as 000.png)" in n for n in said.notes)
    assert new.labels()[0] == old.labels()[1] != old.labels()[0]
    assert np.array_equal(new.labels()[1:80], old.labels()[1:80])
    assert (new.labels()[80], old.labels()[80]) == (-1, 0)
    assert rows_of(new).slice(1, 79).equals(rows_of(old).slice(1, 79))
    assert new.quarantine["name"].to_pylist() == ["999.png"]
    assert new.drift.report["read"] == 41


def test_when_most_files_changed_all_are_fitted_anew(tmp_path, photos):
    folder, more = photos
    shoal.fit(folder, tmp_path / "old", workers=1, layers="2")
    for path in sorted(folder.iterdir())[:41]:
        os.utime(path, ns=(1, 1))
    folder_of(folder, ["x"], more[:1])
    said = Noting()
    settings = {"workers": 1, "previous": str(tmp_path / "old")}
    new = shoal.fit(folder, tmp_path / "new", progress=said, **settings)
    assert any("41 of 80 rows of" in note and "changed (such as" in note for note in said.notes)
    assert new.drift is None


def raw(folder, name, rows):
    folder.mkdir(exist_ok=True)
    rows.tofile(folder / name)


def test_a_raw_file_that_changed_is_placed_anew(tmp_path):
    folder, settings = tmp_path / "raw", {"shape": "8", "dtype": "float32"}
    raw(folder, "0.bin", OLD[:150])
    raw(folder, "1.bin", OLD[150:])
    old = fit(tmp_path / "old", folder, **settings)
    raw(folder, "1.bin", OLD[150:][::-1].copy())
    raw(folder, "2.bin", SAME)
    new = fit(tmp_path / "new", folder, previous=str(tmp_path / "old"), **settings)
    assert np.array_equal(new.labels()[:150], old.labels()[:150])
    assert np.array_equal(new.labels()[150:300], old.labels()[150:][::-1])
    raw(folder, "1.bin", OLD[150:-1])
    said = Noting()
    more = fit(tmp_path / "more", folder, previous=str(tmp_path / "old"), progress=said, **settings)
    assert any("1 of 300 rows of" in note and "such as 1.bin:149" in note for note in said.notes)
    assert more.drift is None


def test_a_file_that_was_only_touched_is_the_same(tmp_path, photos):
    folder, more = photos
    old = shoal.fit(folder, tmp_path / "old", workers=1, layers="2")
    folder_of(folder, [f"x{i}" for i in range(len(more))], more)
    os.utime(folder / "000.png", ns=(1, 1))
    new = shoal.fit(folder, tmp_path / "new", workers=1, previous=str(tmp_path / "old"))
    assert np.array_equal(new.labels()[:80], old.labels())


def test_rows_without_names_must_come_after_the_others(tmp_path):
    fit(tmp_path / "old", OLD)
    with pytest.raises(InputError, match=r"row 0 of .* is not what it was: rows without names"):
        fit(tmp_path / "new", np.concatenate([SAME, OLD]), previous=str(tmp_path / "old"))
    changed = np.concatenate([OLD, SAME])
    changed[299] += 5
    for added in ("place", "refit"):
        with pytest.raises(InputError, match="row 299 of"):
            fit(tmp_path / "new", changed, previous=str(tmp_path / "old"), added=added)
    with pytest.raises(InputError, match="has 300 rows, but the source has 120"):
        fit(tmp_path / "new", SAME, previous=str(tmp_path / "old"))
    assert not (tmp_path / "new").exists()


def test_a_row_that_can_no_longer_be_read_is_named(tmp_path):
    fit(tmp_path / "old", OLD)
    broken = np.concatenate([OLD, SAME])
    broken[0] = np.nan
    with pytest.raises(InputError, match=r"row 0 of .* cannot be read: .* is nan"):
        fit(tmp_path / "new", broken, previous=str(tmp_path / "old"))


def test_bad_rows_stay_bad_and_new_ones_are_told(tmp_path):
    broken = OLD.copy()
    broken[7] = np.nan
    more = SAME.copy()
    more[3] = np.inf
    old = fit(tmp_path / "old", broken)
    new = fit(tmp_path / "new", np.concatenate([broken, more]), previous=str(tmp_path / "old"))
    assert new.quarantine["row"].to_pylist() == [7, 303]
    assert new.labels()[[7, 303]].tolist() == [-1, -1]
    assert old.quarantine["row"].to_pylist() == [7]
    last = fit(
        tmp_path / "last", np.concatenate([broken, more, more]), previous=str(tmp_path / "new")
    )
    assert last.quarantine["row"].to_pylist() == [7, 303, 423]


def test_refit_fits_anew_and_keeps_the_numbers(tmp_path):
    old = fit(tmp_path / "old", OLD)
    rows = np.concatenate([OLD, OTHER])
    new = fit(tmp_path / "new", rows, previous=str(tmp_path / "old"), added="refit")
    assert new.drift is None
    assert new.primary.k == 4
    assert np.array_equal(new.labels()[:300], old.labels())
    assert set(new.labels()[300:][OTHER_OF == 3]) == {3}


def test_a_refit_in_the_same_folder_leaves_no_verdict(tmp_path):
    fit(tmp_path / "old", OLD)
    rows = np.concatenate([OLD, OTHER])
    fit(tmp_path / "new", rows, previous=str(tmp_path / "old"))
    fit(tmp_path / "new", rows)
    fit(tmp_path / "straight", rows)
    assert differing(tmp_path / "new", tmp_path / "straight") == []
    assert shoal.open(tmp_path / "new").drift is None


def test_a_tree_that_is_kept_has_its_own_settings(tmp_path):
    fit(tmp_path / "old", OLD, layers="3")
    rows = np.concatenate([OLD, SAME])
    with pytest.raises(SettingError, match=r"detail 2.0, but the rows are placed in the tree of"):
        fit(tmp_path / "new", rows, previous=str(tmp_path / "old"), detail=2.0)
    with pytest.raises(SettingError, match=r"k 2, but the rows are placed in the tree of"):
        fit(tmp_path / "new", rows, previous=str(tmp_path / "old"), k=2)
    with pytest.raises(SettingError, match=r"features pixels, but"):
        fit(tmp_path / "new", rows, previous=str(tmp_path / "old"), features="pixels")
    assert fit(tmp_path / "new", rows, previous=str(tmp_path / "old"), layers="3").primary.k == 3


def test_an_unfinished_run_cannot_be_added_to(tmp_path):
    fit(tmp_path / "old", OLD)
    (tmp_path / "old/assign/_done.json").unlink()
    with pytest.raises(RunError, match="is not finished"):
        fit(tmp_path / "new", np.concatenate([OLD, SAME]), previous=str(tmp_path / "old"))


def test_all_rows_can_be_placed_in_the_tree_of_a_sample(tmp_path):
    rows = np.concatenate([OLD, SAME, blobs(OLD_OF, 7)])
    look = fit(tmp_path / "look", rows, sample=240)
    whole = fit(tmp_path / "whole", rows, previous=str(tmp_path / "look"), added="place")
    assert (whole.n_rows, whole.sample_of, whole.drift.report["kept"]) == (720, None, 0)
    truth = np.concatenate([OLD_OF, SAME_OF, OLD_OF])
    assert whole.evaluate(truth, k=3)[0]["ami"] == pytest.approx(1)
    taken = np.load(tmp_path / "look/index/taken/whole.npy")
    assert np.array_equal(whole.labels()[taken], look.labels())
    medoids = whole.representatives.rows
    assert np.array_equal(truth[medoids], truth[taken[look.representatives.rows]])
    assert whole.drift.report["unlike"]["high"] < 0.05
    again = fit(tmp_path / "again", rows, previous=str(tmp_path / "look"))
    assert again.drift is None
    more = np.concatenate([rows, SAME])
    with pytest.raises(InputError, match="a sample of 720 rows, but the source has 840"):
        fit(tmp_path / "more", more, previous=str(tmp_path / "look"), added="place")


@pytest.mark.parametrize("name", ["index", "project", "assign", "drift"])
def test_an_interruption_costs_nothing_finished_and_changes_nothing(tmp_path, name):
    fit(tmp_path / "old", OLD, representatives=120)
    rows = np.concatenate([OLD, OTHER])
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "new", rows, previous=str(tmp_path / "old"), progress=Interrupting(name))
    said = Noting()
    fit(tmp_path / "new", rows, previous=str(tmp_path / "old"), progress=said)
    assert said.stages[0][0] == name
    fit(tmp_path / "straight", rows, previous=str(tmp_path / "old"), workers=2)
    assert differing(tmp_path / "new", tmp_path / "straight") == []
    again = Noting()
    fit(tmp_path / "new", rows, previous=str(tmp_path / "old"), progress=again)
    assert "Nothing to do" in again.notes[-1]


def test_one_npy_may_grow_at_its_end(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, OLD)
    old = fit(tmp_path / "old", path)
    np.save(path, np.concatenate([OLD, SAME]))
    new = fit(tmp_path / "new", path, previous=str(tmp_path / "old"))
    assert np.array_equal(new.labels()[:300], old.labels())
    assert (new.drift.report["added"], new.drift.report["changed"]) == (120, [])
    assert new.drift.fits


def test_archives_may_be_added(tmp_path, photos):
    folder, more = photos
    archives = tmp_path / "shards"
    archives.mkdir()

    def pack(name, files):
        with tarfile.open(archives / name, "w") as tar:
            for file in files:
                tar.add(file, file.name)

    pack("00.tar", sorted(folder.iterdir()))
    settings = {"workers": 1, "layers": "2"}
    old = shoal.fit(archives, tmp_path / "old", **settings)
    pack(
        "01.tar", sorted(folder_of(tmp_path / "more", [f"x{i}" for i in range(40)], more).iterdir())
    )
    new = shoal.fit(archives, tmp_path / "new", previous=str(tmp_path / "old"), **settings)
    assert np.array_equal(new.labels()[:80], old.labels())
    assert (new.n_rows, new.drift.report["added"]) == (120, 40)
    assert new.drift.fits
