import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from shoal.sklearn import Shoal


@parametrize_with_checks([Shoal(n_jobs=1)])
def test_it_is_an_estimator(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(900, 8, centers=6, random_state=0)


def test_it_finds_how_many_clusters_there_are(blobs):
    found = Shoal().fit(blobs[0])
    assert found.n_clusters_ == 6
    assert adjusted_rand_score(blobs[1], found.labels_) == 1.0
    assert [layer.k for layer in found.layers_ if layer.primary] == [6]


def test_any_number_of_clusters_is_a_cut_of_the_same_tree(blobs):
    found = Shoal(n_clusters=3).fit(blobs[0])
    assert found.n_clusters_ == 3 == len(np.unique(found.labels_))
    assert len(np.unique(np.stack([found.labels_, blobs[1]]), axis=1).T) == 6
    with pytest.raises(ValueError, match=r"k must be from 1 to .*; got 901"):
        Shoal(n_clusters=901).fit(blobs[0])


def test_clusters_are_numbered_by_size_and_centres_are_their_means(blobs):
    X = blobs[0][blobs[1] > 0]
    X = np.concatenate([X, X[:50] + 1e-3])
    found = Shoal().fit(X)
    sizes = np.bincount(found.labels_)
    assert list(sizes) == sorted(sizes, reverse=True)
    for cluster in range(found.n_clusters_):
        mean = X[found.labels_ == cluster].mean(0)
        assert np.allclose(found.cluster_centers_[cluster], mean, atol=1e-4)


def test_predict_agrees_with_the_fit_and_places_new_rows(blobs):
    found = Shoal().fit(blobs[0])
    assert np.array_equal(found.predict(blobs[0]), found.labels_)
    assert np.array_equal(found.predict(blobs[0] + 0.01), found.labels_)


def test_few_representatives_stand_for_all_rows(blobs):
    found = Shoal(representatives=150).fit(blobs[0])
    assert found.tree_.n_leaves <= 150
    assert adjusted_rand_score(blobs[1], found.labels_) == 1.0
    assert np.array_equal(found.predict(blobs[0]), found.labels_)


def test_workers_change_nothing_and_a_state_can_be_drawn(blobs):
    one, two = Shoal(n_jobs=1).fit(blobs[0]), Shoal(n_jobs=2).fit(blobs[0])
    assert np.array_equal(one.labels_, two.labels_)
    drawn = Shoal(random_state=np.random.RandomState(3)).fit(blobs[0])
    assert drawn.n_clusters_ == 6


def test_duplicates_share_a_cluster(blobs):
    X = np.repeat(blobs[0], 3, axis=0)
    labels = Shoal().fit_predict(X).reshape(-1, 3)
    assert (labels == labels[:, :1]).all()


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (np.ones((5, 3)), "all 5 rows are identical"),
        (np.array([[1.0, np.nan], [2, 3]]), "NaN"),
        (np.ones((1, 3)), "minimum of 2"),
    ],
)
def test_bad_input_is_said(X, said):
    with pytest.raises(ValueError, match=said):
        Shoal().fit(X)


def test_small_clusters_are_kept_out_and_detail_decides_what_counts(blobs):
    X = np.concatenate(
        [blobs[0], blobs[0][:1] + 50 + np.random.default_rng(0).normal(size=(20, 8))]
    )
    plain, large = Shoal().fit(X), Shoal(min_size=60).fit(X)
    assert np.bincount(plain.labels_).min() == 20
    assert np.bincount(large.labels_).min() >= 60
    assert (plain.n_clusters_, Shoal(detail=8).fit(X).n_clusters_) == (7, 1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"min_size": 0}, "min_size must .* got 0"),
        ({"min_size": 901}, "min_size must be at most 900"),
        ({"detail": 50}, "detail must .* got 50"),
        ({"n_clusters": 0}, "k must be a whole number of at least 1; got 0"),
        ({"n_clusters": 3, "detail": 1}, "both choose"),
    ],
)
def test_parameters_out_of_their_range_are_refused(blobs, given, words):
    with pytest.raises(ValueError, match=words):
        Shoal(**given).fit(blobs[0])


def test_distances_have_names_and_come_as_a_frame(blobs):
    model = Shoal(n_clusters=3).set_output(transform="pandas")
    frame = model.fit_transform(blobs[0])
    assert list(frame.columns) == ["shoal0", "shoal1", "shoal2"]
    assert model.get_feature_names_out().tolist() == list(frame.columns)
    centre = model.cluster_centers_[1]
    assert np.allclose(frame["shoal1"], np.linalg.norm(blobs[0] - centre, axis=1))
    assert [layer.k for layer in model.layers_ if layer.primary] == [3]


def test_bad_threads_are_said(blobs):
    with pytest.raises(ValueError, match=r"n_jobs must be .*; got 0"):
        clone(Shoal()).set_params(n_jobs=0).fit(blobs[0])


def test_digits():
    digits = load_digits()
    found = Shoal().fit(digits.data)
    assert 8 <= found.n_clusters_ <= 20
    assert adjusted_rand_score(digits.target, found.labels_) > 0.6
