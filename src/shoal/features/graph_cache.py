"""Networks built once, kept in the user's cache folder under the hash of what they are."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from shoal.errors import StorageFullError
from shoal.storage import write_bytes


def cache_folder() -> Path | None:
    """Return the folder for what can be made again; None where the user has no home.

    ``$XDG_CACHE_HOME/shoal``, else ``~/Library/Caches/shoal`` on macOS and ``~/.cache/shoal``
    elsewhere. https://specifications.freedesktop.org/basedir-spec/latest/
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(named):  # the specification: a relative path is of no account
        return Path(named) / "shoal"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "shoal"


def cached(name: str, make: Callable[[], bytes]) -> bytes:
    """Return the bytes kept under `name`, or make and keep them.

    A file's name ends with the hash of its bytes: one that was damaged is made again. A cache
    that cannot be written costs only the time to make them the next time.

    `name`: Says all that the bytes depend on.
    `make`: Gives the bytes.
    """
    folder = cache_folder()
    if folder is None:
        return make()
    for path in sorted(folder.glob(f"{name}-*.onnx")):
        try:
            data = path.read_bytes()
        except OSError:
            continue
        if path.stem == f"{name}-{_digest(data)}":
            return data
    data = make()
    with suppress(StorageFullError):
        write_bytes(folder / f"{name}-{_digest(data)}.onnx", data)
    return data


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
