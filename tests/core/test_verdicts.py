import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.core.verdicts import (
    decided,
    far_representatives,
    held_share,
    numbered_by_size,
    outvotes,
    row_confidence,
    row_limits,
)


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
    assert held_share(neighbours, affinities, labels).tolist() == [0.75, 1, 0, 0]
    assert held_share(neighbours, affinities, np.zeros(4, np.int32)).tolist() == [1, 1, 1, 1]


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
    far = far_representatives(found, np.ones(found.shape, np.float32), distance)
    assert far[230]
    assert far[:150].mean() < 0.02
    assert far[150:230].mean() < 0.05


def test_what_is_tied_to_nothing_is_an_outlier():
    found, distance = nearest(np.random.default_rng(1).normal(size=(40, 3)), 6)
    affinities = np.ones(found.shape, np.float32)
    affinities[7] = 0
    assert far_representatives(found, affinities, distance)[7]


def test_two_rows_are_no_outliers():
    distances = np.ones((2, 1), np.float32)
    assert not far_representatives(np.array([[1], [0]], np.int32), distances, distances).any()


def test_a_row_may_be_three_radii_away():
    neighbours = np.array([[1, 2], [0, 2], [0, 1]], np.int32)
    assert row_limits(np.array([1, 2, 0], np.float32), neighbours).tolist() == [3, 6, 4.5]


def test_two_farther_voters_win_only_together_and_only_when_near():
    distances = np.array([[1, 1.1, 1.2], [1, 1.5, 1.6], [0, 0.1, 0.1]], np.float32)
    assert outvotes(distances).tolist() == [True, False, False]


@given(st.lists(st.integers(0, 3), min_size=3, max_size=12), st.data())
def test_the_deciding_representative_holds_the_majority(labels, data):
    labels = np.array(labels, np.int32)
    ids = st.integers(0, len(labels) - 1)
    first, second = (np.array([data.draw(ids)], np.int32) for _ in range(2))
    third = np.array([data.draw(st.integers(-1, len(labels) - 1))], np.int32)
    found = labels[decided(labels, first, second, third)[0]]
    swayed = third[0] >= 0 and labels[second[0]] == labels[third[0]]
    assert found == labels[second[0] if swayed else first[0]]
