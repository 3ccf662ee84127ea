import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.core.top_scores import ROWS, SEGMENT, best_listed, best_of, measure, packed


def cloud(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def halves(rows):
    return (0.5 * (rows.astype(np.float64) ** 2).sum(axis=1)).astype(np.float32)


def slow_scores(x, centres):
    return x.astype(np.float64) @ centres.T.astype(np.float64) - halves(centres)


def test_the_best_two_of_three():
    x = np.array([[1.0], [9.0]], np.float32)
    centres = np.array([[0.0], [2.0], [10.0]], np.float32)
    found, top = best_of(x, centres, halves(centres), 2)
    assert np.sort(found).tolist() == [[0, 1], [1, 2]]
    assert np.sort(top)[1].tolist() == [16, 40]


@pytest.mark.parametrize("c", [1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 500])
@pytest.mark.parametrize("n", [1, ROWS, 9 * ROWS + 1])
def test_as_a_sort_of_all_scores(c, n):
    x, centres = cloud(n, 7), cloud(c, 7, seed=1)
    k = min(4, c)
    found, top = best_of(x, centres, halves(centres), k)
    slow = np.sort(slow_scores(x, centres), axis=1)[:, -k:]
    assert np.allclose(np.sort(top), slow, atol=1e-4)
    assert np.allclose(np.take_along_axis(slow_scores(x, centres), found, 1), top, atol=1e-4)
    assert all(len(set(row)) == k for row in found.tolist())


def test_all_of_them_are_found_in_turn():
    x, centres = cloud(3, 2), cloud(SEGMENT + 3, 2, seed=1)
    found, _ = best_of(x, centres, halves(centres), len(centres))
    assert (np.sort(found, axis=1) == np.arange(len(centres))).all()


def test_scores_that_overflow_leave_different_places_in_range():
    x = np.full((2, 3), 3e38, np.float32)
    centres = np.concatenate([cloud(SEGMENT + 2, 3), -cloud(5, 3)])
    found, _ = best_of(x, centres, halves(centres), 3)
    assert ((found >= 0) & (found < len(centres))).all()
    assert all(len(set(row)) == 3 for row in found.tolist())


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 4))
def test_a_row_finds_the_best_of_its_own_list(seed, cells, k):
    draw = np.random.default_rng(seed)
    x, centres = cloud(40, 3, seed), cloud(30, 3, seed + 1)
    lists = [draw.permutation(30)[:n] for n in draw.integers(k, 31, cells)]
    begin = np.cumsum([0, *(-(-len(one) // SEGMENT) for one in lists)])
    names = np.concatenate([packed(one, -1) for one in lists]).ravel()
    members = np.concatenate([packed(centres[one]) for one in lists])
    half = np.concatenate([packed(halves(centres)[one], np.inf) for one in lists])
    cell, shift = draw.integers(0, cells, 40).astype(np.int32), np.ones(3, np.float32)
    found, top = best_listed(x / 2 + 1, cell, begin, members, half, k, shift, 2)
    for row, own in enumerate(cell):
        best = np.sort(slow_scores(x[row : row + 1], centres[lists[own]])[0])[-k:]
        assert np.allclose(np.sort(top[row]), best, atol=1e-4)
        scores = slow_scores(x[row : row + 1], centres[names[found[row]]])[0]
        assert np.allclose(top[row], scores, atol=1e-4)
        assert set(names[found[row]].tolist()) <= set(lists[own].tolist())


@pytest.mark.parametrize("k", [2, SEGMENT + 4])
def test_the_same_scores_whichever_rows_are_searched_together(k):
    x, centres = cloud(50, 9), cloud(300, 9, seed=1)
    found, top = best_of(x, centres, halves(centres), k)
    assert all(len(set(row)) == k for row in found.tolist())
    for row in range(len(x)):
        one = best_of(x[row : row + 1], centres, halves(centres), k)
        assert one[0].tobytes() == found[row].tobytes()
        assert one[1].tobytes() == top[row].tobytes()


def test_measured_in_order_of_distance_and_then_of_number():
    x, centres = np.zeros((1, 1), np.float32), np.array([[3], [1], [-1], [2]], np.float32)
    indices, distances = np.empty((1, 3), np.int32), np.empty((1, 3), np.float32)
    measure(x, centres, np.array([[0, 2, 3, 1]], np.int32), 3, indices, distances)
    assert indices.tolist() == [[1, 2, 3]]
    assert distances.tolist() == [[1, 1, 2]]
