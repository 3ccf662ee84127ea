"""Piles of equal rows among representatives."""

import numpy as np
import pytest

import shoal
from shoal.core.nearest import nearest_neighbours
from shoal.core.piles import find_piles


def piles_of(vectors, weights):
    vectors = np.asarray(vectors, np.float32)
    nearest = nearest_neighbours(vectors, min(15, len(vectors) - 1))
    return find_piles(vectors, np.asarray(weights, float), *nearest)


def test_heavy_rows_among_light_ones_are_piles():
    rng = np.random.default_rng(0)
    weights = np.ones(200)
    weights[:3] = 50, 400, 20
    assert np.flatnonzero(piles_of(rng.normal(size=(200, 8)), weights)).tolist() == [0, 1, 2]


def test_rows_that_all_stand_for_as_many_are_not():
    rng = np.random.default_rng(0)
    assert not piles_of(rng.normal(size=(300, 8)), np.full(300, 40.0)).any()


def test_cells_of_a_lattice_are_not():
    rng = np.random.default_rng(0)
    rows = np.rint(1.5 * rng.normal(size=(5000, 2)))
    cells, weights = np.unique(rows, axis=0, return_counts=True)
    assert not piles_of(cells, weights).any()


@pytest.mark.parametrize("count", [2, 3, 7, 30])
def test_every_pile_is_a_cluster_without_outliers(count):
    rows = np.repeat(np.random.default_rng(0).normal(size=(count, 8)), 100, axis=0)
    run = shoal.fit(rows, workers=1)
    assert run.primary.k == count
    assert not run.outliers.any()
    assert all(len(set(run.labels()[at : at + 100])) == 1 for at in range(0, len(rows), 100))


@pytest.mark.parametrize("size", [10, 60, 400])
def test_piles_beside_other_rows_are_found_as_near_copies_are(size):
    rng = np.random.default_rng(0)
    centres = np.repeat(5 * rng.normal(size=(5, 8)), size, axis=0)
    others = rng.normal(size=(200, 8))
    truth = np.repeat(np.arange(6), [size] * 5 + [200])
    for spread in (0.0, 0.05):
        copies = centres + spread * rng.normal(size=centres.shape)
        run = shoal.fit(np.concatenate([copies, others]), workers=1)
        assert run.primary.k == 6
        labels = run.labels()
        assert all(len(set(labels[truth == group])) == 1 for group in range(5))
        assert not run.outliers[truth < 5].any()


def test_one_pile_beside_others_of_no_structure():
    rng = np.random.default_rng(0)
    rows = np.concatenate([np.zeros((300, 6)), 3 + rng.normal(size=(300, 6))])
    run = shoal.fit(rows, workers=1)
    assert run.primary.k == 2
    assert not run.outliers[:300].any()


@pytest.mark.parametrize("seed", [0, 1])
def test_rounded_structureless_rows_stay_one_cluster(seed):
    rng = np.random.default_rng(seed)
    assert shoal.fit(np.rint(2 * rng.normal(size=(2000, 3))), workers=1).primary.k == 1
    assert shoal.fit(rng.poisson(3, (1500, 4)).astype(float), workers=1).primary.k == 1


def test_rows_repeated_evenly_give_the_groups_of_the_rows_once():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(450, 6)) + 6 * np.repeat(np.eye(6)[:3], 150, axis=0)
    once, thrice = shoal.fit(rows, workers=1), shoal.fit(np.repeat(rows, 3, axis=0), workers=1)
    assert once.primary.k == thrice.primary.k == 3
