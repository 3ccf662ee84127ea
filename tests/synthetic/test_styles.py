from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.synthetic.styles import (
    RARE,
    Draws,
    Style,
    rare_sources,
    share_bounds,
    shares,
    style_table,
)


def test_shares_by_hand():
    # 12 sources: 11 common ones share what the one rare one leaves, as 1, 1/2, … 1/11.
    found = shares(12)
    harmonic = sum(Fraction(1, rank) for rank in range(1, 12))
    assert found[-1] == RARE == Fraction(1, 10_000)
    assert found[0] == (1 - RARE) / harmonic
    assert found[3] == found[0] / 4


@given(st.integers(2, 1000))
@settings(max_examples=30, deadline=None)
def test_shares_make_a_whole(sources):
    assert sum(shares(sources)) == 1
    assert shares(sources).count(RARE) >= rare_sources(sources)
    bounds = share_bounds(sources)
    assert bounds[-1] == 2**32
    assert (np.diff(bounds.astype(np.int64)) > 0).all()


def test_draws_are_splitmix64():
    # The first numbers from the seed 0, as every splitmix64 gives them.
    draws = Draws(0)
    words = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    for word in words:
        assert draws.between(0, 2**53) == word >> 11


@pytest.mark.parametrize("seed", range(3))
def test_every_source_has_a_palette_of_its_own_that_can_be_read(seed):
    table = style_table(60, seed)
    assert table.shape == (60, len(Style._fields))
    assert np.array_equal(table, style_table(60, seed))
    assert not np.array_equal(table, style_table(60, seed + 1))
    paper, ink = table[:, :3], table[:, 3:6]
    light = np.abs((paper - ink) @ [0.299, 0.587, 0.114])
    assert light.min() > 0.38 * 255 - 1e-3  # readable
    apart = ((table[:, None, :6] - table[None, :, :6]) ** 2).sum(axis=2)
    assert np.sqrt(apart[np.triu_indices(60, 1)].min()) > 20
    assert table[:, Style._fields.index("threshold")].std() > 20
