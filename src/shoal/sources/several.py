"""Several files as one source: a folder, a list or a pattern of images or of shards."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from shoal.errors import InputError, SourceError
from shoal.sources.archive import make_archive_store
from shoal.sources.arrays import npy_store
from shoal.sources.asked import Asked
from shoal.sources.base import Source
from shoal.sources.folder import FolderStore
from shoal.sources.formats import EXTENSIONS
from shoal.sources.listing import Found, make_listing, walk
from shoal.sources.parquet import make_parquet_source
from shoal.sources.parquet_images import find_images, make_parquet_images
from shoal.sources.raw import raw_store

FileKind = Literal["image", "archive", "npy", "parquet", "raw", "other"]

READ = (
    "Shoal reads JPEG, PNG, GIF, BMP, TIFF, WebP and PNM files (also in tar and zip archives and "
    "in Parquet), .npy, and raw files when --shape and --dtype are given"
)
_EXTENSIONS: dict[str, FileKind] = {
    **dict.fromkeys(EXTENSIONS, "image"),
    **dict.fromkeys((".tar", ".zip"), "archive"),
    ".npy": "npy",
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".bin", ".raw", ".dat", ".u8", ".uint8"), "raw"),
}
_NAMED = {"archive": "archives", "npy": ".npy files", "parquet": "Parquet files"}
_SINGLE = (".npz", ".csv", ".tsv", "ubyte", "ubyte.gz")
_NOT_RAW = frozenset(
    (".txt", ".csv", ".tsv", ".json", ".md", ".toml", ".yaml", ".yml", ".xml", ".html", ".log")
)


def kind_of(name: str) -> FileKind:
    """Tell what a file can be by its name.

    >>> kind_of("a/b.JPG"), kind_of("shard-000.tar"), kind_of("notes.md")
    ('image', 'archive', 'other')
    """
    return _EXTENSIONS.get(os.path.splitext(name)[1].lower(), "other")


def open_folder(root: Path, asked: Asked) -> Source:
    """Open a folder: of images, or of shards.

    Raises
    ------
    SourceError
        When there is nothing in it that can be read.
    """
    found = walk(root)
    if not found.names:
        raise SourceError(f"the folder {root} is empty: give a folder with images in it")
    kinds = _by_kind(found.names)
    label = root.name or str(root.resolve())
    raw = _raw_files(kinds, asked)
    if raw:
        asked.refuse(f"raw files in {root}", key=asked.key)
        return asked.array(raw_store(_under(root, raw), asked.shape or (), asked.dtype), label)
    if kinds["image"] and asked.as_ != "vectors":
        names = sorted_with(kinds["image"], found)
        return open_images(root, names, label + _left_out(kinds), asked)
    for kind in ("archive", "npy", "parquet"):
        if kinds[kind]:
            return open_shards(kind, _under(root, kinds[kind]), label, asked)
    if kinds["image"]:
        raise InputError(f"{root} is a folder of images: it cannot be read --as {asked.as_}")
    raise SourceError(_nothing(root, found.names, found.extensions))


def open_paths(paths: Sequence[Path], label: str, asked: Asked) -> Source:
    """Open a list of files: of images, or of shards of one kind.

    Raises
    ------
    InputError
        When they are of several kinds, or of none that is read.
    """
    kinds = Counter(kind_of(path.name) for path in paths)
    kind, count = kinds.most_common(1)[0]
    if asked.shape is not None and kind in ("raw", "other"):
        return asked.array(raw_store(paths, asked.shape, asked.dtype), label)
    if kind in ("image", "raw", "other") or count < len(paths):
        # a list may name what is missing or damaged, but a shard may not be left out unsaid
        if any(kinds[other] for other in ("archive", "npy", "parquet")):
            odd = next(path for path in paths if kind_of(path.name) != kind)
            like = next(path for path in paths if kind_of(path.name) == kind)
            raise InputError(
                f"{label}: {odd.name} is of another kind than {like.name}: give files of one kind"
            )
        names = [os.path.abspath(path) for path in paths]
        return open_images(Path("/"), names, label, asked)
    return open_shards(kind, paths, label, asked)


def open_images(root: Path, names: Sequence[str], label: str, asked: Asked) -> Source:
    """Open image files by their names relative to `root`."""
    if asked.as_ not in (None, "images"):
        raise InputError(f"{label} holds image files: they cannot be read --as {asked.as_}")
    asked.refuse("image files", key=asked.key, shape=asked.shape, dtype=asked.dtype)
    return asked.encoded(FolderStore(root, make_listing(root, names)), label)


def open_shards(kind: FileKind, paths: Sequence[Path], label: str, asked: Asked) -> Source:
    """Open files that hold many rows each, one after the other."""
    if kind == "archive":
        store, others = make_archive_store(paths)
        return asked.encoded(store, label + _archives(paths, label, others))
    if kind == "npy":
        asked.refuse(".npy files", key=asked.key, dtype=asked.dtype)
        return asked.array(npy_store(paths, named=len(paths) > 1), label)
    asked.refuse("Parquet files", shape=asked.shape, dtype=asked.dtype)
    column = find_images(paths, label, asked.key) if asked.as_ in (None, "images") else None
    if column is None:
        return make_parquet_source(paths, label, asked.as_, asked.key)
    many = f", {len(paths):,} files" if len(paths) > 1 else ""
    images = make_parquet_images(paths, column)
    return asked.encoded(images, f"{label}{many}, column {column.name}", keyed=True)


def _archives(paths: Sequence[Path], label: str, others: int) -> str:
    """Say how many archives there are, and what is left out."""
    many = f", {len(paths):,} archives" if len(paths) > 1 else ""
    left = f", {others:,} other {'file' if others == 1 else 'files'} left out" if others else ""
    return many + left


def _by_kind(names: Sequence[str]) -> dict[str, list[str]]:
    """Sort the files of a folder by what they can be."""
    kinds: dict[str, list[str]] = {kind: [] for kind in (*_EXTENSIONS.values(), "other")}
    for name in names:
        kinds[kind_of(name)].append(name)
    return kinds


def _raw_files(kinds: dict[str, list[str]], asked: Asked) -> list[str]:
    """Give the raw files of a folder, when a shape is given for them."""
    if asked.shape is None:
        return []
    if kinds["raw"] or kinds["npy"]:
        return kinds["raw"]
    return [name for name in kinds["other"] if os.path.splitext(name)[1].lower() not in _NOT_RAW]


def sorted_with(names: Sequence[str], found: Found) -> list[str]:
    """Give a folder's images, and what may be images but cannot be read: each becomes a row."""
    pipes = [name for name in found.special if kind_of(name) == "image"]
    return [*names, *pipes, *found.closed]


def _left_out(kinds: dict[str, list[str]]) -> str:
    """Say what lies beside the images of a folder and could be read by itself."""
    beside = [f"{len(kinds[kind]):,} {said}" for kind, said in _NAMED.items() if kinds[kind]]
    return f", {' and '.join(beside)} left out" if beside else ""


def _under(root: Path, names: Sequence[str]) -> list[Path]:
    """Give files of a folder."""
    return [root / name for name in names]


def _nothing(root: Path, names: Sequence[str], extensions: Counter[str]) -> str:
    """Word what is said of a folder in which nothing can be used."""
    usable = [name for name in names if name.lower().endswith(_SINGLE)]
    hint = f"; to read one file, give that file: {root / usable[0]}" if usable else ""
    holds = ", ".join(f"{n:,} {ext or 'without extension'}" for ext, n in extensions.most_common(4))
    return f"the folder {root} has no images (it holds {holds}): {READ}{hint}"
