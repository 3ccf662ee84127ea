"""Places: a folder of this machine, or one that fsspec reaches: ``s3://bucket/run``, ``memory://``.

`UrlPath` has those methods of `pathlib.Path` that storage uses, so that a run lies anywhere.
Object stores have no rename: there a file comes into being whole when its upload ends, and an
upload that is broken off leaves nothing. On other systems it is written beside its place and
moved, as on a disk.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from functools import wraps
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

_URL = re.compile(r"([a-z][a-z0-9+]+):/+(.*)")  # pathlib makes one slash of two
_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"})
_AT_ONCE = 64 << 20
_TIMES = ("LastModified", "mtime", "last_modified", "created")
_TRIES = 3

P = ParamSpec("P")
T = TypeVar("T")


class Stat(NamedTuple):
    """What is known of a file."""

    st_size: int
    st_mtime_ns: int = 0


def _as_os_errors(work: Callable[P, T]) -> Callable[P, T]:
    """Turn what a store's own library raises into an OSError."""

    @wraps(work)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except (OSError, ValueError):
            raise
        except Exception as error:
            said = str(error).strip() or type(error).__name__
            raise OSError(5, said.splitlines()[0]) from error

    return done


@dataclass(frozen=True, order=True)
class UrlPath:
    """A file or folder that fsspec reaches, by its URL without a slash at the end."""

    url: str
    known: dict[str, Any] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str | os.PathLike[str]) -> UrlPath:
        return UrlPath(f"{self.url.rstrip('/')}/{PurePosixPath(name)}")

    @property
    def name(self) -> str:
        """The last part."""
        return PurePosixPath(self._within).name

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The suffix of the last part."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> UrlPath:
        """The folder that it lies in."""
        above = str(PurePosixPath(self._within).parent)
        return UrlPath(f"{self.protocol}://{'' if above == '.' else above}")

    @property
    def parents(self) -> tuple[UrlPath, ...]:
        """The folders that it lies in, from the nearest on."""
        found, here = [], self
        while here.parent.url != here.url and here._within.strip("/"):
            here = here.parent
            found.append(here)
        return tuple(found)

    @property
    def protocol(self) -> str:
        """What stands before ``://``."""
        return self.url.partition("://")[0]

    def absolute(self) -> UrlPath:
        """Give itself."""
        return self

    def resolve(self) -> UrlPath:
        """Give itself."""
        return self

    def relative_to(self, folder: UrlPath) -> PurePosixPath:
        """Give its name within a folder above it."""
        return PurePosixPath(self._within).relative_to(folder._within)

    @_as_os_errors
    def exists(self) -> bool:
        """Tell whether it is there."""
        return bool(self._fs.exists(self.url))

    @_as_os_errors
    def is_dir(self) -> bool:
        """Tell whether it is a folder: in an object store, whether something lies under it."""
        return self.known["type"] == "directory" if self.known else bool(self._fs.isdir(self.url))

    @_as_os_errors
    def is_file(self) -> bool:
        """Tell whether it is a file."""
        return self.known["type"] == "file" if self.known else bool(self._fs.isfile(self.url))

    def is_symlink(self) -> bool:
        """There are no links."""
        return False

    @_as_os_errors
    def stat(self) -> Stat:
        """Give its size, and when it was written where the store says so."""
        said = self.known or self._fs.info(self.url)
        when = next((said[key] for key in _TIMES if said.get(key)), 0)
        if isinstance(when, datetime):
            when = when.timestamp()
        return Stat(int(said["size"] or 0), int(when * 1e9) if isinstance(when, float | int) else 0)

    @_as_os_errors
    def info(self) -> dict[str, Any]:
        """Give all that the store says of it."""
        return dict(self.known or self._fs.info(self.url))

    @_as_os_errors
    def _listed(self) -> list[UrlPath]:
        """List what lies in it, with what is known of each; of nothing, nothing."""
        try:
            entries = self._fs.ls(self.url, detail=True)
        except FileNotFoundError:
            return []
        names = {PurePosixPath(entry["name"].rstrip("/")).name: entry for entry in entries}
        own = self.name if len(entries) == 1 and entries[0]["type"] == "file" else None
        return [
            UrlPath(f"{self.url}/{name}", entry) for name, entry in names.items() if name != own
        ]

    def iterdir(self) -> Iterator[UrlPath]:
        """Go through what lies in it."""
        yield from self._listed()

    def glob(self, pattern: str) -> Iterator[UrlPath]:
        """Go through what lies in it under names of a pattern; ``*/x`` looks one folder deeper."""
        first, _, rest = pattern.partition("/")
        for path in self._listed():
            if fnmatchcase(path.name, first):
                yield from path.glob(rest) if rest else (path,)

    def mkdir(self, parents: bool = True, exist_ok: bool = True) -> None:
        """Folders come into being with what lies in them."""

    @_as_os_errors
    def unlink(self, missing_ok: bool = False) -> None:
        """Delete it."""
        try:
            self._fs.rm_file(self.url)
        except FileNotFoundError:
            if not missing_ok:
                raise

    @_as_os_errors
    def walk(self) -> Iterator[UrlPath]:
        """Go through all files in it, however deep."""
        found = self._fs.find(self.url, detail=True)
        begin = len(self._fs._strip_protocol(self.url)) + 1
        for name, known in sorted(found.items()):
            yield UrlPath(f"{self.url}/{name[begin:]}", known)

    def read_bytes(self, start: int | None = None, stop: int | None = None) -> bytes:
        """Read it, or a range of it; in some tries, as networks falter."""
        for again in range(1, _TRIES + 1):
            try:
                return self._read(start, stop)
            except FileNotFoundError:
                raise
            except OSError:
                if again == _TRIES:
                    raise
                time.sleep(again)
        raise AssertionError

    @_as_os_errors
    def _read(self, start: int | None, stop: int | None) -> bytes:
        """Read it, or a range of it."""
        return bytes(self._fs.cat_file(self.url, start=start, end=stop))

    def read_text(self, encoding: str = "utf-8") -> str:
        """Read its text."""
        return self.read_bytes().decode(encoding)

    @_as_os_errors
    def write(self, pieces: Iterable[memoryview], size: int) -> None:
        """Write pieces of `size` bytes in all; it is there whole, or as it was before."""
        fs = self._fs
        if self.protocol not in _WHOLE:
            aside = self.parent / f".{self.name}.{secrets.token_hex(6)}.tmp"
            fs.makedirs(self.parent.url, exist_ok=True)
            with fs.open(aside.url, "wb") as file:
                for piece in pieces:
                    file.write(piece)
            fs.mv(aside.url, self.url)
        elif size <= _AT_ONCE or self.protocol == "memory":
            fs.pipe_file(self.url, b"".join(pieces))
        else:
            # Not `with`: at its end fsspec completes an upload even after an error.
            file = fs.open(self.url, "wb", autocommit=False)
            try:
                for piece in pieces:
                    file.write(piece)
                file.close()
                file.commit()
            except BaseException:
                file.discard()
                raise

    @property
    def _within(self) -> str:
        """The path within the file system."""
        return self.url.partition("://")[2]

    @property
    def _fs(self) -> Any:
        """The file system; lists are not kept, as workers write while the launcher looks."""
        import fsspec.core

        return fsspec.core.url_to_fs(self.url, use_listings_cache=False)[0]


def as_place(where: str | os.PathLike[str]) -> Path:
    """Give a path of this machine, or that of a URL; ``file://`` is one of this machine.

    A `UrlPath` passes for a `Path`: it has those methods of it that storage uses.

    >>> as_place("s3://bucket/run/"), as_place("file:///tmp/run")
    (UrlPath(url='s3://bucket/run'), PosixPath('/tmp/run'))
    """
    if isinstance(where, UrlPath):
        return cast(Path, where)
    text = os.fspath(where)
    match = _URL.fullmatch(text)
    if match is None:
        return Path(text)
    if match[1] in ("file", "local"):
        return Path(f"/{match[2]}")
    return cast(Path, UrlPath(f"{match[1]}://{match[2].rstrip('/')}"))
