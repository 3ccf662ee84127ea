import random
import re
import threading

import pytest

from shoal.errors import SourceError
from shoal.rows import memory_budget
from shoal.rows.memory_budget import FileBudget, MemoryBudget

MEBIBYTE = 1 << 20


def test_so_many_bytes_and_no_more_are_taken_at_once():
    room, most, lock = MemoryBudget(10 * MEBIBYTE), 0, threading.Lock()
    now = 0

    def work(size):
        nonlocal now, most
        for _ in range(200):
            with room.take(size, "it"):
                with lock:
                    now += size
                    most = max(most, now)
                with lock:
                    now -= size

    threads = [threading.Thread(target=work, args=(n * MEBIBYTE,)) for n in (3, 4, 5, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= 10 * MEBIBYTE
    assert room.taken == 0


def test_more_than_there_are_is_refused_with_the_memory_that_would_do():
    room = MemoryBudget(2 * MEBIBYTE)
    said = r"^reading it takes 900 MiB .* give --memory 5GiB$"
    with pytest.raises(SourceError, match=said), room.take(900 * MEBIBYTE, "reading it"):
        pass
    with room.take(100, "a little"):
        assert room.taken == 0  # is not counted


def test_what_a_thread_has_counts_when_it_takes_more():
    room = MemoryBudget(5 * MEBIBYTE)
    with room.take(3 * MEBIBYTE, "the file"):
        with room.take(2 * MEBIBYTE, "it"):
            assert room.taken == 5 * MEBIBYTE
        said = "it, with its file, takes 6 MiB"
        with pytest.raises(SourceError, match=said), room.take(3 * MEBIBYTE, "it"):
            pass
    assert room.taken == 0


@pytest.mark.parametrize("threads", [2, 8])
def test_large_files_and_small_ones_never_wait_for_each_other(threads):
    whole = MemoryBudget(10 * MEBIBYTE)
    files, most, errors = FileBudget(4 * MEBIBYTE, whole), [0], []

    def work(chance):
        try:
            for _ in range(100):
                file, pixels = chance.choice([2, 3, 5, 6]), chance.choice([2, 3, 4])
                with files.take(file << 20, "the file"), whole.take(pixels << 20, "it"):
                    most[0] = max(most[0], whole.taken)
        except SourceError as error:
            errors.append(error)

    each = [
        threading.Thread(target=work, args=(random.Random(n),), daemon=True) for n in range(threads)
    ]
    for thread in each:
        thread.start()
    for thread in each:
        thread.join(30)
    assert not any(thread.is_alive() for thread in each)
    assert not errors
    assert most[0] <= 10 * MEBIBYTE
    assert whole.taken == 0


def test_bytes_that_are_not_granted_are_not_read():
    files = FileBudget(2 * MEBIBYTE, MemoryBudget(3 * MEBIBYTE))
    found = list(files.granted(4 * MEBIBYTE, "reading the file", lambda: pytest.fail("was read")))
    assert [type(one) for one in found] == [SourceError]
    assert list(files.granted(3 * MEBIBYTE, "reading the file", lambda: b"x")) == [b"x"]


def test_room_is_given_back_after_a_failure():
    room = MemoryBudget(2 * MEBIBYTE)
    with pytest.raises(ValueError, match="no"), room.take(2 * MEBIBYTE, "it"):
        raise ValueError("no")
    assert room.taken == 0


def test_who_waits_goes_on_when_there_is_room_again():
    room, began, done = MemoryBudget(2 * MEBIBYTE), threading.Event(), threading.Event()

    def wait():
        began.set()
        with room.take(2 * MEBIBYTE, "it"):
            done.set()

    with room.take(2 * MEBIBYTE, "it"):
        thread = threading.Thread(target=wait)
        thread.start()
        assert began.wait(10)
        assert not done.wait(0.05)
    assert done.wait(10)
    thread.join()


@pytest.fixture
def rooms():
    """Restore the rooms after a test that shares memory out."""
    before = (
        memory_budget.FILES.size,
        memory_budget.PIXELS.size,
        memory_budget.ReadCache.most,
        memory_budget._memory,
        memory_budget._opening,
    )
    yield
    (
        memory_budget.FILES.size,
        memory_budget.PIXELS.size,
        memory_budget.ReadCache.most,
        memory_budget._memory,
        memory_budget._opening,
    ) = before


@pytest.mark.usefixtures("rooms")
def test_what_is_refused_can_be_read_with_the_memory_it_asks_for():
    for memory in (512, 1024, 1536, 2048, 2560):
        memory_budget.set_memory_budget(
            memory * MEBIBYTE, members=memory_budget.members_bytes(memory << 20, memory - 400 << 20)
        )
        for size in (100, 200, 400, 600, 768):
            try:
                with memory_budget.PIXELS.take(size << 20, "it"):
                    pass
            except SourceError as error:
                more = int(
                    float(re.search(r"give --memory ([\d.]+)GiB", str(error))[1]) * (1 << 30)
                )
                assert more > memory << 20
                memory_budget.set_memory_budget(
                    more, members=memory_budget.members_bytes(more, more - (400 << 20))
                )
                with memory_budget.PIXELS.take(size << 20, "it"):
                    pass
                memory_budget.set_memory_budget(
                    memory << 20,
                    members=memory_budget.members_bytes(memory << 20, memory - 400 << 20),
                )


@pytest.mark.usefixtures("rooms")
def test_while_a_source_is_opened_what_it_keeps_leaves_less_for_a_member():
    kept = memory_budget.ReadCache()
    with memory_budget.memory_limit(1 << 30):
        with memory_budget.PIXELS.take(300 << 20, "it"):
            pass
        kept.keep("x", None, 500 << 20)
        said = "it takes 300 MiB of memory, more than the 156 MiB"
        with pytest.raises(SourceError, match=said), memory_budget.PIXELS.take(300 << 20, "it"):
            pass
