import io
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.storage import ranges
from shoal.storage.ranges import RangeFile, Ranges, Streams, fetched_ahead

DATA = np.random.default_rng(0).bytes(5000)


class Remote:
    """Bytes that are asked for by ranges, each noted."""

    def __init__(self, data=DATA):
        self.data, self.asked, self.fails = data, [], 0

    def read_bytes(self, start=None, stop=None):
        self.asked.append((start, stop))
        if self.fails:
            self.fails -= 1
            raise OSError("away")
        return self.data[start:stop]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for name, size in (("_PIECE", 200), ("_LEAST_AHEAD", 50), ("_MOST_AHEAD", 900), ("_GAP", 30)):
        monkeypatch.setattr(ranges, name, size)


@given(st.lists(st.tuples(st.integers(0, 5200), st.integers(0, 1500)), max_size=12))
def test_any_pieces_are_those_of_the_file(pieces):
    file = Ranges(Remote(), len(DATA))
    for at, length in pieces:
        assert file.read(at, length) == DATA[at : at + length]


def test_one_piece_asks_for_no_more():
    remote = Remote()
    assert Ranges(remote, len(DATA)).read(1000, 90) == DATA[1000:1090]
    assert remote.asked == [(1000, 1090)]


def test_what_is_expected_is_fetched_ahead_and_no_further():
    remote = Remote()
    file = Ranges(remote, len(DATA))
    file.expect(1000, 1500)
    file.read(1000, 10)
    file.read(1480, 20)
    assert sorted(remote.asked) == [(1000, 1200), (1200, 1400), (1400, 1500)]


def test_reading_on_asks_for_large_pieces_once():
    remote = Remote()
    file = Ranges(remote, len(DATA))
    assert b"".join(file.read(at, 20) for at in range(0, 5000, 20)) == DATA
    assert len(remote.asked) < 40
    assert sum(stop - start for start, stop in remote.asked) == len(DATA)


def test_gaps_are_read_over_and_jumps_are_not():
    remote = Remote()
    file = Ranges(remote, len(DATA))
    for at in (0, 120, 4000):
        file.read(at, 100)
    assert sorted(remote.asked)[0] == (0, 100)
    assert (100, 300) in remote.asked
    assert (4000, 4100) in remote.asked


def test_a_file_that_became_short_ends_early():
    with pytest.raises(EOFError, match="ended early"):
        Ranges(Remote(DATA[:100]), len(DATA)).read(50, 100)


def test_what_failed_is_asked_for_again():
    remote = Remote()
    remote.fails = 1
    file = Ranges(remote, len(DATA))
    with pytest.raises(OSError, match="away"):
        file.read(0, 10)
    assert file.read(0, 10) == DATA[:10]


def test_a_file_is_as_pythons_own():
    file = io.BufferedReader(RangeFile(Remote(), len(DATA)), 64)
    twin = io.BytesIO(DATA)
    for offset, whence, length in ((0, 0, 10), (-50, 2, 99), (3, 0, 300), (5, 1, 7), (9999, 0, 1)):
        assert file.seek(offset, whence) == twin.seek(offset, whence)
        assert file.read(length) == twin.read(length)
    file.seek(4000)
    assert file.read() == DATA[4000:]
    file.close()


def test_a_file_keeps_its_trouble():
    remote = Remote()
    remote.fails = 1
    file = RangeFile(remote, len(DATA))
    with pytest.raises(OSError, match="away") as raised:
        file.read(3)
    assert file.trouble is raised.value


def read(streams, remote, at, length):
    stream = streams.take(lambda: Ranges(remote, len(DATA)), remote, at)
    found = stream.read(at, length)
    streams.leave(stream)
    return found


def test_streams_go_on_where_one_stopped(monkeypatch):
    monkeypatch.setattr(ranges, "_MOST_IDLE", 2)
    remote, streams = Remote(), Streams()
    opened = []
    for at in (0, 100, 200, 3000, 300, 3100, 4000):
        stream = streams.take(lambda: opened.append(1) or Ranges(remote, len(DATA)), remote, at)
        assert stream.read(at, 100) == DATA[at : at + 100]
        streams.leave(stream)
    assert len(opened) == 3
    assert read(streams, remote, 400, 10) == DATA[400:410]  # let go of by then
    assert read(pickle.loads(pickle.dumps(streams)), remote, 0, 3) == DATA[:3]


def test_a_stream_is_trusted_for_a_while(monkeypatch):
    streams, remote = Streams(), Remote()
    first = streams.take(lambda: Ranges(remote, len(DATA)), remote, 0)
    streams.leave(first)
    assert streams.take(lambda: Ranges(remote, len(DATA)), remote, 0) is first
    streams.leave(first)
    monkeypatch.setattr(ranges, "TRUSTED", 0.0)
    assert streams.take(lambda: Ranges(remote, len(DATA)), remote, 0) is not first


def test_sequential_reads_fetch_what_comes_next():
    remote = Remote()
    file = Ranges(remote, len(DATA))
    for low in (0, 400):
        file.expect(low, low + 400)
        assert file.read(low, 400) == DATA[low : low + 400]
    deadline = time.monotonic() + 60  # a thread fetches ahead, at some time
    while max(stop for _, stop in remote.asked) <= 1200 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert max(stop for _, stop in remote.asked) > 1200


def test_threads_share_streams():
    streams, remote = Streams(), Remote()

    def through(start):
        return b"".join(read(streams, remote, at, 100) for at in range(start, start + 1000, 100))

    with ThreadPoolExecutor(5) as pool:
        assert b"".join(pool.map(through, range(0, 5000, 1000))) == DATA


def test_items_are_fetched_ahead_in_order_within_a_bound():
    begun, lock, most = [], threading.Lock(), 0

    def fetch(item):
        with lock:
            begun.append(item)
        return item * item

    found = []
    for value in fetched_ahead(fetch, range(50), lambda item: 300):
        with lock:
            most = max(most, len(begun) - len(found))
        found.append(value)
    assert found == [item * item for item in range(50)]
    assert most <= 900 // 300 + 1
    assert list(fetched_ahead(fetch, [], lambda item: 1)) == []


def test_the_first_error_comes_in_its_place():
    def fetch(item):
        if item == 3:
            raise ValueError("three")
        return item

    found = []
    with pytest.raises(ValueError, match="three"):
        found.extend(fetched_ahead(fetch, range(10)))
    assert found == [0, 1, 2]
