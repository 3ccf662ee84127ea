import sqlite3
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from shoal.edits.log import NAME, Draft, Log
from shoal.errors import RunError, StorageFullError
from shoal.storage import as_place


@pytest.fixture
def log(tmp_path):
    found = Log(tmp_path, "a fit")
    yield found
    found.close()


def add(log, **facts):
    with log.writing() as writer:
        return writer.add(Draft("note", facts), "ada", None)


def test_nothing_is_written_before_the_first_edit(log):
    assert log.since(0) == []
    assert log.unchanged()
    assert not log.path.exists()


def test_entries_come_back_in_order_without_gaps(log, tmp_path):
    given = [add(log, cluster=i, note="é\n") for i in range(5)]
    assert [entry.seq for entry in given] == [1, 2, 3, 4, 5]
    other = Log(tmp_path, "a fit")
    assert other.since(0) == given
    assert [entry.facts["cluster"] for entry in other.since(3)] == [3, 4]
    other.close()


def test_rows_come_back(log):
    rows = np.array([0, 7, 8, 4_000_000_000])
    with log.writing() as writer:
        writer.add(Draft("move", {}, rows), "", None)
    assert log.since(0)[0].rows.tolist() == rows.tolist()


def test_what_fails_leaves_nothing_and_burns_no_number(log):
    add(log)

    def fail():
        with log.writing() as writer:
            writer.add(Draft("note", {}), "", None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert add(log).seq == 2


def test_a_token_finds_its_entry(log):
    with log.writing() as writer:
        entry = writer.add(Draft("note", {"n": 1}), "", "mine")
        assert writer.find("mine") == entry
        assert writer.find("yours") is None


def test_what_utf8_cannot_hold_is_replaced(log):
    with log.writing() as writer:
        entry = writer.add(Draft("skipped", {"what": "\udcff", "why": "x"}), "\ud83d", "t\udfff")
        assert writer.find("t\udfff") == entry
    [kept] = log.since(0)
    assert (kept.author, kept.facts) == ("\ufffd", {"what": "\ufffd", "why": "x"})


def test_another_writer_is_noticed(log, tmp_path):
    add(log)
    log.unchanged()
    assert log.unchanged()
    other = Log(tmp_path, "a fit")
    add(other)
    assert not log.unchanged()
    assert log.unchanged()
    other.close()


def test_two_that_begin_at_once_wait_for_each_other(tmp_path):
    logs = [Log(tmp_path, "a fit") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda log: [add(log).seq for _ in range(10)], logs))
    assert sorted(seq for seqs in found for seq in seqs) == list(range(1, 41))
    for log in logs:
        log.close()


def test_what_is_in_the_log_cannot_be_changed(log):
    add(log)
    with sqlite3.connect(log.path) as connection:
        for statement in ("UPDATE edits SET op = 'x'", "DELETE FROM edits"):
            with pytest.raises(sqlite3.DatabaseError, match="only added to"):
                connection.execute(statement)
    connection.close()


def test_the_log_of_another_fit_is_refused(log, tmp_path):
    add(log)
    with pytest.raises(RunError, match="are from another fit"):
        Log(tmp_path, "another").since(0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("PRAGMA user_version = 99", "newer Shoal"),
        ("PRAGMA application_id = 1", "is not a log of edits"),
    ],
)
def test_a_newer_or_strange_log_is_refused(log, tmp_path, change, said):
    add(log)
    log.close()
    connection = sqlite3.connect(log.path)
    connection.execute(change)
    connection.close()
    with pytest.raises(RunError, match=said):
        Log(tmp_path, "a fit").since(0)


def test_a_damaged_log_is_told(tmp_path):
    (tmp_path / NAME).write_bytes(b"no database at all, but long enough to be read as one" * 20)
    with pytest.raises(RunError, match="is damaged"):
        Log(tmp_path, "a fit").since(0)


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(StorageFullError, match="cannot be used"):
        add(Log(tmp_path / "nowhere", "a fit"))


def test_an_edit_that_a_store_refuses_is_not_kept_in_memory(monkeypatch):
    log = Log(as_place("memory://an-empty-store"), "a fit", exclusive=True)
    assert add(log).seq == 1

    def refuse(path, data):
        raise StorageFullError("no room")

    monkeypatch.setattr("shoal.edits.log.write_bytes", refuse)
    with pytest.raises(StorageFullError):
        add(log)
    assert [entry.seq for entry in log.since(0)] == [1]
