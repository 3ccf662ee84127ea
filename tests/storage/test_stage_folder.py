import os
import pickle

import numpy as np
import pytest

from shoal.errors import RunError, StorageFullError
from shoal.storage.parts import write_json, write_npy
from shoal.storage.stage_folder import StageFolder


@pytest.fixture
def stage(tmp_path):
    return StageFolder(tmp_path / "features")


def write_parts(stage, n=3):
    for i in range(n):
        if not stage.has("vectors", i):
            write_npy(stage.part("vectors", i), np.full(10, i))
    write_json(stage.whole("layers", "json"), {"k": 10})


@pytest.fixture
def done(stage):
    stage.begin("aa")
    write_parts(stage)
    stage.finish("aa", {"rows": 30}, 1.23456, 1024)
    return stage


def names(stage):
    return sorted(p.relative_to(stage.path).as_posix() for p in stage.path.rglob("*.*"))


def test_names_of_parts(stage):
    assert stage.part("vectors", 3) == stage.path / "vectors" / "part-00003.npy"
    assert stage.part("names", 123456, "parquet").name == "part-123456.parquet"
    assert stage.whole("tree") == stage.path / "tree" / "whole.npy"
    assert stage.name == "features"


@pytest.mark.parametrize(("kind", "ext"), [("../x", "npy"), ("Vectors", "npy"), ("v", "pkl")])
def test_a_name_that_begin_would_not_know_again_is_refused(stage, kind, ext):
    with pytest.raises(ValueError, match="is not a name for a part"):
        stage.part(kind, 0, ext)


def test_parts_come_in_the_order_of_their_numbers(stage):
    for number in (100_000, 2, 99_999):
        write_npy(stage.part("vectors", number), np.zeros(1))
    write_npy(stage.whole("vectors"), np.zeros(1))
    write_npy(stage.part("norms", 0), np.zeros(1))
    assert [p.stem for p in stage.parts("vectors")] == ["part-00002", "part-99999", "part-100000"]
    assert stage.parts("other") == []


def test_a_done_stage_has_a_receipt(done):
    assert done.is_done("aa")
    assert done.is_done()
    assert not done.is_done("bb")
    receipt = done.read_receipt()
    assert (receipt.fingerprint, receipt.counts) == ("aa", {"rows": 30})
    assert (receipt.seconds, receipt.peak_memory) == (1.235, 1024)
    assert list(receipt.parts) == [
        "layers/whole.json",
        "vectors/part-00000.npy",
        "vectors/part-00001.npy",
        "vectors/part-00002.npy",
    ]
    assert receipt.parts["vectors/part-00000.npy"][0] == 208
    done.verify()


def test_a_stage_not_finished_is_not_done(stage):
    assert not stage.is_done()
    stage.begin("aa")
    write_parts(stage)
    assert not stage.is_done()
    with pytest.raises(RunError, match="features is not finished: run shoal fit again"):
        _ = stage.read_receipt()


def test_the_same_fingerprint_keeps_the_parts(stage):
    stage.begin("aa")
    write_parts(stage, 2)
    before = stage.part("vectors", 1).stat().st_ino
    stage.begin("aa")
    write_parts(stage)
    assert stage.part("vectors", 1).stat().st_ino == before


def test_another_fingerprint_deletes_the_parts_and_nothing_else(done):
    mine = [
        done.path / "notes.txt",
        done.path / "part-00000.npy",
        done.path / "vectors" / "mine.npy",
        done.path / "My Pictures" / "part-00000.npy",
    ]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    done.begin("bb")
    assert all(path.read_text() == "mine" for path in mine)
    ours = set(names(done)) - {p.relative_to(done.path).as_posix() for p in mine}
    assert ours == {"_begun.json"}
    assert not done.is_done()


def test_links_are_not_followed_when_parts_are_deleted(done, tmp_path):
    outside = tmp_path / "outside"
    write_npy(outside / "part-00000.npy", np.zeros(1))
    (done.path / "links").symlink_to(outside)
    done.begin("bb")
    assert (outside / "part-00000.npy").exists()


def test_parts_of_unknown_origin_are_not_trusted(stage):
    write_parts(stage)
    stage.begin("aa")
    assert names(stage) == ["_begun.json"]


@pytest.mark.parametrize("note", ["", "[1]", '{"fingerprint": "a'])
def test_a_damaged_note_is_not_trusted(done, note):
    (done.path / "_begun.json").write_text(note)
    done.begin("aa")
    assert names(done) == ["_begun.json"]


def test_leftover_temporary_files_are_removed(stage):
    stage.begin("aa")
    write_parts(stage)
    for folder in (stage.path, stage.path / "vectors"):
        (folder / ".part-00007.npy.0123456789ab.tmp").write_bytes(b"half")
    (stage.path / ".mine.tmp").write_bytes(b"mine")
    stage.begin("aa")
    assert [n for n in names(stage) if n.endswith(".tmp")] == [".mine.tmp"]


@pytest.mark.parametrize("harm", ["truncate", "delete", "receipt"])
def test_a_harmed_stage_is_not_done_and_begin_mends_it(done, harm):
    good, bad = done.part("vectors", 0), done.part("vectors", 1)
    whole, inode = bad.read_bytes(), good.stat().st_ino
    if harm == "receipt":
        (done.path / "_done.json").write_text('{"fingerprint": "aa"')
    else:
        bad.write_bytes(whole[:-1])
    if harm == "delete":
        bad.unlink()
    assert not done.is_done("aa")
    done.begin("aa")
    assert not done.has("vectors", 1)
    assert done.has("vectors", 0) == (harm != "receipt")
    write_parts(done)
    done.finish("aa", {}, 0, 0)
    assert done.is_done("aa")
    assert bad.read_bytes() == whole
    if harm != "receipt":
        assert good.stat().st_ino == inode


def test_verify_finds_a_changed_byte(done):
    path = done.part("vectors", 2)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert done.is_done("aa")
    with pytest.raises(RunError, match=r"part-00002\.npy is missing or damaged: delete the folder"):
        done.verify()
    done.part("vectors", 0).unlink()
    with pytest.raises(RunError, match=r"part-00000\.npy and 1 more is missing or damaged"):
        done.verify()


@pytest.mark.parametrize("text", ["[]", "{}", '{"parts": {"a": 3}}', '{"parts": {}, "x": 1}'])
def test_a_receipt_that_is_no_receipt_is_an_error_of_the_run(done, text):
    (done.path / "_done.json").write_text(text)
    (done.path.parent / "run.toml").touch()
    with pytest.raises(RunError, match=r"_done\.json is damaged: delete the folder"):
        _ = done.read_receipt()


def test_an_unwritable_folder(done, monkeypatch):
    def refuse(path, dir_fd=None):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.unlink", refuse)
    with pytest.raises(StorageFullError, match="cannot be written"):
        done.begin("bb")


def test_workers_get_it_by_pickle(stage):
    assert pickle.loads(pickle.dumps(stage)) == stage


def test_begin_twice_does_not_touch_a_done_stage(done):
    before = {n: os.stat(done.path / n).st_ino for n in names(done) if n != "_begun.json"}
    done.begin("aa")
    assert {n: os.stat(done.path / n).st_ino for n in before} == before
    assert done.is_done("aa")
