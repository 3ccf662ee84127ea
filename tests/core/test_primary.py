import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.core.null import finest_threshold
from shoal.core.primary import clearest_cut, cut_scores, reproducible_information
from shoal.core.stability import Resampled
from shoal.core.tree import Tree

seeds = st.integers(0, 9999)


def random_tree(m, seed):
    generator = np.random.default_rng(seed)
    excess = np.sort(generator.uniform(-1, 5, m - 1))[::-1].astype(np.float32)
    return Tree(
        generator.permutation(m).astype(np.int32),
        (1 + generator.permutation(m - 1)).astype(np.int32),
        excess,
    )


def random_parts(m, seed):
    generator = np.random.default_rng(seed)
    parts = tuple(np.sort(generator.choice(m, m - 4, replace=False)) for _ in range(2))
    return Resampled(parts, tuple(random_tree(m - 4, seed + i) for i in range(2)))


def eighths(excess):
    """Forty rows in eight equal pieces; their splits by halving."""
    splits = [20, 10, 30, 5, 15, 25, 35, *(i for i in range(1, 40) if i % 5)]
    full = np.full(39, -np.inf, np.float32)
    full[: len(excess)] = excess
    return Tree(np.arange(40, dtype=np.int32), np.array(splits, np.int32), full)


def slow_information(tree, weights, resampled, k):
    bounds = tree.bounds(k)
    total = 0.0
    for low, high in itertools.pairwise(bounds):
        p = weights[tree.order[low:high]].sum() / weights.sum()
        stable = 1.0
        if resampled is not None:
            stable = np.nan_to_num(resampled.stability(tree.order, np.array([[low, high]]))[0])
        total -= p * np.log(p) * stable**3
    return total


def test_information_hand_computed():
    tree = eighths([3.0, 3.0, 3.0])
    found = reproducible_information(tree, np.ones(40), None, 3)
    assert found == pytest.approx([np.log(2), 0.5 * np.log(2) + 0.5 * np.log(4), np.log(4)])


@given(seeds, st.integers(12, 40), st.booleans())
def test_information_is_that_of_each_cut_by_itself(seed, m, voted):
    tree, weights = random_tree(m, seed), np.random.default_rng(seed).uniform(1, 5, m)
    resampled = random_parts(m, seed) if voted else None
    found = reproducible_information(tree, weights, resampled, 8)
    slow = [slow_information(tree, weights, resampled, k) for k in range(2, 10)]
    assert found == pytest.approx(slow)


def primary_k(tree, resampled=None):
    return clearest_cut([cut_scores(tree, np.ones(tree.n_leaves), resampled)])[0]


@pytest.mark.parametrize(
    ("excess", "k"),
    [
        ([], 1),
        ([-0.3], 1),
        ([2.0], 2),
        ([3.0] * 3 + [0.5] * 4, 4),
        ([3.0, 1.0, 1.0] + [0.9] * 4, 8),
    ],
)
def test_primary_hand_computed(excess, k):
    assert primary_k(eighths(excess)) == k


def test_trees_choose_together_and_the_clearest_one_shows_it():
    one, other, third = np.array([3.0, 5.0]), np.array([3.0, 0.1, 4.0]), np.array([3.5])
    assert clearest_cut([one]) == (3, 0)
    assert clearest_cut([one, other, third]) == (2, 2)
    none = np.zeros(0)
    assert clearest_cut([one, none, none]) == (1, 1)
    assert clearest_cut([none, one, one]) == (3, 1)


def test_clusters_that_do_not_come_out_again_are_not_chosen():
    tree = eighths([3.0] * 3 + [2.0] * 4)
    assert primary_k(tree) == 8
    # In the trees of other rows the quarters are whole, and the eighths are cut askew.
    askew = [20, 10, 30, 3, 13, 23, 33, *(i for i in range(39, 0, -1) if i % 10 not in (0, 3))]
    other = Tree(tree.order, np.array(askew, np.int32), tree.excess)
    assert primary_k(tree, Resampled((np.arange(40),), (other,))) == 4


@given(seeds, st.integers(5, 40))
def test_the_primary_cut_takes_no_split_below_chance(seed, m):
    tree = random_tree(m, seed)
    k = primary_k(tree)
    assert k == 1 or tree.excess[k - 2] >= finest_threshold(tree.excess) >= 0
