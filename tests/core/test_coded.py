import numpy as np
import pytest

from shoal.core.coded import LISTED, centres_near, nearest_listed
from shoal.core.nearest import nearest_of


def rows_and_codes(n=3000, m=400, d=12, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, d)).astype(np.float32)
    codes = x[generator.choice(n, m, replace=False)]
    moved = codes + 0.05 * generator.normal(size=codes.shape).astype(np.float32)
    return x, codes, moved


def test_hand_computed_line():
    centres = np.array([[0], [2], [5], [9]], np.float32)
    lists = centres_near(np.array([[1.9], [8]], np.float32), centres)
    assert lists.tolist() == [[1, 0, 2, 3], [3, 2, 1, 0]]
    found, away = nearest_listed(
        np.array([[4], [10]], np.float32), np.array([0, 1]), lists, centres, 2
    )
    assert found.tolist() == [[2, 1], [3, 2]]
    assert away.tolist() == [[1, 2], [1, 5]]


def test_equal_distances_come_by_number():
    centres = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)
    lists = np.array([[3, 2, 1, 0]], np.int32)
    found, _ = nearest_listed(np.zeros((1, 2), np.float32), np.zeros(1, int), lists, centres, 4)
    assert found.tolist() == [[0, 1, 2, 3]]


def test_lists_of_all_centres_give_what_brute_force_gives():
    x, codes, centres = rows_and_codes(m=LISTED - 4)
    code = nearest_of(x, codes)[0][:, 0]
    found, away = nearest_listed(x, code, centres_near(codes, centres), centres, 3)
    true, lengths = nearest_of(x, centres, 3)
    assert np.array_equal(found, true)
    assert np.allclose(away, lengths, rtol=1e-6)


def test_nearly_all_nearest_are_near_the_code():
    x, codes, centres = rows_and_codes()
    code = nearest_of(x, codes)[0][:, 0]
    lists = centres_near(codes, centres)
    assert lists.shape == (400, LISTED)
    found, away = nearest_listed(x, code, lists, centres, 3)
    true, lengths = nearest_of(x, centres, 3)
    assert np.mean(found[:, 0] == true[:, 0]) > 0.97  # shapeless in 12 dimensions: the worst case
    assert (np.diff(away, axis=1) >= 0).all()
    assert (away >= lengths * (1 - 1e-6)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_codes_of_any_width_and_no_rows(dtype):
    x, codes, centres = rows_and_codes(n=300, m=200)
    lists, code = centres_near(codes, centres), np.arange(200).astype(dtype)
    found, _ = nearest_listed(codes, code, lists, centres, 1)
    assert np.mean(found[:, 0] == np.arange(200)) > 0.99
    assert nearest_listed(x[:0], code[:0], lists, centres, 1)[0].shape == (0, 1)
