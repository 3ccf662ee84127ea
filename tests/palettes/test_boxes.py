import numpy as np
import pytest

from shoal.palettes.boxes import cut_boxes, median_cut, octree, variance_cut


def column(*values):
    points = np.zeros((len(values), 4), np.float32)
    points[:, 0] = values
    return points


@pytest.mark.parametrize(("cut", "size"), [(variance_cut, 3), (median_cut, 2)])
def test_a_cut_by_hand(cut, size):
    # Of 0, 1, 2 | 10 the variance falls most at the gap; half of the pixels are below 2.
    found = cut(column(0, 1, 2, 10), np.ones(4))
    assert (found.axis, found.size) == (0, size)


def test_the_variance_cut_is_the_best_of_all():
    rng = np.random.default_rng(0)
    points, weights = rng.random((40, 4)).astype(np.float32), rng.integers(1, 9, 40).astype(float)

    def error(rows):
        mean = np.average(points[rows], axis=0, weights=weights[rows])
        return (weights[rows] * ((points[rows] - mean) ** 2).sum(1)).sum()

    falls = {}
    for axis in range(4):
        order = np.argsort(points[:, axis])
        for size in range(1, 40):
            falls[axis, size] = error(order) - error(order[:size]) - error(order[size:])
    found = variance_cut(points, weights)
    assert (found.axis, found.size) == max(falls, key=falls.get)
    assert found.priority == pytest.approx(max(falls.values()), rel=1e-4)


@pytest.mark.parametrize("cut", [variance_cut, median_cut])
def test_equal_points_stay_together(cut):
    points, weights = column(1, 1, 1, 5), np.array([9.0, 9.0, 9.0, 1.0])
    assert cut_boxes(points, weights, 4, cut)[:, 0].tolist() == [1, 5]
    assert cut(column(3, 3), np.ones(2)).priority == 0


def test_the_octree_merges_siblings_of_fewest_pixels_first():
    corners = np.array([[0, 0, 0, 0], [0, 0, 1, 0], [255, 255, 255, 0], [255, 255, 254, 0]])
    points, weights = corners.astype(np.float32), np.array([5.0, 5.0, 1.0, 1.0])
    found = octree(points, weights, 3)
    assert sorted(found[:, 2]) == [0, 1, 254.5]


@pytest.mark.parametrize("k", [1, 5, 40])
def test_the_octree_gives_at_most_k(k):
    points = np.random.default_rng(0).random((500, 4)).astype(np.float32)
    assert 1 <= len(octree(points, np.ones(500), k)) <= k
