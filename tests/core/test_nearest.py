import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_digits

from shoal.core import nearest
from shoal.core.nearest import nearest_neighbours, nearest_of, shortlists_for
from shoal.errors import InputError


def slow_neighbours(x, y, k, itself):
    """Brute force in float64: by distance, then index."""
    square = ((x[:, None].astype(np.float64) - y[None]) ** 2).sum(axis=2)
    if itself:
        np.fill_diagonal(square, np.inf)
    order = np.argsort(square, axis=1, kind="stable")[:, :k]
    return order, np.sqrt(np.take_along_axis(square, order, axis=1))


def cloud(n, d=8, groups=12, seed=0):
    generator = np.random.default_rng(seed)
    centres = 4 * generator.normal(size=(groups, d))
    return (centres[generator.integers(0, groups, n)] + generator.normal(size=(n, d))).astype("f4")


def recall(found, true):
    return np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, true, strict=True)])


def test_hand_computed_line():
    x = np.array([[0], [1], [3], [7]], np.float32)
    indices, distances = nearest_neighbours(x, 2)
    assert indices.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert distances.tolist() == [[1, 3], [1, 2], [2, 3], [4, 6]]
    assert indices.dtype == np.int32
    assert distances.dtype == np.float32


def test_equal_distances_come_by_index():
    x = np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)
    assert nearest_neighbours(x, 4)[0][0].tolist() == [1, 2, 3, 4]


def test_same_as_brute_force_on_digits():
    x = load_digits().data.astype(np.float32)[:700]  # whole numbers: many equal distances
    indices, distances = nearest_neighbours(x, 15)
    true, lengths = slow_neighbours(x, x, 15, True)
    assert np.array_equal(indices, true)
    assert np.allclose(distances, lengths, rtol=1e-6)


def test_far_from_the_origin_nothing_is_lost():
    x = cloud(600) * np.float32(0.001) + np.float32(1000)
    assert np.array_equal(nearest_neighbours(x, 5)[0], slow_neighbours(x, x, 5, True)[0])


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_very_small_and_very_large_values(size):
    x = cloud(300)
    scaled = (x.astype(np.float64) * size).astype(np.float32)
    assert np.array_equal(
        nearest_neighbours(scaled, 5)[0], slow_neighbours(scaled, scaled, 5, 1)[0]
    )


def test_one_far_outlier_does_not_spoil_the_others():
    x = cloud(500)
    x[7] *= 1e6
    assert np.array_equal(nearest_neighbours(x, 5)[0], slow_neighbours(x, x, 5, True)[0])


def test_identical_rows_are_neighbours_at_distance_zero():
    indices, distances = nearest_neighbours(np.ones((1000, 4), np.float32), 3)
    assert not distances.any()
    assert indices[0].tolist() == [1, 2, 3]
    assert indices[999].tolist() == [0, 1, 2]


def test_large_groups_of_duplicates():
    x = np.repeat(cloud(20), 40, axis=0)
    assert np.array_equal(nearest_neighbours(x, 15)[0], slow_neighbours(x, x, 15, True)[0])


@pytest.mark.parametrize("exact", [True, False])
def test_same_bytes_for_any_number_of_workers(exact):
    x = cloud(3000)
    one, two = (nearest_neighbours(x, 7, workers, exact=exact) for workers in (1, 3))
    assert one[0].tobytes() == two[0].tobytes()
    assert one[1].tobytes() == two[1].tobytes()


def test_cells_find_nearly_all():
    x = cloud(6000, d=16)
    found, distances = nearest_neighbours(x, 10, exact=False)
    assert recall(found, nearest_neighbours(x, 10)[0]) > 0.95
    assert (np.diff(distances, axis=1) >= 0).all()
    assert not (found == np.arange(6000)[:, None]).any()


def test_cells_are_searched_only_where_they_find_the_neighbours(monkeypatch):
    monkeypatch.setattr(nearest, "EXACT_ROWS", 500)
    probed = []
    search = nearest._nearest
    monkeypatch.setattr(
        nearest,
        "_nearest",
        lambda x, y, cells, *rest, **itself: (
            probed.append(len(cells.centres)) or search(x, y, cells, *rest, **itself)
        ),
    )
    grouped = cloud(4000, d=4)
    found, _ = nearest_neighbours(grouped, 10)
    assert probed[-1] > 1
    assert recall(found, nearest_neighbours(grouped, 10, exact=True)[0]) > 0.99
    unstructured = np.random.default_rng(0).normal(size=(4000, 40)).astype(np.float32)
    found, _ = nearest_neighbours(unstructured, 10)
    assert probed[-1] == 1
    assert np.array_equal(found, nearest_neighbours(unstructured, 10, exact=True)[0])


def test_cells_of_a_few_rows_still_give_k_neighbours():
    x = np.concatenate([cloud(3000), 1000 + 1000 * np.arange(5)[:, None] * np.ones((5, 8))])
    found, distances = nearest_neighbours(x, 20, exact=False)
    assert found.min() >= 0
    assert np.isfinite(distances).all()


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        np.float32, st.tuples(st.integers(3, 40), st.integers(1, 4)), elements=st.integers(-3, 3)
    ),
    st.data(),
)
def test_exact_for_any_lattice(x, data):
    k = data.draw(st.integers(1, len(x) - 1))
    indices, distances = nearest_neighbours(x, k)
    true, lengths = slow_neighbours(x, x, k, True)
    assert np.array_equal(indices, true)
    assert np.allclose(distances, lengths)


@pytest.mark.parametrize("k", [1, 4])
def test_nearest_of_few_centres_is_exact(k):
    x, centres = cloud(700), cloud(90, seed=1)
    indices, distances = nearest_of(x, centres, k)
    true, lengths = slow_neighbours(x, centres, k, False)
    assert np.array_equal(indices, true)
    assert np.allclose(distances, lengths, rtol=1e-6)


def test_nearest_of_many_centres_finds_nearly_all():
    x, centres = cloud(3000, d=16), cloud(6000, d=16, seed=0)
    shortlists = shortlists_for(centres)
    assert len(shortlists.cells.centres) > 1
    found, distances = nearest_of(x, centres, 2, shortlists=shortlists)
    exact = slow_neighbours(x[:300], centres, 2, False)
    assert recall(found[:300], exact[0]) > 0.9
    again = nearest_of(x, centres, 2, workers=2)
    assert again[0].tobytes() == found.tobytes()
    assert again[1].tobytes() == distances.tobytes()


def test_a_centre_is_nearest_to_itself():
    centres = cloud(5000)
    indices, distances = nearest_of(centres, centres)
    assert np.array_equal(indices[:, 0], np.arange(5000))
    assert not distances.any()


def test_memory_mapped_and_double_rows(tmp_path):
    x = cloud(200)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for other in (mapped, x.astype(np.float64), np.asfortranarray(x)):
        assert np.array_equal(nearest_neighbours(other, 3)[0], nearest_neighbours(x, 3)[0])


def test_no_rows_have_no_nearest():
    assert nearest_of(np.empty((0, 3)), np.ones((2, 3)))[0].shape == (0, 1)


@pytest.mark.parametrize(
    ("x", "k", "message"),
    [
        (np.ones((3, 2)), 3, "3 rows have at most 2 neighbours each, but 3 were asked for"),
        (np.ones((3, 2)), 0, "but 0 were asked for"),
        (np.array([[1.0], [np.nan], [2.0]]), 1, "x holds NaN or infinity in 1 row"),
        (np.ones(3), 1, "must be rows × columns"),
    ],
)
def test_unusable_rows_are_refused(x, k, message):
    with pytest.raises(InputError, match=message):
        nearest_neighbours(x, k)


def test_unusable_centres_are_refused():
    with pytest.raises(InputError, match="there are 2 centres, but the nearest 3"):
        nearest_of(np.ones((4, 2)), np.ones((2, 2)), 3)
    with pytest.raises(InputError, match="rows have 2 columns, but centres have 3"):
        nearest_of(np.ones((4, 2)), np.ones((2, 3)), 1)
