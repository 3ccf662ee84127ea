import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.engines.prefetch import prefetched


@given(st.lists(st.integers(), max_size=30), st.integers(1, 4))
def test_gives_what_a_loop_gives(items, workers):
    assert list(prefetched(lambda item: item * 2, items, workers)) == [2 * item for item in items]


def test_makes_no_more_than_twice_the_workers_ahead():
    begun = []
    made = prefetched(begun.append, range(100), 2)
    next(made)
    assert len(begun) <= 6
    made.close()
    assert len(begun) <= 6


def test_workers_work_at_the_same_time():
    meeting = threading.Barrier(3)
    assert len(list(prefetched(lambda _: meeting.wait(30), range(3), 3))) == 3


def test_an_error_comes_in_its_place_and_ends_it():
    begun = []

    def make(item):
        begun.append(item)
        return 1 // (3 - item)

    made = prefetched(make, range(1000), 1)
    assert [next(made) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(made)
    assert len(begun) < 10
