"""The log: `edits.sqlite` in the run folder, one row an edit, never changed or deleted.

A rollback journal, not a write-ahead log: at rest the log is one file, which can be copied or lie
on a network disk. In a store it is a copy in memory, which is written only if no other process
can write there, as two could not wait for each other. With ``synchronous=EXTRA`` an edit that was
acknowledged is on the disk; with ``BEGIN IMMEDIATE`` the numbers rise without gaps, whoever writes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.text import encodable
from shoal.edits.log_file import is_made, not_ours, refuse_other_names, refuse_strange_files
from shoal.edits.rows import pack, unpack
from shoal.errors import RunError, ShoalError, StorageFullError
from shoal.storage import is_remote, write_bytes

FORMAT = 1
"""The newest format of the log that this version writes and reads."""

NAME = "edits.sqlite"
_APPLICATION = 0x53484F41  # SHOA
_WAIT = 30.0  # seconds, for other writers
_SCHEMA = (
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
    "CREATE TABLE IF NOT EXISTS fit (fingerprint TEXT NOT NULL) STRICT",
    """CREATE TABLE IF NOT EXISTS edits (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  time TEXT NOT NULL,
  author TEXT NOT NULL,
  op TEXT NOT NULL,
  facts TEXT NOT NULL,
  rows BLOB,
  token TEXT UNIQUE
) STRICT""",
    """CREATE TRIGGER IF NOT EXISTS edits_are_not_changed BEFORE UPDATE ON edits
  BEGIN SELECT RAISE(ABORT, 'the log of edits is only added to'); END""",
    """CREATE TRIGGER IF NOT EXISTS edits_are_not_deleted BEFORE DELETE ON edits
  BEGIN SELECT RAISE(ABORT, 'the log of edits is only added to'); END""",
)
_COLUMNS = "seq, time, author, op, facts, rows"


@dataclass(frozen=True)
class Draft:
    """An edit that was checked and resolved, and is not yet in the log.

    `facts` is plain JSON with all that a replay needs, such as the ids of new clusters; `rows` are
    the rows (or, for ``divide``, the representatives) that it applies to, sorted, each once.
    """

    op: str
    facts: dict[str, Any] = field(default_factory=dict)
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True)
class Entry:
    """One row of the log."""

    seq: int  # Sequence number, from 1 on, without gaps
    time: str  # When, in UTC, ISO 8601
    author: str  # Who, as the client reports
    op: str  # The name of an operation; see `edits.operations`
    facts: dict[str, Any]  # What exactly; see docs/run-folder.md
    packed: bytes | None = field(default=None, repr=False)  # The rows by `rows.pack`, if any

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        return np.empty(0, np.int64) if self.packed is None else unpack(self.packed)

    def describe(self, names: Mapping[int, str | None] | None = None, noun: str = "row") -> str:
        """Describe it, with clusters by name.

        >>> entry = Entry(1, "", "", "rename", {"cluster": 0, "name": "petrol pumps"})
        >>> entry.describe()
        'Renamed cluster 0 to “petrol pumps”'
        """
        from shoal.edits.operations import OPERATIONS  # which import this module
        from shoal.edits.operations.base import Words

        text = OPERATIONS[self.op].describe(self, Words(names or {}, noun))
        return text[0].upper() + text[1:]


class OtherFitError(RunError):
    """The log is of another fit than the one in the folder."""


class Log:
    def __init__(self, folder: Path, fingerprint: str, *, exclusive: bool = False) -> None:
        self.path = folder / NAME
        self._exclusive = exclusive
        self._fingerprint = fingerprint
        self._connection: sqlite3.Connection | None = None
        self._version = -1

    def since(self, seq: int) -> list[Entry]:
        with self._sqlite_errors():
            connection = self._open()
            return [] if connection is None else _entries(connection, seq)

    def unchanged(self) -> bool:
        """Return whether no other process wrote since the last call; costs next to nothing."""
        with self._sqlite_errors():
            connection = self._open()
            if connection is None:
                return True
            before = self._version
            self._version = connection.execute("PRAGMA data_version").fetchone()[0]
            return self._version == before

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Lock the log; what is written is on the disk when the block ends."""
        with self._sqlite_errors():
            connection = self._open_or_create()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Writer(connection)
                connection.execute("COMMIT")
                if is_remote(self.path):
                    write_bytes(self.path, connection.serialize())
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                if is_remote(self.path):
                    self.close()  # this copy may have an edit that was not stored
                raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection | None:
        """Connect to the log, if it exists."""
        if self._connection is None and (self.path.exists() or self.path.is_symlink()):
            connection = self._connect()
            if not is_made(connection, self.path):
                connection.close()
                return None
            self._check(connection)
            self._connection = connection
        return self._connection

    def _open_or_create(self) -> sqlite3.Connection:
        if not is_remote(self.path):
            refuse_other_names(self.path)
        elif not self._exclusive:
            raise RunError(
                f"{self.path.parent} is not on a local disk, where edits are stored: copy the run "
                f"to a local folder, edit it there, and copy {NAME} back"
            )
        if self._open() is None:
            connection = self._connect()
            connection.execute("BEGIN IMMEDIATE")
            if not is_made(connection, self.path):
                for statement in _SCHEMA:  # `executescript` would end the transaction
                    connection.execute(statement)
                connection.execute("INSERT INTO fit VALUES (?)", (self._fingerprint,))
            connection.execute("COMMIT")
            self._check(connection)
            self._connection = connection
        assert self._connection is not None
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        """Connect; every statement is a transaction unless one was begun."""
        if is_remote(self.path):
            copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            if self.path.exists():
                copy.deserialize(self.path.read_bytes())
            return copy
        before = refuse_strange_files(self.path)
        connection = sqlite3.connect(
            self.path, timeout=_WAIT, isolation_level=None, check_same_thread=False
        )
        if before not in (None, refuse_strange_files(self.path)):
            connection.close()
            raise RunError(f"{self.path} was replaced while it was opened: try again")
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
            raise not_ours(self.path)
        if found > FORMAT:
            raise RunError(
                f"{self.path} was written by a newer Shoal (format {found}, this version reads up "
                f"to {FORMAT}): update with pip install -U shoal"
            )
        fit = connection.execute("SELECT fingerprint FROM fit").fetchone()[0]
        if fit != self._fingerprint:
            raise OtherFitError(
                f"the edits in {self.path} are from another fit than the one in this folder: move "
                "the file away to continue without them, or use --raw"
            )

    @contextmanager
    def _sqlite_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            reason = str(error)
            if "locked" in reason:
                raise ShoalError(
                    f"{self.path} was in use by other programs for {_WAIT:.0f} seconds: try again"
                ) from error
            raise StorageFullError(
                f"{self.path} cannot be used ({reason}): make room there, make it writable, then "
                "try again; no edit was lost"
            ) from error
        except sqlite3.DatabaseError as error:
            raise RunError(
                f"{self.path} is damaged ({error}): restore a copy of it, or move it away to "
                "continue without the edits"
            ) from error


def check_fit(folder: Path, fingerprint: str) -> None:
    """Refuse a new fit in a folder that would leave the edits there without their clusters."""
    log = Log(folder, fingerprint)
    try:
        log.since(0)
    except OtherFitError as error:
        raise RunError(
            f"{folder} has edits, and these settings or data give a different fit: fit into a new "
            f"folder with -o NEW --previous {folder} to carry them over (or move {log.path} away "
            "to drop them)"
        ) from error
    finally:
        log.close()


class Writer:
    """The log while it is locked for an edit."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def since(self, seq: int) -> list[Entry]:
        return _entries(self._connection, seq)

    def find(self, token: str) -> Entry | None:
        found = self._connection.execute(
            f"SELECT {_COLUMNS} FROM edits WHERE token = ?", (encodable(token),)
        ).fetchone()
        return _entry(found) if found else None

    def add(self, draft: Draft, author: str, token: str | None) -> Entry:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        facts = encodable(json.dumps(draft.facts, ensure_ascii=False, sort_keys=True))
        packed = pack(draft.rows) if len(draft.rows) else None
        author, token = encodable(author), None if token is None else encodable(token)
        found = self._connection.execute(
            "INSERT INTO edits (time, author, op, facts, rows, token) VALUES (?, ?, ?, ?, ?, ?)",
            (now, author, draft.op, facts, packed, token),
        )
        seq = found.lastrowid
        assert seq is not None
        return Entry(seq, now, author, draft.op, json.loads(facts), packed)


def _entries(connection: sqlite3.Connection, seq: int) -> list[Entry]:
    rows = connection.execute(f"SELECT {_COLUMNS} FROM edits WHERE seq > ? ORDER BY seq", (seq,))
    return [_entry(row) for row in rows]


def _entry(row: tuple[Any, ...]) -> Entry:
    seq, time, author, op, facts, packed = row
    try:
        found = json.loads(facts)
        if not (isinstance(found, dict) and all(isinstance(t, str) for t in (time, author, op))):
            raise TypeError
    except (TypeError, ValueError, RecursionError):
        raise sqlite3.DatabaseError(f"edit {seq} is not an edit") from None
    return Entry(seq, time, author, op, found, packed)
