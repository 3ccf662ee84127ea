import time
from dataclasses import dataclass, field
from threading import Lock

import pytest

from shoal.engines.base import FetchingTask
from shoal.engines.local import LocalEngine


@dataclass(frozen=True)
class Plain:
    """Notes what it does."""

    noted: list = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def setup(self):
        self.note("setup", None)

    def note(self, what, item):
        with self.lock:
            self.noted.append((what, item))

    def __call__(self, item):
        self.note("do", item)
        if item == "bad":
            raise ValueError("bad is not an item")
        if isinstance(item, int):
            time.sleep(0.01)  # so that the error is seen while others wait


class Fetching(Plain):
    """Notes what it is told to fetch too."""

    def fetch(self, item):
        self.note("fetch", item)


@pytest.mark.parametrize("workers", [1, 2, 5, 20])
def test_what_is_done_later_is_fetched_once_and_before_it_is_done(workers):
    task, done = Fetching(), []
    LocalEngine(workers).run(task, list("abcdefgh"), done.append)
    assert sorted(done) == list("abcdefgh")
    assert task.noted[0] == ("setup", None)
    assert sorted(item for what, item in task.noted if what == "do") == list("abcdefgh")
    fetched = [item for what, item in task.noted if what == "fetch"]
    assert sorted(fetched) == list("abcdefgh")[workers:]
    if workers == 1:  # one is fetched while the one before it is done
        assert task.noted[1:5] == [("fetch", "b"), ("do", "a"), ("fetch", "c"), ("do", "b")]


def test_a_task_need_not_fetch():
    task = Plain()
    assert not isinstance(task, FetchingTask)
    LocalEngine(2).run(task, list("abc"))
    assert {what for what, _ in task.noted} == {"setup", "do"}


def test_the_first_error_stops_what_is_not_begun():
    task = Fetching()
    with pytest.raises(ValueError, match="bad is not an item"):
        LocalEngine(1).run(task, ["a", "bad", *range(100)])
    assert sum(what == "do" for what, _ in task.noted) < 100


def test_without_items_nothing_is_set_up():
    task = Fetching()
    LocalEngine(2).run(task, [])
    assert task.noted == []
