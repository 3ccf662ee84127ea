"""What every method must do, whatever it is."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score as agreement

from shoal.errors import InputError, SettingError
from shoal.methods import METHODS, method_name
from shoal.methods.run import run_method

EVERY = pytest.mark.parametrize("name", METHODS)
# Louvain and Leiden take no K, and cut round clouds into several.
LOOSE = {"louvain", "leiden"}


def blobs(each=20, seed=0):
    random = np.random.default_rng(seed)
    centres = np.array([[9, 1, 1], [1, 9, 1], [1, 1, 9]], np.float32)
    rows = np.repeat(centres, each, axis=0) + random.normal(0, 0.3, (3 * each, 3))
    return rows.astype(np.float32), np.repeat(np.arange(3), each)


def found(name, rows, weights=None, k=3, **more):
    k = k if METHODS[name].takes_k else None
    return run_method(name, rows, weights, k=k, **more)


def labels(name, rows, *args, **more):
    return found(name, rows, *args, **more).labels


@EVERY
def test_finds_blobs(name):
    rows, truth = blobs()
    result = labels(name, rows)
    assert result.dtype == np.int32
    kept = result >= 0
    assert kept.mean() >= 0.6
    assert set(result[kept]) == set(range(result.max() + 1))
    if name in LOOSE:
        assert all(len(set(truth[result == c])) == 1 for c in range(result.max() + 1))
    elif name != "optics":  # whose valleys have valleys
        assert agreement(truth[kept], result[kept]) == 1.0


@EVERY
def test_same_seed_same_bytes(name):
    rows, _ = blobs()
    one, other = found(name, rows, seed=5), found(name, rows, seed=5)
    assert one.labels.tobytes() == other.labels.tobytes()
    if one.rule is not None:
        assert one.rule.centres.tobytes() == other.rule.centres.tobytes()


@EVERY
def test_order_of_rows_does_not_matter(name):
    rows, _ = blobs()
    order = np.random.default_rng(1).permutation(len(rows))
    assert agreement(labels(name, rows)[order], labels(name, rows[order])) == 1.0


# Louvain and Leiden join copies to each other before all else.
@pytest.mark.parametrize("name", [name for name in METHODS if name not in LOOSE])
def test_weights_are_repetitions(name):
    rows, _ = blobs(10)
    times = np.random.default_rng(2).integers(1, 4, len(rows))
    weighted = labels(name, rows, times.astype(float))
    repeated = labels(name, np.repeat(rows, times, axis=0))
    once = repeated[np.cumsum(times) - times]
    assert agreement(weighted, once) == 1.0


@EVERY
def test_copies_lie_in_one_cluster(name):
    rows, _ = blobs()
    copied = np.concatenate([rows, rows[::5], rows[::5], rows[:1]])
    result = labels(name, copied)
    at = np.concatenate([np.arange(60), *[np.arange(0, 60, 5)] * 2, [0]])
    assert np.array_equal(result, result[:60][at])


@EVERY
def test_scale_does_not_matter(name):
    rows, _ = blobs()
    small, large = (labels(name, rows * np.float32(factor)) for factor in (1e-6, 1e6))
    assert agreement(small, large) == 1.0


@EVERY
def test_far_from_zero(name):
    rows, truth = blobs()
    if METHODS[name].directions:
        pytest.skip("directions from far away are all the same")
    result = labels(name, rows + np.float32(1000))
    assert all(len(set(truth[result == c])) == 1 for c in range(result.max() + 1))


@EVERY
def test_more_clusters_than_rows(name):
    rows, _ = blobs(2)
    if METHODS[name].takes_k:
        with pytest.raises(
            SettingError, match="k must be from 1 to 6, the number of distinct rows"
        ):
            run_method(name, rows, k=7)
    else:
        with pytest.raises(SettingError, match="finds the number of clusters itself; got k 7"):
            run_method(name, rows, k=7)


@EVERY
def test_few_rows(name):
    for n in (1, 2, 3):
        result = found(name, blobs()[0][:n], k=1)
        assert result.labels.shape == (n,)
        assert result.labels.max() < n


@EVERY
def test_as_many_clusters_as_rows(name):
    rows = blobs(2)[0]
    if METHODS[name].takes_k:
        for k in (5, 6):
            assert 1 <= len(set(labels(name, rows, k=k))) <= k


@EVERY
def test_equal_rows(name):
    result = labels(name, np.ones((12, 2), np.float32), k=1)
    assert result.shape == (12,)
    if METHODS[name].takes_k:
        assert set(result.tolist()) == {0}


@EVERY
def test_not_finite(name):
    for bad in (np.nan, np.inf):
        rows, _ = blobs(3)
        rows[4, 1] = bad
        with pytest.raises(InputError, match="NaN or infinity"):
            run_method(name, rows)


@EVERY
def test_one_column(name):
    rows = blobs()[0][:, :1]
    assert labels(name, rows, k=2).shape == (60,)


@pytest.mark.parametrize("name", ["mini-batch-kmeans", "agglomerative", "k-medoids"])
def test_k_is_chosen_where_none_is_given(name):
    rows, truth = blobs(8)
    result = run_method(name, rows)
    assert result.notes[0].startswith("K = 3, the largest silhouette")
    assert agreement(truth, result.labels) == 1.0


@EVERY
def test_rule_memberships_and_dendrogram_where_promised(name):
    rows, _ = blobs()
    result = found(name, rows)
    if result.rule is not None:
        assert (result.rule.assign(rows) == result.labels).all()
    assert (METHODS[name].predicts != "vote of the nearest") == (result.rule is not None)
    assert METHODS[name].soft == (result.memberships is not None)
    if result.memberships is not None:
        np.testing.assert_allclose(result.memberships.sum(axis=1), 1, rtol=1e-5)
        assert (result.memberships.argmax(axis=1) == result.labels).all()
    assert METHODS[name].hierarchical == (result.merges is not None)
    if result.merges is not None:
        assert sorted(result.merges.ravel().tolist()) == list(range(2 * len(rows) - 2))
        assert (np.diff(result.heights) >= 0).all()


@EVERY
def test_parameters_are_checked(name):
    with pytest.raises(SettingError, match=f"method {name} has no parameter"):
        run_method(name, blobs(2)[0], parameters={"colour": 1})
    for parameter in METHODS[name].parameters:
        with pytest.raises(SettingError, match=f"{parameter.name} must be"):
            run_method(name, blobs(2)[0], parameters={parameter.name: "many"})


@EVERY
def test_names_lead_back(name):
    method = METHODS[name]
    assert method.name == name
    for word in (name, name.upper(), name.replace("-", "_"), *method.aliases):
        assert method_name(word) == name


@EVERY
def test_rows_that_do_not_fit_the_memory_are_declined(name):
    method, rows = METHODS[name], blobs()[0]
    if method.pair_bytes:
        with pytest.raises(InputError, match=f"{name} takes at most 31 rows in this memory"):
            run_method(name, rows, k=3, memory=int(2 * 31.5**2 * method.pair_bytes))


@EVERY
@pytest.mark.parametrize("n", [2, 3])
def test_two_or_three_rows_are_one_cluster_unless_people_ask(name, n):
    rows = blobs(1)[0][:n]
    assert run_method(name, rows).labels.tolist() == [0] * n
    if METHODS[name].needs_k:
        assert len(set(labels(name, rows, k=n))) == n


def test_a_mixture_is_not_a_gaussian_for_each_row():
    rows = np.random.default_rng(0).normal(size=(12, 3))
    assert run_method("gmm", rows).labels.max() == 0


def test_noise_of_few_rows_stands_where_people_set_what_it_is():
    rows = np.array([[0.0], [0.1], [9.0]])
    assert run_method("dbscan", rows, parameters={"eps": 1, "min_samples": 2}).labels[2] == -1
