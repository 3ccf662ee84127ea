import fsspec
import pytest
from tests.web import Handler, Ranged, serving

from shoal.errors import PlaceError, RunError
from shoal.storage import RunFolder, as_place
from shoal.storage.ranges import read_range

DATA = bytes(range(256)) * 40


@pytest.fixture(params=[Ranged, Handler])
def server(request, tmp_path):
    (tmp_path / "x.bin").write_bytes(DATA)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a b.txt").write_bytes(b"text")
    with serving(tmp_path, request.param) as found:
        found.has_ranges = request.param is Ranged
        yield found


def read(server, start, stop):
    return read_range(fsspec.filesystem("http"), f"{server.url}/x.bin", start, stop)


def test_the_beginning_comes_from_any_server(server):
    assert read(server, 0, 300) == DATA[:300]
    assert read(server, 0, 99999) == DATA
    assert read(server, 7, 7) == b""


def test_a_range_comes_or_a_sentence(server):
    if server.has_ranges:
        assert read(server, 100, 130) == DATA[100:130]
        assert read(server, len(DATA) - 5, len(DATA) + 5) == DATA[-5:]
        assert read(server, len(DATA), len(DATA) + 5) == b""
    else:
        with pytest.raises(PlaceError, match="cannot be read in pieces"):
            read(server, 100, 130)


def test_what_a_server_has_is_found(server):
    root = as_place(server.url)
    assert root.is_dir()
    assert not (root / "x.bin").is_dir()
    assert (root / "x.bin").stat().st_size == len(DATA)
    assert (root / "x.bin").stat().st_mtime_ns > 1e18
    assert not (root / "none").exists()
    assert not (root / "none").is_dir()
    assert sorted(path.name for path in root.walk()) == ["a%20b.txt", "x.bin"]
    with pytest.raises(FileNotFoundError):
        (root / "none").read_bytes()


def test_what_is_asked_for_is_no_part_of_the_name():
    path = as_place("https://host/a/b.tar?token=1.zip")
    assert (path.name, path.suffix, str(path.parent)) == ("b.tar", ".tar", "https://host/a")


def test_nothing_is_written_there(server):
    with pytest.raises(PlaceError, match="a web server, which is read-only"):
        as_place(f"{server.url}/y").write([memoryview(b"1")], 1)
    for way in (RunFolder.open, lambda path: RunFolder.create(path, {})):
        with pytest.raises(RunError, match="is on a web server, where runs cannot be stored"):
            way(f"{server.url}/run")
