import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shoal.core.hashes import distinct_hashes, distinct_rows, row_hashes

ROWS = arrays(
    np.float32,
    st.tuples(st.integers(1, 30), st.integers(1, 4)),
    elements=st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.5]),
)


@given(ROWS)
def test_the_same_rows_are_distinct_as_when_compared_in_full(rows):
    for found, expected in zip(distinct_hashes(row_hashes(rows)), distinct_rows(rows), strict=True):
        assert np.array_equal(found, expected)


def test_near_rows_differ():
    rows = np.nextafter(np.ones((100_000, 3), np.float32), np.float32(2))
    rows[:, 1] += np.arange(100_000, dtype=np.float32)
    assert len(np.unique(row_hashes(rows))) == 100_000


def test_distinct_rows_hand_computed():
    x = np.array([[2, 0], [1, 1], [2, -0.0], [1, 2], [1, 1]], np.float32)
    first, inverse, counts = distinct_rows(x)
    assert first.tolist() == [0, 1, 3]
    assert inverse.tolist() == [0, 1, 0, 2, 1]
    assert counts.tolist() == [2, 2, 1]


@settings(max_examples=80, deadline=None)
@given(
    arrays(
        np.float32, st.tuples(st.integers(1, 50), st.integers(1, 3)), elements=st.integers(-2, 2)
    )
)
def test_distinct_rows_are_those_of_numpy(x):
    first, inverse, counts = distinct_rows(x)
    slow, slow_first, slow_counts = np.unique(x, axis=0, return_index=True, return_counts=True)
    assert len(first) == len(slow)
    assert np.array_equal(x[first][inverse], x)
    assert sorted(first) == sorted(slow_first)
    assert (np.diff(first) > 0).all()
    assert np.array_equal(counts[np.argsort(first)], slow_counts[np.argsort(slow_first)])


def test_no_rows_are_distinct():
    first, inverse, counts = distinct_rows(np.empty((0, 3), np.float32))
    assert len(first) == len(inverse) == len(counts) == 0
