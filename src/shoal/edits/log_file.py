"""Checks of the log's file before SQLite opens it: a run may come from others.

SQLite follows links, and trusts the files beside a database: it writes a leftover journal back, and
deletes the file that the journal names as that of several databases
(https://www.sqlite.org/atomiccommit.html#multi_file_commit), whatever it is.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path

from shoal.errors import RunError
from shoal.storage.nofollow import link_error, open_file

_BESIDE = ("-journal", "-wal", "-shm")
# https://www.sqlite.org/fileformat.html#the_rollback_journal; it also ends the name of such a file.
_MAGIC = bytes.fromhex("d9d505f920a163d7")


def refuse_strange_files(path: Path) -> tuple[int, int] | None:
    """Return the device and number of a database's file, None where there is none."""
    for one in (path, *(path.with_name(path.name + ending) for ending in _BESIDE)):
        with suppress(FileNotFoundError):
            kind = os.lstat(one).st_mode
            if stat.S_ISLNK(kind):
                raise link_error(one)
            if not stat.S_ISREG(kind):
                raise RunError(f"{one} is not a regular file: move it away")
    with suppress(FileNotFoundError):
        _refuse_naming_journal(path.with_name(path.name + _BESIDE[0]))
    with suppress(FileNotFoundError):
        found = os.lstat(path)
        return found.st_dev, found.st_ino
    return None


def _refuse_naming_journal(path: Path) -> None:
    """Refuse a journal that names another file: the log is never written with others."""
    with open(open_file(path, depth=1), "rb") as file:
        file.seek(max(os.fstat(file.fileno()).st_size - len(_MAGIC), 0))
        if file.read() == _MAGIC:
            raise RunError(f"{path} was not written by Shoal: move it away")


def refuse_other_names(path: Path) -> None:
    """Refuse to write to a database that lies elsewhere, too, under another name."""
    with suppress(FileNotFoundError):
        if os.lstat(path).st_nlink > 1:
            raise RunError(
                f"{path} has another name elsewhere (a hard link), where edits would be written, "
                "too: put a copy of it in its place"
            )


def is_made(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether a database has a table of edits; another process may be about to make it."""
    there = connection.execute("SELECT type, name FROM sqlite_master").fetchall()
    if there and ("table", "edits") not in there:
        raise not_ours(path)
    return bool(there)


def not_ours(path: Path) -> RunError:
    return RunError(f"{path} is not a log of edits: move it away")
