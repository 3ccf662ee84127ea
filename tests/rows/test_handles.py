import os

import numpy as np
import pytest

from shoal.errors import SourceError
from shoal.rows import handles
from shoal.rows.handles import Headers, looking, with_files


@pytest.fixture
def files(tmp_path):
    found = []
    for at in range(3):
        (tmp_path / f"{at}.bin").write_bytes(bytes([at]))
        with looking(tmp_path / f"{at}.bin") as (opened, file):
            assert opened.read(0, 9) == bytes([at])
            found.append(file)
    return found


def test_each_row_has_its_file_open(files):
    owner = np.array([0, 0, 1, 2, 2, 2], np.int32)
    places = np.tile([0, 1], (6, 1))
    for start, stop in ((0, 6), (1, 4), (3, 3), (5, 6)):
        rows = with_files(files, owner, places, start, stop)
        found = [(row, opened.read(0, 1)[0]) for row, opened in rows]
        assert found == [(row, owner[row]) for row in range(start, stop)]


def test_small_pieces_are_those_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(handles, "_AHEAD", 64)
    data = np.random.default_rng(0).bytes(1000)
    (tmp_path / "x").write_bytes(data)
    with looking(tmp_path / "x") as (opened, _):
        headers = Headers(opened)
        for at, length in ((0, 5), (60, 4), (61, 4), (200, 100), (250, 20), (3, 9), (990, 50)):
            assert headers.read(at, length) == data[at : at + length]


def test_files_that_are_gone_or_changed_have_a_reason(files):
    files[0].path.unlink()
    os.utime(files[1].path, ns=(1, 1))
    owner = np.array([0, 1, 1, 2], np.int32)
    found = dict(with_files(files, owner, np.tile([0, 1], (4, 1)), 0, 4))
    assert str(found[0]) == "0.bin cannot be read: No such file or directory"
    assert str(found[1]) == str(found[2]) == "1.bin changed after it was looked at"
    assert not isinstance(found[3], SourceError)


def test_files_are_closed_when_nobody_reads_on(files):
    before = len(os.listdir("/proc/self/fd"))
    reading = with_files(files, np.zeros(5, np.int32), np.tile([0, 1], (5, 1)), 0, 5)
    next(reading)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    reading.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_is_missing_at_first_is_said(tmp_path):
    with (
        pytest.raises(SourceError, match=r"no\.bin cannot be read: No such"),
        looking(tmp_path / "no.bin"),
    ):
        pass
