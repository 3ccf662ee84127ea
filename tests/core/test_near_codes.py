import numpy as np

from shoal.core.near_codes import distances_of, lengthened, near_type, places_of, shortened
from shoal.core.tree import Tree
from shoal.core.verdicts import outvoted


def test_a_shortened_distance_is_right_to_half_a_percent():
    distance = np.geomspace(1e-30, 1e30, 5000).astype(np.float32)
    found = lengthened(shortened(distance))
    assert np.abs(found / distance - 1).max() < 0.004
    assert lengthened(shortened(np.zeros(1, np.float32)))[0] == 0


def test_three_distances_come_back_from_one_and_two_ratios():
    near = np.zeros(2, near_type(300))
    near["distance"] = shortened(np.array([2, 0], np.float32))
    near["ratios"] = [[255, 51], [0, 0]]
    assert near_type(300).itemsize == 10
    assert np.allclose(distances_of(near)[0], [2, 2, 10])
    assert (distances_of(near)[1] == 0).all()


def test_places_are_those_of_the_vote_of_three_computed_one_step_at_a_time():
    rng, codes, m = np.random.default_rng(0), 40, 25
    tree = Tree(
        rng.permutation(m).astype(np.int32),
        (1 + rng.permutation(m - 1)).astype(np.int32),
        np.zeros(m - 1, np.float32),
    )
    of_code = rng.integers(0, m, codes).astype(np.int32)
    near = np.zeros(5000, near_type(codes))
    near["codes"] = rng.integers(0, codes, (5000, 3))
    near["codes"][:50, 1:] = codes  # fewer than three codes
    near["codes"][50:60] = codes
    near["distance"] = shortened(rng.random(5000).astype(np.float32))
    near["distance"][60:70] = 0
    near["ratios"] = -np.sort(-rng.integers(0, 256, (5000, 2)), axis=1)
    first, second, margin, distance = places_of(near, of_code, tree)

    for place in (first, second):
        assert (place[50:60] == -1).all()
    assert np.isnan(distance[50:60]).all()
    coded = np.r_[:50, 60:5000]
    found = np.where(near["codes"] < codes, near["codes"], near["codes"][:, :1])[coded]
    found, away = of_code[found], distances_of(near)[coded]
    ratio = away[:, 0] / np.maximum(away[:, 1], np.finfo(np.float32).tiny)
    torn = outvoted(tree, found, away)
    assert 0.05 < torn.mean() < 0.5
    swapped = np.where(torn[:, None], found[:, 1::-1], found[:, :2])
    assert np.array_equal(np.stack([first, second], axis=1)[coded], swapped)
    assert np.array_equal(distance[coded], np.where(torn, away[:, 1], away[:, 0]))
    assert np.array_equal(margin[coded], np.rint(255 * (1 - np.minimum(ratio, 1))))
