from dataclasses import replace

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score as agreement

from shoal.errors import InputError, SettingError
from shoal.methods import METHODS
from shoal.methods.base import WeightedRows
from shoal.methods.k_choice import evaluate_ks, labels_for, warm_kmeans
from shoal.methods.k_criteria import _kept_together, elbow

RANDOM = np.random.default_rng(0)
TRUTH = np.repeat(np.arange(4), 30)
ROWS = (np.eye(4)[TRUTH] * 8 + RANDOM.normal(0, 0.5, (120, 4))).astype(np.float32)
BLOBS = WeightedRows(ROWS, np.ones(120))


@pytest.mark.parametrize("method", ["kmeans", "agglomerative"])
def test_all_criteria_agree_on_blobs(method):
    found = evaluate_ks(ROWS, method=method, ks=range(2, 9))
    assert set(found.picks.values()) == {4}
    assert set(found.picks) == {
        *("elbow", "silhouette", "calinski_harabasz", "davies_bouldin", "gap", "strength")
    }
    assert found.agreed == 4
    assert [one["k"] for one in found.table] == list(range(2, 9))
    assert [len(cluster) for cluster in found.silhouettes] == [30, 30, 30, 30]
    assert all((np.diff(each) <= 0).all() for each in found.silhouettes)


def test_bic_of_mixtures_and_no_twins_for_slow_methods():
    found = evaluate_ks(ROWS, method="gmm", ks=range(2, 7), parameters={"covariance": "spherical"})
    assert found.picks["bic"] == 4
    assert {one["gap"] for one in found.table} == {None}


def test_other_methods_too():
    for method in ("k-medoids", "spectral", "k-medians"):
        assert evaluate_ks(ROWS, method=method, ks=[2, 4, 6]).picks["silhouette"] == 4


def test_warm_start_is_nearly_as_good_as_many_starts():
    rows = RANDOM.normal(size=(400, 3)).astype(np.float32)
    found = warm_kmeans(WeightedRows(rows, np.ones(400)), range(2, 21), 0, 10, 300)
    for k in (5, 10, 20):
        means = np.stack([rows[found[k] == c].mean(axis=0) for c in range(k)])
        cost = ((rows - means[found[k]]) ** 2).sum()
        assert cost < 1.06 * KMeans(k, n_init=10, random_state=0).fit(rows).inertia_


def inertia_of(rows, **parameters):
    return evaluate_ks(rows, ks=range(2, 13), parameters=parameters, references=0).table[-1][
        "inertia"
    ]


def test_the_settings_of_kmeans_reach_every_k():
    rows = np.random.default_rng(5).normal(size=(300, 3))
    usual = inertia_of(rows)
    assert inertia_of(rows, starts=300) < usual < inertia_of(rows, starts=1, iterations=1)


def test_mini_batch_kmeans_is_fitted_as_such():
    method, rows = METHODS["mini-batch-kmeans"], RANDOM.normal(size=(300, 3)).astype(np.float32)
    data = WeightedRows(rows, np.ones(300))
    for batch in (30, 300):
        values = method.resolved({"batch": batch})
        found = labels_for(method, data, [12], 0, values)[12]
        values.pop("passes")
        plain = method.fit(data, 0, 12, **values).labels
        assert np.array_equal(found, plain)


@pytest.mark.parametrize("method", ["kmeans", "spherical-kmeans", "gmm"])
def test_passes_that_would_be_left_out_are_refused(method):
    with pytest.raises(SettingError, match="passes 2"):
        evaluate_ks(ROWS, method=method, ks=[2, 3], parameters={"passes": 2})


def test_many_rows_only_go_on_from_the_centres_before(monkeypatch):
    monkeypatch.setattr("shoal.methods.k_choice._ANEW_ROWS", 10)
    found = warm_kmeans(BLOBS, [2, 4, 5], 0, 10, 300)
    assert agreement(found[4], TRUTH) == 1.0


def test_a_dendrogram_is_made_once():
    calls = []
    method = METHODS["agglomerative"]

    def counted(*args, **more):
        calls.append(args)
        return method.fit(*args, **more)

    counting = replace(method, fit=counted)
    found = labels_for(counting, BLOBS, [2, 4, 6], 0, {"linkage": "ward"})
    assert len(calls) == 1
    assert agreement(found[4], TRUTH) == 1.0


def test_structureless_rows_have_no_strength_and_a_gap_of_few():
    rows = RANDOM.uniform(size=(300, 3)).astype(np.float32)
    found = evaluate_ks(rows, ks=range(2, 8))
    assert "strength" not in found.picks
    assert found.picks["gap"] <= 3


def test_same_seed_same_table():
    one, other = (evaluate_ks(ROWS, ks=[2, 3, 4], seed=7) for _ in range(2))
    assert one.table == other.table


def test_weights_are_repetitions():
    times = RANDOM.integers(1, 4, 120)
    one = evaluate_ks(ROWS, times.astype(float), ks=[3, 4], references=0).table[1]
    two = evaluate_ks(np.repeat(ROWS, times, axis=0), ks=[3, 4], references=0).table[1]
    for name in ("inertia", "silhouette", "davies_bouldin"):
        assert one[name] == pytest.approx(two[name], rel=1e-5)


def test_pairs_that_stay_together():
    assert _kept_together(np.array([0, 0, 0, 1, 1]), np.array([5, 5, 6, 7, 7])) == pytest.approx(
        1 / 3
    )
    assert _kept_together(np.array([0]), np.array([3])) == 1.0


def test_elbow_without_a_curve():
    assert elbow([3], np.array([1.0])) == 3
    assert elbow([2, 3, 4], np.array([1.0, 1.0, 1.0])) == 2


def test_wrong_ranges_and_methods():
    with pytest.raises(SettingError, match="no K from 2 to 119 is in the range"):
        evaluate_ks(ROWS, ks=[200])
    with pytest.raises(InputError, match="at least 3 distinct rows; got 2"):
        evaluate_ks(ROWS[:2])
    for ks in ([1, 3], [2.5], ["a"], [None], "2:5", 1, [True]):
        with pytest.raises(InputError, match="must be a whole number of at least 2"):
            evaluate_ks(ROWS, ks=ks)
    for references in (-1, "a"):
        with pytest.raises(InputError, match="references must be"):
            evaluate_ks(ROWS, ks=[2], references=references)
    with pytest.raises(SettingError, match="dbscan finds the number of clusters itself"):
        evaluate_ks(ROWS, method="dbscan")
