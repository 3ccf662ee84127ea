import numpy as np
import pytest

from shoal.errors import InputError
from shoal.storage import read_npy


def read(run, *names):
    return [read_npy(run.stage("summarise").whole(name)) for name in names]


def test_duplicates_are_one_weighted_representative(fitted, blobs):
    rows = np.concatenate([blobs, blobs[:10], blobs[:10]])
    vectors, weights, at, place = read(fitted(rows), "vectors", "weights", "rows", "place")
    assert len(vectors) == len(blobs)
    assert sorted(weights, reverse=True)[:11] == [3] * 10 + [1]
    assert np.array_equal(place[at], np.arange(len(at)))
    assert np.array_equal(place[200:210], place[:10])


def test_quarantined_rows_have_no_place(fitted, blobs):
    blobs[3] = np.nan
    place, weights = read(fitted(blobs), "place", "weights")
    assert np.flatnonzero(place < 0).tolist() == [3]
    assert weights.sum() == 199


def test_streamed_representatives_stand_for_every_good_row(fitted):
    rows = np.random.default_rng(0).normal(size=(3000, 6)).astype(np.float32)
    rows[:1000] += 20
    rows[17] = np.nan
    run = fitted(rows, representatives=150)
    vectors, weights, at, radius = read(run, "vectors", "weights", "rows", "radius")
    assert len(vectors) <= 150
    assert weights.sum() == 2999
    assert 17 not in at
    assert (radius >= 0).all()
    assert not list(run.stage("summarise").path.glob("partial_*/*"))
    project = run.stage("project")
    medoids = read_npy(project.part("vectors", 0))[at]
    apart = np.linalg.norm(medoids - vectors, axis=1)
    assert (apart <= 3 * np.maximum(radius, 1e-3)).mean() > 0.9


def test_identical_rows_are_refused(fitted):
    with pytest.raises(InputError, match="all rows are identical"):
        fitted(np.ones((50, 4), np.float32))
