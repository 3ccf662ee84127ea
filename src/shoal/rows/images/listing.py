"""The files of a source: a folder's in natural order, a list of paths, or ``x-{00..10}.tar``."""

from __future__ import annotations

import csv
import glob
import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, cast
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError, because
from shoal.rows.handles import wrapped
from shoal.rows.images.image_table import GONE, Files, Names, under
from shoal.rows.kinds import JUNK
from shoal.rows.tables.sniff import csv_rows, open_text
from shoal.storage import UrlPath, as_place, is_remote, map_requests

_PATH_COLUMNS = (
    *("path", "file", "filename", "file_name", "filepath", "file_path"),
    *("image", "image_path", "image_file", "img", "img_path"),
)
_DIGITS = re.compile("([0-9]+)")
_TABLES = (".csv", ".tsv")
_TRIED_ROWS = 50
_LONGEST_LINE = 1 << 20


def list_files(root: Path, names: Sequence[str], paths: Mapping[str, Path] | None = None) -> Files:
    """List files by their names relative to `root`, with their current sizes and times."""
    files = [(paths or {}).get(name) or under(root, name) for name in names]
    facts = np.array(map_requests(_facts, files), np.int64).reshape(-1, 3)
    encoded = Names.joined([os.fsencode(name) for name in names])
    links = None if is_remote(root) else _links(root, names, facts[:, 2] > 0)
    return Files(root, encoded, facts[:, 0].copy(), facts[:, 1].copy(), links)


def _links(
    root: Path, names: Sequence[str], linked: NDArray[np.bool_]
) -> NDArray[np.uint64] | None:
    folders: dict[str, bool] = {"": False}

    def is_linked(folder: str) -> bool:
        if folder not in folders:
            above = os.path.dirname(folder)
            inside = above not in (folder, "") and is_linked(above)
            folders[folder] = inside or os.path.islink(root / folder)
        return folders[folder]

    found = np.zeros(len(names), np.uint64)
    for row, (name, is_link) in enumerate(zip(names, linked.tolist(), strict=True)):
        if (is_link or is_linked(name.rpartition("/")[0])) and "://" not in name:
            found[row] = link_hash(root / name)
    return found if found.any() else None


def link_hash(path: Path) -> int:
    real = os.fsencode(os.path.realpath(path))
    return int.from_bytes(hashlib.blake2b(real, digest_size=8).digest()) | 1


def _facts(path: Path) -> tuple[int, int, bool]:
    """Return size and time of a file, or `GONE` and 0; and whether it is a symbolic link."""
    linked = False
    try:
        if is_remote(path):
            size, time = path.stat()
            return size, wrapped(time), False
        found = os.lstat(path)
        linked = stat.S_ISLNK(found.st_mode)
        found = os.stat(path) if linked else found
    except (OSError, ValueError):
        return GONE, 0, linked
    if not stat.S_ISREG(found.st_mode):
        return GONE, 0, linked
    return found.st_size, wrapped(found.st_mtime_ns), linked


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key by which ``img10`` comes after ``img9``; ties are broken by the name itself."""
    pieces: list[str | int] = list(_DIGITS.split(name))
    pieces[1::2] = [int(piece) for piece in pieces[1::2]]
    return pieces, name


@dataclass(frozen=True)
class Found:
    names: list[str]  # files in natural order
    extensions: Counter[str]  # how many files there are of each extension
    closed: list[str]  # folders that cannot be read, with a ``/`` at the end
    special: list[str]  # pipes, sockets and devices
    # for a folder in a store: the path of each file, with the facts of the store's listing
    paths: dict[str, Path] = field(default_factory=dict)


def walk(root: Path) -> Found:
    if is_remote(root):
        return _walk_store(root)
    found = Found([], Counter(), [], [])
    for entry, name in _entries(root, found.closed):
        if entry.is_symlink() or entry.is_file():
            found.extensions[os.path.splitext(entry.name)[1].lower()] += 1
            found.names.append(name)
        else:
            found.special.append(name)
    for names in (found.names, found.closed, found.special):
        names.sort(key=natural_key)
    return found


def _walk_store(root: UrlPath) -> Found:
    paths = {_name(path, root): cast(Path, path) for path in root.walk()}
    shown = [name for name in paths if all(map(is_shown, name.split("/")))]
    extensions = Counter(os.path.splitext(name)[1].lower() for name in shown)
    return Found(sorted(shown, key=natural_key), extensions, [], [], paths)


def is_shown(name: str) -> bool:
    """Return whether a name is neither hidden nor of a file of the operating system."""
    return not name.startswith(".") and name.lower() not in JUNK


def _name(path: UrlPath, root: UrlPath) -> str:
    name = path.relative_to(root).as_posix()
    plain = unquote(name) if path.is_web else name
    return name if any(sign in plain for sign in "?#%") else plain


def _entries(root: Path, closed: list[str]) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Yield all files under a folder; real folders come before links to them."""
    seen: set[tuple[int, int]] = set()
    folders, links = [""], list[str]()
    while folders or links:
        inner = folders.pop() if folders else links.pop()
        try:
            entries = _scan(root, inner, seen)
        except SourceError:
            if not inner:
                raise
            closed.append(inner)
            continue
        for entry in entries:
            name = f"{inner}{entry.name}"
            if _is_folder(entry):
                (links if entry.is_symlink() else folders).append(f"{name}/")
            else:
                yield entry, name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder or a link to one, not a link to itself."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _scan(root: Path, inner: str, seen: set[tuple[int, int]]) -> list[os.DirEntry[str]]:
    """List the visible entries of one folder in reverse; none if it was listed before."""
    try:
        found = os.stat(root / inner)
        if (found.st_dev, found.st_ino) in seen:
            return []
        seen.add((found.st_dev, found.st_ino))
        with os.scandir(root / inner) as entries:
            visible = [entry for entry in entries if is_shown(entry.name)]
    except OSError as error:
        raise SourceError(f"the folder {root / inner} cannot be read: {because(error)}") from None
    return sorted(visible, key=lambda entry: entry.name, reverse=True)


def read_list(path: Path, extensions: frozenset[str]) -> list[str] | None:
    """Return the paths listed in a text, CSV or TSV file; None if it is not such a list.

    A text file has one path per line (``#`` begins a comment); a table has a column of paths,
    found by its name or by the extensions in it. Only the first rows of other files are read.
    """
    try:
        column = _column(list(islice(_rows(path), _TRIED_ROWS)), extensions)
        if column is None:
            return None
        names = [row[column].strip() if column < len(row) else "" for row in _rows(path)]
    except csv.Error:  # a cell longer than any path, or zero bytes
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read as a list of paths: {because(error)}") from None
    is_table = path.suffix.lower() in _TABLES
    return names[1:] if is_table and not _is_image(names[0], extensions) else names


def _rows(path: Path) -> Iterator[list[str]]:
    """Read the rows of a table, or the lines of a text, that are not empty."""
    extension = path.suffix.lower()
    # file names need not be UTF-8; other encodings are reported when a table is read
    with open_text(path, "surrogateescape") as file:
        if extension not in _TABLES:
            lines = (line.strip() for line in _lines(file))
            yield from ([line] for line in lines if line and not line.startswith("#"))
            return
        rows = csv_rows(_lines(file), "\t" if extension == ".tsv" else None)
        yield from (row for row in rows if any(cell.strip() for cell in row))


def _lines(file: IO[str]) -> Iterator[str]:
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise csv.Error
        yield line


def _column(rows: list[list[str]], extensions: frozenset[str]) -> int | None:
    if not rows:
        return None

    def holds_paths(column: int) -> bool:
        cells = [row[column].strip() if column < len(row) else "" for row in rows]
        return are_images(cells[1:] or cells, extensions)

    return path_column(rows[0], holds_paths)


def path_column(names: Sequence[str], holds_paths: Callable[[int], bool]) -> int | None:
    """Find the column that holds paths, first among those with usual names."""
    usual = [name.strip().lower() in _PATH_COLUMNS for name in names]
    order = sorted(range(len(names)), key=lambda at: not usual[at])
    return next((at for at in order if holds_paths(at)), None)


def are_images(names: Sequence[str], extensions: frozenset[str]) -> bool:
    return sum(_is_image(name, extensions) for name in names) * 2 > len(names)


def _is_image(name: str, extensions: frozenset[str]) -> bool:
    if "://" in name:
        name = name.partition("?")[0]
    return os.path.splitext(name)[1].lower() in extensions


_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9]+)\.\.([0-9]+)")
_MOST = 1_000_000


def is_pattern(text: str) -> bool:
    """Return whether a text is a pattern for several paths rather than a path.

    >>> is_pattern("shard-{000..010}.tar"), is_pattern("a/*.tar"), is_pattern("a.tar")
    (True, True, False)
    """
    if "://" in text:
        return bool(_BRACES.search(text) or _has_magic(text))
    return bool(_BRACES.search(text) or glob.has_magic(text)) and not os.path.lexists(text)


def expand(text: str) -> list[Path]:
    """Return the paths of a pattern.

    ``{000..010}`` and ``{a,b}`` are expanded in that order, as in a shell, and each path must
    exist; ``*``, ``?`` and ``[…]`` in natural order must match at least one.
    """
    paths: list[Path] = []
    for one in braces(text):
        if "://" in one:
            paths.extend(_in_store(one))
            continue
        if glob.has_magic(one):
            found = sorted(glob.glob(one, recursive=True), key=natural_key)
            if not found:
                raise SourceError(f"{one} matches nothing: check the folder and the pattern")
        else:
            found = [one]
            if not os.path.exists(one):
                raise SourceError(f"{one} does not exist, but {text} includes it")
        paths.extend(Path(name) for name in found)
    return paths


def has_wildcard(text: str) -> bool:
    """Return whether a pattern matches existing files (``*``), not a fixed list (``{1..9}``).

    >>> has_wildcard("photos/*"), has_wildcard("shard-{000..010}.tar")
    (True, False)
    """
    return _has_magic(text) if "://" in text else glob.has_magic(text)


def _has_magic(url: str) -> bool:
    """Return whether an address has wildcards; in a web address ``?`` begins the query."""
    return "*" in url or ("?" in url and not url.startswith(("http://", "https://")))


def _in_store(url: str) -> list[Path]:
    """Return the files of an address; one without wildcards need not exist."""
    if not _has_magic(url):
        return [as_place(url)]
    folder, _, name = url.rpartition("/")
    if _has_magic(folder):
        raise SourceError(f"{url} has a pattern in a folder name: use one only in the file name")
    found = sorted(as_place(folder).glob(name), key=lambda path: natural_key(path.name))
    if not found:
        raise SourceError(f"{url} matches nothing: check the folder and the pattern")
    return found


def stem(text: str) -> str:
    """Return a name for the files of a pattern.

    >>> stem("data/shard-{000..010}.tar"), stem("*.tar")
    ('shard', '')
    """
    name = re.split(r"[{*?\[]", os.path.basename(text))[0]
    return name.rstrip("-_. ")


def braces(text: str) -> list[str]:
    """Expand ``{000..010}`` and ``{a,b}``, the last one varying fastest.

    >>> braces("x-{08..10}.tar"), braces("{a,b}{1..2}")
    (['x-08.tar', 'x-09.tar', 'x-10.tar'], ['a1', 'a2', 'b1', 'b2'])
    """
    match = _BRACES.search(text)
    if match is None:
        return [text]
    before, after = text[: match.start()], braces(text[match.end() :])
    inner = _inner(match[1], text)
    if len(inner) * len(after) > _MOST:
        raise SourceError(f"{text} expands to more than {_MOST:,} paths")
    return [f"{before}{one}{rest}" for one in inner for rest in after]


def _inner(inside: str, text: str) -> list[str]:
    span = _RANGE.fullmatch(inside)
    if span is None:
        return inside.split(",") if "," in inside else ["{" + inside + "}"]
    low, high = int(span[1]), int(span[2])
    if abs(high - low) >= _MOST:
        raise SourceError(f"{text} expands to more than {_MOST:,} paths")
    padded = any(len(end) > 1 and end.startswith("0") for end in (span[1], span[2]))
    width = max(len(span[1]), len(span[2])) if padded else 0
    step = 1 if high >= low else -1
    return [f"{number:0{width}d}" for number in range(low, high + step, step)]
