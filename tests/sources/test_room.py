import threading

import pytest

from shoal.sources import room
from shoal.sources.room import Room

MEBIBYTE = 1 << 20


def test_so_many_bytes_and_no_more_are_taken_at_once():
    room, most, lock = Room(10 * MEBIBYTE), 0, threading.Lock()
    now = 0

    def work(size):
        nonlocal now, most
        for _ in range(200):
            with room.take(size):
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


def test_more_than_there_are_is_given_when_nobody_has_any():
    room = Room(2 * MEBIBYTE)
    with room.take(50 * MEBIBYTE):
        assert room.taken == 50 * MEBIBYTE
        with room.take(100):
            assert room.taken == 50 * MEBIBYTE  # small ones are not counted
    assert room.taken == 0


def test_room_is_given_back_after_a_failure():
    room = Room(2 * MEBIBYTE)
    with pytest.raises(ValueError, match="no"), room.take(2 * MEBIBYTE):
        raise ValueError("no")
    assert room.taken == 0


def test_who_waits_goes_on_when_there_is_room_again():
    room, began, done = Room(2 * MEBIBYTE), threading.Event(), threading.Event()

    def wait():
        began.set()
        with room.take(2 * MEBIBYTE):
            done.set()

    with room.take(2 * MEBIBYTE):
        thread = threading.Thread(target=wait)
        thread.start()
        assert began.wait(10)
        assert not done.wait(0.05)
    assert done.wait(10)
    thread.join()


def test_memory_is_shared_out_and_an_image_larger_than_its_share_is_decoded(monkeypatch):
    for name in ("FILES", "PIXELS"):
        monkeypatch.setattr(room, name, Room(1))
    room.share(512 * MEBIBYTE)
    assert (room.FILES.size, room.PIXELS.size) == (32 * MEBIBYTE, 128 * MEBIBYTE)
    with room.PIXELS.take(400 * MEBIBYTE):
        assert room.PIXELS.taken == 400 * MEBIBYTE
