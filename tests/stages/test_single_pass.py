"""Very many rows are encoded, projected and coded in one pass: here 600 rows stand for them."""

import random

import numpy as np
import pytest
from tests.killing import completed, killed_at
from tests.test_growth import blobs
from tests.test_pipeline import Interrupting, differing

import shoal
from shoal.rows import open_source
from shoal.stages import codes, drawn, heldout, place_search, project, rows, shards
from shoal.stages.result import ASSIGNMENT, Result
from shoal.stages.vectors import read_vectors
from shoal.storage import StageFolder, read_npy, write_table

FIT = """
import sys
import shoal
from shoal.stages import drawn, heldout, shards
drawn.LOOKED_AT, shards._SHARD_ROWS, heldout._ROWS = 100, 64, 60
shoal.fit(sys.argv[1], sys.argv[2], workers=int(sys.argv[3]), representatives=120)
"""
OF = np.tile([0, 1, 1, 2, 2, 2], 100)
ROWS, MORE = blobs(OF, 0), blobs(OF[:120], 1)
ROWS[100] = np.nan


@pytest.fixture(autouse=True)
def many(monkeypatch):
    monkeypatch.setattr(drawn, "LOOKED_AT", 100)
    monkeypatch.setattr(shards, "_SHARD_ROWS", 64)
    monkeypatch.setattr(heldout, "_ROWS", 60)


def fit(path, rows=ROWS, **settings):
    return shoal.fit(rows, path, **{"workers": 1, "representatives": 120, **settings})


def project_of(run):
    return Result(run._folder).folder.stage("project")


def test_few_projected_rows_are_kept_and_the_clusters_are_those_of_two_passes(
    tmp_path, monkeypatch
):
    run = fit(tmp_path / "single")
    project = project_of(run)
    assert not project.parts("partial_weight")
    assert not project.parts("sample_vectors")
    kept = sum(len(read_npy(path)) for path in project.parts("places"))
    near = [len(read_npy(path)) for path in project.parts("near")]
    assert kept < 250
    assert sum(near) == 600
    assert run.labels()[100] == -1
    monkeypatch.setattr(drawn, "LOOKED_AT", 1000)
    two = fit(tmp_path / "two")
    assert not project_of(two).parts("near")
    assert run.primary.k == two.primary.k == 3
    assert np.array_equal(run.labels(), two.labels())
    assert np.array_equal(run.predict(MORE).cluster, two.predict(MORE).cluster)
    assert not run.outliers[np.arange(600) != 100].all()


def test_rows_that_are_kept_are_those_that_are_asked_for(tmp_path):
    project = project_of(fit(tmp_path / "run"))
    places = read_npy(project.part("places", 2))
    some = places[[4, 1]]
    shard = read_vectors(project, 2)
    assert np.array_equal(read_vectors(project, 2, some), shard[[4, 1]])


def test_places_follow_from_codes_and_are_those_of_runs_that_store_them(tmp_path):
    import pyarrow as pa

    moved, cut = ROWS.copy(), shards.Shards(600, 64)
    for number in range(len(cut)):  # rows that no codes are chosen by are moved far away
        moved[heldout.held_out_rows(cut, number, 0.1) + 64 * number] += 1000
    run = fit(tmp_path / "run", moved)
    result, names = Result(run._folder), (*ASSIGNMENT, "outlier")
    folder = result.folder.stage("assign")
    assert not folder.parts("rows")
    assert sum(len(read_npy(path)) for path in folder.parts("searched"))
    columns = {name: result.read_column(name) for name in names}
    one_by_one = place_search.PlaceSearch(result.folder, 1, coded=True)
    for number in range(result.n_shards):
        found = result.read_shard(number, *ASSIGNMENT)
        for column, expected in zip(found, one_by_one(number), strict=True):
            assert np.array_equal(column, expected, equal_nan=column.dtype.kind == "f")
        table = pa.table(dict(zip(names, result.read_shard(number, *names), strict=True)))
        write_table(folder.part("rows", number, "parquet"), table)
    for path in folder.parts("searched"):
        path.unlink()
    older = Result(run._folder)
    for name, column in columns.items():
        assert np.array_equal(older.read_column(name), column, equal_nan=column.dtype.kind == "f")


@pytest.mark.parametrize("name", ["project", "summarise", "assign"])
def test_the_bytes_are_the_same_when_interrupted_and_with_two_workers(tmp_path, name):
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "run", progress=Interrupting(name))
    fit(tmp_path / "run")
    fit(tmp_path / "straight", workers=2)
    assert differing(tmp_path / "run", tmp_path / "straight") == []


@pytest.mark.slow
def test_killed_twenty_times_with_one_worker_or_two_it_gives_the_same_bytes(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    completed(FIT, tmp_path / "rows.npy", straight, 1)
    assert project_of(shoal.open(straight)).parts("near")
    chance, kills = random.Random(0), 20
    files = sum(path.is_file() for path in straight.rglob("*"))
    for kill in range(kills):
        some = chance.randint(1, max(1, files // (kills + 1)))
        assert killed_at(some, FIT, tmp_path / "rows.npy", killed, 1 + kill % 2)
    completed(FIT, tmp_path / "rows.npy", killed, 2)
    assert differing(killed, straight) == []


def test_rows_are_added_twice_and_the_old_ones_keep_what_they_had(tmp_path):
    one = fit(tmp_path / "one")
    two = fit(tmp_path / "two", np.concatenate([ROWS, MORE]), previous=str(one.path))
    three = fit(tmp_path / "three", np.concatenate([ROWS, MORE, MORE]), previous=str(two.path))
    assert not project_of(two).has("places", 10)
    for k in (2, 3, 7):
        assert np.array_equal(three.labels(k=k)[:600], one.labels(k=k))
        assert np.array_equal(three.labels(k=k)[:720], two.labels(k=k))
    assert np.array_equal(two.predict(MORE).cluster, two.labels()[600:])


def test_a_file_that_changed_is_placed_anew_and_what_is_as_it_was_keeps_its_place(tmp_path):
    folder, settings = tmp_path / "raw", {"shape": "8", "dtype": "float32"}
    folder.mkdir()
    rows = np.nan_to_num(ROWS)
    for name, part in (("0.bin", rows[:300]), ("1.bin", rows[300:])):
        part.tofile(folder / name)
    old = fit(tmp_path / "old", folder, **settings)
    changed = rows[300:].copy()
    changed[:50] = blobs(np.full(50, 1), 5)
    changed.tofile(folder / "1.bin")
    MORE.tofile(folder / "2.bin")
    new = fit(tmp_path / "new", folder, previous=str(old.path), **settings)
    same = np.r_[0:300, 350:600]
    assert np.array_equal(new.labels(k=7)[same], old.labels(k=7)[same])
    ones = new.labels()[300:350]
    assert (ones == old.labels()[1]).all()
    assert not np.array_equal(ones, old.labels()[300:350])


def test_copies_have_no_part_in_the_sums(tmp_path):
    groups = tmp_path / "groups.csv"
    lines = [
        f"{at},0,{row},{kind}" for at in range(5) for row, kind in ((at, "kept"), (at + 60, "near"))
    ]
    groups.write_text("\n".join(["group,source,row,kind", *lines]))
    run = fit(tmp_path / "run", duplicates=groups)
    assert Result(run._folder).representatives.weights.sum() == 594


def test_a_method_with_a_rule_keeps_every_projected_row(tmp_path):
    run = fit(tmp_path / "run", method="kmeans", k=3)
    assert not project_of(run).parts("places")
    assert len(read_npy(project_of(run).part("vectors", 0))) == 64


def test_a_draw_travels_without_its_numbers():
    import pickle

    some = drawn.Drawn(open_source(np.zeros((9000, 2), np.float32)), 3000, 1)
    assert len(some.numbers) == some.rows.n_rows == 3000
    again = pickle.loads(pickle.dumps(some))
    assert len(pickle.dumps(some)) < len(pickle.dumps(some.source)) + 500
    assert np.array_equal(again.numbers, some.numbers)


@pytest.mark.parametrize("workers", [1, 2])
def test_no_shard_that_is_read_ahead_is_left_in_memory(tmp_path, monkeypatch, workers):
    begin, fetched = rows._Fetched.begin, {}

    def noted(self, *where):
        fetched[id(self)] = self
        begin(self, *where)

    np.save(tmp_path / "rows.npy", np.nan_to_num(ROWS))
    monkeypatch.setattr(type(open_source(tmp_path / "rows.npy")), "waits", True)
    monkeypatch.setattr(rows._Fetched, "begin", noted)
    monkeypatch.setattr(shards, "_GROUPS", 3)  # of three shards and more
    monkeypatch.setattr(shards, "_LEAST_GROUPS", 3)
    shoal.fit(tmp_path / "rows.npy", tmp_path / "run", workers=workers, representatives=120)
    assert fetched
    assert not any(one._batches for one in fetched.values())


def test_at_the_end_of_a_group_the_first_shard_of_the_next_one_is_read_ahead(tmp_path):
    import pickle

    groups = [(0, 1), (2, 3), (4,)]
    coding = codes.Coding(shards.Shards(50, 10), groups, StageFolder(tmp_path), copies=False)
    task = project._CodeGroup(None, coding)
    task.fetch(1)
    task.fetch(2)
    assert [task._following(shard) for shard in (0, 1, 2, 3, 4)] == [1, 2, 3, 4, None]
    task.fetch(2)
    assert pickle.loads(pickle.dumps(task.later)).take() is None
