import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoal.explore.seats import Seats

some = st.lists(st.integers(0, 40), max_size=30)


def as_set(seats):
    return set(seats.all().tolist())


def is_tidy(seats):
    return (seats.low < seats.high).all() and (seats.low[1:] > seats.high[:-1]).all()


@given(some, some)
def test_sets_are_as_python_has_them(one, other):
    a, b = Seats.of(np.array(one, int)), Seats.of(np.array(other, int))
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
    seats = Seats.of(np.array(one, int))
    assert seats.take(np.arange(len(seats))).tolist() == sorted(set(one))
    tried = np.arange(45)
    assert seats.holds(tried).tolist() == [at in set(one) for at in tried.tolist()]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=12))
def test_ranges_may_overlap_touch_or_be_empty(pairs):
    low, high = np.array(pairs, int).reshape(-1, 2).T
    found = Seats.ranges(low, high)
    assert as_set(found) == {seat for a, b in pairs for seat in range(a, b)}
    assert is_tidy(found)
