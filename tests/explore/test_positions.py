import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoal.explore.positions import Positions

some = st.lists(st.integers(0, 40), max_size=30)


def as_set(positions):
    return set(positions.all().tolist())


def is_tidy(positions):
    return (positions.low < positions.high).all() and (
        positions.low[1:] > positions.high[:-1]
    ).all()


@given(some, some)
def test_sets_are_as_python_has_them(one, other):
    a, b = Positions.of(np.array(one, int)), Positions.of(np.array(other, int))
    assert as_set(a) == set(one)
    assert len(a) == len(set(one))
    for found, wanted in (
        (a & b, set(one) & set(other)),
        (a | b, set(one) | set(other)),
        (a - b, set(one) - set(other)),
    ):
        assert as_set(found) == wanted
        assert is_tidy(found)


@given(some)
def test_positions_lead_to_seats(one):
    positions = Positions.of(np.array(one, int))
    assert positions.take(np.arange(len(positions))).tolist() == sorted(set(one))
    tried = np.arange(45)
    assert positions.holds(tried).tolist() == [at in set(one) for at in tried.tolist()]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=12))
def test_ranges_may_overlap_touch_or_be_empty(pairs):
    low, high = np.array(pairs, int).reshape(-1, 2).T
    found = Positions.ranges(low, high)
    assert as_set(found) == {position for a, b in pairs for position in range(a, b)}
    assert is_tidy(found)
