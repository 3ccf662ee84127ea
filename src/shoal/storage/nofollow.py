"""Files of a run folder, opened and deleted without following links.

A run may come from other people, so links in it are refused. The user chooses which run to open,
so the run folder itself may be a link, and so may the folders above it. Inside, each folder is
opened by its name in the one before, so that nothing can be swapped for a link between a check and
its use.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shoal.errors import RunError
from shoal.storage.places import is_remote

# As a path only, which needs no permission to list the folder.
_FOLDER = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
# Linux reports a link by ELOOP; FreeBSD and NetBSD use other numbers.
_OF_LINKS = frozenset({errno.ELOOP, errno.EMLINK, errno.ENOTDIR, getattr(errno, "EFTYPE", -1)})
PART = re.compile(r"(?:part-(?P<number>\d{5,})|whole)\.(?:npy|parquet|json)")
"""Names of the parts of a stage."""
KIND = r"[a-z][a-z0-9_]*"
"""Pattern of the names of folders of parts."""
NOTES = "_beam"
"""Folder of a run in which workers note their errors."""
BEGUN, DONE = "_begun.json", "_done.json"
"""The other files of a stage: the fingerprint of its parts, and its receipt."""


def depth_of(path: Path) -> int:
    """Count the last names of a path that are inside a run, by the name of the file.

    >>> depth_of(Path("a.shoal/tree/labels/whole.npy")), depth_of(Path("a.shoal/tree/_done.json"))
    (3, 2)
    >>> depth_of(Path("labels.npy"))
    0
    """
    if PART.fullmatch(path.name):
        return 3
    return 2 if path.name in (BEGUN, DONE) or path.parent.name == NOTES else 0


def open_file(
    path: Path, flags: int = os.O_RDONLY, mode: int = 0o666, depth: int | None = None
) -> int:
    """Open a file and return its descriptor; in a run only regular files, without waiting.

    `depth`: how many of the last names must not be links; by default `depth_of` the path.
    """
    depth = depth_of(path) if depth is None else depth
    if not depth:
        return os.open(path, flags | os.O_CLOEXEC, mode)
    # Non-blocking, because opening a pipe without a writer would wait.
    flags |= os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    with open_folder(path.parent, depth - 1) as folder, refusing_links(path, folder):
        file = os.open(path.name, flags, mode, dir_fd=folder)
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise _no_file_error(path)


@contextmanager
def open_folder(path: Path, depth: int, make: bool = False) -> Iterator[int]:
    """Open a folder, and yield its descriptor for `dir_fd`."""
    names = path.parts[len(path.parts) - depth :] if depth > 0 else ()
    at = path
    for _ in names:
        at = at.parent
    if make:
        at.mkdir(parents=True, exist_ok=True)
    folder = os.open(at, _FOLDER)
    try:
        for name in names:
            at = at / name
            above = folder
            with refusing_links(at, above):
                folder = _open_inner(name, above, make)
            os.close(above)
        yield folder
    finally:
        os.close(folder)


def _open_inner(name: str, above: int, make: bool) -> int:
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):  # another worker was faster
        os.mkdir(name, dir_fd=above)
    return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above)


def delete_file(path: Path, depth: int | None = None) -> None:
    """Delete a file, or a link in its place, if it exists; see `open_file` for `depth`."""
    if is_remote(path):
        path.unlink(missing_ok=True)
        return
    depth = depth_of(path) if depth is None else depth
    with suppress(FileNotFoundError), open_folder(path.parent, depth - 1) as folder:
        os.unlink(path.name, dir_fd=folder)


@contextmanager
def refusing_links(path: Path, folder: int) -> Iterator[None]:
    """Raise a `RunError` if something cannot be opened because it is a link or not a file."""
    try:
        yield
    except OSError as error:
        if error.errno in _OF_LINKS and _is_link(path.name, folder):
            raise link_error(path) from None
        if error.errno in (errno.EISDIR, errno.ENXIO):  # ENXIO: a pipe or socket, to be written
            raise _no_file_error(path) from None
        raise


def _is_link(name: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def link_error(path: Path) -> RunError:
    return RunError(
        f"{path} is a symbolic link, and links are not followed inside a folder that Shoal wrote: "
        "delete the link, or replace it with its target"
    )


def _no_file_error(path: Path) -> RunError:
    return RunError(f"{path} is not a regular file: delete it, then run the same command again")
