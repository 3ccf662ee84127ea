import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import shoal
from shoal.errors import InputError
from shoal.stages.common import labels_in_common, rows_in_common
from shoal.stages.result import Result
from shoal.storage import RunFolder

BUNCH = load_digits()
IMAGES = np.rint(BUNCH.images * (255 / 16)).astype(np.uint8)


def fit(folder, rows):
    folder.mkdir(exist_ok=True)
    for row in rows:
        Image.fromarray(IMAGES[row]).save(folder / f"{row:04}.png")
    out = folder.with_suffix(".shoal")
    shoal.fit(folder, out, workers=1, layers=3)
    return Result(RunFolder.open(out))


def test_files_are_found_by_name_among_new_ones(tmp_path):
    one = fit(tmp_path / "one", range(10, 70))
    other = fit(tmp_path / "other", range(60))
    rows = rows_in_common(one, other)
    assert rows.tolist() == [-1] * 10 + list(range(50))
    labels = np.arange(60, dtype=np.int32)
    assert labels_in_common(labels, rows).tolist() == rows.tolist()
    assert rows_in_common(one, one) is None
    assert labels_in_common(labels, None) is labels


def test_names_that_come_first_are_found_part_by_part(tmp_path, monkeypatch):
    one = fit(tmp_path / "one", range(60))
    other = fit(tmp_path / "other", range(100))  # in parts of another length
    monkeypatch.setattr("shoal.stages.common._names", None)  # which would hold all of them
    assert rows_in_common(one, other).tolist() == [*range(60), *[-1] * 40]


def test_files_without_a_name_in_common_share_nothing(tmp_path):
    with pytest.raises(InputError, match="have no rows in common"):
        rows_in_common(fit(tmp_path / "one", range(20)), fit(tmp_path / "other", range(20, 40)))


def test_rows_with_numbers_only_are_the_same_when_as_many(tmp_path):
    runs = [
        Result(shoal.fit(IMAGES[:n], tmp_path / name, workers=1)._folder)
        for name, n in (("a", 60), ("b", 60), ("c", 50))
    ]
    assert rows_in_common(*runs[:2]) is None
    with pytest.raises(InputError, match=r"has 60 rows, but .* has 50, and without names"):
        rows_in_common(runs[0], runs[2])


def test_rows_of_a_sample_are_found_by_their_numbers(tmp_path):
    runs = [
        Result(shoal.fit(IMAGES[:600], tmp_path / name, workers=1, **how)._folder)
        for name, how in (("all", {}), ("some", {"sample": 90}), ("more", {"sample": 200}))
    ]
    every, some, more = runs
    rows = rows_in_common(every, some)
    assert rows.tolist() == some.source_rows.tolist()
    back = rows_in_common(some, every)
    assert np.array_equal(back[some.source_rows], np.arange(some.n_rows))
    assert (back >= 0).sum() == some.n_rows
    both = rows_in_common(some, more)
    assert np.array_equal(some.source_rows[both[both >= 0]], more.source_rows[both >= 0])


def test_ids_are_kept_when_files_are_added(tmp_path):
    of = [np.flatnonzero(BUNCH.target == digit) for digit in (0, 1, 4)]
    before = fit(tmp_path / "may", np.concatenate([of[0][:80], of[1][:60], of[2][:40]]))
    (tmp_path / "may").rename(tmp_path / "june")
    for row in of[2][40:170]:  # the smallest group becomes the largest
        Image.fromarray(IMAGES[row]).save(tmp_path / "june" / f"{row:04}.png")
    run = shoal.fit(
        tmp_path / "june", tmp_path / "new", workers=1, previous=str(before.folder.path), layers=3
    )
    names = [int(name[:4]) for name in run.table()["name"].to_pylist()]
    old = shoal.open(before.folder.path)
    old_names = [int(name[:4]) for name in old.table()["name"].to_pylist()]
    was = dict(zip(old_names, old.labels().tolist(), strict=True))
    for digit, group in zip((0, 1, 4), of, strict=True):
        then = np.bincount([was[name] for name in group.tolist() if name in was]).argmax()
        now = np.bincount(run.labels()[np.isin(names, group)]).argmax()
        assert then == now, digit
    assert np.bincount(run.labels()).argmax() == 2
