import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.core.layers import Layer, find_layers, ladder
from shoal.core.primary import clearest_cut, cut_scores
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


def found_layers(tree):
    weights = np.ones(tree.n_leaves)
    return find_layers(tree, weights, None, clearest_cut([cut_scores(tree, weights, None)])[0])


def test_layers_hand_computed():
    tree = tree_with([5.0, 3.5, 2.7, 0.9])
    layers = found_layers(tree)
    assert [layer.k for layer in layers] == [2, 3, 4, 5]
    assert [layer.k for layer in layers if layer.primary] == [4]
    assert [layer.excess for layer in layers] == pytest.approx([5, 3.5, 2.7, 0.9])
    assert [layer.weak for layer in layers] == [False, False, False, True]
    assert all(np.isnan(layer.stability) for layer in layers)


@pytest.mark.parametrize("excess", [[1.0, 0.4], [0.5] * 6, []])
def test_what_structureless_data_show_too_is_one_cluster(excess):
    tree = tree_with(excess)
    layers = found_layers(tree)
    assert [(layer.k, layer.primary, layer.weak) for layer in layers] == [(1, True, False)]


def test_many_weak_splits_make_weak_layers():
    layers = found_layers(tree_with([0.6] * 10))
    assert [layer.k for layer in layers if layer.primary] == [11]
    assert all(layer.weak for layer in layers)


@given(falling)
def test_layers_go_from_coarse_to_fine_with_one_primary(excess):
    tree = tree_with(excess[:19])
    layers = found_layers(tree)
    ks = [layer.k for layer in layers]
    assert ks == sorted(set(ks))
    assert sum(layer.primary for layer in layers) == 1
    assert all(layer.excess >= 0 for layer in layers if layer.k > 1)


@given(st.integers(2, 300), st.integers(0, 9999))
def test_no_step_is_large_and_there_are_few(finest, seed):
    generator = np.random.default_rng(seed)
    excess = np.sort(generator.uniform(0.4, 6, finest - 1))[::-1]
    tree = tree_with(excess, m=400)
    primary = int(generator.integers(2, finest + 1))
    ks = ladder(tree, primary, finest)
    assert set(ks) >= {primary, finest}
    assert ks == sorted(set(ks))
    assert min(ks) >= 2
    assert len(ks) <= 12
    finer = [k for k in ks if k >= primary]
    steps = [b / a for a, b in pairwise(finer) if b - a > 1]
    assert max(steps, default=1.0) <= max(1.7, 2 * (finest / 2) ** (1 / 11))


def test_a_step_leads_to_the_widest_gap_within_reach():
    tree = tree_with([9.0] * 9 + [3.0, 2.9, 2.8, 1.5, 1.4, 1.3, 1.2, 1.1, 1.0], m=40)
    # 10 is primary and 19 the finest; between them the widest gap lies below the 12th split
    assert ladder(tree, 10, 19) == [10, 13, 19]


def test_layers_that_were_asked_for():
    tree = tree_with([5.0, 3.5])
    layers = find_layers(tree, np.ones(20), None, requested=(7, 2, 7, 1))
    assert [(layer.k, layer.primary) for layer in layers] == [(1, False), (2, False), (7, True)]
    assert [layer.excess for layer in layers] == [np.inf, 5, -np.inf]
    with pytest.raises(InputError, match="from 1 to 20, the number of representatives; got 21"):
        find_layers(tree, np.ones(20), None, requested=(3, 21))


def test_stability_is_the_mean_by_rows():
    tree = tree_with([5.0])
    other = Tree(tree.order, np.r_[8, 1:8, 9:20].astype("i4"), tree.excess)
    weights = np.where(np.arange(20) < 10, 3.0, 1.0)
    layers = find_layers(tree, weights, Resampled((np.arange(20),), (other,)), requested=(2, 1))
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
