import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.core.novelty import (
    Novelty,
    Tail,
    bounded_quantile,
    local_scale,
    plain_quantile,
    row_scores,
)

SCORES = st.lists(st.floats(0, 100, width=32), min_size=1, max_size=60)
CHANCES = st.floats(1e-6, 1)


def test_the_scores_by_hand():
    distances = np.array([[1, 2, 6, 9], [1, 2, 6, 9]], np.float32)
    weights = np.array([[1, 1, 1, 1], [1, 5, 1, 1]])
    scales = np.array([[4, 4, 4, 1], [1, 1, 1, 1]], np.float32)
    left = np.array([4, 0], np.float32)
    found = row_scores(distances, weights, scales, left)
    assert found[0] == pytest.approx([3 / 2, 5])  # the mean of 1, 2, 6 is 3; √4 = 2; √(3² + 4²) = 5
    assert found[1] == pytest.approx([5 / 3, 5 / 3])  # 1, then two of the five rows at 2
    assert row_scores(distances, weights, scales, left, relative=False)[0] == pytest.approx([5, 5])


def test_a_row_on_a_pile_of_copies_is_as_near_as_can_be():
    distances, scales = np.array([[0, 50, 60]], np.float32), np.ones((1, 3), np.float32)
    pile = row_scores(distances, np.array([[400, 1, 1]]), scales, np.zeros(1, np.float32))
    alone = row_scores(distances, np.array([[1, 1, 1]]), scales, np.zeros(1, np.float32))
    assert pile.tolist() == [[0, 0]]
    assert alone[0, 0] > 30


def test_near_duplicates_have_a_scale_above_zero():
    distances = np.array([[1.0] * 6, [0.0] * 6, [2.0] * 6])
    assert local_scale(distances).tolist() == pytest.approx([1, 1.5e-3, 2])
    assert local_scale(np.empty((3, 0))).tolist() == [1, 1, 1]


@given(SCORES, CHANCES)
def test_only_above_the_limit_is_the_chance_lower(scores, chance):
    tail = Tail(np.sort(np.array(scores, np.float32)))
    limit = tail.limit(chance)
    span = max(1.0, float(tail.scores[-1]))
    assert tail.chance(np.array([limit - 1e-5 * span]))[0] >= chance * (1 - 1e-3)
    assert tail.chance(np.array([limit + 1e-4 * span]))[0] <= chance * (1 + 1e-3)


@given(SCORES)
def test_chances_fall_with_the_score_and_go_on_falling_beyond_the_largest(scores):
    tail = Tail(np.sort(np.array(scores, np.float32)))
    largest = float(tail.scores[-1])
    chances = tail.chance(np.append(tail.scores, largest + (1 + largest) * np.array([1.0, 9])))
    assert (np.diff(chances) <= 0).all()
    assert chances[0] <= 1
    assert chances[-1] < chances[-2] < 1 / len(scores) or chances[-2] == 0


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("n", [30, 400])
def test_the_stated_rate_holds_for_most_runs(n, rate):
    draw = np.random.default_rng(n)
    above = [
        np.exp(-bounded_quantile(draw.exponential(size=n), rate)) for _ in range(300)
    ]  # the share of all further values above the limit
    assert np.mean(np.array(above) <= rate) > 0.7
    assert np.mean(above) > 0.3 * rate  # and the limit is no farther out than it has to be


def test_plain_quantiles_hold_the_rate_on_average():
    draw = np.random.default_rng(0)
    above = [np.exp(-plain_quantile(draw.exponential(size=99), 0.05)) for _ in range(500)]
    assert np.mean(above) == pytest.approx(0.05, rel=0.05)


def known(n=3000, seed=0):
    """Held-out rows of three representatives; the second score of the last's is larger."""
    draw = np.random.default_rng(seed)
    place = draw.integers(0, 3, n).astype(np.int32)
    scores = draw.gamma(4, size=(n, 2)).astype(np.float32)
    scores[place == 2, 1] += 4
    return place, scores


def test_false_alarms_are_as_rare_as_stated_in_all_and_in_each_cluster():
    novelty, (place, scores) = Novelty(*known()), known(seed=1)
    labels = np.arange(3)
    for rate in (0.01, 0.05):
        alarms = (scores > novelty.limits(labels, rate)[place]).any(axis=1)
        assert 0.5 * rate < alarms.mean() < 1.25 * rate
        each = [alarms[place == one].mean() for one in range(3)]
        assert max(each) < 2.2 * rate
    one = (scores > novelty.limits(np.zeros(3, int), 0.05)[0]).any(axis=1)
    assert one[place == 2].mean() > 2 * one[place < 2].mean()  # for whom the limit is all rows'


def test_limits_come_from_the_scores_by_which_rows_are_told_apart():
    place, scores = known()
    scores[:, 0] = 1.0  # tells nothing
    novelty = Novelty(place, scores)
    far = np.array([[1, 40], [1, 5]], np.float32)
    limits = novelty.limits(np.arange(3), 0.05)
    assert ((far[0] > limits).any(axis=1)).all()
    assert not ((far[1] > limits).any(axis=1)).any()


def test_likeness_is_the_share_of_known_rows_that_lie_as_far_out():
    place, scores = known()
    novelty = Novelty(place, scores)
    found = novelty.likeness(known(seed=2)[1])
    assert np.quantile(found, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.03)
    assert novelty.likeness(np.array([[90, 90]], np.float32))[0] < 1e-6


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_held_out_rows_call_only_far_rows_unknown(n):
    scores = np.linspace(0.9, 1, 2 * n, dtype=np.float32)[::-1].reshape(n, 2)
    novelty = Novelty(np.zeros(n, np.int32), scores)
    limits = novelty.limits(np.zeros(1, int), 0.05)
    assert (limits > scores.max(axis=0)).all()
    assert (limits < 2).all()
