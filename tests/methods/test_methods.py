"""Single methods: cases computed by hand, and equality with slow twins or the plain libraries."""

import re

import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import cdist, pdist
from sklearn.cluster import DBSCAN, KMeans
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score as agreement
from sklearn.metrics import silhouette_samples
from sklearn.mixture import GaussianMixture

from shoal.errors import SettingError
from shoal.methods import METHODS, Parameter, dbscan, method_name, parse_assignments
from shoal.methods.agglomerative import dendrogram
from shoal.methods.base import WeightedRows
from shoal.methods.dbscan import proposed_eps
from shoal.methods.dendrograms import cut, laid_out, numbered
from shoal.methods.diana import fit as diana
from shoal.methods.gmm import mixture
from shoal.methods.k_medians import weighted_medians
from shoal.methods.kernels import chain_merges, faster_pam
from shoal.methods.run import run_method, without_noise
from shoal.methods.scores import silhouettes
from shoal.methods.som import grid_shape

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(80, 3)).astype(np.float32)
ONES = np.ones(80)
DATA = WeightedRows(ROWS, ONES)


def moved(by):
    return ROWS + np.asarray(by)


def test_kmeans_is_as_good_as_scikit_learn():
    centres = KMeans(6, n_init=10, random_state=0).fit(ROWS)
    result = run_method("kmeans", ROWS, k=6)
    apart = ROWS - result.rule.centres[result.labels]
    assert (apart**2).sum() == pytest.approx(centres.inertia_, rel=0.03)


@pytest.mark.parametrize("linkage", ["single", "complete", "average", "ward"])
def test_dendrogram_is_that_of_scipy(linkage):
    merges, _ = dendrogram(DATA, linkage)
    theirs = hierarchy.linkage(ROWS.astype(float), linkage)
    np.testing.assert_array_equal(np.sort(merges, axis=1), np.sort(theirs[:, :2], axis=1))
    labels = cut(merges, 7)
    assert agreement(labels, hierarchy.fcluster(theirs, 7, "maxclust")) == 1.0


@pytest.mark.parametrize("ward", [False, True])
def test_chain_of_neighbours_gives_the_heights_of_scipy(ward):
    apart = cdist(ROWS.astype(float), ROWS.astype(float))
    merges, heights = numbered(*chain_merges(apart**2 if ward else apart, ONES, ward))
    theirs = hierarchy.linkage(ROWS.astype(float), "ward" if ward else "average")
    np.testing.assert_allclose(np.sqrt(heights) if ward else heights, theirs[:, 2], rtol=1e-9)
    assert agreement(cut(merges, 9), hierarchy.fcluster(theirs, 9, "maxclust")) == 1.0


@pytest.mark.parametrize("linkage", ["average", "ward"])
def test_weighted_rows_join_as_copies_do(linkage):
    times = RANDOM.integers(1, 4, len(ROWS))
    _, weighted = dendrogram(WeightedRows(ROWS, times.astype(float)), linkage)
    theirs = hierarchy.linkage(np.repeat(ROWS.astype(float), times, axis=0), linkage)[:, 2]
    np.testing.assert_allclose(weighted, theirs[-len(weighted) :], rtol=1e-5)


def test_pam_ends_where_no_swap_gains():
    apart = cdist(ROWS, ROWS).astype(np.float32)
    medoids, cost = faster_pam(apart, ONES, np.arange(4))
    assert cost == pytest.approx(apart[medoids].min(axis=0).sum(), rel=1e-5)
    for at in range(4):
        for row in range(len(ROWS)):
            other = medoids.copy()
            other[at] = row
            assert apart[other].min(axis=0).sum() >= cost * (1 - 1e-5)


def test_diana_by_hand():
    rows = np.array([[0.0], [1.0], [10.0], [11.0], [30.0]], np.float32)
    result = diana(WeightedRows(rows, np.ones(5)), 0, 3)
    assert agreement(result.labels, [0, 0, 1, 1, 2]) == 1.0
    np.testing.assert_allclose(result.heights, [1, 1, 11, 30], rtol=1e-6)


@pytest.mark.parametrize("eps", [0.2, 0.5, 1.0])
def test_dbscan_has_the_cores_and_noise_of_scikit_learn(eps):
    mine = run_method("dbscan", ROWS, parameters={"eps": eps, "min_samples": 4}).labels
    theirs = DBSCAN(eps=eps, min_samples=4).fit(ROWS.astype(float))
    core = theirs.core_sample_indices_
    assert agreement(mine[core], theirs.labels_[core]) == 1.0
    np.testing.assert_array_equal(mine < 0, theirs.labels_ < 0)


def test_eps_is_proposed_that_finds_moons():
    rows, truth = make_moons(400, noise=0.05, random_state=0)
    rows = rows.astype(np.float32)
    labels = run_method("dbscan", rows).labels
    assert agreement(truth, labels) > 0.98
    tenfold = proposed_eps(WeightedRows(10 * rows, np.ones(400)), 5)
    assert tenfold == pytest.approx(
        10 * proposed_eps(WeightedRows(rows, np.ones(400)), 5), rel=1e-4
    )


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [("full", "full"), ("tied", "tied"), ("diagonal", "diag"), ("spherical", "spherical")],
)
def test_mixture_is_that_of_scikit_learn(mine, theirs):
    rows = np.concatenate([ROWS * [1, 2, 0.5], moved([8, 0, 3])]).astype(np.float64)
    found = mixture(WeightedRows(rows, np.ones(160)), 2, 0, mine, tolerance=1e-9, ridge=1e-9)
    other = GaussianMixture(2, covariance_type=theirs, tol=1e-9, reg_covar=1e-9, random_state=0)
    other.fit(rows)
    assert found.log_likelihood == pytest.approx(160 * other.score(rows), rel=1e-6)
    assert found.bic(160) == pytest.approx(other.bic(rows), rel=1e-6)
    assert agreement(found.rule.assign(rows), other.predict(rows)) == 1.0


def test_covariances_that_do_not_fit_are_declined():
    with pytest.raises(SettingError, match="give --set covariance=diagonal"):
        run_method("gmm", np.eye(1200, dtype=np.float32), k=50)


def test_more_clusters_than_can_be_shown_are_declined_before_the_fit():
    for name in ("kmeans", "gmm", "spectral"):
        with pytest.raises(SettingError, match="k must be at most 5,000"):
            METHODS[name].check_k(5001)
    METHODS["agglomerative"].check_k(5001)


def test_bic_finds_the_number_of_gaussians():
    rows = np.concatenate([ROWS, moved([9, 0, 0]), ROWS * 0.5 + [0, 9, 0]])
    result = run_method("gmm", rows)
    assert result.labels.max() == 2
    assert result.notes == ("K = 3, the lowest BIC of 1 to 20.",)


def test_x_means_finds_k():
    rows = np.concatenate([ROWS, moved([20, 0, 0]), moved([0, 20, 0]), moved([0, 0, 20])])
    assert agreement(np.repeat(np.arange(4), 80), run_method("x-means", rows).labels) == 1.0


def test_mahalanobis_finds_long_clusters_side_by_side():
    rows = RANDOM.normal(size=(400, 2)) * [10, 0.3]
    rows[200:, 1] += 4
    truth = np.repeat([0, 1], 200)
    parameters = {"starts": 20}
    assert agreement(truth, run_method("mahalanobis-kmeans", rows, k=2).labels) == 1.0
    assert agreement(truth, run_method("kmeans", rows, k=2, parameters=parameters).labels) < 0.1


def test_spherical_kmeans_compares_directions():
    angle = np.repeat([0.2, 0.8, 1.4], 30) + RANDOM.normal(0, 0.03, 90)
    length = RANDOM.uniform(0.1, 100, 90)
    rows = length[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    assert (
        agreement(np.repeat([0, 1, 2], 30), run_method("spherical-kmeans", rows, k=3).labels) == 1
    )


def test_k_medians_is_hardly_moved_by_outliers():
    rows = np.concatenate([ROWS, ROWS + 8])
    rows[0] = [1e4, 0, 0]
    centres = run_method("k-medians", rows, k=2, parameters={"starts": 1}).rule.centres
    assert np.abs(centres).max() < 10 or (np.abs(centres).min(axis=1) < 10).all()


def test_weighted_medians_are_those_of_copies():
    times = RANDOM.integers(1, 5, len(ROWS))
    rows = ROWS.astype(np.float64)
    copies = np.median(np.repeat(rows, times, axis=0), axis=0)
    np.testing.assert_allclose(weighted_medians(rows, times.astype(float)), copies)


def test_streaming_costs_little_more_than_kmeans():
    rows = (ROWS[:, None, :] * 0.2 + RANDOM.normal(0, 4, (6, 3))).reshape(-1, 3)
    best = KMeans(6, n_init=10, random_state=0).fit(rows).inertia_
    result = run_method("streaming-kmeans", rows, k=6)
    assert ((rows - result.rule.centres[result.labels]) ** 2).sum() < 1.1 * best


def test_som_keeps_neighbours_alike():
    rows = RANDOM.uniform(0, [8, 1], (600, 2))
    result = run_method("som", rows, k=8)
    assert result.labels.max() == 7
    steps = np.diff(np.sort(result.rule.centres[:, 0]))
    assert steps.min() > 0.3  # the eight units lie along the long side


def test_grid_must_be_filled():
    with pytest.raises(SettingError, match="k 10 units do not fill 4 columns"):
        grid_shape(10, 4, 100)


def test_silhouettes_are_those_of_scikit_learn():
    labels = RANDOM.integers(0, 4, len(ROWS))
    np.testing.assert_allclose(
        silhouettes(ROWS, labels), silhouette_samples(ROWS, labels), atol=1e-6
    )
    times = RANDOM.integers(1, 4, len(ROWS))
    copies = silhouette_samples(np.repeat(ROWS, times, axis=0), np.repeat(labels, times))
    mine = silhouettes(ROWS, labels, times.astype(float))
    np.testing.assert_allclose(mine, copies[np.cumsum(times) - 1], atol=1e-6)


def test_laid_out_cuts_as_scipy_does():
    merges = hierarchy.linkage(pdist(ROWS), "complete")[:, :2].astype(np.int64)
    order, places = laid_out(merges)
    assert sorted(order.tolist()) == list(range(80))
    assert sorted(places.tolist()) == list(range(1, 80))


def test_noise_goes_with_the_nearest():
    rows = np.array([[0.0], [1.0], [4.0], [6.0]], np.float32)
    assert without_noise(rows, np.array([0, -1, -1, 1], np.int32)).tolist() == [0, 0, 1, 1]
    assert without_noise(rows, np.full(4, -1, np.int32)).tolist() == [0, 0, 0, 0]


def test_methods_without_weights_say_so_of_many_rows():
    weights = np.linspace(1, 2, len(ROWS))
    notes = run_method("spectral", ROWS, weights, k=2).notes
    assert notes == ("spectral takes no weights: each representative counts as one row.",)


def test_assignments():
    assert parse_assignments(["min-samples=5", "eps = .3"]) == {"min_samples": "5", "eps": ".3"}
    for bad in ("eps", "=3", "eps="):
        with pytest.raises(SettingError, match="give name=value"):
            parse_assignments([bad])
    with pytest.raises(SettingError, match="given twice"):
        parse_assignments(["eps=1", "eps=2"])


@pytest.mark.parametrize("value", ["3", 3, 3.0, np.int64(3), "3.0"])
def test_whole_numbers(value):
    found = Parameter("starts", 1, "", 1, 10, whole=True).parse(value)
    assert (found, type(found)) == (3, int)


@pytest.mark.parametrize("value", ["0", 11, 2.5, "nan", "inf", True, None, "x", [3]])
def test_wrong_whole_numbers(value):
    with pytest.raises(SettingError, match="starts must be a whole number from 1 to 10; got"):
        Parameter("starts", 1, "", 1, 10, whole=True).parse(value)


def test_words_and_unknown_names():
    with pytest.raises(
        SettingError, match="linkage must be one of ward, average, complete, single"
    ):
        METHODS["agglomerative"].resolved({"linkage": "wards"})
    with pytest.raises(SettingError, match="has no parameter min_sample: did you mean min_samples"):
        METHODS["dbscan"].resolved({"min_sample": 3})
    with pytest.raises(SettingError, match="did you mean kmeans"):
        method_name("kmeens")
    with pytest.raises(SettingError, match="choose shoal, kmeans"):
        method_name("zzz")


def test_dbscan_looks_up_few_rows_at_a_time_where_lonely_ones_come_first(monkeypatch):
    monkeypatch.setattr(dbscan, "_PAIRS", 50_000)
    lonely = 100.0 * np.arange(1100)[:, None] + [[0.0, 1e6]]
    rows = np.concatenate([lonely, np.random.default_rng(0).normal(size=(1500, 2))])
    blocks = list(dbscan._neighbours(rows, rows, 10.0))
    assert max(block.nnz for block in blocks) <= 50_000
    assert sum(block.nnz for block in blocks) == 1100 + 1500**2


def test_dbscan_proposes_a_reach_for_representatives_of_many_rows():
    rows, _ = make_blobs(300, centers=3, cluster_std=0.3, random_state=0)
    found = run_method("dbscan", rows, np.full(300, 40.0))
    assert proposed_eps(WeightedRows(rows.astype("f4"), np.full(300, 40.0)), 5) > 0.1
    assert 2 <= found.labels.max() < 30  # one that lies alone is dense by its own rows


def test_birch_makes_no_more_balls_than_can_be_agglomerated(monkeypatch):
    monkeypatch.setattr("shoal.methods.birch._MOST_BALLS", 20)
    rows = np.random.default_rng(0).normal(size=(400, 3))
    found = run_method("birch", rows, k=4)
    assert int(re.match(r"BIRCH: (\d+) balls", found.notes[0])[1]) <= 20
    assert len(np.unique(found.labels)) == 4
    with pytest.raises(SettingError, match="at most 20 can be agglomerated: give a larger one"):
        run_method("birch", rows, k=4, parameters={"threshold": 0.05})
