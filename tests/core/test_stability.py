import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.core.stability import Resampled, agreement, draw_subsets, pieces
from shoal.core.tree import Tree

seeds = st.integers(0, 9999)


def random_tree(m, seed):
    generator = np.random.default_rng(seed)
    order = generator.permutation(m).astype(np.int32)
    splits = (1 + generator.permutation(m - 1)).astype(np.int32)
    return Tree(order, splits, np.full(m - 1, -np.inf, np.float32))


def plain_tree(m):
    return Tree(np.arange(m), np.arange(1, m), np.zeros(m - 1, np.float32))


def clusters_of(tree, k):
    bounds = tree.bounds(k)
    return np.stack([bounds[:-1], bounds[1:]], 1)


def slow_agreement(order, clusters, part, other):
    """Every cluster of every cut of the other tree, as sets of rows."""
    rows = part[other.order]
    runs = {(a, b) for k in range(1, other.n_leaves + 1) for a, b in clusters_of(other, k).tolist()}
    seen = [set(rows[a:b].tolist()) for a, b in runs]
    best = []
    for low, high in clusters.tolist():
        own = set(order[low:high].tolist()) & set(part.tolist())
        jaccard = max(len(own & piece) / len(own | piece) for piece in seen) if own else 0
        best.append(jaccard if len(own) >= 4 else np.nan)
    return best


def test_pieces_hand_computed():
    tree = Tree(np.arange(5), np.array([3, 1, 4, 2]), np.zeros(4, np.float32))
    halves, ends = [[0, 5], [0, 3], [3, 5]], [[0, 1], [1, 3], [3, 4], [4, 5]]
    assert pieces(tree).tolist() == [*halves, *ends, [1, 2], [2, 3]]
    assert pieces(tree, 1).tolist() == halves


@given(seeds, st.integers(2, 30))
def test_pieces_are_the_clusters_of_every_cut(seed, m):
    tree = random_tree(m, seed)
    cuts = {tuple(run) for k in range(1, m + 1) for run in clusters_of(tree, k).tolist()}
    found = [tuple(run) for run in pieces(tree).tolist()]
    assert len(found) == len(set(found)) == 2 * m - 1
    assert set(found) == cuts


def test_agreement_hand_computed():
    order, part = np.arange(40), np.arange(40)
    halves = Tree(np.arange(40), np.r_[20, 1:20, 21:40], np.zeros(39, np.float32))
    clusters = np.array([[0, 20], [0, 16], [10, 30], [0, 3]])
    # all of them; the best run holds all 16; half of both halves against all: 20 of 40
    found = agreement(order, clusters, part, halves)
    assert found[:3].tolist() == [1, 0.8, 0.5]
    assert np.isnan(found[3])


@given(seeds)
def test_agreement_is_that_of_sets(seed):
    generator = np.random.default_rng(seed)
    m = int(generator.integers(10, 40))
    n = int(generator.integers(5, m + 1))
    part = np.sort(generator.choice(m, n, replace=False))
    tree, other = random_tree(m, seed), random_tree(n, seed + 1)
    clusters = np.concatenate([clusters_of(tree, k) for k in (1, 2, 5)])
    found = agreement(tree.order, clusters, part, other)
    assert np.allclose(found, slow_agreement(tree.order, clusters, part, other), equal_nan=True)


@given(seeds, st.integers(10, 60))
def test_a_tree_agrees_with_itself(seed, m):
    tree = random_tree(m, seed)
    found = agreement(tree.order, clusters_of(tree, 3), np.arange(m), tree)
    assert (found[~np.isnan(found)] == 1).all()


def test_subsets_are_drawn_by_the_seed_alone():
    one, two = draw_subsets(50, 3, 4), draw_subsets(50, 3, 6)
    for a, b in zip(one, two[:4], strict=True):
        assert np.array_equal(a, b)
        assert len(np.unique(a)) == 40
        assert (np.diff(a) > 0).all()
    assert not np.array_equal(one[0], one[1])
    assert not np.array_equal(one[0], draw_subsets(50, 4, 1)[0])
    assert draw_subsets(50, 3, 0) == ()


def test_all_piles_are_in_each_subset_and_count_as_their_rows():
    copies = np.ones(50)
    copies[[3, 40]] = 12
    subsets = draw_subsets(50, 0, 6, copies)
    for rows in subsets:
        assert len(rows) == 38 + 2
        assert np.isin([3, 40], rows).all()
    resampled = Resampled(subsets, (plain_tree(40),) * 6, copies)
    alone = np.array([[3, 4], [4, 5]])
    found = resampled.stability(np.arange(50), alone)
    assert 0 < found[0] <= 1
    assert np.isnan(found[1])


def test_a_subset_has_at_most_eight_thousand_rows():
    assert draw_subsets(50_000, 0, 1)[0].shape == (8000,)


def test_stability_is_the_mean_over_the_parts_that_see_a_cluster():
    halves = Tree(np.arange(40), np.r_[20, 1:20, 21:40], np.zeros(39, np.float32))
    parts = np.arange(40), np.arange(8, 48)
    resampled = Resampled(parts, (halves, halves))
    # rows 0–19: 1 in the first; 8–19 are 12 of the twenty 8–27 in the second
    # rows 0–10: three there, too few, as are rows 45–47
    clusters = np.array([[0, 20], [0, 11], [45, 48]])
    found = resampled.stability(np.arange(48), clusters)
    assert found[:2].tolist() == [pytest.approx((1 + 0.6) / 2), pytest.approx(0.55)]
    assert np.isnan(found[2])
