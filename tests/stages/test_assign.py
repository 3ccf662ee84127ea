import numpy as np

from shoal.stages.result import Result
from shoal.storage import read_npy


def test_a_row_is_its_own_representative_when_all_are(fitted, blobs):
    result = Result(fitted(blobs))
    place = result.column("representative")
    assert np.array_equal(place, result.place)
    assert (result.column("second") == -1).all()
    assert (result.column("distance") == 0).all()


def test_rows_go_to_the_nearest_of_few_representatives(fitted):
    rows = np.random.default_rng(1).normal(size=(2000, 5)).astype(np.float32)
    rows[::2] += 15
    rows[10] = np.nan
    run = fitted(rows, representatives=100)
    result = Result(run)
    vectors = read_npy(run.stage("project").part("vectors", 0))
    apart = np.linalg.norm(vectors[:, None] - result.representatives.vectors[None], axis=2)
    good = np.arange(2000) != 10
    order = np.argsort(apart, axis=1)
    assert np.array_equal(result.column("representative")[good], order[good, 0])
    assert np.array_equal(result.column("second")[good], order[good, 1])
    near = np.sort(apart, axis=1)[good]
    swayed = 1 / near[:, 0] ** 2 < 1 / near[:, 1] ** 2 + 1 / near[:, 2] ** 2
    third = np.where(swayed, order[good, 2], -1)
    assert (result.column("third")[good] == third).mean() > 0.999
    assert 0 < swayed.mean() < 1
    assert np.allclose(result.column("distance")[good], near[:, 0], atol=1e-4)
    margin = 255 * (1 - near[:, 0] / near[:, 1])
    assert np.abs(result.column("margin")[good] - margin).max() <= 0.51
    assert result.column("representative")[10] == -1
    assert not result.outliers[10]
    assert result.labels(2)[10] == -1
    assert np.isnan(result.confidence(2)[10])


def test_a_row_far_from_all_is_an_outlier(fitted, blobs):
    rows = np.concatenate([blobs, [[0, 0, 0, 400, 0]]]).astype(np.float32)
    outliers = Result(fitted(rows)).outliers
    assert outliers[200]
    assert outliers[:200].mean() < 0.03
