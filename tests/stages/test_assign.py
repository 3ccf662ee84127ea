import numpy as np

from shoal.stages.result import Result
from shoal.storage import read_npy


def test_a_row_is_its_own_representative_when_all_are(fitted, blobs):
    result = Result(fitted(blobs))
    place = result.read_column("representative")
    assert np.array_equal(place, result.representative_of_row)
    assert (result.read_column("second") == -1).all()
    assert (result.read_column("distance") == 0).all()


def test_rows_go_to_a_representative_at_one_of_their_two_nearest_codes(fitted):
    rows = np.random.default_rng(1).normal(size=(2000, 5)).astype(np.float32)
    rows[::2] += 15
    rows[10] = np.nan
    run = fitted(rows, representatives=100)
    result, summary = Result(run), run.stage("summarise")
    vectors = read_npy(run.stage("project").part("vectors", 0))
    centres, of_code = (read_npy(summary.whole(name)) for name in ("centres", "of_code"))
    apart = np.linalg.norm(vectors[:, None] - centres, axis=2)
    coded = read_npy(summary.part("near", 0))["codes"][:, 0] < len(centres)
    assert coded.mean() > 0.98
    order, near = np.argsort(apart, axis=1)[coded, :3], np.sort(apart, axis=1)[coded, :3]
    places = of_code[order]
    first, second = result.representative_of_row[coded], result.read_column("second")[coded]
    torn = first != places[:, 0]
    assert np.array_equal(np.sort(places[:, :2]), np.sort(np.stack([first, second], 1)))
    assert 0 < torn.mean() < 0.5
    assert (1 / near[torn, 0] ** 2 < 1.02 * (1 / near[torn, 1:] ** 2).sum(1)).all()
    one, two, three = places[torn].T
    assert (result.tree.apart(two, three) > result.tree.apart(one, two)).all()
    distance = result.read_column("distance")
    assert np.allclose(distance[coded], near[np.arange(len(near)), torn * 1], rtol=0.01)
    margin = 255 * (1 - near[:, 0] / near[:, 1])
    assert np.abs(result.read_column("margin")[coded] - margin).max() <= 1
    means = np.linalg.norm(vectors[:, None] - result.representatives.vectors, axis=2)
    assert (means.argmin(axis=1)[coded] == places[:, 0]).mean() > 0.9
    far = np.flatnonzero(~coded & (np.arange(2000) != 10))
    assert np.allclose(distance[far], means[far].min(axis=1), rtol=1e-4)
    assert result.read_column("representative")[10] == -1
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
