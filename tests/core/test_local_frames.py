import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.core import local_frames, nearest
from shoal.core.local_frames import search_locally
from shoal.core.nearest import nearest_neighbours


def far_groups(apart, n=1500, groups=9, d=6, seed=0):
    generator = np.random.default_rng(seed)
    centres = apart * generator.normal(size=(groups, d))
    rows = centres[generator.integers(0, groups, n)] + generator.normal(size=(n, d))
    return rows.astype(np.float32)


def slow_neighbours(x, y, k, itself):
    """Brute force in float64: by distance, then index."""
    square = ((x[:, None].astype(np.float64) - y[None]) ** 2).sum(axis=2)
    if itself:
        np.fill_diagonal(square, np.inf)
    order = np.argsort(square, axis=1, kind="stable")[:, :k]
    return order, np.sqrt(np.take_along_axis(square, order, axis=1))


def locally(x, rows, y, itself, k, bound=np.inf, workers=1):
    indices = np.full((len(x), k), -7, np.int32)
    distances = np.full((len(x), k), bound, np.float32)
    search_locally(x, rows.astype(np.int32), y, itself, indices, distances, workers)
    return indices, distances


@pytest.mark.parametrize("apart", [0, 3, 100, 1e5])
def test_same_as_brute_force_among_far_groups(apart):
    x = far_groups(apart)
    indices, distances = nearest_neighbours(x, 15)
    true, lengths = slow_neighbours(x, x, 15, True)
    assert np.array_equal(indices, true)
    assert np.allclose(distances, lengths, rtol=1e-6)


def test_far_groups_are_not_measured_against_all(monkeypatch):
    asked = []
    kept = local_frames._Search.among
    monkeypatch.setattr(
        local_frames._Search,
        "among",
        lambda *a: (asked.append((len(a[1]), len(a[3]))), kept(*a))[1],
    )
    x = far_groups(1e4)
    nearest_neighbours(x, 15)
    rows, pairs = sum(n for n, _ in asked), sum(n * m for n, m in asked)
    assert rows > len(x) / 2  # the products doubt them
    assert pairs < rows * len(x) / 4


@pytest.mark.parametrize("bound", [np.inf, "true"])
@pytest.mark.parametrize("itself", [True, False])
def test_only_the_rows_asked_for_are_answered(bound, itself):
    x, y = far_groups(1e3), far_groups(1e3, n=700, seed=1)
    y = x if itself else y
    true, lengths = slow_neighbours(x, y, 4, itself)
    rows = np.arange(0, len(x), 2)
    known = lengths[:, -1:].astype(np.float32) if bound == "true" else bound
    indices, _ = locally(x, rows, y, itself, 4, known)
    assert np.array_equal(indices[rows], true[rows])
    assert (indices[1::2] == -7).all()


def test_few_rows_are_measured_against_all():
    x = far_groups(1e3)
    rows = np.array([3, 500])
    true, _ = slow_neighbours(x, x, 4, True)
    assert np.array_equal(locally(x, rows, x, True, 4)[0][rows], true[rows])


def test_same_bytes_for_any_number_of_workers():
    x, rows = far_groups(1e3), np.arange(1500)
    one, two = (locally(x, rows, x, True, 5, 1e6, workers) for workers in (1, 2))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, two, strict=True))


@given(st.integers(0, 10_000), st.integers(1, 5), st.sampled_from([1.0, 1e3, 1e6]))
@settings(max_examples=30)
def test_whole_numbers_with_many_ties_come_by_index(seed, k, apart):
    generator = np.random.default_rng(seed)
    n = int(generator.integers(k + 1, 120))
    x = generator.integers(0, 3, (n, 2)) + apart * generator.integers(0, 3, (n, 1))
    x = x.astype(np.float32)
    assert np.array_equal(
        locally(x, np.arange(n), x, True, k)[0], slow_neighbours(x, x, k, True)[0]
    )
    assert np.array_equal(nearest.nearest_neighbours(x, k)[0], slow_neighbours(x, x, k, True)[0])
