import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from shoal.core.layers import (
    NOISE,
    Layer,
    count_above,
    effective_rows,
    find_layers,
    primary_threshold,
    snapped,
)
from shoal.core.stability import Resampled
from shoal.core.tree import Tree
from shoal.errors import InputError

falling = st.lists(st.floats(-2, 8), max_size=30).map(lambda e: np.array(sorted(e, reverse=True)))


def tree_with(excess, m=20):
    full = np.full(m - 1, -np.inf, np.float32)
    full[: len(excess)] = excess
    splits = np.r_[m // 2, np.delete(np.arange(1, m), m // 2 - 1)]
    return Tree(np.arange(m, dtype=np.int32), splits.astype(np.int32), full)


def same(a, b):
    return (a.k, a.primary) == (b.k, b.primary) and np.array_equal(
        [a.excess, a.stability], [b.excess, b.stability], equal_nan=True
    )


def test_threshold_hand_computed():
    middle = (NOISE + 3) / 2
    assert primary_threshold(np.array([]), 100) == pytest.approx(middle)
    assert primary_threshold(np.array([9.0, 4, 0.5]), 100) == pytest.approx(middle)
    assert primary_threshold(np.array([2.9, 1.3]), 100) == pytest.approx((2.9 + 1.3) / 2)
    # a clear gap far from the centre wins over crowded excesses around it
    crowded = np.array([2.0, 1.95, 1.9, 1.85, 1.8, 1.75, 1.7, 1.65, 1.6, 1.5, 1.4, 1.3])
    assert primary_threshold(crowded, 100) == pytest.approx(2.5)


@given(falling, st.sampled_from([100.0, 20_000.0]))
def test_threshold_lies_in_the_gap_that_most_draws_fall_into(excess, n):
    centre = 1.8 + 0.36 * max(0, np.log(n / 5000))
    draws = np.clip(norm.ppf((np.arange(4000) + 0.5) / 4000, centre, 0.8), NOISE, 3)
    inner = np.sort(excess[(excess > NOISE) & (excess < 3)])
    gaps = np.searchsorted(inner, draws[(draws > NOISE) & (draws < 3)])
    counts = np.bincount(gaps, minlength=len(inner) + 1)
    found = primary_threshold(excess, n)
    # The tails beyond both ends belong to no gap of their own.
    assert counts[np.searchsorted(inner, found)] >= counts.max() - 3


@given(falling)
def test_sure_splits_are_taken_and_noise_never(excess):
    threshold = primary_threshold(excess, 1000)
    assert NOISE <= threshold <= 3
    taken = excess >= threshold
    assert taken[excess >= 3].all()
    assert not taken[excess < NOISE].any()


def test_more_rows_ask_for_more():
    ladder = np.arange(3, 1, -0.02)
    few, many = (primary_threshold(ladder, n) for n in (5000, 50_000))
    assert few == pytest.approx(1.8, abs=0.1)
    assert many == pytest.approx(1.8 + 0.36 * np.log(10), abs=0.1)


def test_effective_rows():
    assert effective_rows(np.full(100, 4.0)) == pytest.approx(200)
    assert effective_rows(np.full(10**5, 100.0)) == 100_000


def test_snapped_hand_computed():
    assert snapped(np.array([]), 2.0) == pytest.approx(2.0)
    assert snapped(np.array([2.1, 2.0]), 2.0) == pytest.approx((2.0 + 1.75) / 2)
    assert snapped(np.array([9.0, 1.9, 1.0]), 2.0) == pytest.approx((2.25 + 1.9) / 2)


@given(falling, st.floats(1.5, 4))
def test_snapped_stays_near_and_in_the_widest_gap(excess, threshold):
    found = snapped(excess, threshold)
    assert abs(found - threshold) <= 0.25
    ends = sorted({threshold - 0.25, threshold + 0.25, *excess[abs(excess - threshold) < 0.25]})
    free = np.abs(np.array(ends) - found).min()
    assert free >= np.diff(ends).max() / 2 - 1e-9


def test_layers_hand_computed():
    tree = tree_with([5.0, 3.5, 2.7, 0.9])
    layers = find_layers(tree, tree.excess, np.ones(20), None)
    assert [layer.k for layer in layers] == [2, 3, 4]
    assert [layer.k for layer in layers if layer.primary] == [4]
    assert [layer.excess for layer in layers] == [5, 3.5, pytest.approx(2.7)]
    assert all(np.isnan(layer.stability) for layer in layers)


def test_no_split_above_noise_is_one_cluster():
    tree = tree_with([1.1, 0.4])
    assert find_layers(tree, tree.excess, np.ones(20), None)[0].k == 1
    assert len(find_layers(tree, tree.excess, np.ones(20), None)) == 1
    assert count_above(tree, 0.4) == 3


@given(falling)
def test_layers_go_from_coarse_to_fine_with_one_primary(excess):
    tree = tree_with(excess[:19])
    layers = find_layers(tree, tree.excess, np.ones(20), None)
    ks = [layer.k for layer in layers]
    assert ks == sorted(set(ks))
    assert sum(layer.primary for layer in layers) == 1
    assert all(layer.excess >= NOISE for layer in layers if layer.k > 1)


def test_a_leap_beyond_the_primary_layer_is_filled_at_the_widest_gap():
    tree = tree_with([9.0, 9.0, 9.0, 1.78, 1.62, 1.6])
    layers = find_layers(tree, tree.excess, np.ones(20), None, detail=3.0)
    # 4 is primary and 7 the last; between them the widest gap lies below the fourth split
    assert [layer.k for layer in layers] == [4, 5, 7]
    assert [layer.k for layer in layers if layer.primary] == [4]


@pytest.mark.parametrize(("detail", "k"), [(6.0, 1), (4.0, 2), (2.5, 4), (0.5, 5)])
def test_detail_sets_the_primary_layer(detail, k):
    tree = tree_with([5.0, 3.5, 2.7, 0.9])
    layers = find_layers(tree, tree.excess, np.ones(20), None, detail=detail)
    assert [layer.k for layer in layers if layer.primary] == [k]


def test_layers_that_were_asked_for():
    tree = tree_with([5.0, 3.5])
    layers = find_layers(tree, tree.excess, np.ones(20), None, (7, 2, 7, 1))
    assert [(layer.k, layer.primary) for layer in layers] == [(1, False), (2, False), (7, True)]
    assert [layer.excess for layer in layers] == [np.inf, 5, -np.inf]
    with pytest.raises(InputError, match="21 clusters were asked for, but there are 20 distinct"):
        find_layers(tree, tree.excess, np.ones(20), None, (3, 21))


def test_stability_is_the_mean_by_rows():
    tree = tree_with([5.0])
    other = Tree(tree.order, np.r_[8, 1:8, 9:20].astype("i4"), tree.excess)
    weights = np.where(np.arange(20) < 10, 3.0, 1.0)
    layers = find_layers(
        tree, tree.excess, weights, Resampled((np.arange(20),), (other,)), asked=(2, 1)
    )
    # rows 0–9 are 0–7 at best there: 8 of 10; rows 10–19 come out whole
    assert layers[0].stability == 1
    assert layers[1].stability == pytest.approx((30 * 0.8 + 10 * 1) / 40)


@pytest.mark.parametrize(
    "layer",
    [
        Layer(1, np.inf, np.nan, True),
        Layer(7, 2.5, 0.75, True),
        Layer(3, 3.5, np.nan),
        Layer(500, -np.inf, 0.25),
    ],
)
def test_layers_survive_json(layer):
    text = json.dumps(layer.as_dict(), allow_nan=False)
    assert same(Layer.from_dict(json.loads(text)), layer)
