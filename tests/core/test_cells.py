import tracemalloc

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from shoal.core.cells import assign, build_cells, kmeans, two_level_codes
from shoal.errors import InputError


def inertia(x, centres):
    square = ((x[:, None].astype(np.float64) - centres) ** 2).sum(axis=2)
    return square.min(axis=1).sum()


def digits():
    x = load_digits().data.astype(np.float32)
    return x - x.mean(axis=0)


def test_two_clear_groups():
    x = np.array([[-5], [-4], [-6], [5], [4], [6]], np.float32)
    assert sorted(kmeans(x, 2).ravel().tolist()) == [-5, 5]


def test_weights_pull_centres():
    x = np.array([[0.0], [1.0]], np.float32)
    assert kmeans(x, 1, weights=np.array([3.0, 1.0])).tolist() == [[0.25]]


def test_as_close_as_scikit_learn():
    x = digits()
    slow = KMeans(30, n_init=1, init="random", random_state=0).fit(x)
    assert inertia(x, kmeans(x, 30, rounds=25)) < 1.05 * slow.inertia_


def test_empty_centres_move_to_far_rows():
    x = np.concatenate([np.zeros((500, 2)), [[9, 9], [-9, 9], [9, -9]]]).astype(np.float32)
    assert inertia(x, kmeans(x, 4)) == 0


def test_assigned_centres_are_the_nearest():
    x, centres = digits(), digits()[::40]
    cell, square = assign(x, centres)
    slow = ((x[:, None] - centres) ** 2).sum(axis=2)
    assert np.allclose(square, slow.min(axis=1), rtol=1e-4, atol=1e-2)
    assert np.mean(cell == slow.argmin(axis=1)) > 0.99


def test_cells_hold_every_row_once_grouped():
    x = digits()
    cells = build_cells(x, 20)
    assert sorted(cells.order) == list(range(len(x)))
    assert cells.start[0] == 0
    assert cells.start[-1] == len(x)
    assert np.allclose(cells.members / cells.scale + cells.shift, x[cells.order], atol=1e-4)
    for a, b in zip(cells.start[:-1], cells.start[1:], strict=True):
        assert (np.diff(cells.order[a:b]) > 0).all()


def test_two_levels_are_nearly_as_good_as_one():
    x = np.unique(digits(), axis=0)
    codes = two_level_codes(x, np.ones(len(x)), 150, 0, 1)
    assert codes.shape == (150, 64)
    assert inertia(x, codes) < 1.15 * inertia(x, kmeans(x, 150, rounds=25))


def test_two_levels_have_the_codes_asked_for_however_uneven():
    generator = np.random.default_rng(0)
    x = np.concatenate([0.001 * generator.normal(size=(900, 3)), 100 * np.eye(3)])
    x = x.astype(np.float32)
    assert len(two_level_codes(x, np.ones(len(x)), 60, 0, 1)) == 60


@pytest.mark.parametrize("workers", [1, 3])
def test_same_bytes_for_any_number_of_workers(workers):
    x = np.random.default_rng(0).normal(size=(20_000, 6)).astype(np.float32)
    assert kmeans(x, 40, workers=workers).tobytes() == kmeans(x, 40).tobytes()


def test_more_centres_than_rows_are_refused():
    with pytest.raises(InputError, match="3 rows, but 4 centres were asked for"):
        kmeans(np.ones((3, 1), np.float32), 4)


def test_rows_are_copied_once():
    rows = np.random.default_rng(0).random((100_000, 32), np.float32)
    build_cells(rows[:5000], 20)  # compiles
    tracemalloc.start()
    cells = build_cells(rows, 50)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.7 * rows.nbytes
    assert np.array_equal(cells.members, cells.framed(rows[cells.order]))
