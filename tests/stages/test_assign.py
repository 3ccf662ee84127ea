import numpy as np

from shoal.stages.result import Result
from shoal.storage import read_npy


def test_a_row_is_its_own_representative_when_all_are(fitted, blobs):
    result = Result(fitted(blobs))
    place = result.column("representative")
    assert np.array_equal(place, result.place)
    assert (result.column("second") == -1).all()
    assert (result.column("distance") == 0).all()


def test_rows_go_to_one_of_the_nearest_of_few_representatives(fitted):
    rows = np.random.default_rng(1).normal(size=(2000, 5)).astype(np.float32)
    rows[::2] += 15
    rows[10] = np.nan
    run = fitted(rows, representatives=100)
    result = Result(run)
    vectors = read_npy(run.stage("project").part("vectors", 0))
    apart = np.linalg.norm(vectors[:, None] - result.representatives.vectors[None], axis=2)
    good = np.arange(2000) != 10
    order, near = np.argsort(apart, axis=1)[good, :3], np.sort(apart, axis=1)[good, :3]
    first, second = result.place[good], result.column("second")[good]
    torn = first != order[:, 0]
    assert np.array_equal(np.sort(order[:, :2]), np.sort(np.stack([first, second], 1)))
    assert 0 < torn.mean() < 0.5
    assert (1 / near[torn, 0] ** 2 < 1.001 * (1 / near[torn, 1:] ** 2).sum(1)).all()
    one, two, three = order[torn].T
    assert (result.tree.apart(two, three) > result.tree.apart(one, two)).all()
    assert np.allclose(result.column("distance")[good], near[np.arange(1999), torn * 1], atol=1e-4)
    margin = 255 * (1 - near[:, 0] / near[:, 1])
    assert np.abs(result.column("margin")[good] - margin).max() <= 0.51
    assert result.column("representative")[10] == -1
    assert not result.outliers[10]
    assert result.labels(2)[10] == -1
    assert np.isnan(result.confidence(2)[10])


def test_cuts_lie_within_each_other_though_rows_vote(fitted):
    rows = np.random.default_rng(2).normal(size=(3000, 4)).astype(np.float32)
    result = Result(fitted(rows, representatives=60))
    for k in range(2, 61):
        pairs = np.unique(np.stack([result.labels(k), result.labels(k - 1)]), axis=1)
        assert pairs.shape[1] == k


def test_a_row_far_from_all_is_an_outlier(fitted, blobs):
    rows = np.concatenate([blobs, [[0, 0, 0, 400, 0]]]).astype(np.float32)
    outliers = Result(fitted(rows)).outliers
    assert outliers[200]
    assert outliers[:200].mean() < 0.03
