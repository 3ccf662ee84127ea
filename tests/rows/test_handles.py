import numpy as np
import pytest

from shoal.errors import SourceError
from shoal.rows import handles
from shoal.rows.handles import Headers, KnownFile, both_ends, inspect_file


def test_small_pieces_are_those_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(handles, "_AHEAD", 64)
    data = np.random.default_rng(0).bytes(1000)
    (tmp_path / "x").write_bytes(data)
    with inspect_file(tmp_path / "x") as (opened, _):
        headers = Headers(opened)
        for at, length in ((0, 5), (60, 4), (61, 4), (200, 100), (250, 20), (3, 9), (990, 50)):
            assert headers.read(at, length) == data[at : at + length]


def test_what_is_missing_at_first_is_said(tmp_path):
    with (
        pytest.raises(SourceError, match=r"no\.bin cannot be read: No such"),
        inspect_file(tmp_path / "no.bin"),
    ):
        pass


def test_both_ends_of_a_short_file_overlap(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abcdef")
    assert (both_ends(path, 2), both_ends(path, 4)) == (b"abef", b"abcdcdef")


def test_a_file_of_another_size_or_time_has_changed(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    now = path.stat()
    KnownFile(path, now.st_size, now.st_mtime_ns).check_unchanged()
    for size, time in ((4, now.st_mtime_ns), (3, now.st_mtime_ns + 1)):
        with pytest.raises(SourceError, match="changed"):
            KnownFile(path, size, time).check_unchanged()
