import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import shoal
from shoal.errors import InputError, SettingError
from shoal.stages.copies import read_copies
from shoal.storage import RunFolder, read_npy

DRAW = np.random.default_rng(0)


def written(path, kept, copies):
    """Write groups as ``shoal duplicates -o`` does: each kept row with its copies."""
    lines = [(at, 0, row, kind) for at, pair in enumerate(zip(kept, copies, strict=True))
             for row, kind in ((pair[0], "kept"), *((row, "near") for row in pair[1]))]  # fmt: skip
    names = ("group", "source", "row", "kind", "name")
    table = pa.table(dict(zip(names, (*zip(*lines, strict=True), [""] * len(lines)), strict=True)))
    (pq.write_table if path.suffix == ".parquet" else pa.csv.write_csv)(table, path)
    return path


@pytest.fixture
def rows():
    """400 rows in four groups, then three near copies of each of the first 50."""
    groups = np.repeat(np.arange(4), 100)
    rows = DRAW.normal(size=(400, 4)) + 9 * np.eye(4)[groups]
    return np.concatenate([rows, *(rows[:50] + 1e-3 * at for at in (1, 2, 3))]).astype(np.float32)


@pytest.mark.parametrize(("name", "settings"), [
    ("groups.parquet", {}), ("groups.csv", {}), ("groups.csv", {"representatives": 120}),
])  # fmt: skip
def test_a_group_of_copies_counts_once(tmp_path, rows, name, settings):
    copies = [[400 + at, 450 + at, 500 + at] for at in range(50)]
    path = written(tmp_path / name, range(50), copies)
    run = shoal.fit(rows, tmp_path / "run", duplicates=path, workers=1, **settings)
    summary = RunFolder.open(tmp_path / "run").stage("summarise")
    assert read_npy(summary.whole("weights")).sum() == 400
    labels = run.labels()
    assert len(labels) == 550
    assert (labels >= 0).all()
    for again in (400, 450, 500):
        assert np.mean(labels[again : again + 50] == labels[:50]) > (0.9 if settings else 0.999)
    counted = shoal.fit(rows, tmp_path / "all", workers=1, **settings)
    plain = RunFolder.open(counted.path).stage("summarise")
    assert read_npy(plain.whole("weights")).sum() == 550


def test_a_copy_of_a_row_that_cannot_be_read_counts_itself(tmp_path, rows):
    rows[3] = np.nan
    path = written(tmp_path / "g.csv", [3], [[400, 401]])
    labels = shoal.fit(rows, tmp_path / "run", duplicates=path, workers=1).labels()
    assert labels[3] == -1
    assert (labels[[400, 401]] >= 0).all()


def test_workers_and_resuming_change_nothing(tmp_path, rows):
    path = written(tmp_path / "g.csv", [0, 1], [[400], [401, 451]])
    one, two = (
        shoal.fit(
            rows, tmp_path / str(workers), duplicates=path, workers=workers, representatives=99
        )
        for workers in (1, 2)
    )
    assert np.array_equal(one.labels(), two.labels())
    again = shoal.fit(rows, tmp_path / "1", duplicates=path, workers=1, representatives=99)
    assert np.array_equal(one.labels(), again.labels())


def test_other_files_are_refused(tmp_path, rows):
    path = written(tmp_path / "g.csv", [0], [[400]])
    assert read_copies(path, 550).kept.tolist() == [0]
    with pytest.raises(InputError, match="row 400, but there are 399 rows"):
        read_copies(path, 399)
    for name, text in (("a.csv", "x,y\n1,2\n"), ("b.csv", ""), ("c.parquet", "no"),
                       ("d.csv", "group,source,row,kind\n0,1,3,kept\n"),
                       ("e.csv", "group,source,row,kind\n0,0,3,near\n"),
                       ("f.csv", "group,source,row,kind\n0,0,3,kept\n0,0,4,kept\n")):  # fmt: skip
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=name):
            read_copies(tmp_path / name, 550)
    with pytest.raises(InputError, match=r"none\.csv"):
        shoal.fit(rows, tmp_path / "run", duplicates=tmp_path / "none.csv", workers=1)
    with pytest.raises(SettingError, match="leave sample out"):
        shoal.fit(rows, tmp_path / "run", duplicates=path, sample=300, workers=1)
