import numpy as np
import pytest
from scipy.stats import poisson

from shoal.core.hashes import distinct_rows
from shoal.core.nearest import nearest_neighbours
from shoal.core.piles import _by_chance, find_piles, rows_each


def piles_of(rows, radius=None):
    """Weights of the distinct rows, and which of them are piles."""
    rows = np.asarray(rows, np.float32)
    first, _, counts = distinct_rows(rows)
    x, weights = rows[first], counts.astype(np.float64)
    near = nearest_neighbours(x, min(15, len(x) - 1))
    radius = None if radius is None else np.full(len(x), radius, np.float32)
    return weights, find_piles(x, weights, *near, radius)


def normal(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def test_rows_each_hand_computed():
    assert rows_each(np.array([3.0, 600.0])).tolist() == [3, 600]
    heavy = np.append(np.full(200, 30.0), 600.0)
    assert rows_each(heavy)[[0, -1]].tolist() == [1, 20]
    assert rows_each(np.append(np.ones(200), 7.0))[-1] == 7


@pytest.mark.parametrize("count", [2, 3, 40])
@pytest.mark.parametrize("d", [1, 2, 8])
def test_copies_alone_are_piles(count, d):
    _, piles = piles_of(np.repeat(normal(count, d), 10, axis=0))
    assert piles.all()


def test_copies_beside_other_rows_are_piles():
    weights, piles = piles_of(np.concatenate([normal(200, 4), np.repeat(normal(5, 4, 1), 8, 0)]))
    assert np.array_equal(piles, weights == 8)


def test_a_regular_grid_with_as_many_copies_everywhere_is_no_rounding():
    grid = np.stack(np.meshgrid(np.arange(5), np.arange(4)), -1).reshape(-1, 2)
    assert piles_of(np.repeat(grid, 30, axis=0))[1].all()


@pytest.mark.parametrize("d", [1, 2, 4])
@pytest.mark.parametrize("n", [500, 5000])
def test_rounded_rows_are_no_piles(n, d):
    generator = np.random.default_rng(n + d)
    turn = np.linalg.qr(generator.normal(size=(d, d)))[0]
    for rows in (
        np.round(2 * generator.normal(size=(n, d))),
        np.round(generator.normal(size=(n, d)), 1),
        generator.poisson(2, (n, d)),
        generator.integers(0, 6, (n, d)) * np.geomspace(1, 0.1, d),
        np.round(2 * generator.normal(size=(n, d))) @ turn,
        np.repeat(np.round(4 * generator.normal(size=(n, 1))), 6, axis=1),
    ):
        assert not piles_of(rows)[1].any()


def test_yes_and_no_in_many_columns_are_no_piles():
    weights, piles = piles_of(np.random.default_rng(0).integers(0, 2, (2000, 7)))
    assert weights.min() >= 6
    assert not piles.any()


@pytest.mark.parametrize("times", [1, 2, 5])
def test_rows_drawn_with_replacement_are_no_piles(times):
    generator = np.random.default_rng(times)
    rows = normal(2000, 6)[generator.integers(0, 2000, 2000 * times)]
    weights, piles = piles_of(rows)
    assert weights.max() >= 6
    assert not piles.any()


def test_rows_that_are_all_repeated_as_often_are_no_piles():
    assert not piles_of(np.repeat(normal(300, 6), 20, axis=0))[1].any()


def test_coarse_representatives_are_no_piles():
    x = normal(400, 3).astype(np.float32)
    found, distances = nearest_neighbours(x, 10)
    weights = np.where(np.arange(400) < 40, 900.0, 20.0)
    assert not find_piles(x, weights, found, distances, distances[:, 0]).any()
    assert find_piles(x, weights, found, distances, 0.1 * distances[:, 0])[:40].all()
    assert not find_piles(x, weights, found, distances, np.full(400, np.inf)).any()


@pytest.mark.parametrize(("once", "twice"), [(1000, 0), (1000, 3), (500, 400), (3, 900), (1, 1)])
def test_repeats_by_chance_follow_a_poisson_law(once, twice):
    weights = np.repeat([1.0, 2.0], [once, twice])
    mean = 2 * twice / once
    assert _by_chance(weights) == poisson.isf(0.01 / len(weights), mean) + 1
