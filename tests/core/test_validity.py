import numpy as np
import pytest
from sklearn import metrics as slow
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_blobs, make_moons

from shoal.core import validity as module
from shoal.core.validity import dbcv, density_sample, validity
from shoal.errors import InputError

DIGITS = load_digits()


def test_a_case_by_hand():
    # Means 1 and 11, all rows at distance 1: inertia 4; between 4 · 25; widths 1, 10 apart.
    found = validity(np.array([[0.0], [2], [10], [12]]), [0, 0, 7, 7])
    assert found.inertia == 4
    assert found.calinski_harabasz == pytest.approx(100 / (4 / 2))
    assert found.davies_bouldin == pytest.approx(2 / 10)


def test_it_is_that_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 100)
    x, labels = DIGITS.data.astype(np.float32), DIGITS.target
    found = validity(x, labels)
    assert found.calinski_harabasz == pytest.approx(slow.calinski_harabasz_score(x, labels))
    assert found.davies_bouldin == pytest.approx(slow.davies_bouldin_score(x, labels))
    model = KMeans(10, n_init=1, random_state=0).fit(x)
    assert validity(x, model.labels_).inertia == pytest.approx(model.inertia_, rel=1e-5)


def test_weights_are_repetitions_and_noise_is_left_out():
    draw = np.random.default_rng(0)
    x, labels, weights = (
        draw.normal(size=(80, 3)),
        draw.integers(-1, 4, 80),
        draw.integers(0, 4, 80),
    )
    many = np.repeat(np.arange(80), weights)
    real = many[labels[many] >= 0]
    weighted, repeated = validity(x, labels, weights), validity(x[real], labels[real])
    assert list(weighted.as_dict().values()) == pytest.approx(list(repeated.as_dict().values()))


@pytest.mark.parametrize("labels", [[3, 3, 3], [-1, 3, 3], [-1, -1, -1]])
def test_fewer_than_two_clusters_have_no_ratio(labels):
    found = validity(np.eye(3), labels)
    assert found.calinski_harabasz == 0
    assert np.isnan(found.davies_bouldin)
    assert np.isnan(dbcv(density_sample(np.eye(3)), labels))


def test_clusters_of_equal_rows():
    found = validity(np.repeat([[0.0], [1], [1]], 3, 0), np.repeat([0, 1, 2], 3))
    assert (found.inertia, found.davies_bouldin) == (0, 0)
    assert found.calinski_harabasz == slow.calinski_harabasz_score(
        np.repeat([[0.0], [1], [1]], 3, 0), np.repeat([0, 1, 2], 3)
    )


def test_one_label_a_row_is_needed():
    with pytest.raises(InputError, match="one label"):
        validity(np.eye(3), [0, 1])


def slow_dbcv(x, labels):
    """As the paper writes it, one pair after the other."""
    d, clusters = x.shape[1], [np.flatnonzero(labels == c) for c in np.unique(labels) if c >= 0]

    def distance(i, j):
        return np.linalg.norm(x[i] - x[j])

    core = {}
    for rows in clusters:
        for i in rows:
            powers = [(1 / distance(i, j)) ** d for j in rows if j != i]
            core[i] = (sum(powers) / (len(rows) - 1)) ** (-1 / d)

    def reach(i, j):
        return max(core[i], core[j], distance(i, j))

    inner, sparseness = [], []
    for rows in clusters:
        tree, edges = {rows[0]}, []
        while len(tree) < len(rows):
            edge = min((reach(i, j), i, j) for i in tree for j in rows if j not in tree)
            edges.append(edge)
            tree.add(edge[2])
        degree = {i: sum(i in edge[1:] for edge in edges) for i in rows}
        inner.append([i for i in rows if degree[i] > 1])
        sparseness.append(max(e[0] for e in edges if degree[e[1]] > 1 and degree[e[2]] > 1))
    total = 0.0
    for a, rows in enumerate(clusters):
        others = [j for b, part in enumerate(inner) if b != a for j in part]
        apart = min(reach(i, j) for i in inner[a] for j in others)
        total += len(rows) * (apart - sparseness[a]) / max(apart, sparseness[a])
    return total / len(labels)


@pytest.mark.parametrize("noise", [False, True])
def test_dbcv_is_that_of_the_paper(noise):
    x, labels = make_blobs(70, 3, centers=3, cluster_std=1.5, random_state=1)
    if noise:
        labels[::9] = -1
    assert dbcv(density_sample(x), labels) == pytest.approx(slow_dbcv(x, labels), abs=1e-9)


def test_dbcv_knows_shapes_that_means_do_not():
    x, truth = make_moons(400, noise=0.04, random_state=0)
    halves = (x[:, 0] > 0.5).astype(int)
    sample = density_sample(x)
    assert dbcv(sample, truth) > 0.3 > 0 > dbcv(sample, halves)


def test_dbcv_holds_in_many_dimensions_and_with_copies():
    x = np.repeat(DIGITS.data[:300], 2, axis=0)
    found = dbcv(density_sample(x), np.repeat(DIGITS.target[:300], 2))
    assert -1 <= found <= 1


def test_the_sample_goes_by_weight_and_each_row_is_drawn_once():
    x = np.random.default_rng(0).normal(size=(1000, 2))
    weights = np.where(np.arange(1000) < 100, 50.0, 1.0)
    weights[-10:] = 0
    sample = density_sample(x, weights, size=200)
    assert len(np.unique(sample.rows)) == 200
    assert (sample.rows < 100).mean() > 0.4
    assert sample.rows.max() < 990
    expected = np.linalg.norm(x[sample.rows[3]] - x[sample.rows[7]])
    assert sample.distances[3, 7] == pytest.approx(expected)
