"""The log of a run that came from others: SQLite is led nowhere else."""

import os
import shutil
import sqlite3
import struct

import pytest

from shoal.edits.log import NAME, Draft, Log
from shoal.errors import RunError


def add(log):
    try:
        with log.writing() as writer:
            writer.add(Draft("note", {}), "ada", None)
    finally:
        log.close()


@pytest.fixture
def other(tmp_path):
    """A database of another program."""
    path = tmp_path / "other.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.commit()
    connection.close()
    return path


@pytest.mark.parametrize("what", [lambda log: log.since(0), add])
@pytest.mark.parametrize("there", [True, False])
def test_a_log_that_is_a_link_is_refused(tmp_path, other, what, there):
    before = other.read_bytes()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / NAME).symlink_to(other if there else tmp_path / "new")
    with pytest.raises(RunError, match=r"edits\.sqlite is a symbolic link"):
        what(Log(tmp_path / "run", "a fit"))
    assert other.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["other.sqlite", "run"]


@pytest.mark.parametrize("what", [lambda log: log.since(0), add])
def test_no_log_is_made_in_a_database_of_something_else(tmp_path, other, what):
    shutil.copy(other, tmp_path / NAME)
    with pytest.raises(RunError, match=r"edits\.sqlite is not a log of edits"):
        what(Log(tmp_path, "a fit"))
    assert (tmp_path / NAME).read_bytes() == other.read_bytes()


@pytest.mark.parametrize("ending", ["-journal", "-wal", "-shm"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder"])
def test_what_lies_beside_the_log_is_a_file(tmp_path, other, ending, kind):
    log = Log(tmp_path, "a fit")
    add(log)
    beside, before = tmp_path / (NAME + ending), other.read_bytes()
    if "link" in kind:
        beside.symlink_to(other if kind == "link" else tmp_path / "new")
    elif kind == "pipe":
        os.mkfifo(beside)
    else:
        beside.mkdir()
    with pytest.raises(RunError, match=ending):
        add(log)
    assert other.read_bytes() == before
    assert not (tmp_path / "new").exists()


def test_a_log_with_another_name_is_read_and_not_written(tmp_path):
    log = Log(tmp_path, "a fit")
    add(log)
    os.link(tmp_path / NAME, tmp_path / "elsewhere")
    before = (tmp_path / "elsewhere").read_bytes()
    assert len(log.since(0)) == 1
    log.close()
    with pytest.raises(RunError, match="hard link"):
        add(log)
    assert (tmp_path / "elsewhere").read_bytes() == before


def naming_journal(path, victim):
    """Write a journal that SQLite, when it finds it, ends by deleting the file it names."""
    magic = bytes.fromhex("d9d505f920a163d7")
    head = magic + struct.pack(">5I", 0, 0, path.stat().st_size // 4096, 512, 4096)
    name = os.fsencode(victim)
    end = struct.pack(">I", (1 << 30) // 4096 + 1) + name + struct.pack(">2I", len(name), sum(name))
    path.with_name(f"{path.name}-journal").write_bytes(head.ljust(512, b"\0") + end + magic)


def test_a_journal_deletes_no_file_that_it_names(tmp_path):
    victim = tmp_path / "thesis.txt"
    victim.write_text("precious\n" * 10)
    log = Log(tmp_path, "a fit")
    add(log)
    naming_journal(log.path, victim)
    for what in (lambda log: log.since(0), add):
        with pytest.raises(RunError, match=r"-journal was not written by Shoal"):
            what(log)
    assert victim.exists()


def test_a_table_in_name_only_is_refused(tmp_path):
    connection = sqlite3.connect(tmp_path / NAME)
    connection.execute("CREATE VIEW edits AS SELECT 1 AS seq")
    connection.commit()
    connection.close()
    with pytest.raises(RunError, match="is not a log of edits"):
        Log(tmp_path, "a fit").since(0)
