"""Links, pipes and folders in the place of files of a run: nothing outside is read or changed."""

import os

import numpy as np
import pyarrow as pa
import pytest

from shoal.errors import RunError, ShoalError
from shoal.storage import RunFolder, StageFolder, delete_file, link_file, odd_entries
from shoal.storage.nofollow import depth_of, open_file
from shoal.storage.parts import write_bytes, write_json, write_npy, write_table
from shoal.storage.reading import read_json, read_npy, read_table

READERS = {"npy": read_npy, "parquet": read_table, "json": read_json}


def write(path):
    contents = {"npy": np.zeros(3), "parquet": pa.table({"a": [1]}), "json": {"a": 1}}
    writers = {"npy": write_npy, "parquet": write_table, "json": write_json}
    ext = path.suffix[1:]
    writers[ext](path, contents[ext])


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def outside(tmp_path):
    """A folder of somebody else's, laid out as a stage is."""
    folder = tmp_path / "outside"
    for ext in READERS:
        for kind in ("", "vectors"):
            write(folder / kind / f"part-00000.{ext}")
    write_json(folder / "_done.json", {"fingerprint": "aa", "parts": {}})
    (folder / ".x.0123456789ab.tmp").write_text("precious")
    (folder / "vectors" / ".x.0123456789ab.tmp").write_text("precious")
    return folder


@pytest.fixture
def run(tmp_path):
    with RunFolder.create(tmp_path / "a.shoal", {}) as run:
        yield run


@pytest.mark.parametrize("ext", READERS)
@pytest.mark.parametrize("level", ["stage", "kind", "file"])
def test_no_part_is_read_or_written_through_a_link(run, outside, level, ext):
    stage = run.stage("features")
    stage.path.mkdir()
    part = stage.part("vectors", 0, ext)
    if level == "stage":
        stage.path.rmdir()
        stage.path.symlink_to(outside)
    elif level == "kind":
        part.parent.symlink_to(outside / "vectors")
    else:
        part.parent.mkdir()
        part.symlink_to(outside / part.name)
    before = contents(outside)
    with pytest.raises(RunError, match="is a symbolic link"):
        READERS[ext](part)
    assert not stage.has("vectors", 0, ext) or level == "stage"
    if level == "file":  # what is written takes the link's place
        write(part)
        assert not part.is_symlink()
    else:
        with pytest.raises(RunError, match="is a symbolic link"):
            write(part)
        with pytest.raises(RunError, match="is a symbolic link"):
            delete_file(part)
    assert contents(outside) == before


@pytest.mark.parametrize("what", ["begin", "delete", "numbers", "parts", "receipt", "finish"])
def test_nothing_is_done_to_a_stage_that_is_a_link(run, outside, what):
    stage = run.stage("features")
    stage.path.symlink_to(outside)
    before = contents(outside)
    acts = {
        "begin": lambda: stage.begin("bb"),
        "numbers": lambda: stage.numbers("vectors"),
        "parts": lambda: stage.parts("vectors"),
        "receipt": stage.read_receipt,
        "finish": lambda: stage.finish("bb", {}, 0, 0),
    }
    with pytest.raises(RunError, match=r"features is a symbolic link"):
        acts.get(what, lambda: getattr(stage, what)())()
    assert not stage.is_done()
    assert contents(outside) == before


def test_a_link_to_a_part_is_no_part(run, outside):
    stage = run.stage("features")
    stage.begin("aa")
    write_npy(stage.part("vectors", 0), np.zeros(3))
    stage.finish("aa", {}, 0, 0)
    assert stage.is_done("aa")
    part = stage.part("vectors", 0)
    part.unlink()
    part.symlink_to(outside / "vectors" / "part-00000.npy")  # the same bytes
    assert not stage.has("vectors", 0)
    assert not stage.is_done("aa")
    with pytest.raises(RunError):
        stage.verify()


@pytest.mark.parametrize("name", [".lock", "run.toml"])
@pytest.mark.parametrize("there", [True, False])
def test_a_link_in_the_place_of_the_lock_or_the_settings(run, tmp_path, name, there):
    run.close()
    private = tmp_path / "private"
    if there:
        private.write_text("12345\n")
    (run.path / name).unlink()
    (run.path / name).symlink_to(private)
    with pytest.raises(RunError, match=f"{name} is a symbolic link"):
        RunFolder.create(run.path, {})
    if name == "run.toml" and there:
        with pytest.raises(RunError, match=f"{name} is a symbolic link"):
            RunFolder.open(run.path)
    assert private.exists() == there
    assert not there or private.read_text() == "12345\n"


@pytest.mark.parametrize("kind", ["hard link", "text", "pipe", "folder"])
def test_a_lock_that_is_none_is_left_alone(run, tmp_path, kind):
    run.close()
    lock, private = run.path / ".lock", tmp_path / "private"
    lock.unlink()
    if kind == "hard link":
        private.write_text("")
        os.link(private, lock)
    elif kind == "text":
        lock.write_text("12 things to do")
    else:
        os.mkfifo(lock) if kind == "pipe" else lock.mkdir()
    with pytest.raises(ShoalError, match=r"\.lock"):
        RunFolder.create(run.path, {})
    assert kind != "text" or lock.read_text() == "12 things to do"
    assert kind != "hard link" or private.read_text() == ""


@pytest.mark.parametrize("ext", READERS)
@pytest.mark.parametrize("kind", ["pipe", "folder", "link to a device"])
def test_what_is_no_file_is_named_and_not_waited_for(run, kind, ext):
    path = run.stage("features").part("vectors", 0, ext)
    path.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(
        RunError, match=rf"part-00000\.{ext} is (a symbolic link|not a regular file)"
    ):
        READERS[ext](path)


def test_a_run_that_is_itself_a_link_is_used(tmp_path, run):
    write_npy(run.stage("tree").whole("order"), np.arange(3))
    run.close()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "linked").symlink_to(run.path)
    for path in (tmp_path / "folder" / "linked", tmp_path / "folder" / ".." / "a.shoal"):
        with RunFolder.create(path, {"seed": 4}) as again:
            stage = again.stage("tree")
            assert read_npy(stage.whole("order")).tolist() == [0, 1, 2]
            write_npy(stage.whole("order"), np.arange(3))
        assert RunFolder.open(path).settings == {"seed": 4}


def test_paths_within_the_run_are_used(run, monkeypatch):
    write_npy(run.stage("tree").whole("order"), np.arange(3))
    monkeypatch.chdir(run.path)
    assert len(read_npy(StageFolder(run.path.__class__("tree")).whole("order"))) == 3
    monkeypatch.chdir(run.path / "tree" / "order")
    assert len(read_npy(run.path.__class__("whole.npy"))) == 3


def test_parts_are_linked_from_a_run_but_not_its_links(run, tmp_path, outside):
    before, after = run.stage("features"), StageFolder(tmp_path / "b.shoal" / "features")
    part = before.part("vectors", 0)
    write_npy(part, np.arange(4))
    link_file(part, after.part("vectors", 0))
    assert after.part("vectors", 0).samefile(part)
    linked = before.part("vectors", 1)
    linked.symlink_to(outside / "part-00000.npy")
    with pytest.raises(RunError, match="is a symbolic link"):
        link_file(linked, after.part("vectors", 1))
    assert os.listdir(after.path / "vectors") == ["part-00000.npy"]


def test_files_of_the_users_own_may_be_links(tmp_path):
    write_json(tmp_path / "real.json", {"a": 1})
    (tmp_path / "edits.json").symlink_to(tmp_path / "real.json")
    assert read_json(tmp_path / "edits.json") == {"a": 1}
    assert depth_of(tmp_path / "edits.json") == 0
    write_bytes(tmp_path / "edits.json", b"2")  # what is written takes the link's place
    assert (tmp_path / "real.json").read_bytes() != b"2"
    os.close(open_file(tmp_path / "real.json"))


def test_a_receipt_that_leads_out_of_the_stage_is_damaged(run):
    stage = run.stage("features")
    stage.begin("aa")
    for name in ("../run.toml", "../../private/part-00000.npy", "/etc/passwd", "vectors/x"):
        receipt = {"fingerprint": "aa", "counts": {}, "parts": {name: [1, 1]}}
        write_json(stage.path / "_done.json", receipt)
        with pytest.raises(RunError, match=r"_done\.json is damaged"):
            _ = stage.read_receipt()


def test_odd_entries_are_named(run, tmp_path):
    stage = run.stage("tree")
    stage.begin("aa")
    write_npy(stage.whole("order"), np.arange(3))
    os.link(stage.whole("order"), tmp_path / "shared.npy")  # as runs that were added to do
    stage.finish("aa", {}, 0, 0)
    (run.path / ".run.toml.0123456789ab.tmp").write_text("left by a kill")
    assert odd_entries(run.path, ["features", "tree"]) == []
    (run.path / "features").symlink_to("/etc")
    os.mkfifo(stage.path / "order" / "part-00000.npy")
    (stage.path / "order" / "whole.json").symlink_to(tmp_path / "shared.npy")
    (run.path / "holiday").mkdir()
    (run.path / "holiday" / "deep.txt").write_text("")
    (run.path / "notes.txt").write_text("")
    (run.path / "edits.sqlite").write_text("")
    os.link(run.path / "edits.sqlite", tmp_path / "other")
    assert odd_entries(run.path, ["features", "tree"]) == [
        "edits.sqlite has another name elsewhere (a hard link)",
        "features is a symbolic link to /etc",
        "holiday is an unexpected folder",
        "notes.txt is an unexpected file",
        "tree/order/part-00000.npy is a pipe",
        f"tree/order/whole.json is a symbolic link to {tmp_path / 'shared.npy'}",
    ]
