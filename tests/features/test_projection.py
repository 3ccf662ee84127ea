from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import InputError
from shoal.features import Moments, Projection, fit_projection


def random_rows(n, d=5, seed=0):
    generator = np.random.default_rng(seed)
    return (generator.normal(size=(n, d)) @ generator.normal(size=(d, d)) + 3).astype(np.float32)


def slow_moments(rows, weights):
    mean = sum(w * row for w, row in zip(weights, rows, strict=True)) / sum(weights)
    scatter = sum(
        w * np.outer(row - mean, row - mean) for w, row in zip(weights, rows, strict=True)
    )
    return mean, scatter


def assert_close(one, other, rtol=1e-9):
    assert one.count == other.count
    np.testing.assert_allclose(one.weight, other.weight, rtol=rtol)
    np.testing.assert_allclose(one.mean, other.mean, rtol=rtol, atol=rtol)
    size = np.abs(other.scatter).max()
    np.testing.assert_allclose(one.scatter, other.scatter, rtol=rtol, atol=rtol * size)


def parts_of(rows, weights, cuts):
    edges = [0, *sorted(cuts), len(rows)]
    return [Moments.of(rows[a:b], weights[a:b]) for a, b in pairwise(edges)]


def merged(parts):
    total = Moments.zero(len(parts[0].mean))
    for part in parts:
        total = total.merge(part)
    return total


def test_moments_by_hand():
    moments = Moments.of(np.array([[0, 0], [2, 0], [4, 6]], np.float32))
    assert (moments.count, moments.weight) == (3, 3.0)
    np.testing.assert_array_equal(moments.mean, [2, 2])
    np.testing.assert_array_equal(moments.scatter, [[8, 12], [12, 24]])


def test_weights_stand_for_repeated_rows():
    rows, weights = random_rows(40), np.arange(40) % 4
    assert_close(
        Moments.of(rows, weights),
        Moments(40, 60.0, *slow_moments(rows.astype(float), weights)),
    )
    repeated = Moments.of(np.repeat(rows, weights, axis=0))
    np.testing.assert_allclose(Moments.of(rows, weights).scatter, repeated.scatter, rtol=1e-9)


@given(
    st.integers(1, 30),
    st.lists(st.integers(0, 30), max_size=4),
    st.integers(0, 1000),
)
def test_merging_parts_equals_one_pass(n, cuts, seed):
    rows = random_rows(n, 3, seed)
    weights = np.random.default_rng(seed).integers(0, 5, n).astype(float)
    weights[0] += 1
    total = Moments.of(rows, weights)
    parts = parts_of(rows, weights, [min(c, n) for c in cuts])
    assert_close(merged(parts), total)
    assert_close(merged(parts[::-1]), total)
    folded = parts[-1]
    for part in parts[-2::-1]:
        folded = part.merge(folded)
    assert_close(folded, total)


def test_nothing_changes_when_nothing_is_merged():
    moments = Moments.of(random_rows(20))
    for same in (moments.merge(Moments.zero(5)), Moments.zero(5).merge(moments)):
        for key, array in same.to_arrays().items():
            np.testing.assert_array_equal(array, moments.to_arrays()[key])


def test_a_fixed_order_gives_identical_bytes():
    rows = random_rows(10_000)
    one, two = (
        merged([Moments.of(rows[a : a + 3000]) for a in range(0, 10_000, 3000)]) for _ in range(2)
    )
    assert one.scatter.tobytes() == two.scatter.tobytes()
    assert fit_projection(one).matrix.tobytes() == fit_projection(two).matrix.tobytes()


def test_blocks_do_not_show():
    rows = random_rows(9001)
    centred = rows - rows.mean(axis=0, dtype=float)
    np.testing.assert_allclose(Moments.of(rows).scatter, centred.T @ centred, rtol=1e-9)


def test_sums_stay_exact_beyond_two_to_the_24_rows():
    rows = np.array([[0.0], [1.0]], np.float32)
    part = Moments.of(rows, np.array([2.0**24, 2.0**24]))
    total = merged([part] * 1000)
    one_more = total.merge(Moments.of(rows[:1]))
    assert one_more.weight == 1000 * 2.0**25 + 1
    assert one_more.count == 2001
    np.testing.assert_allclose(total.mean, 0.5, rtol=1e-12)
    np.testing.assert_allclose(total.scatter / total.weight, 0.25, rtol=1e-12)


def test_a_mean_far_from_zero_cancels_nothing():
    rows = random_rows(5000, 4).astype(float)
    near = Moments.of(rows)
    far = merged([Moments.of(rows[a : a + 700] + 1e6) for a in range(0, 5000, 700)])
    np.testing.assert_allclose(far.scatter, near.scatter, rtol=1e-6)
    flat = np.abs(fit_projection(far).apply(rows + 1e6)) - np.abs(fit_projection(near).apply(rows))
    assert np.abs(flat).max() < 1e-4


def test_moments_are_stored_and_read():
    moments = Moments.of(random_rows(20))
    again = Moments.from_arrays(moments.to_arrays())
    assert again.count == 20
    assert again.scatter.tobytes() == moments.scatter.tobytes()


def test_projection_by_hand():
    rows = np.array([[4, 1], [-4, 1], [0, 3], [0, -1]], np.float32)  # variances 8 and 2
    plain = fit_projection(Moments.of(rows), whiten=0)
    np.testing.assert_allclose(plain.eigenvalues, [8, 2])
    np.testing.assert_allclose(plain.apply(rows), [[4, 0], [-4, 0], [0, 2], [0, -2]], atol=1e-6)
    half = fit_projection(Moments.of(rows))
    np.testing.assert_allclose(half.apply(rows)[0, 0], 4 / 8.08**0.25, rtol=1e-6)
    np.testing.assert_allclose(half.apply(rows)[2, 1], 2 / 2.08**0.25, rtol=1e-6)


@pytest.mark.parametrize("whiten", [0, 0.25, 0.5])
def test_projection_equals_a_slow_twin(whiten):
    rows = random_rows(300, 12)
    projection = fit_projection(Moments.of(rows), 4, whiten)
    centred = rows - rows.mean(axis=0, dtype=float)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    values = (sizes**2 / 300)[:4]
    twin = centred @ directions[:4].T / (values + 0.01 * values[0]) ** whiten
    found = projection.apply(rows)
    assert found.shape == (300, 4)
    np.testing.assert_allclose(np.abs(found), np.abs(twin), atol=1e-4)


@given(st.integers(1, 20), st.integers(0, 1000))
def test_without_whitening_distances_are_kept(d, seed):
    rows = random_rows(30, d, seed)
    # columns nearly the same would be dropped: make them clearly different
    rows += np.random.default_rng(seed + 1).normal(0, 3, rows.shape).astype(np.float32)
    found = fit_projection(Moments.of(rows), whiten=0).apply(rows).astype(float)
    exact = rows.astype(float)
    before = ((exact[:, None] - exact[None]) ** 2).sum(-1)
    after = ((found[:, None] - found[None]) ** 2).sum(-1)
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-3 * before.max())


def test_signs_do_not_turn_with_the_data():
    rows = random_rows(200)
    one = fit_projection(Moments.of(rows))
    other = fit_projection(Moments.of(-rows[::-1]))
    np.testing.assert_allclose(one.matrix, other.matrix, rtol=1e-6)
    largest = np.abs(one.matrix).argmax(axis=0)
    assert (one.matrix[largest, range(5)] > 0).all()


def test_empty_directions_are_dropped():
    rows = np.repeat(random_rows(50, 3), 2, axis=1)
    rows[:, 5] = 7
    projection = fit_projection(Moments.of(rows))
    assert projection.n_components == 3
    assert np.isfinite(projection.matrix).all()


def test_projections_are_stored_and_read():
    rows = random_rows(50)
    projection = fit_projection(Moments.of(rows))
    again = Projection.from_arrays(projection.to_arrays())
    assert again.apply(rows).tobytes() == projection.apply(rows).tobytes()
    assert again.apply(rows).dtype == np.float32


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 1 / 3])
def test_identical_rows_are_refused(value):
    rows = np.full((5000, 8), value, np.float32)
    moments = merged([Moments.of(rows[a : a + 700]) for a in range(0, 5000, 700)])
    with pytest.raises(InputError, match="all rows are identical"):
        fit_projection(moments)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(bad):
    rows = random_rows(10)
    rows[3, 2] = bad
    for weights in (None, np.ones(10)):
        with pytest.raises(InputError, match="NaN or infinity"):
            Moments.of(rows, weights)
    moments = Moments.of(random_rows(10))
    with pytest.raises(InputError, match="NaN or infinity"):
        fit_projection(Moments(10, 10.0, moments.mean + bad, moments.scatter))


def test_no_rows_are_refused():
    with pytest.raises(InputError, match="no rows"):
        fit_projection(Moments.of(np.zeros((0, 4), np.float32)))


def test_shapes_and_weights_that_do_not_fit_are_refused():
    rows = random_rows(10)
    with pytest.raises(InputError, match="rows, features"):
        Moments.of(rows[0])
    with pytest.raises(InputError, match="10 rows, but weights"):
        Moments.of(rows, np.ones(9))
    with pytest.raises(InputError, match="0 or more"):
        Moments.of(rows, np.full(10, -1.0))
    with pytest.raises(InputError, match="cannot be merged"):
        Moments.zero(3).merge(Moments.zero(4))
    with pytest.raises(InputError, match="5"):
        fit_projection(Moments.of(rows)).apply(rows[:, :3])


@pytest.mark.parametrize("whiten", [0.0, 0.25, 0.5])
def test_along_a_direction_rows_come_in_the_order_of_their_inner_products(whiten):
    rows = random_rows(60)
    projection = fit_projection(Moments.of(rows), 5, whiten)
    asked = np.random.default_rng(1).normal(size=(2, 5))
    found = projection.apply(rows) @ projection.direction(asked).T
    expected = (rows - rows.mean(axis=0)) @ asked.T
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def left_of(projection, rows):
    """Length of what a projection leaves out of rows, and the rows projected."""
    vectors = projection.apply(rows).astype(float)
    back = vectors @ (projection.matrix / np.linalg.norm(projection.matrix, axis=0) ** 2).T
    return vectors, np.linalg.norm(rows - projection.mean - back, axis=1)


@pytest.mark.parametrize(("n", "rel"), [(14, 0.15), (200, 0.1)])
def test_rows_are_left_out_of_the_projection_as_if_it_were_fitted_without_them(n, rel):
    generator = np.random.default_rng(3)
    rows = (generator.normal(size=(n, 60)) * np.linspace(4, 0.5, 60)).astype(np.float32)
    moments, whiten = Moments.of(rows), 0.25
    projection = fit_projection(moments, 16, whiten)
    vectors, left = left_of(projection, rows)
    fast, fast_left = projection.unfitted(vectors, left, n)
    slow = [
        left_of(
            fit_projection(Moments.of(np.delete(rows, at, axis=0)), 16, whiten), rows[at : at + 1]
        )
        for at in range(n)
    ]
    slow_left = np.concatenate([one[1] for one in slow])
    assert np.median(fast_left / slow_left) == pytest.approx(1, rel=rel)
    assert np.median(left / slow_left) < 1 - rel  # which it leaves too little out of
    lengths = [np.linalg.norm(fast, axis=1), [np.linalg.norm(one[0]) for one in slow]]
    assert np.median(lengths[0]) == pytest.approx(np.median(lengths[1]), rel=2 * rel)


def test_where_all_features_are_kept_nothing_can_be_left_out():
    rows = random_rows(12)
    projection = fit_projection(Moments.of(rows), 5, 0.25)
    vectors, left = left_of(projection, rows)
    assert projection.unfitted(vectors, left, 12)[0] is vectors
    assert projection.is_settled(12)
    assert projection.weighed(left).tolist() == [0] * 12  # it is rounding
    few = fit_projection(Moments.of(random_rows(12, 30)), 4, 0.25)
    assert not few.is_settled(31)
    assert few.is_settled(32)
    gain = few.eigenvalues[-1] ** -0.25
    assert few.weighed(np.array([7.0])) == pytest.approx(7 * gain, rel=0.5)
