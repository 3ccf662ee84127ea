import numpy as np
import pytest
from sklearn.datasets import make_moons
from sklearn.metrics import adjusted_rand_score as agreement

from shoal.core import structure
from shoal.core.mixtures import MOST_ROWS, _valley, gaussian_groups
from shoal.core.structure import fit_structure

SIZES = (90, 30, 25, 25, 40)
TRUTH = np.repeat(np.arange(5), SIZES)
CENTRES = np.array([[0, 0], [-1.5, 1.8], [2.2, 2], [-1.5, -1.8], [2.2, -2]])


def four_around_one(seed):
    """Draw a dense group, and a looser one at each corner around it."""
    draw = np.random.default_rng(seed)
    spread = np.repeat([0.4, 0.6, 0.6, 0.6, 0.6], SIZES)[:, None]
    return (CENTRES[TRUTH] + spread * draw.normal(size=(len(TRUTH), 2))).astype(np.float32)


def labels_of(rows, **given):
    found = fit_structure(rows, resamples=2, **given)
    return found.tree.labels(found.primary.k)


@pytest.mark.parametrize("seed", [1, 2])
def test_few_rows_show_groups_that_the_graph_does_not(seed, monkeypatch):
    rows = four_around_one(seed)
    found = fit_structure(rows, seed=seed, resamples=2)
    assert found.primary.k == 5
    assert agreement(TRUTH, found.tree.labels(5)) > 0.9
    monkeypatch.setattr(structure, "gaussian_groups", lambda *_: None)
    assert agreement(TRUTH, labels_of(rows, seed=seed)) < 0.8


def test_a_requested_k_gets_the_same_tree():
    found = fit_structure(four_around_one(1), k=4, resamples=2)
    assert found.primary.k == 4
    assert agreement(TRUTH, found.tree.labels(5)) > 0.9


def test_no_group_is_smaller_than_requested():
    rows = four_around_one(1)
    assert fit_structure(rows, min_size=20, resamples=2).primary.k == 5
    found = fit_structure(rows, min_size=28, resamples=2)
    assert np.bincount(found.tree.labels(found.primary.k)).min() >= 28


def test_bent_groups_stay_whole():
    rows, truth = make_moons(160, noise=0.05, random_state=0)
    assert agreement(truth, labels_of(rows.astype(np.float32))) == 1.0


def test_a_mixture_is_not_tried_where_the_graph_shows_no_structure(monkeypatch):
    monkeypatch.setattr(structure, "gaussian_groups", lambda *_: pytest.fail("called"))
    uniform = np.random.default_rng(0).uniform(size=(300, 2)).astype(np.float32)
    assert fit_structure(uniform).primary.k == 1


def test_a_mixture_is_not_tried_without_resampling(monkeypatch):
    monkeypatch.setattr(structure, "gaussian_groups", lambda *_: pytest.fail("called"))
    assert fit_structure(four_around_one(1), resamples=0).primary.k > 1


def test_a_mixture_is_not_tried_on_many_rows(monkeypatch):
    monkeypatch.setattr(structure, "gaussian_groups", lambda *_: pytest.fail("called"))
    rows = four_around_one(0)
    assert fit_structure(rows, np.full(len(rows), 5.0)).primary.k > 1
    assert 5 * len(rows) > MOST_ROWS


def test_a_row_of_weight_two_is_two_rows():
    draw, truth = np.random.default_rng(0), np.repeat([0, 1, 2], 20)
    rows, weights = draw.normal(size=(60, 2)) + 9 * np.eye(3)[truth][:, :2], np.ones(60, int)
    weights[::12] = 2
    found = gaussian_groups(rows, weights, 0, 1)
    twice = gaussian_groups(np.repeat(rows, weights, axis=0), np.ones(65), 0, 1)
    assert agreement(truth, found) == 1.0
    assert np.array_equal(np.repeat(found, weights), twice)


def test_too_few_rows_for_the_covariances_show_nothing():
    draw = np.random.default_rng(0)
    rows = np.repeat(np.eye(12)[:3] * 50, 30, axis=0) + draw.normal(size=(90, 12))
    assert gaussian_groups(rows, np.ones(90), 0, 1) is None


def test_a_valley_between_groups_and_none_within_one():
    draw = np.random.default_rng(0)
    one, other = draw.normal(size=(100, 3)), draw.normal(size=(60, 3)) + 4
    halves = one[one[:, 0] < 0], one[one[:, 0] >= 0]
    assert _valley(one, other) > 1
    assert _valley(*halves) < 0.1
    assert _valley(one, other[:4]) == -np.inf


@pytest.mark.parametrize("scale", [1e-30, 1e15])
def test_the_scale_of_the_rows_does_not_matter(scale):
    draw, truth = np.random.default_rng(0), np.repeat([0, 1], 30)
    rows = (draw.normal(size=(60, 2)) + 9 * truth[:, None]) * scale
    assert agreement(truth, gaussian_groups(rows.astype(np.float32), np.ones(60), 0, 1)) == 1.0


def test_fewer_places_than_gaussians_warn_of_nothing(recwarn):
    rows = 10.0 * np.arange(4)[:, None]
    found = gaussian_groups(rows, np.full(4, 20), 0, 1)
    assert found is None or found.max() == 3
    assert not recwarn.list
