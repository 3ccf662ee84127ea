from pathlib import Path

import pytest

from shoal.features.graph_cache import cache_folder, cached


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


class Maker:
    def __init__(self, data=b"graph"):
        self.data, self.calls = data, 0

    def __call__(self):
        self.calls += 1
        return self.data


def test_the_folder_is_the_one_that_the_user_named(home, tmp_path, monkeypatch):
    assert home in cache_folder().parents
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert cache_folder() == tmp_path / "other" / "shoal"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert home in cache_folder().parents


def test_is_made_once(home):
    make = Maker()
    assert [cached("net-1", make), cached("net-1", make)] == [b"graph", b"graph"]
    assert make.calls == 1
    assert len(list(cache_folder().iterdir())) == 1
    assert cached("net-2", Maker(b"other")) == b"other"
    assert cached("net", Maker(b"third")) == b"third"


@pytest.mark.parametrize("damage", [b"", b"grapH", b"graph and more"])
def test_what_was_damaged_is_made_again(home, damage):
    make = Maker()
    cached("net-1", make)
    (path,) = cache_folder().iterdir()
    path.write_bytes(damage)
    assert cached("net-1", make) == b"graph"
    assert make.calls == 2
    assert [file.read_bytes() for file in cache_folder().iterdir()] == [b"graph"]


def test_a_cache_that_cannot_be_written_is_gone_without(home):
    home.write_text("a file where the home should be")
    make = Maker()
    assert [cached("net-1", make), cached("net-1", make)] == [b"graph", b"graph"]
    assert make.calls == 2


def test_a_user_without_a_home(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert cache_folder() is None
    assert cached("net-1", Maker()) == b"graph"
