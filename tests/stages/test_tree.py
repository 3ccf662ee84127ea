import numpy as np
import pandas as pd
import pytest

import shoal
from shoal.stages.result import Result
from shoal.storage import read_npy


def test_copies_are_clusters_and_no_outliers(fitted):
    generator = np.random.default_rng(0)
    piles = np.repeat(5 * generator.normal(size=(3, 6)), [10, 60, 400], axis=0)
    result = Result(fitted(np.concatenate([piles, generator.normal(size=(150, 6))])))
    assert result.primary.k == 4
    labels = result.labels(4)
    for rows in (slice(0, 10), slice(10, 70), slice(70, 470)):
        assert len(np.unique(labels[rows])) == 1
    assert not result.outliers[:470].any()
    assert (result.confidence(4)[:470] == 1).all()


@pytest.mark.parametrize("count", [2, 3])
def test_nothing_but_copies(fitted, count):
    rows = np.repeat(np.random.default_rng(0).normal(size=(count, 4)), 50, axis=0)
    result = Result(fitted(rows))
    assert result.primary.k == count
    assert not result.outliers.any()


def test_a_coarse_representative_is_no_pile(fitted):
    rows = np.random.default_rng(0).normal(size=(4000, 3)).astype(np.float32)
    run = fitted(rows, representatives=300)
    neighbours = read_npy(run.stage("tree").whole("neighbours"))
    assert not (neighbours[:, 0] == np.arange(len(neighbours))).any()
    assert Result(run).primary.k == 1


def test_equal_rows_of_a_table_of_few_different_cells_make_no_clusters(tmp_path):
    generator = np.random.default_rng(0)
    ratings = pd.DataFrame(generator.integers(1, 6, (2000, 3)), columns=["food", "room", "staff"])
    assert shoal.fit(ratings, tmp_path / "ratings").primary.k == 1
    sizes = pd.DataFrame(generator.normal(size=(400, 3)) * [1, 10, 100], columns=["a1", "b1", "c1"])
    sizes = pd.concat([sizes, pd.concat([sizes.iloc[:1] * 4] * 80)], ignore_index=True)
    run = shoal.fit(sizes, tmp_path / "sizes")
    assert run.primary.k == 2
    assert not run.outliers[400:].any()


def test_new_copies_are_placed_with_the_old(tmp_path):
    generator = np.random.default_rng(1)
    piles = 5 * generator.normal(size=(2, 6)).astype(np.float32)
    rows = np.concatenate([np.repeat(piles, 60, axis=0), generator.normal(size=(150, 6))])
    run = shoal.fit(rows.astype(np.float32), tmp_path / "run")
    found = run.predict(piles)
    assert found.cluster.tolist() == run.labels()[[0, 60]].tolist()
    assert not found.unknown.any()
