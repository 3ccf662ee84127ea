"""The manifest of a folder export, and the journal that is kept while it is made."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from shoal.errors import InputError, RunError
from shoal.export.plan import MODES, Action
from shoal.storage import read_json, write_bytes
from shoal.storage.nofollow import open_file
from shoal.storage.reading import read_bytes

NAME = "manifest.json"
BESIDE = "beside"
"""Key of the head: the files beside the images, each with its size and hash."""

_JOURNAL = "manifest.journal"
_FORMAT = 1
_FILE = re.compile(r"[a-z]+\.(jsonl?|xml)")
_TARGET = re.compile(r"cluster-\d{3,}(-[^/\\\x00]+)?/[^/\\\x00]+")


@dataclass(frozen=True)
class Manifest:
    """What an export makes: `head` says how, `facts` has what each finished file was.

    `fingerprint` is that of the plan, so that only the same export goes on in a folder.
    """

    head: dict[str, Any]
    fingerprint: str
    actions: Sequence[Action]
    facts: dict[str, dict[str, Any]]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    actions = [
        json.dumps(action.as_dict() | {"made": manifest.facts.get(action.target)})
        for action in manifest.actions
    ]
    head = {"format": _FORMAT, **manifest.head, "fingerprint": manifest.fingerprint}
    lines = ",\n  ".join(actions)
    text = f'{json.dumps(head, indent=1)[:-2]},\n "actions": [\n  {lines}\n ]\n}}\n'
    write_bytes(folder / NAME, text.encode())


def read_manifest(folder: Path) -> Manifest:
    path = folder / NAME
    if not path.is_file():
        raise InputError(f"{folder} has no {NAME}: it was not made by shoal export --as folders")
    try:
        head = read_json(path, depth=1)
        if head.pop("format") != _FORMAT:
            raise InputError(f"{path} was written by another version of Shoal")
        actions, facts = [], {}
        for fields in head.pop("actions"):
            made = fields.pop("made")
            action = Action(**fields)
            if not _TARGET.fullmatch(action.target) or action.target.endswith(("/.", "/..")):
                raise ValueError(f"{action.target!r} is not a place of an export")
            if not isinstance(action.origin, str | None):
                raise TypeError(f"{action.origin!r} is not a file")
            actions.append(action)
            if made is not None:
                facts[action.target] = _checked_fact(made)
        for name, fact in head.get(BESIDE, {}).items():
            if not _FILE.fullmatch(name):
                raise ValueError(f"{name!r} is not a file of an export")
            _checked_fact(fact)
        if head["mode"] not in MODES:
            raise ValueError(f"{head['mode']!r} is not a mode of an export")
        return Manifest(head, head.pop("fingerprint"), actions, facts)
    except (RunError, ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, InputError) and not error.__cause__:
            raise
        raise InputError(f"{path} is damaged: its files can no longer be told apart") from error


def _checked_fact(made: Any) -> dict[str, Any]:
    kinds = {"symlink": str, "hardlink": str, "bytes": int, "blake2b": str}
    fact = dict(made)
    if not all(type(value) is kinds[name] for name, value in fact.items()):
        raise TypeError(f"{fact!r:.80} says nothing of a file")
    return fact


class Journal:
    """The files finished so far, one line each; what a kill cuts short is left out."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _JOURNAL
        self._file: IO[str] | None = None

    def add(self, target: str, fact: dict[str, Any]) -> None:
        if self._file is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._file = os.fdopen(
                open_file(self._path, flags, depth=1), "a", buffering=1, encoding="utf-8"
            )
            self._file.write("\n")
        self._file.write(json.dumps([target, fact]) + "\n")

    def read(self) -> dict[str, dict[str, Any]]:
        facts: dict[str, dict[str, Any]] = {}
        if not self._path.exists():
            return facts
        for line in read_bytes(self._path, depth=1).decode(errors="replace").splitlines():
            try:
                target, fact = json.loads(line)
                facts[target] = _checked_fact(fact)
            except (ValueError, TypeError, KeyError):
                continue
        return facts

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def delete(self) -> None:
        """Delete it: the manifest holds all of it."""
        self.close()
        self._path.unlink(missing_ok=True)


def digest(path: Path) -> dict[str, Any]:
    """Return the size and the hash of a file; of a pipe or device it raises an OSError."""
    # Not blocking: opening a pipe to which nobody writes would wait.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
        return {"bytes": file.tell(), "blake2b": found.hexdigest()}


def digest_of(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "blake2b": hashlib.blake2b(data, digest_size=16).hexdigest()}
