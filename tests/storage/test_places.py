import pickle
from pathlib import Path

import fsspec
import numpy as np
import pytest

from shoal.errors import RunError, StorageFullError
from shoal.storage import (
    RunFolder,
    UrlPath,
    as_place,
    places,
    read_json,
    read_npy,
    read_table,
    write_bytes,
    write_json,
    write_npy,
    write_npy_blocks,
    write_table,
)


@pytest.fixture
def folder():
    fsspec.filesystem("memory").store.clear()
    yield as_place("memory://bucket/run")
    fsspec.filesystem("memory").store.clear()


def test_paths_of_this_machine_stay_what_they_are(tmp_path):
    assert as_place(tmp_path) == tmp_path
    assert as_place("a/b") == Path("a/b")
    assert as_place("file:///a/b") == as_place("file:/a/b") == Path("/a/b")
    assert type(as_place("c:/x")) is type(Path())


def test_a_url_survives_pathlib():
    assert as_place(Path("s3://bucket/run/")) == UrlPath("s3://bucket/run")
    assert as_place(UrlPath("s3://a/b")) == UrlPath("s3://a/b")


def test_names(folder):
    path = folder / "index" / "names/part-00001.npy"
    assert str(path) == "memory://bucket/run/index/names/part-00001.npy"
    assert (path.name, path.stem, path.suffix) == ("part-00001.npy", "part-00001", ".npy")
    assert path.parent.parent == folder / "index"
    assert folder in path.parents
    assert path.relative_to(folder / "index").as_posix() == "names/part-00001.npy"
    assert pickle.loads(pickle.dumps(path)) == path


def test_what_is_written_is_listed_and_read(folder):
    for name in ("b/2.json", "b/10.json", "a.json"):
        write_json(folder / name, name)
    assert [path.name for path in sorted(folder.iterdir())] == ["a.json", "b"]
    assert [path.is_dir() for path in sorted(folder.iterdir())] == [False, True]
    assert {path.name for path in folder.glob("*.json")} == {"a.json"}
    assert {path.name for path in folder.glob("*/*.json")} == {"2.json", "10.json"}
    assert read_json(folder / "b" / "10.json") == "b/10.json"
    assert (folder / "a.json").stat().st_size == len((folder / "a.json").read_bytes())
    (folder / "a.json").unlink()
    (folder / "a.json").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        (folder / "a.json").unlink()
    assert not (folder / "a.json").exists()
    assert list((folder / "none").iterdir()) == []


def test_arrays_and_tables(folder):
    import pyarrow as pa

    array = np.arange(12.0).reshape(3, 4)
    write_npy(folder / "a.npy", array)
    write_npy_blocks(folder / "b.npy", array.shape, array.dtype, [array[:2], array[2:]])
    for name in ("a.npy", "b.npy"):
        for mmap in (False, True):
            assert np.array_equal(read_npy(folder / name, mmap=mmap), array)
    write_table(folder / "t.parquet", pa.table({"x": [1, 2], "y": ["a", "b"]}))
    assert read_table(folder / "t.parquet", ["y"]).to_pydict() == {"y": ["a", "b"]}


@pytest.mark.parametrize("harm", [b"", b"\x93NUMPY", None])
def test_damage_is_said(folder, harm):
    path = folder / "project" / "vectors" / "part-00000.npy"
    write_bytes(folder / "run.toml", b"")
    if harm is not None:
        write_bytes(path, harm)
    with pytest.raises(RunError, match=r"part-00000.npy is .* delete the folder memory://.*/proj"):
        read_npy(path)


@pytest.mark.parametrize("size", [100, 200])
def test_what_breaks_off_leaves_what_was_there(folder, monkeypatch, size):
    monkeypatch.setattr(places, "_AT_ONCE", 150)
    write_bytes(folder / "x", b"before")

    def pieces():
        yield memoryview(bytes(50))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        (folder / "x").write(pieces(), size)
    assert (folder / "x").read_bytes() == b"before"
    (folder / "x").write([memoryview(bytes(50))] * (size // 50), size)
    assert (folder / "x").stat().st_size == size


def test_other_systems_write_beside_and_move(tmp_path):
    path = UrlPath(f"local://{tmp_path}/a/x")
    path.write([memoryview(b"one")], 3)
    assert (tmp_path / "a" / "x").read_bytes() == b"one"
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["x"]


def test_an_error_of_the_store_is_a_sentence(folder, monkeypatch):
    class Refused(Exception):
        pass

    def refuse(*args, **kwargs):
        raise Refused("An error occurred (AccessDenied)\nmore")

    monkeypatch.setattr(places, "WAITS", (0.0,))
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "pipe_file", refuse)
    with pytest.raises(StorageFullError, match=r"memory://bucket/run/x cannot be reached \(An err"):
        write_bytes(folder / "x", b"1")


def test_a_run_in_a_store(folder):
    with RunFolder.create(folder, {"seed": 1}) as run:
        stage = run.stage("index")
        stage.begin("aa")
        write_npy(stage.part("vectors", 0), np.zeros(3))
        assert not stage.is_done()
        assert stage.has("vectors", 0)
        stage.finish("aa", {"rows": 3}, 0, 0)
    again = RunFolder.open(str(folder)).stage("index")
    assert again.is_done("aa")
    again.verify()
    assert list(again.read_receipt().parts) == ["vectors/part-00000.npy"]
    write_bytes(again.part("vectors", 0), b"short")
    assert not again.is_done("aa")
    again.begin("aa")
    assert not again.has("vectors", 0)


def test_no_run_there(folder):
    with pytest.raises(RunError, match=r"memory://bucket/run does not exist: give the folder"):
        RunFolder.open(folder)
    write_bytes(folder / "notes.txt", b"mine")
    with pytest.raises(RunError, match="is not empty and is not a run"):
        RunFolder.create(folder, {})
