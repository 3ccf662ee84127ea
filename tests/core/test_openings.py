import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.core.openings import Openings, joined, lead, open_rows, prune


def opened(rows, code=0):
    rows = np.asarray(rows, np.float64).reshape(len(rows), -1)
    return open_rows(rows, np.arange(len(rows)), np.full(len(rows), code))


def test_near_rows_join_by_hand():
    led = lead(opened([0, 1, 10, 2]), np.array([2.0]))
    # 1 is within √(2·2) of 0; 2 is 1.5 from their mean, within √(2·1.5)
    assert led.mean.ravel().tolist() == [1, 10]
    assert led.weight.tolist() == [3, 1]
    assert led.within.tolist() == [2, 0]
    assert led.medoid.tolist() == [0, 2]


def test_without_reach_only_equal_rows_join():
    led = lead(opened([3, 4, 3, 3]), np.array([0.0]))
    assert led.mean.ravel().tolist() == [3, 4]
    assert led.weight.tolist() == [3, 1]


def test_those_that_spare_most_stay():
    three = joined(
        [opened([10, 100]), Openings(*map(np.asarray, ([[20.0]], [30], [5.0], [9], [0])))]
    )
    kept, gone = prune(three, 2, np.zeros((1, 1), np.float32))
    assert kept.mean.ravel().tolist() == [100, 20]  # 100² and 30 · 20² are above 10²
    assert gone.mean.ravel().tolist() == [10]  # its code is as far as 20


def test_those_that_go_join_an_opening_half_as_far():
    kept, gone = prune(opened([100, 99]), 1, np.zeros((1, 1), np.float32))
    assert kept.mean.ravel().tolist() == [99.5]
    assert kept.weight.tolist() == [2]
    assert kept.within.tolist() == [0.5]
    assert len(gone) == 0


@pytest.mark.parametrize("most", [0, 1, 5, 100])
@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(0, 1000))
def test_rows_sums_and_squares_are_kept(most, n, seed):
    generator = np.random.default_rng(seed)
    x = 5 * generator.normal(size=(n, 3))
    before = opened(x)
    led = lead(before, np.array([generator.uniform(0, 40)]))
    kept, gone = prune(led, most, np.zeros((1, 3), np.float32))
    both = joined([kept, gone])
    assert len(kept) <= most
    assert both.weight.sum() == n
    assert np.allclose(both.weight @ both.mean, x.sum(axis=0))
    about_zero = both.within.sum() + (both.weight * (both.mean**2).sum(axis=1)).sum()
    assert about_zero == pytest.approx((x**2).sum())
    assert np.array_equal(before.mean, x)
