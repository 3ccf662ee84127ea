"""Places: local folders, and those that fsspec reaches: ``s3://bucket/run``, ``memory://``.

`UrlPath` has the methods of `pathlib.Path` that storage uses. Object stores have no rename: a file
appears when its upload ends, and an interrupted upload leaves nothing. On other systems it is
written to a temporary file and renamed, as on a disk.
"""

from __future__ import annotations

import io
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeGuard, TypeVar, cast

from shoal.errors import PlaceError
from shoal.storage.network import WAITS, again, as_place_errors, is_missing
from shoal.storage.ranges import RangeFile, fetched_ahead, read_range

_URL = re.compile(r"([a-z][a-z0-9+]+):/+(.*)")  # pathlib makes one slash of two
# Object stores, in which a file appears only when its upload is complete; memory:// is as good
_ATOMIC_UPLOAD = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"})
_WEB = frozenset({"http", "https"})
_RETRIES_ITSELF = _ATOMIC_UPLOAD - {"memory"}  # their libraries retry failed requests themselves
_AT_ONCE = 64 << 20
_BUFFER = 1 << 18
_REQUESTS = 16  # at a time
_TIMES = ("LastModified", "Last-Modified", "mtime", "last_modified", "updated", "created")

T = TypeVar("T")


class Stat(NamedTuple):
    """Size and time of a file; times are whole seconds, because listings round differently."""

    st_size: int
    st_mtime_ns: int = 0


@dataclass(frozen=True, order=True)
class UrlPath:
    """A file or folder that fsspec reaches, by its URL without a trailing slash."""

    url: str
    known: dict[str, Any] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str | os.PathLike[str]) -> UrlPath:
        return UrlPath(f"{self.url.rstrip('/')}/{PurePosixPath(name)}")

    @property
    def name(self) -> str:
        return PurePosixPath(self._within).name

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> UrlPath:
        above = str(PurePosixPath(self._within).parent)
        return UrlPath(f"{self.protocol}://{'' if above == '.' else above}")

    @property
    def parents(self) -> tuple[UrlPath, ...]:
        found, here = [], self
        while here.parent.url != here.url and here._within.strip("/"):
            here = here.parent
            found.append(here)
        return tuple(found)

    def with_name(self, name: str) -> UrlPath:
        return self.parent / name

    @property
    def protocol(self) -> str:
        return self.url.partition("://")[0]

    def absolute(self) -> UrlPath:
        return self

    def resolve(self) -> UrlPath:
        return self

    def relative_to(self, folder: UrlPath) -> PurePosixPath:
        return PurePosixPath(self._within).relative_to(folder._within)

    @as_place_errors
    def exists(self) -> bool:
        if self.is_web:  # fsspec says no as well when the server is away
            try:
                return bool(self._again(lambda: self._fs.info(self.url)))
            except FileNotFoundError as error:
                if is_missing(error):
                    return False
                raise
        return bool(self._again(lambda: self._fs.exists(self.url)))

    @as_place_errors
    def is_dir(self) -> bool:
        """Return whether it is a folder; in an object store, whether any name begins with it."""
        if self.known:
            return self.known["type"] == "directory"
        if self.is_web:
            return self.exists() and self.info().get("mimetype") == "text/html"  # an index page
        return bool(self._again(lambda: self._fs.isdir(self.url)))

    @as_place_errors
    def is_file(self) -> bool:
        if self.known:
            return self.known["type"] == "file"
        return (
            self.exists() if self.is_web else bool(self._again(lambda: self._fs.isfile(self.url)))
        )

    def is_symlink(self) -> bool:
        """Return False: there are no links."""
        return False

    @property
    def is_web(self) -> bool:
        """True on a web server, which is read-only."""
        return self.protocol in _WEB

    def fresh(self) -> UrlPath:
        """Return the path without facts from a listing."""
        return UrlPath(self.url)

    def stat(self) -> Stat:
        """Return its size, and its modification time if the store has it."""
        facts = self.info()
        if facts.get("size") is None:
            raise PlaceError(f"{self} cannot be read: its server does not report its size")
        when = next((facts[key] for key in _TIMES if facts.get(key)), 0)
        return Stat(int(facts["size"]), _seconds(when) * 1_000_000_000)

    @as_place_errors
    def info(self) -> dict[str, Any]:
        return dict(self.known or self._again(lambda: self._fs.info(self.url)))

    @as_place_errors
    def iterdir(self) -> Iterator[UrlPath]:
        try:
            entries = self._again(lambda: self._fs.ls(self.url, detail=True))
        except FileNotFoundError as error:
            if is_missing(error):
                return iter(())
            raise
        names = {PurePosixPath(entry["name"].rstrip("/")).name: entry for entry in entries}
        own = self.name if len(entries) == 1 and entries[0]["type"] == "file" else None
        return iter(
            [UrlPath(f"{self.url}/{name}", entry) for name, entry in names.items() if name != own]
        )

    def glob(self, pattern: str) -> Iterator[UrlPath]:
        """List the entries whose names match a pattern; ``*/x`` goes one folder deeper."""
        first, _, rest = pattern.partition("/")
        for path in self.iterdir():
            if fnmatchcase(path.name, first):
                yield from path.glob(rest) if rest else (path,)

    def mkdir(self, parents: bool = True, exist_ok: bool = True) -> None:
        """Do nothing: folders exist with their content."""

    @as_place_errors
    def unlink(self, missing_ok: bool = False) -> None:
        try:
            self._again(lambda: self._fs.rm_file(self.url))
        except FileNotFoundError:
            if not missing_ok:
                raise

    @as_place_errors
    def walk(self) -> Iterator[UrlPath]:
        if self.is_web:
            return self._walk_web()
        found = self._again(lambda: self._fs.find(self.url, detail=True))
        begin = len(self._fs._strip_protocol(self.url).rstrip("/")) + 1
        return iter(
            [UrlPath(f"{self.url}/{name[begin:]}", known) for name, known in sorted(found.items())]
        )

    def _walk_web(self) -> Iterator[UrlPath]:
        """List the links on a server's index page, which has no sizes."""
        entries = [path for path in self.iterdir() if not path.name.startswith(("?", "."))]
        if not entries:
            raise PlaceError(
                f"{self} cannot be listed, because its server has no index page there: give a text "
                "file with the addresses of the files, one per line"
            )
        files = [path for path in entries if not path.is_dir()]
        yield from fetched_ahead(lambda path: UrlPath(path.url, path.fresh().info()), files)
        for path in entries:
            if path.is_dir():
                yield from path._walk_web()

    def open(
        self,
        mode: str = "r",
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        """Open it for reading in any order, with read-ahead."""
        if mode not in ("r", "rb"):
            raise ValueError(f"mode {mode!r}, but an address is opened only for reading")
        file = io.BufferedReader(RangeFile(self, self.stat().st_size), _BUFFER)
        return file if mode == "rb" else io.TextIOWrapper(file, encoding, errors, newline)

    @as_place_errors
    def read_bytes(self, start: int | None = None, stop: int | None = None) -> bytes:
        """Read it, or a range of it, with retries."""
        if self.is_web and start is not None and stop is not None:
            return self._again(lambda: read_range(self._fs, self.url, start, stop))
        return self._again(lambda: bytes(self._fs.cat_file(self.url, start=start, end=stop)))

    def read_text(self, encoding: str = "utf-8") -> str:
        return self.read_bytes().decode(encoding)

    def can_copy(self, other: UrlPath) -> bool:
        """Return whether the store copies a file atomically."""
        return self.protocol == other.protocol and self.protocol in _ATOMIC_UPLOAD

    @as_place_errors
    def copy_from(self, other: UrlPath) -> None:
        self._again(lambda: self._fs.cp_file(other.url, self.url))

    @as_place_errors
    def write(self, pieces: Iterable[memoryview], size: int) -> None:
        """Write pieces, `size` bytes in all, atomically.

        Small files are retried here, blocks of large ones by the store's library.
        """
        fs = self._fs
        if self.is_web:
            raise PlaceError(f"{self} is on a web server, which is read-only")
        if self.protocol not in _ATOMIC_UPLOAD:
            aside = self.parent / f".{self.name}.{secrets.token_hex(6)}.tmp"
            fs.makedirs(self.parent.url, exist_ok=True)
            with fs.open(aside.url, "wb") as file:
                for piece in pieces:
                    file.write(piece)
            fs.mv(aside.url, self.url)
        elif size <= _AT_ONCE or self.protocol == "memory":
            data = b"".join(pieces)
            self._again(lambda: fs.pipe_file(self.url, data))
        else:
            # Not `with`: at its end fsspec completes an upload even after an error.
            file = fs.open(self.url, "wb", autocommit=False)
            try:
                for piece in pieces:
                    file.write(piece)
                file.close()
                file.commit()
            except BaseException:
                with suppress(Exception):  # without a network the store discards it
                    file.discard()
                file.closed = True  # or it would be completed when it is collected
                raise

    def _again(self, work: Callable[[], T]) -> T:
        """Call `work` with retries; only one if the store's library retries itself."""
        return again(work, WAITS[:1] if self.protocol in _RETRIES_ITSELF else WAITS)

    @property
    def _within(self) -> str:
        within = self.url.partition("://")[2]
        return re.split(r"[?#]", within)[0] if self.is_web else within

    @property
    def _fs(self) -> Any:
        import fsspec.core

        return fsspec.core.url_to_fs(self.url, use_listings_cache=False)[0]


def _seconds(when: Any) -> int:
    if isinstance(when, str):
        try:
            when = (
                datetime.fromisoformat(when) if when[:1].isdigit() else parsedate_to_datetime(when)
            )
        except ValueError:
            return 0
    if isinstance(when, datetime):
        when = when.timestamp()
    return int(when) if isinstance(when, float | int) else 0


def is_remote(path: object) -> TypeGuard[Any]:
    """Return whether a path is in a store or on the web, rather than on this machine.

    It is then a `UrlPath`, which code that handles both kinds declares as `Path`.
    """
    return isinstance(path, UrlPath)


def map_requests(request: Callable[[Path], T], paths: Sequence[Path]) -> list[T]:
    """Call `request` for each path, concurrently if they are in a store."""
    if not paths or not is_remote(paths[0]):
        return list(map(request, paths))
    with ThreadPoolExecutor(_REQUESTS) as pool:
        return list(pool.map(request, paths))


def as_place(where: str | os.PathLike[str]) -> Path:
    """Return a path of this machine, or that of a URL; ``file://`` is one of this machine.

    A `UrlPath` passes for a `Path`: it has those methods of it that storage uses.

    >>> as_place("s3://bucket/run/"), as_place("file:///tmp/run")
    (UrlPath(url='s3://bucket/run'), PosixPath('/tmp/run'))
    """
    if is_remote(where):
        return cast(Path, where)
    text = os.fspath(where)
    match = _URL.fullmatch(text)
    if match is None:
        return Path(text)
    if match[1] in ("file", "local"):
        return Path(f"/{match[2]}")
    return cast(Path, UrlPath(f"{match[1]}://{match[2].rstrip('/')}"))
