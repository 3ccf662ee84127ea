import threading

from shoal.engines import completed
from shoal.engines.completed import Seen
from shoal.errors import RunError


def test_what_is_there_is_told_once_and_no_longer_left():
    told, results = [], set()
    looking = Seen([3, 1, 2], told.append, lambda: results)
    looking.look()
    assert (looking.left, told) == ([3, 1, 2], [])
    results |= {1, 7}
    looking.look()
    looking.look()
    assert (looking.left, told) == ([3, 2], [1])


def test_a_good_end_is_all_there_is_to_go_by_where_nothing_can_be_looked_at():
    told = []
    looking = Seen([1, 2], told.append, None)
    looking.look()
    assert told == []
    looking.look(all_ended=True)
    assert (looking.left, told) == ([], [1, 2])


def test_a_good_end_counts_for_nothing_where_results_are_missing():
    looking = Seen([1, 2], None, lambda: {1})
    looking.look(all_ended=True)
    assert looking.left == [2]


def test_looks_go_on_meanwhile_also_after_one_that_failed(monkeypatch):
    monkeypatch.setattr(completed, "_LOOK", 0.001)
    looks, told = [], threading.Event()

    def there():
        looks.append(len(looks))
        if len(looks) < 3:
            raise (OSError, RunError)[len(looks) - 1]("the store is away")
        return {5}

    looking = Seen([4, 5], lambda item: told.set(), there)
    with looking.meanwhile():
        assert told.wait(10)
    assert looking.left == [4]
