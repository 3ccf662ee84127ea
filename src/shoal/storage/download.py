"""Download of a file: resumed after an interruption, and kept only if its checksum is right."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from shoal.errors import InputError, PlaceError, StorageFullError
from shoal.storage.network import WAITS

_PIECE = 1 << 18
_TIMEOUT = 60.0  # seconds without a byte
_PERMANENT = (400, 401, 403, 404, 407, 410, 451)  # HTTP status; a retry does not help

Advance = Callable[[int], None]


def download(
    url: str,
    path: Path,
    size: int,
    sha256: str,
    advance: Advance | None = None,
    waits: Sequence[float] = WAITS,
) -> None:
    """Download a file of known size and checksum, or resume an earlier download.

    An incomplete file has ``.part`` after its name. Proxies are taken from the environment
    (``HTTPS_PROXY``, ``NO_PROXY``), as urllib does.

    `size`, `sha256`: in bytes, and in hexadecimal digits.
    `advance`: called with the bytes as they arrive, those of an earlier call first.
    `waits`: seconds before each retry after a connection that brought nothing.
    """
    part = path.with_name(f"{path.name}.part")
    advance = advance or (lambda _: None)
    with _writing(path), _locked(part) as file:
        advance(file.tell())
        if file.tell() > size:
            _restart(file, advance)
        left = list(waits)
        while file.tell() < size:
            had = file.tell()
            try:
                _fetch(url, file, size, advance)
            except (OSError, http.client.HTTPException) as error:
                if file.tell() > had:
                    left = list(waits)
                refused = isinstance(error, urllib.error.HTTPError) and error.code in _PERMANENT
                if refused or not left:
                    raise _broken(url, file.tell(), size, error) from error
                time.sleep(left.pop(0))
        file.flush()
        _verify_or_delete(part, size, sha256, url)
        os.fsync(file.fileno())
        os.replace(part, path)


def copy_file(source: Path, path: Path, size: int, sha256: str) -> None:
    if not source.is_file():
        raise InputError(f"{source} is not a file: give the one that was downloaded")
    found = source.stat().st_size
    if found != size:
        raise InputError(f"{source} is a different file: expected {size:,} bytes, found {found:,}")
    part = path.with_name(f"{path.name}.copy{os.getpid()}")
    with _writing(path):
        try:
            shutil.copyfile(source, part)
            _verify_or_delete(part, size, sha256, str(source))
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(url: str, file: IO[bytes], size: int, advance: Advance) -> None:
    had = file.tell()
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})
    if had:
        request.add_header("Range", f"bytes={had}-")
    try:
        # A new opener, because the shared one keeps the proxies of its first use.
        answer = urllib.request.build_opener().open(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if (
            error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        ):  # the server's file is shorter: start again
            _restart(file, advance)
        raise
    with answer:
        part = answer.headers.get("Content-Range", "")
        whole = part.split("/")[-1] if part else answer.headers.get("Content-Length", "")
        if whole.isdecimal() and int(whole) != size:
            raise InputError(
                f"{url} is a different file: expected {size:,} bytes, found {int(whole):,}"
            )
        if had and not part.startswith(f"bytes {had}-"):
            _restart(file, advance)  # a server without ranges sends everything
        while piece := answer.read(min(_PIECE, size + 1 - file.tell())):
            with _writing(Path(file.name)):
                file.write(piece)
            advance(len(piece))
    if file.tell() < size:
        raise http.client.IncompleteRead(b"", size - file.tell())


def _restart(file: IO[bytes], advance: Advance) -> None:
    advance(-file.tell())
    file.truncate(0)
    file.seek(0)


def _verify_or_delete(part: Path, size: int, sha256: str, origin: str) -> None:
    if part.stat().st_size != size:
        part.unlink()
        raise InputError(
            f"{origin} sent more than {size:,} bytes: it is a different file, and is not kept"
        )
    digest = file_sha256(part)
    if digest != sha256:
        part.unlink()
        raise InputError(
            f"{origin} has the SHA-256 sum {digest} instead of {sha256}: it is a different file "
            "or was changed on the way, and is not kept"
        )


def _broken(url: str, had: int, size: int, error: Exception) -> PlaceError:
    if isinstance(error, urllib.error.HTTPError):
        why = f"HTTP status {error.code}"
    else:
        why = str(getattr(error, "reason", "") or error) or type(error).__name__
    return PlaceError(
        f"{url} could not be downloaded ({why}; {had:,} of {size:,} bytes are complete): run the "
        "command again to resume, set HTTPS_PROXY if you are behind a proxy, or download it "
        "elsewhere and give it with --from FILE"
    )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise StorageFullError(f"{path} cannot be written: {why}") from error


@contextmanager
def _locked(part: Path) -> Iterator[IO[Any]]:
    """Open an incomplete file, unless another process is downloading it."""
    with part.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlaceError(
                f"{part} is being downloaded by another process: wait for it"
            ) from None
        except OSError:
            pass  # a file system without locks; the checksum is verified anyway
        yield file
