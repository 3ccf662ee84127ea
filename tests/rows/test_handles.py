import numpy as np
import pytest

from shoal.errors import SourceError
from shoal.rows import handles
from shoal.rows.handles import Headers, inspect_file


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
