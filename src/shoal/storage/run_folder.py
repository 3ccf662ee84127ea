"""The run folder, with everything about one fit."""

from __future__ import annotations

import errno
import fcntl
import importlib.metadata
import os
import platform
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from shoal._version import __version__
from shoal.errors import RunError
from shoal.storage.nearby import nearest_name
from shoal.storage.nofollow import open_file
from shoal.storage.parts import TEMPORARY, unwritable, write_bytes
from shoal.storage.places import as_place, is_remote
from shoal.storage.reading import damaged, read_bytes
from shoal.storage.stage_folder import StageFolder
from shoal.storage.toml_text import toml_text

FORMAT = 1
"""The newest format of a run folder that this version writes and reads."""

_TOML = "run.toml"
_LOCK = ".lock"
_LONGEST_LOCK = 21
_LIBRARIES = ("numpy", "scipy", "numba", "faiss-cpu", "scikit-network", "pyarrow")
_NO_LOCKS_HERE = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS})


class RunFolder:
    """A folder with everything about one fit; build it with `create` or `open`.

    `about` is the content of ``run.toml``. A created run is locked until `close`, the end of its
    ``with`` block, or the end of the process.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], lock: int | None = None) -> None:
        self.path = path
        self.about = dict(about)
        self._lock = lock

    @classmethod
    def create(cls, path: str | os.PathLike[str], settings: Mapping[str, Any]) -> Self:
        """Create a run in a new or empty folder, or open an existing run for writing.

        The settings of an existing run are replaced; stages whose fingerprints match are kept.
        """
        folder = run_place(path)
        try:
            _check_ours(folder)
            folder.mkdir(parents=True, exist_ok=True)
            lock = _take_lock(folder)
        except OSError as error:
            raise unwritable(folder, 0, error) from error
        try:
            about = _about(settings)
            text = toml_text(about).encode()
            if not (folder / _TOML).exists() or read_bytes(folder / _TOML, 1) != text:
                write_bytes(folder / _TOML, text)
            for left in folder.glob(".*.tmp"):
                if re.fullmatch(TEMPORARY, left.name):
                    left.unlink(missing_ok=True)
        except BaseException:
            if lock is not None:
                os.close(lock)
            raise
        return cls(folder, tomllib.loads(text.decode()), lock)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        folder = run_place(path)
        if not (folder / _TOML).is_file():
            raise _no_run(folder)
        return cls(folder, _read_about(folder))

    @property
    def settings(self) -> dict[str, Any]:
        """The resolved settings of the fit, except those that are None."""
        return dict(self.about.get("settings", {}))

    def stage(self, name: str) -> StageFolder:
        if not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
            raise ValueError(f"{name!r} is not a name for a stage: a lower-case word")
        return StageFolder(self.path / name)

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"


def run_place(path: str | os.PathLike[str]) -> Path:
    """Return the place of a run, which cannot be a web server."""
    folder = as_place(path)
    if is_remote(folder) and folder.is_web:
        raise RunError(
            f"{folder} is on a web server, where runs cannot be stored: give a folder, or one in "
            "an object store (s3://, gs://)"
        )
    return folder


def _about(settings: Mapping[str, Any]) -> dict[str, Any]:
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "format": FORMAT,
        "shoal": __version__,
        "settings": dict(settings),
        "versions": versions,
    }


def _read_about(folder: Path) -> dict[str, Any]:
    path = folder / _TOML
    try:
        about = tomllib.loads(read_bytes(path, 1).decode())
        found = about["format"]
        kinds = {"format": int, "settings": dict, "versions": dict}
        settings = {"seed": int, "source": str, "features": str}
        for table, known in ((about, kinds), (about.get("settings", {}), settings)):
            for name, kind in known.items():
                if name in table and type(table[name]) is not kind:
                    raise TypeError(f"{name} is {table[name]!r:.80}")
        if "settings" in about and "versions" not in about:  # the last table: it was cut at a line
            raise KeyError("versions")
    except OSError as error:
        raise damaged(path, error) from error
    except RunError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(
            f"{path} is damaged: run the same shoal fit again, which rewrites it"
        ) from error
    if found > FORMAT:
        raise RunError(
            f"{folder} was written by a newer Shoal (format {found}, this version reads up to "
            f"{FORMAT}): update with pip install -U shoal"
        )
    return about


def _check_ours(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RunError(f"{folder} is a file: give the run another name with -o")
    names = [path.name for path in folder.iterdir()]
    if _TOML in names:
        try:
            _read_about(folder)
        except RunError as error:
            if isinstance(error.__cause__, OSError) or error.__cause__ is None:
                raise
        return
    strange = [n for n in names if n != _LOCK and not re.fullmatch(TEMPORARY, n)]
    if strange:
        raise RunError(
            f"{folder} is not empty and is not a run (it has {min(strange)}): "
            "give a new folder with -o"
        )


def _take_lock(folder: Path) -> int | None:
    """Lock the run for this process, and return the open lock file.

    Object stores have no locks, but two fits with the same settings write the same bytes.
    """
    if is_remote(folder):
        return None
    lock = open_file(folder / _LOCK, os.O_RDWR | os.O_CREAT, depth=1)
    try:
        _refuse_strange_lock(folder / _LOCK, lock)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 20).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise RunError(
            f"{folder} is in use by another fit (process {holder}): "
            "wait until it ends, or give another folder with -o"
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS_HERE:
            os.close(lock)
            raise
    except RunError:
        os.close(lock)
        raise
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _refuse_strange_lock(path: Path, lock: int) -> None:
    kept = os.pread(lock, _LONGEST_LOCK + 1, 0)
    if os.fstat(lock).st_nlink > 1 or not re.fullmatch(rb"\d{,20}\n?", kept):
        raise RunError(f"{path} is not a lock that Shoal wrote: delete it")


def _no_run(folder: Path) -> RunError:
    inside = folder.is_dir()
    near = folder if inside else folder.parent
    runs = sorted(path.parent.name for path in near.glob(f"*/{_TOML}"))
    close = next(iter(runs), None) if inside else nearest_name(folder.name, runs)
    if inside:
        what = f"is not a run folder (no {_TOML} in it)"
    elif folder.exists():
        what = "is a file, not a run folder"
    else:
        what = "does not exist"
    if close:
        return RunError(f"{folder} {what}: did you mean {near / close}?")
    return RunError(f"{folder} {what}: give the folder that shoal fit wrote")
