import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from sklearn import metrics as slow
from sklearn.datasets import load_digits

from shoal.core.contingency import match_labels
from shoal.core.metrics import adjusted_rand, score, simplified_silhouette
from shoal.errors import InputError

labelled = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=60)


def test_hand_computed_case():
    scores = score(list("aaabbb"), [0, 0, 1, 1, 1, 1])
    assert scores.accuracy == pytest.approx(5 / 6)
    assert scores.purity == pytest.approx(5 / 6)
    assert scores.ari == pytest.approx((4 - 6 * 7 / 15) / (6.5 - 6 * 7 / 15))
    assert (scores.n_classes, scores.n_clusters, scores.noise) == (2, 2, 0)
    assert scores.mean_cluster_purity == pytest.approx((1 + 3 / 4) / 2)
    # 4 pairs are together in both, of 6 in the truth and 7 found
    assert scores.fowlkes_mallows == pytest.approx(4 / (6 * 7) ** 0.5)


@given(labelled)
def test_pairs_and_purities_are_those_of_scikit_learn(pairs):
    truth, found = (np.array(side) for side in zip(*pairs, strict=True))
    scores = score(truth, found)
    assert scores.fowlkes_mallows == pytest.approx(slow.fowlkes_mallows_score(truth, found))
    purities = [np.bincount(truth[found == c]).max() / (found == c).sum() for c in np.unique(found)]
    assert scores.mean_cluster_purity == pytest.approx(np.mean(purities))


def test_noise_is_no_cluster_of_the_mean_purity():
    scores = score([0, 0, 1, 1], [4, 4, -1, -1])
    assert (scores.mean_cluster_purity, scores.purity) == (1, 0.5)
    assert scores.fowlkes_mallows == pytest.approx(1 / 2**0.5)
    assert score([0, 1], [-1, -1]).mean_cluster_purity == 0


@settings(max_examples=150, deadline=None)
@given(labelled)
def test_same_as_scikit_learn(pairs):
    truth, found = np.array(pairs).T
    scores = score(truth, found)
    assert scores.ari == pytest.approx(slow.adjusted_rand_score(truth, found), abs=1e-9)
    assert scores.nmi == pytest.approx(slow.normalized_mutual_info_score(truth, found), abs=1e-9)
    assert (scores.homogeneity, scores.completeness, scores.v_measure) == pytest.approx(
        slow.homogeneity_completeness_v_measure(truth, found), abs=1e-9
    )
    table = slow.cluster.contingency_matrix(truth, found)
    best = table[linear_sum_assignment(-table)].sum()
    assert scores.accuracy == pytest.approx(best / len(truth))
    assert scores.purity == pytest.approx(table.max(axis=0).sum() / len(truth))


@settings(max_examples=100, deadline=None)
@given(labelled)
def test_adjusted_information_is_that_of_scikit_learn(pairs):
    truth, found = np.array(pairs).T
    expected = slow.adjusted_mutual_info_score(truth, found)
    if len(np.unique(truth)) > 1 or len(np.unique(found)) > 1:
        if len(np.unique(truth)) == len(np.unique(found)) == len(truth):
            expected = 1.0
        assert score(truth, found).ami == pytest.approx(expected, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(labelled, st.permutations(range(7)))
def test_names_of_clusters_do_not_matter(pairs, names):
    truth, found = np.array(pairs).T
    renamed = score(truth, 1000 * np.array(names)[found]).as_dict()
    assert renamed == pytest.approx(score(truth, found).as_dict(), abs=1e-9)


def test_noise_rows_are_clusters_of_their_own():
    generator = np.random.default_rng(0)
    truth, found = generator.integers(0, 4, 400), generator.integers(-1, 4, 400)
    alone = np.where(found < 0, 10 + np.arange(400), found)
    scores, single = score(truth, found), score(truth, alone)
    for name in ("ari", "ami", "nmi", "homogeneity", "completeness", "v_measure"):
        assert getattr(scores, name) == pytest.approx(getattr(single, name))
    assert scores.ami == pytest.approx(slow.adjusted_mutual_info_score(truth, alone))
    assert scores.noise == pytest.approx(np.mean(found < 0))


@pytest.mark.parametrize("name", ["accuracy", "purity", "completeness", "ami", "nmi", "ari"])
def test_noise_costs(name):
    truth = np.repeat(np.arange(4), 100)
    found = truth.copy()
    found[::5] = -1
    assert getattr(score(truth, truth), name) == pytest.approx(1)
    assert getattr(score(truth, found), name) < 0.95


def test_noise_is_never_right():
    scores = score(np.zeros(5, int), np.full(5, -1))
    assert scores.accuracy == scores.purity == scores.ari == scores.completeness == 0
    assert scores.n_clusters == 0
    assert scores.noise == 1


def test_one_row():
    assert score([3], [0]).as_dict()["ari"] == 1


def test_large_counts_do_not_overflow():
    truth = np.repeat([0, 1], 300_000)
    found = truth.copy()
    found[:1000] = 1
    scores = score(truth, found)
    assert scores.ari == pytest.approx(slow.adjusted_rand_score(truth, found), rel=1e-9)
    assert scores.ami == pytest.approx(slow.adjusted_mutual_info_score(truth, found), rel=1e-6)


def test_silhouette_by_hand():
    x = np.array([[0], [2], [10], [14]], np.float32)
    expected = np.mean([1 - 1 / 12, 1 - 1 / 10, 1 - 2 / 9, 1 - 2 / 13])
    assert simplified_silhouette(x, [4, 4, 7, 7]) == pytest.approx(expected)


def test_silhouette_is_that_of_every_distance():
    data = load_digits()
    x, labels = data.data.astype(np.float32), data.target
    means = np.stack([x[labels == c].mean(axis=0) for c in range(10)])
    apart = np.sqrt(((x[:, None] - means) ** 2).sum(axis=2))
    own = apart[np.arange(len(x)), labels]
    apart[np.arange(len(x)), labels] = np.inf
    other = apart.min(axis=1)
    expected = np.mean((other - own) / np.maximum(own, other))
    assert simplified_silhouette(x, labels) == pytest.approx(expected, abs=1e-5)
    assert simplified_silhouette(x, labels, means) == pytest.approx(expected, abs=1e-5)
    noisy = np.concatenate([labels, [-1, -1]])
    assert simplified_silhouette(np.concatenate([x, x[:2] + 99]), noisy) == pytest.approx(
        expected, abs=1e-5
    )


def test_silhouette_without_another_cluster_is_zero():
    x = np.arange(4, dtype=np.float32)[:, None]
    assert simplified_silhouette(x, [0, 0, 0, 0]) == 0
    assert simplified_silhouette(x, [-1, -1, -1, -1]) == 0
    assert simplified_silhouette(x, [0, 1, 2, 3]) == 0  # of one row each
    assert simplified_silhouette(np.zeros((4, 1)), [0, 0, 1, 1]) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: score([1, 2], [1]), "one label per row is needed"),
        (lambda: score([], []), "one label per row is needed"),
        (lambda: score([1, 2], [0.5, 1]), "must be whole numbers"),
        (lambda: match_labels([1], [1, 2]), "1 earlier labels, but 2 new ones"),
        (lambda: simplified_silhouette(np.ones((3, 1)), [0, 1]), "3 rows, but labels have"),
    ],
)
def test_unusable_labels_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


@given(st.lists(st.tuples(st.integers(-1, 5), st.integers(-1, 90)), min_size=1, max_size=60))
def test_adjusted_rand_of_two_labels_is_that_of_scikit_learn(pairs):
    one, other = np.array(pairs).T
    assert adjusted_rand(one, other) == pytest.approx(slow.adjusted_rand_score(one, other))
