import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from shoal.core.intervals import counted_share


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_intervals_are_those_of_scipy(pair):
    count, n = pair
    found, test = counted_share(count, n), binomtest(count, n)
    wilson = test.proportion_ci(method="wilson")
    exact = test.proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high), abs=1e-9)
    assert (found.least, found.most) == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert found.least <= found.share <= found.most


def test_they_hold_the_truth_as_often_as_they_say():
    draw = np.random.default_rng(0)
    for truth in (0.02, 0.1, 0.4):
        found = [counted_share(int(c), 20) for c in draw.binomial(20, truth, 3000)]
        wilson = np.mean([one.low <= truth <= one.high for one in found])
        exact = np.mean([one.least <= truth <= one.most for one in found])
        assert exact >= 0.95
        assert wilson >= 0.9


def test_of_nothing_nothing_is_known_and_of_all_everything():
    nothing = counted_share(0, 0)
    assert np.isnan(nothing.share)
    assert (nothing.low, nothing.high, nothing.least, nothing.most) == (0, 1, 0, 1)
    every = counted_share(3, 12, of=12)
    assert (every.low, every.share, every.most) == (0.25, 0.25, 0.25)
