import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.core.tree import Tree
from shoal.core.verdicts import (
    affinity_share,
    far_representatives,
    numbered_by_size,
    outvoted,
    row_confidence,
    row_limits,
    vote,
)


@st.composite
def trees(draw):
    m = draw(st.integers(3, 30))
    order, splits = draw(st.permutations(range(m))), draw(st.permutations(range(1, m)))
    return Tree(np.array(order, np.int32), np.array(splits, np.int32), np.zeros(m - 1, np.float32))


def nearest(x, k):
    apart = np.linalg.norm(x[:, None] - x[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    found = np.argsort(apart, axis=1)[:, :k]
    return found.astype(np.int32), np.take_along_axis(apart, found, 1).astype(np.float32)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9)), min_size=1, max_size=40))
def test_clusters_are_numbered_by_falling_size_and_stay_the_same_sets(pairs):
    raw, weights = np.array(pairs).T
    labels = np.unique(raw, return_inverse=True)[1].astype(np.int32)
    found, sizes = numbered_by_size(labels, weights)
    assert sizes.tolist() == np.bincount(found, weights).astype(int).tolist()
    assert (np.diff(sizes) <= 0).all()
    assert len(set(zip(labels, found, strict=True))) == len(set(labels)) == len(set(found))


def test_ties_keep_their_order():
    assert numbered_by_size(np.array([1, 0, 2], np.int32), np.ones(3, int))[0].tolist() == [1, 0, 2]


def test_share_that_stays_by_hand():
    neighbours = np.array([[1, 2], [0, 2], [0, 1], [0, -1]], np.int32)
    affinities = np.array([[0.75, 0.25], [1, 0], [0.5, 0.5], [0, 0]], np.float32)
    labels = np.array([0, 0, 1, 1], np.int32)
    assert affinity_share(neighbours, affinities, labels).tolist() == [0.75, 1, 0, 0]
    assert affinity_share(neighbours, affinities, np.zeros(4, np.int32)).tolist() == [1, 1, 1, 1]


def test_a_row_between_two_clusters_is_less_sure_by_half_at_most():
    shares, labels = np.array([1, 0.8], np.float32), np.array([0, 1], np.int32)
    first = np.array([0, 0, 0, 1, -1, 1], np.int32)
    second = np.array([1, 1, 0, -1, -1, 0], np.int32)
    margin = np.array([0, 255, 0, 0, 0, 0], np.uint8)
    found = row_confidence(shares, labels, first, second, margin)
    assert found[[0, 1, 2, 3, 5]].tolist() == pytest.approx([0.5, 1, 1, 0.8, 0.4])
    assert np.isnan(found[4])


def test_a_far_row_is_an_outlier_and_a_thin_cluster_is_none():
    draw = np.random.default_rng(0)
    x = np.concatenate(
        [draw.normal(size=(150, 4)), 60 + 10 * draw.normal(size=(80, 4)), [[0, 0, 30, 0]]]
    )
    found, distance = nearest(x, 10)
    far = far_representatives(found, np.ones(found.shape, np.float32), distance, np.ones(len(x)))
    assert far[230]
    assert far[:150].mean() < 0.02
    assert far[150:230].mean() < 0.05


def test_what_is_tied_to_nothing_is_an_outlier():
    found, distance = nearest(np.random.default_rng(1).normal(size=(40, 3)), 6)
    affinities = np.ones(found.shape, np.float32)
    affinities[7] = 0
    assert far_representatives(found, affinities, distance, np.ones(40))[7]
    assert not far_representatives(found, affinities, distance, np.where(found[:, 0] < 0, 1, 6))[7]


@pytest.mark.parametrize(("copies", "far"), [(1, True), (3, True), (6, False), (500, False)])
def test_copies_lie_densely_however_far_from_all_others(copies, far):
    x = np.concatenate([np.random.default_rng(0).normal(size=(150, 4)), [[0, 0, 30, 0]]])
    found, distance = nearest(x, 10)
    weights = np.append(np.ones(150), copies)
    assert (
        far_representatives(found, np.ones(found.shape, np.float32), distance, weights)[150] == far
    )


def test_two_rows_are_no_outliers():
    distances = np.ones((2, 1), np.float32)
    two = np.array([[1], [0]], np.int32)
    assert not far_representatives(two, distances, distances, np.ones(2)).any()


def test_a_row_may_be_three_radii_away():
    neighbours = np.array([[1, 2], [0, 2], [0, 1]], np.int32)
    assert row_limits(np.array([1, 2, 0], np.float32), neighbours).tolist() == [3, 6, 4.5]


def test_two_farther_voters_win_only_together_and_only_when_near():
    distances = np.array([[1, 1.1, 1.2], [1, 1.5, 1.6], [0, 0.1, 0.1]], np.float32)
    order, found = np.arange(3, dtype=np.int32), np.zeros(2, np.float32)
    nearest = np.tile(order, (3, 1))
    for splits, told in (([1, 2], [True, False, False]), ([2, 1], [False] * 3)):
        tree = Tree(order, np.array(splits, np.int32), found)
        assert outvoted(tree, nearest, distances).tolist() == told


def slow_descent(tree, voters):
    """Go down from the root: where a cut parts three voters, the two that stay together go on."""
    for k in range(2, tree.n_leaves + 1):
        sides = tree.labels(k)[voters].tolist()
        voters = [v for v, side in zip(voters, sides, strict=True) if sides.count(side) >= 2]
        if len(voters) == 2:
            return voters[0]
    raise AssertionError("a tree parts all leaves")


@given(trees(), st.data())
def test_a_row_goes_down_the_tree_with_its_voters(tree, data):
    voters = data.draw(st.permutations(range(tree.n_leaves)))[:3]
    near = np.array([voters], np.int32)
    told = outvoted(tree, near, np.array([[1, 1.1, 1.2]], np.float32))
    assert voters[int(told[0])] == slow_descent(tree, voters)
    assert not outvoted(tree, near, np.array([[0, 1, 1]], np.float32))[0]


DRAW = np.random.default_rng(0)


@pytest.mark.parametrize("voters", [1, 3, 10])
@pytest.mark.parametrize("given", [False, True])
def test_votes_are_those_counted_row_by_row(voters, given):
    labels = DRAW.integers(0, 4, (200, voters)).astype(np.int32)
    shares = DRAW.random((200, voters)).astype(np.float32)
    distance = np.sort(DRAW.random((200, voters)).astype(np.float32), axis=1)
    distance[:5, 0] = 0
    chosen = DRAW.integers(-1, 5, 200).astype(np.int32) if given else None
    cluster, confidence = vote(labels, shares, distance, chosen)
    for row in range(200):
        away = distance[row].astype(np.float64)
        weight = 1 / np.maximum(away, max(away[0] * 1e-3, 1e-37)) ** 2
        weight /= weight.max()
        of_each = {c: weight[labels[row] == c].sum() for c in labels[row]}
        best = max(of_each, key=lambda c: of_each[c])
        if chosen is not None and chosen[row] >= 0:
            best = chosen[row]
        mine = labels[row] == best
        assert cluster[row] == best
        assert confidence[row] == pytest.approx((weight * shares[row])[mine].sum() / weight.sum())
