import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from shoal.core.null import (
    REAL,
    SPREAD,
    STRUCTURE,
    evidence,
    finest_threshold,
    has_structure,
    null_log_ratio,
)

falling = st.lists(st.floats(-2, 8), max_size=60).map(lambda e: np.array(sorted(e, reverse=True)))


def test_null_log_ratio_hand_computed():
    # 1,000 leaves, ten steps along the axis: an effective dimension of 3
    by_hand = -2.42 + 0.97 / 2**0.87 + 4.44 / 3**0.87 - 8 / 1000**0.65
    assert null_log_ratio(2, 10, 1000) == pytest.approx(by_hand)
    assert null_log_ratio(0.1, 10, 1000) == null_log_ratio(0.5, 10, 1000)
    assert np.isfinite(null_log_ratio(1, 1.0, 1))


def test_more_places_to_cut_a_thin_piece_make_a_sparser_cut_by_chance():
    ratios = [null_log_ratio(10, steps, 3000) for steps in (3, 10, 50, 300)]
    assert ratios == sorted(ratios)


def test_many_weak_splits_are_evidence_as_one_clear_one_is():
    assert evidence(np.array([REAL + 1.0, REAL - 0.1, -np.inf])) == pytest.approx(1.0)
    assert evidence(np.full(10, REAL + 0.1)) == pytest.approx(1.0)
    assert not has_structure(np.array([REAL + STRUCTURE - 0.01, 0.1]))
    assert has_structure(np.full(20, REAL + 0.04))
    assert not has_structure(np.array([]))


@given(falling, st.floats(0, 3))
def test_one_more_split_never_takes_evidence_away(excess, other):
    assert evidence(np.append(excess, other)) >= evidence(excess) >= 0


def test_splits_as_chance_makes_them_lower_no_threshold():
    by_chance = norm.ppf((np.arange(400) + 0.5) / 400)[::-1] * SPREAD
    assert finest_threshold(by_chance) == REAL


def test_many_weak_splits_lower_the_threshold():
    # 40 splits at 0.15, where chance would put 37% of 45
    excess = np.r_[np.full(40, 0.15), np.full(5, -1.0)]
    assert 0.0 <= finest_threshold(excess) < 0.15


@given(falling)
def test_at_most_half_of_what_is_shown_below_real_is_chance(excess):
    threshold = finest_threshold(excess)
    assert 0 <= threshold <= REAL
    if threshold < REAL:
        by_chance = min(len(excess), 2 * (excess < 0).sum())
        assert (excess >= threshold).sum() >= 2 * by_chance * norm.sf(threshold / SPREAD) - 1e-9


def test_splits_below_zero_tell_how_many_are_chance_s_own():
    # nearly all lie above 0, some of them hardly: too many below 0 would be missing
    small = np.r_[np.full(300, 0.5), np.full(90, 0.02), np.full(10, -0.2)]
    assert finest_threshold(small) == 0.0
    assert finest_threshold(np.r_[small, np.full(400, -0.3)]) > 0.0
