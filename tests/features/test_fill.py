import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoal.features import fill
from shoal.features.fill import Cells, fill_from


def slow_fill(cells, donor_cells, widths, otherwise):
    """One cell after the other."""
    (rows, known, placed), (donors, donors_known, donors_placed) = cells, donor_cells
    owner = np.repeat(np.arange(len(widths)), widths)
    filled = rows.copy()
    for i in range(len(rows)):
        for column in np.flatnonzero(~known[i]):
            best, least = None, np.inf
            for j in np.flatnonzero(donors_known[:, column]):
                both = known[i] & donors_known[j]
                if not both.any():
                    continue
                at = both[owner]
                away = ((placed[i, at] - donors_placed[j, at]) ** 2).sum() / both.sum()
                if away < least - 1e-12:
                    best, least = j, away
            if best is None and donors_known[:, column].any():
                best = np.flatnonzero(donors_known[:, column])[0]
            filled[i, column] = otherwise[column] if best is None else donors[best, column]
    return filled


def test_a_cell_is_taken_from_the_most_similar_donor():
    donors = np.array([[0.0, 10], [5, 20]])
    rows = np.array([[4.0, np.nan], [1, np.nan], [np.nan, 11]])
    known = np.isfinite(rows)
    deck = Cells(donors, np.ones((2, 2), bool), donors)
    filled = fill_from(Cells(rows, known, np.nan_to_num(rows)), deck, np.ones(2, int), np.zeros(2))
    np.testing.assert_array_equal(filled, [[4, 20], [1, 10], [0, 11]])


@given(st.integers(0, 10_000), st.booleans())
def test_equals_the_slow_twin(seed, full):
    draw = np.random.default_rng(seed)
    widths = draw.integers(1, 4, 4)
    owner = np.repeat(np.arange(4), widths)
    n, m = 9, 6
    rows, donors = draw.normal(size=(n, 4)), draw.normal(size=(m, 4))
    known, donors_known = draw.random((n, 4)) < 0.6, (draw.random((m, 4)) < 0.7) | full
    placed = np.where(known[:, owner], draw.normal(size=(n, len(owner))), 0)
    donors_placed = np.where(donors_known[:, owner], draw.normal(size=(m, len(owner))), 0)
    deck = Cells(donors, donors_known, donors_placed)
    given_ = Cells(rows, known, placed), deck, widths, np.arange(4.0)
    np.testing.assert_array_equal(fill_from(*given_), slow_fill(*given_))


def test_blocks_do_not_matter(monkeypatch):
    draw = np.random.default_rng(1)
    rows = draw.normal(size=(50, 3))
    known = draw.random((50, 3)) < 0.7
    donors = draw.normal(size=(20, 3))
    deck = Cells(donors, np.ones((20, 3), bool), donors)
    given_ = Cells(rows, known, np.where(known, rows, 0)), deck, np.ones(3, int), np.zeros(3)
    whole = fill_from(*given_)
    monkeypatch.setattr(fill, "BLOCK", 7)
    np.testing.assert_array_equal(fill_from(*given_), whole)
