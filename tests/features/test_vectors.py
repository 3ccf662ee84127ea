import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import InputError
from shoal.features import Encoder, Vectors


@given(st.integers(1, 50), st.sampled_from([np.float32, np.float64, np.int16]))
def test_rows_come_out_as_given(n, dtype):
    rows = np.arange(3 * n).reshape(3, n).astype(dtype)
    encoder = Vectors(n)
    assert isinstance(encoder, Encoder)
    encoder.setup()
    found = encoder.encode(rows)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, rows)


def test_very_long_rows_are_summed_by_a_fixed_draw():
    encoder = Vectors(10_000)
    one = np.eye(1, 10_000, 77, dtype=np.float32)
    found = encoder.encode(one)
    assert found.shape == (1, encoder.n_features) == (1, 4096)
    assert np.abs(found).sum() == 1
    rows = np.random.default_rng(1).normal(size=(20, 10_000)).astype(np.float32)
    short = encoder.encode(rows)
    np.testing.assert_allclose(encoder.encode(rows + 2 * one), short + 2 * found, atol=1e-4)
    np.testing.assert_array_equal(Vectors(10_000).encode(rows), short)


def test_very_long_rows_keep_their_distances():
    rows = np.random.default_rng(1).normal(size=(20, 10_000)).astype(np.float32)
    before = np.linalg.norm(rows[1:] - rows[:1], axis=1)
    short = Vectors(10_000).encode(rows)
    np.testing.assert_allclose(np.linalg.norm(short[1:] - short[:1], axis=1), before, rtol=0.08)


def test_refuses_what_was_not_said():
    with pytest.raises(InputError, match="at least 1"):
        Vectors(0)
    with pytest.raises(InputError, match=r"\(2, 3\)"):
        Vectors(4).encode(np.zeros((2, 3)))


def test_settings_name_the_length():
    assert Vectors(4).settings() == {"name": "vectors", "version": 1, "n": 4}
