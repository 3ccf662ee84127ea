import numpy as np
import pytest
from sklearn.cluster import KMeans

from shoal.palettes.means import kmeans_plus_plus, lloyd, nearest

RNG = np.random.default_rng(1)
POINTS = RNG.random((9_000, 4)).astype(np.float32)
CENTRES = RNG.random((20, 4)).astype(np.float32)


def test_nearest_is_that_of_all_distances():
    slow = ((POINTS[:, None] - CENTRES[None]) ** 2).sum(2).argmin(1)
    assert np.array_equal(nearest(POINTS, CENTRES), slow)


def test_weights_are_repetitions():
    weights = RNG.integers(1, 4, 500).astype(float)
    few = POINTS[:500]
    weighted = lloyd(few, weights, CENTRES)
    repeated = lloyd(
        np.repeat(few, weights.astype(int), axis=0), np.ones(int(weights.sum())), CENTRES
    )
    assert weighted.centres == pytest.approx(repeated.centres, abs=1e-6)
    assert weighted.error == pytest.approx(repeated.error)


def test_steps_are_those_of_scikit_learn():
    ours = lloyd(POINTS, np.ones(len(POINTS)), CENTRES)
    theirs = KMeans(20, init=CENTRES, n_init=1, tol=0, max_iter=300).fit(POINTS)
    assert ours.error == pytest.approx(theirs.inertia_, rel=0.003)


def test_a_centre_without_points_goes_where_the_error_is():
    points = np.zeros((10, 4), np.float32)
    points[9] = 1
    far = np.array([[0, 0, 0, 0], [50, 0, 0, 0]], np.float32)
    found = lloyd(points, np.ones(10), far)
    assert found.error == 0
    assert sorted(found.centres[:, 0]) == [0, 1]


def test_drawn_centres_are_points_and_never_more_than_distinct_ones():
    points = np.repeat(np.eye(4, dtype=np.float32), 5, axis=0)
    start = kmeans_plus_plus(points, np.ones(20), 7, 0)
    assert len(np.unique(start, axis=0)) == len(start) == 4
