import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import binomtest

from shoal.core.share_intervals import (
    bonferroni,
    chance_of_fewer,
    chance_of_more,
    counted_share,
    difference_interval,
    share_interval,
    total_variation,
)


def test_an_interval_by_hand():
    low, high = share_interval(10, 100)  # Newcombe 1998, Wilson's method: .0552 to .1744
    assert (round(float(low), 4), round(float(high), 4)) == (0.0552, 0.1744)


def test_a_difference_by_hand():
    # Newcombe 1998, table II, method 10: 56/70 - 48/80 is .0524 to .3339
    low, high = difference_interval(48, 80, 56, 70)
    assert (round(float(low), 4), round(float(high), 4)) == (0.0524, 0.3339)


@pytest.mark.parametrize("share", [0.002, 0.05, 0.5])
def test_a_share_is_in_its_interval_in_nineteen_of_twenty(share):
    counts = np.random.default_rng(0).binomial(400, share, 5000)
    low, high = share_interval(counts, np.full(5000, 400))
    assert ((low <= share) & (share <= high)).mean() > 0.93


@given(st.integers(0, 50), st.integers(1, 50), st.floats(0.001, 0.999))
def test_the_chance_of_more_is_that_of_a_binomial(count, n, share):
    count = min(count, n)
    assert chance_of_more(count, n, share) == pytest.approx(stats.binom.sf(count - 1, n, share))


@given(st.data())
def test_the_chance_of_fewer_is_that_of_fishers_test(data):
    all_rows = data.draw(st.integers(1, 60))
    all_old = data.draw(st.integers(0, all_rows))
    rows = data.draw(st.integers(0, all_rows))
    old = data.draw(st.integers(max(0, rows - (all_rows - all_old)), min(rows, all_old)))
    expected = stats.hypergeom.cdf(old, all_rows, all_old, rows)
    assert chance_of_fewer(old, rows, all_old, all_rows) == pytest.approx(expected)


def test_rare_counts_of_many_rows_do_not_underflow_to_a_wrong_chance():
    assert 0 <= chance_of_fewer(0, 100_000, 4_000, 1_000_000) < 1e-100
    assert chance_of_more(50_000, 100_000, 0.05) == 0


def test_equal_counts_shift_by_what_chance_makes():
    draw = np.random.default_rng(0)
    pairs = [total_variation(*draw.multinomial(1000, np.full(20, 0.05), 2)) for _ in range(300)]
    total, chance = np.mean(pairs, axis=0)
    assert total == pytest.approx(chance, rel=0.05)


def test_many_intervals_are_wider():
    assert bonferroni(1.96, 40) > bonferroni(1.96, 2) > 1.96


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
