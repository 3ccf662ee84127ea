import numpy as np
import pytest

from shoal.methods import METHODS, Rule
from shoal.methods.gmm import COVARIANCES, gaussian_rule, shares_of
from shoal.methods.passes import COSTS, moved, pass_sums, sums_shape
from shoal.methods.rules import KINDS

RANDOM = np.random.default_rng(0)
TAKEN = ["kmeans", "mini-batch-kmeans", "spherical-kmeans", "streaming-kmeans", "gmm"]


def rows_and_centres():
    rows = RANDOM.normal(size=(200, 3)) + 4 * np.eye(3)[RANDOM.integers(0, 3, 200)] + 50
    return rows, rows[:4].copy()


def test_which_methods_take_passes():
    assert [name for name, one in METHODS.items() if "passes" in one.resolved({})] == TAKEN
    assert set(COSTS) == set(KINDS) - {"manhattan"}


def test_means_by_hand():
    rule = Rule("euclidean", np.array([[0.0], [10.0], [99.0]]))
    sums = pass_sums(rule, np.array([[1.0], [3.0], [8.0]]))
    np.testing.assert_allclose(sums, [[2, 10, 4], [1, 4, 8], [0, 0, 0]], rtol=1e-12)
    assert moved(rule, sums).centres.tolist() == [[2], [8], [99]]


def test_costs_far_from_zero_are_exact():
    rows, centres = rows_and_centres()
    rows, centres = rows + 1e6, centres + 1e6
    apart = ((rows[:, None] - centres) ** 2).sum(axis=2)
    sums = pass_sums(Rule("euclidean", centres), rows)
    costs = np.bincount(apart.argmin(axis=1), apart.min(axis=1), minlength=4)
    np.testing.assert_allclose(sums[:, 1], costs, rtol=1e-5)


def test_directions_are_means_of_unit_rows():
    rows, centres = rows_and_centres()
    origin = np.full(3, 49.0)
    unit = (rows - origin) / np.linalg.norm(rows - origin, axis=1)[:, None]
    rule = Rule("cosine", centres - origin, origin=origin)
    own = (unit @ rule.centres.T).argmax(axis=1)
    means = np.stack([unit[own == j].sum(axis=0) for j in range(4)])
    found = moved(rule, pass_sums(rule, rows))
    np.testing.assert_allclose(
        found.centres, means / np.linalg.norm(means, axis=1)[:, None], rtol=1e-9
    )
    assert np.array_equal(found.origin, origin)


@pytest.mark.parametrize("shape", COVARIANCES)
def test_a_pass_is_a_step_of_em(shape):
    rows, centres = rows_and_centres()
    whole = shape in ("full", "tied")
    spread = np.repeat(np.eye(3)[None], 4, axis=0) if whole else np.ones((4, 3))
    rule = gaussian_rule(centres, np.ones(4), spread, shape, 0.0)
    shares, likelihood = shares_of(rule, rows)
    size = shares.sum(axis=0)
    means = shares.T @ rows / size[:, None]
    covariances = np.stack([np.cov(rows.T, aweights=shares[:, j], bias=True) for j in range(4)])
    if not whole:
        covariances = np.stack([np.diag(one) for one in covariances])
    twin = gaussian_rule(means, size, covariances, shape, 0.1)
    sums = pass_sums(rule, rows)
    found = moved(rule, sums, shape, 0.1)
    for name, array in twin.to_arrays().items():
        np.testing.assert_allclose(getattr(found, name), array, rtol=1e-7)
    np.testing.assert_allclose(sums[:, 1].sum(), likelihood.sum())
    assert shares_of(found, rows)[1].sum() > likelihood.sum()


@pytest.mark.parametrize("kind", COSTS)
def test_sums_of_parts_add_up(kind):
    rows, centres = rows_and_centres()
    whiten = np.ones((4, 3)) if kind == "gaussian" else None
    offsets = np.zeros(4) if kind == "gaussian" else None
    rule = Rule(kind, centres, whiten=whiten, offsets=offsets)
    parts = sum(pass_sums(rule, part) for part in np.array_split(rows, 7))
    np.testing.assert_allclose(parts, pass_sums(rule, rows), rtol=1e-9, atol=1e-9)
    assert not pass_sums(rule, rows[:0]).any()
    assert parts.shape == sums_shape(rule)
