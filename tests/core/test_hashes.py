import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shoal.core.distinct import distinct_rows
from shoal.core.hashes import distinct_hashes, row_hashes

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
