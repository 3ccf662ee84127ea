from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.core.tree import Tree
from shoal.errors import InputError


@st.composite
def trees(draw):
    m = draw(st.integers(1, 30))
    order = np.array(draw(st.permutations(range(m))), np.int32)
    splits = np.array(draw(st.permutations(range(1, m))), np.int32)
    levels = sorted(draw(st.lists(st.integers(0, 5), min_size=m - 1, max_size=m - 1)))[::-1]
    excess = np.array(levels, np.float32)
    excess[excess == 0] = -np.inf
    return Tree(order, splits, excess)


def slow_clusters(tree, k):
    """The explicit tree: start from one piece, and cut the piece that holds each split."""
    pieces = [list(range(tree.n_leaves))]
    for cut in tree.splits[: k - 1].tolist():
        i = next(i for i, piece in enumerate(pieces) if piece[0] < cut <= piece[-1])
        first = pieces[i][0]
        pieces[i : i + 1] = [pieces[i][: cut - first], pieces[i][cut - first :]]
    return [{int(tree.order[place]) for place in piece} for piece in pieces]


def hand_tree():
    order, splits = np.array([2, 0, 3, 1], np.int32), np.array([3, 1, 2], np.int32)
    return Tree(order, splits, np.array([4, 2, -np.inf], np.float32))


def test_cuts_hand_computed():
    tree = hand_tree()  # 2 0 3 | 1, then 2 | 0 3 | 1
    assert tree.n_leaves == 4
    assert [tree.bounds(k).tolist() for k in (1, 2, 3)] == [[0, 4], [0, 3, 4], [0, 1, 3, 4]]
    assert tree.labels(1).tolist() == [0, 0, 0, 0]
    assert tree.labels(2).tolist() == [0, 1, 0, 0]
    assert tree.labels(3).tolist() == [1, 2, 0, 1]
    assert tree.labels(3).dtype == np.int32


def test_merges_hand_computed():
    assert hand_tree().linkage(1) == []
    assert hand_tree().linkage(3) == [(0, 1, 2), (3, 2, 4)]
    assert hand_tree().linkage(4) == [(1, 2, -np.inf), (0, 4, 2), (5, 3, 4)]


@given(trees(), st.data())
def test_labels_are_those_of_the_explicit_tree(tree, data):
    k = data.draw(st.integers(1, tree.n_leaves))
    labels = tree.labels(k)
    assert [set(np.flatnonzero(labels == c)) for c in range(k)] == slow_clusters(tree, k)


@given(trees(), st.data())
def test_merges_rebuild_every_coarser_cut(tree, data):
    k = data.draw(st.integers(1, tree.n_leaves))
    nodes = dict(enumerate(slow_clusters(tree, k)))
    merges = tree.linkage(k)
    assert len(merges) == k - 1
    for t, (left, right, excess) in enumerate(merges):
        nodes[k + t] = nodes.pop(left) | nodes.pop(right)
        assert excess == tree.excess[k - 2 - t]
        coarser = slow_clusters(tree, k - 1 - t)
        assert sorted(nodes.values(), key=min) == sorted(coarser, key=min)
    assert all(a <= b for (*_, a), (*_, b) in pairwise(merges))


@given(trees())
def test_cuts_are_contiguous_and_refine_each_other(tree):
    for k in range(1, tree.n_leaves + 1):
        labels = tree.labels(k)
        assert (np.diff(labels[tree.order]) >= 0).all()
        assert np.array_equal(np.unique(labels), np.arange(k))
        if k > 1:
            parents = {
                (fine, coarse) for fine, coarse in zip(labels, tree.labels(k - 1), strict=True)
            }
            assert len(parents) == k


@given(trees(), st.data())
def test_leaves_are_apart_from_the_first_cut_that_parts_them(tree, data):
    leaves = st.integers(0, tree.n_leaves - 1)
    pairs = np.array(data.draw(st.lists(st.tuples(leaves, leaves), max_size=9)), int).reshape(-1, 2)
    cuts = [tree.labels(k) for k in range(1, tree.n_leaves + 1)]
    slow = [
        next((k for k, c in enumerate(cuts, 1) if c[a] != c[b]), len(cuts) + 1) for a, b in pairs
    ]
    assert tree.apart(*pairs.T).tolist() == slow


@given(trees())
def test_arrays_give_the_tree_back(tree):
    again = Tree.from_arrays({name: value.copy() for name, value in tree.to_arrays().items()})
    for name, value in tree.to_arrays().items():
        assert np.array_equal(again.to_arrays()[name], value)
        assert again.to_arrays()[name].dtype == value.dtype


@pytest.mark.parametrize("k", [-1, 0, 5])
def test_a_cut_that_is_not_there_says_so(k):
    with pytest.raises(InputError, match=f"k must be from 1 to 4, .* got {k}"):
        hand_tree().labels(k)


def test_a_moved_leaf_is_in_the_clusters_of_its_host():
    moved = hand_tree().moved(np.array([0, 1, 2, 1]))  # 2 0 | 1 3, then 2 | 0; 3 and 1 last
    assert moved.order.tolist() == [2, 0, 1, 3]
    assert moved.splits.tolist() == [2, 1, 3]
    assert moved.excess.tolist() == [4, 2, -np.inf]


@given(trees(), st.data())
def test_moving_leaves(tree, data):
    m = tree.n_leaves
    stays = np.array(data.draw(st.lists(st.booleans(), min_size=m, max_size=m)))
    stays[data.draw(st.integers(0, m - 1))] = True
    pool = st.sampled_from(np.flatnonzero(stays).tolist())
    hosts = np.array([leaf if stays[leaf] else data.draw(pool) for leaf in range(m)])
    moved = tree.moved(hosts)
    assert sorted(moved.order) == list(range(m))
    assert sorted(moved.splits) == list(range(1, m))
    assert (moved.excess[1:] <= moved.excess[:-1]).all()
    for k in range(1, m + 1):
        before = tree.labels(k)
        if len(np.unique(before[stays])) == k:  # no cluster is left empty
            assert (moved.labels(k) == before[hosts]).all()
