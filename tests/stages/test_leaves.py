import itertools

import numpy as np
import pytest

from shoal.progress import Silent
from shoal.stages import leaves as module
from shoal.stages.leaves import make_leaves
from shoal.stages.result import Result
from shoal.storage import read_npy


def made(run):
    folder = run.stage("leaves")
    folder.begin("0" * 32)
    counts = make_leaves(run, folder, Silent())
    names = ("rows", "seats", "start", "outlying", "second", "margin", "twins")
    return counts, {name: read_npy(folder.whole(name)) for name in names}


@pytest.fixture(params=[None, 40])
def run(request, fitted):
    draw = np.random.default_rng(3)
    rows = draw.normal(size=(900, 4)) + 12 * draw.normal(size=(5, 4))[draw.integers(0, 5, 900)]
    rows[[5, 700]] = np.nan
    rows[300:304] = rows[300]
    rows[44] = 500
    return fitted(rows.astype(np.float32), representatives=request.param)


def test_every_cluster_of_every_cut_is_a_range_of_seats(run):
    counts, found = made(run)
    result = Result(run)
    assert counts["rows"] == 898
    assert np.array_equal(np.sort(found["rows"]), np.setdiff1d(np.arange(900), [5, 700]))
    assert found["seats"][[5, 700]].tolist() == [-1, -1]
    assert np.array_equal(found["seats"][found["rows"]], np.arange(898))
    for k in (1, 2, 5, 17):
        labels = result.labels(k)[found["rows"]]
        bounds = found["start"][result.tree.bounds(k)]
        for low, high in itertools.pairwise(bounds):
            assert len(np.unique(labels[low:high])) <= 1
        assert len(np.unique(labels)) == len(np.unique(labels[bounds[:-1][np.diff(bounds) > 0]]))


def test_the_rows_of_a_leaf_go_outwards_with_its_outliers_last(run):
    _, found = made(run)
    result = Result(run)
    distance, outlier = result.read_column("distance"), result.outliers
    for leaf, (low, high) in enumerate(zip(found["start"][:-1], found["start"][1:], strict=True)):
        rows = found["rows"][low:high]
        far = outlier[rows]
        assert far.sum() == found["outlying"][leaf]
        assert (np.diff(far.astype(int)) >= 0).all()
        assert (np.diff(distance[rows[~far]]) >= 0).all()
        assert (result.representative_of_row[rows] == result.tree.order[leaf]).all()


def test_equal_rows_sit_together(run):
    _, found = made(run)
    twins = set(found["rows"][found["twins"]].tolist())
    assert {300, 301, 302, 303} <= twins
    assert len(twins) < 20


def test_seconds_and_margins_follow_their_rows(run):
    _, found = made(run)
    result = Result(run)
    rows = found["rows"]
    assert np.array_equal(found["margin"], result.read_column("margin")[rows])
    second = result.read_column("second")[rows]
    leaf = np.append(np.argsort(result.tree.order), -1)[second]
    assert np.array_equal(found["second"], leaf)


def test_pieces_make_no_difference(run, monkeypatch):
    _, whole = made(run)
    monkeypatch.setattr(module, "_AT_ONCE", 50)
    _, pieces = made(run)
    for name, array in whole.items():
        assert np.array_equal(array, pieces[name])
