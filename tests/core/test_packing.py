import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shoal.core.packing import pack, rounded, unpack

ROWS = arrays(
    np.float32,
    st.tuples(st.integers(0, 9), st.integers(1, 9)),
    elements=st.floats(-(2.0**100), 2.0**100, width=32),
)


def test_the_greatest_number_of_a_row_is_kept():
    packed, scales = pack(np.array([[0, 5, -10], [0, 0, 0], [1e30, 1, 0]], np.float32))
    assert packed.tolist() == [[0, 64, -127], [0, 0, 0], [127, 0, 0]]
    assert unpack(packed, scales)[:, 0].tolist()[:2] == [0, 0]


@given(ROWS)
def test_off_by_half_a_step_at_most(rows):
    again = unpack(*pack(rows))
    widest = np.abs(rows).max(axis=1, keepdims=True).astype(np.float64)
    assert (np.abs(again - rows.astype(np.float64)) <= widest * (1 / 254 + 1e-5) + 1e-40).all()


@given(ROWS)
def test_as_the_slow_twin(rows):
    packed, scales = pack(rows)
    for row, found, scale in zip(rows, packed, scales, strict=True):
        widest = np.abs(row).max()
        assert scale == np.float32(widest / np.float32(127))
        slow = np.rint(row / widest * np.float32(127)) if scale else np.zeros(len(row))
        assert found.tolist() == slow.astype(int).tolist()


@given(ROWS)
def test_packing_again_changes_nothing_that_counts(rows):
    once = unpack(*pack(rows))
    twice = unpack(*pack(once))
    assert np.allclose(once, twice, rtol=1e-5, atol=0)


@given(ROWS)
def test_rounding_in_place_is_packing_and_unpacking(rows):
    again = rows.copy()
    assert rounded(again) is again
    assert np.array_equal(again, unpack(*pack(rows)))
