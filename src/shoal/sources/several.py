"""Several files as one source: a folder, a list or a pattern of images or of shards."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from shoal.errors import InputError, SourceError
from shoal.sources.archive import make_archive_store
from shoal.sources.arrays import npy_store
from shoal.sources.asked import Asked
from shoal.sources.base import Source
from shoal.sources.folder import FolderStore
from shoal.sources.formats import EXTENSIONS
from shoal.sources.hdf5 import Hdf5Images, open_datasets
from shoal.sources.listing import Found, make_listing, walk
from shoal.sources.parquet import make_parquet_source
from shoal.sources.parquet_images import find_images, make_parquet_images
from shoal.sources.raw import raw_store
from shoal.sources.raw_manifest import MANIFEST, read_raw_manifest
from shoal.sources.table import listed
from shoal.sources.tfrecord import make_record_store
from shoal.storage import UrlPath

FileKind = Literal["image", "archive", "npy", "parquet", "hdf5", "tfrecord", "raw", "other"]

READ = (
    "Shoal reads JPEG, PNG, GIF, BMP, TIFF, WebP and PNM files (also in tar, zip, Parquet, HDF5 "
    "and TFRecord files), .npy, and raw files when --shape and --dtype are given"
)
_EXTENSIONS: dict[str, FileKind] = {
    **dict.fromkeys(EXTENSIONS, "image"),
    **dict.fromkeys((".tar", ".zip"), "archive"),
    ".npy": "npy",
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".h5", ".hdf5", ".hdf", ".he5"), "hdf5"),
    **dict.fromkeys((".bin", ".raw", ".dat", ".u8", ".uint8"), "raw"),
}
_SHARDS: dict[FileKind, str] = {
    "archive": "archives",
    "parquet": "Parquet files",
    "hdf5": "HDF5 files",
    "tfrecord": "TFRecord files",
    "npy": ".npy files",
}
_RECORDS = re.compile(r"\.tfrec(ord)?s?\b|-\d+-of-\d+$", re.IGNORECASE)
_SINGLE = (".npz", ".csv", ".tsv", "ubyte", "ubyte.gz")
_NOT_RAW = frozenset(
    (".txt", ".csv", ".tsv", ".json", ".md", ".toml", ".yaml", ".yml", ".xml", ".html", ".log")
)


def kind_of(name: str) -> FileKind:
    """Tell what a file can be by its name.

    >>> kind_of("a/b.JPG"), kind_of("shard-000.tar"), kind_of("notes.md")
    ('image', 'archive', 'other')
    >>> kind_of("x.tfrecord-00000-of-00010"), kind_of("train-00000-of-01024")
    ('tfrecord', 'tfrecord')
    """
    known = _EXTENSIONS.get(os.path.splitext(name)[1].lower())
    return known or ("tfrecord" if _RECORDS.search(os.path.basename(name)) else "other")


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
    label = root.name or str(root.resolve())
    if MANIFEST in found.names:
        return _open_described(root, found, label, asked)
    kinds = _by_kind(found.names)
    raw = _raw_files(kinds, asked)
    if raw:
        asked.refuse(f"raw files in {root}", key=asked.key)
        raws = raw_store(_under(root, raw, found), asked.shape or (), asked.dtype)
        return asked.array(raws, label)
    if kinds["image"] and asked.as_ != "vectors":
        names = sorted_with(kinds["image"], found)
        return open_images(root, names, label + _left_out(kinds), asked, found.paths)
    for kind in _SHARDS:
        if kinds[kind]:
            return open_shards(kind, _under(root, kinds[kind], found), label, asked)
    if kinds["image"]:
        raise InputError(f"{root} is a folder of images: it cannot be read --as {asked.as_}")
    raise SourceError(_nothing(root, found.names, found.extensions))


def _open_described(root: Path, found: Found, label: str, asked: Asked) -> Source:
    """Open the raw files of a folder that has a manifest."""
    manifest = read_raw_manifest(root)
    names = manifest.names_in(found.names)
    if not names:
        raise SourceError(f"{manifest.path}: none of its files ({listed(manifest.files)}) is there")
    others = len(found.names) - len(names) - 1 - (manifest.truth in found.names)
    left = f", {others:,} other file{'s' * (others > 1)} left out" if others else ""
    many = f"{len(names):,} raw file{'s' * (len(names) > 1)} as {MANIFEST} says"
    return manifest.open(_under(root, names, found), asked, f"{label}, {many}{left}", whole=True)


def described(paths: Sequence[Path], label: str, asked: Asked) -> Source | None:
    """Open raw files by the manifest of their folder; None where there is none, or not of them."""
    folder = paths[0].parent
    if any(path.parent != folder for path in paths) or not (folder / MANIFEST).is_file():
        return None
    manifest = read_raw_manifest(folder)
    if len(manifest.names_in([path.name for path in paths])) < len(paths):
        return None
    return manifest.open(paths, asked, label, whole=False)


def open_paths(paths: Sequence[Path], label: str, asked: Asked) -> Source:
    """Open a list of files: of images, or of shards of one kind.

    Raises
    ------
    InputError
        When they are of several kinds, or of none that is read.
    """
    kinds = Counter(kind_of(path.name) for path in paths)
    kind, count = kinds.most_common(1)[0]
    if kind == "raw" and asked.shape is None:
        source = described(paths, label, asked)
        if source is not None:
            return source
    if asked.shape is not None and kind in ("raw", "other"):
        return asked.array(raw_store(paths, asked.shape, asked.dtype), label)
    if kind in ("image", "raw", "other") or count < len(paths):
        # a list may name what is missing or damaged, but a shard may not be left out unsaid
        if any(kinds[other] for other in _SHARDS):
            odd = next(path for path in paths if kind_of(path.name) != kind)
            like = next(path for path in paths if kind_of(path.name) == kind)
            raise InputError(
                f"{label}: {odd.name} is of another kind than {like.name}: give files of one kind"
            )
        names = [
            str(path) if isinstance(path, UrlPath) else os.path.abspath(path) for path in paths
        ]
        return open_images(Path("/"), names, label, asked)
    return open_shards(kind, paths, label, asked)


def open_images(
    root: Path,
    names: Sequence[str],
    label: str,
    asked: Asked,
    paths: Mapping[str, Path] | None = None,
) -> Source:
    """Open image files by their names relative to `root`, or by their addresses."""
    if asked.as_ not in (None, "images"):
        raise InputError(f"{label} holds image files: they cannot be read --as {asked.as_}")
    asked.refuse("image files", key=asked.key, shape=asked.shape, dtype=asked.dtype)
    return asked.encoded(FolderStore(root, make_listing(root, names, paths)), label)


def open_shards(kind: FileKind, paths: Sequence[Path], label: str, asked: Asked) -> Source:
    """Open files that hold many rows each, one after the other."""
    many = f"{label}, {len(paths):,} {_SHARDS[kind]}" if len(paths) > 1 else label
    if kind == "archive":
        store, others = make_archive_store(paths)
        left = f", {others:,} other {'file' if others == 1 else 'files'} left out" if others else ""
        return asked.encoded(store, many + left)
    if kind == "npy":
        asked.refuse(".npy files", key=asked.key, dtype=asked.dtype)
        return asked.array(npy_store(paths, named=len(paths) > 1), label)
    if kind == "tfrecord":
        records = make_record_store(paths, label, asked.key)
        return asked.encoded(records, f"{many}, feature {records.key}", keyed=True)
    if kind == "hdf5":
        return _open_hdf5(paths, label, many, asked)
    asked.refuse("Parquet files", shape=asked.shape, dtype=asked.dtype)
    looked = asked.as_ in (None, "images") and asked.schema is None
    column = find_images(paths, label, asked.key) if looked else None
    if column is None:
        return make_parquet_source(paths, label, asked.as_, asked.key, asked.picked, asked.schema)
    images = make_parquet_images(paths, column)
    return asked.encoded(images, f"{many}, column {column.name}", keyed=True)


def _open_hdf5(paths: Sequence[Path], label: str, many: str, asked: Asked) -> Source:
    """Open a dataset of HDF5 files: numbers, or encoded images."""
    asked.refuse("HDF5 files", dtype=asked.dtype)
    as_ = None if asked.shape else asked.as_
    found, key = open_datasets(paths, label, asked.key, as_)
    if isinstance(found, Hdf5Images):
        return asked.encoded(found, f"{many}, dataset {key}", keyed=True)
    return asked.array(found, f"{many}, dataset {key}")


def _by_kind(names: Sequence[str]) -> dict[str, list[str]]:
    """Sort the files of a folder by what they can be."""
    kinds: dict[str, list[str]] = {kind: [] for kind in (*_EXTENSIONS.values(), *_SHARDS, "other")}
    for name in names:
        kinds[kind_of(name)].append(name)
    return kinds


def _raw_files(kinds: dict[str, list[str]], asked: Asked) -> list[str]:
    """Give the raw files of a folder, when a shape is given for them."""
    if asked.shape is None:
        return []
    if kinds["raw"] or kinds["npy"]:
        return kinds["raw"]
    shards = [name for name in kinds["tfrecord"] if ".tfrec" not in name.lower()]
    others = [name for name in kinds["other"] if os.path.splitext(name)[1].lower() not in _NOT_RAW]
    return shards or others


def sorted_with(names: Sequence[str], found: Found) -> list[str]:
    """Give a folder's images, and what may be images but cannot be read: each becomes a row."""
    pipes = [name for name in found.special if kind_of(name) == "image"]
    return [*names, *pipes, *found.closed]


def _left_out(kinds: dict[str, list[str]]) -> str:
    """Say what lies beside the images of a folder and could be read by itself."""
    beside = [f"{len(kinds[kind]):,} {said}" for kind, said in _SHARDS.items() if kinds[kind]]
    return f", {' and '.join(beside)} left out" if beside else ""


def _under(root: Path, names: Sequence[str], found: Found) -> list[Path]:
    """Give files of a folder."""
    return [found.paths.get(name) or root / name for name in names]


def _nothing(root: Path, names: Sequence[str], extensions: Counter[str]) -> str:
    """Word what is said of a folder in which nothing can be used."""
    usable = [name for name in names if name.lower().endswith(_SINGLE)]
    hint = f"; to read one file, give that file: {root / usable[0]}" if usable else ""
    if any(".tar." in name.lower() or name.lower().endswith(".tgz") for name in names):
        hint = "; compressed archives cannot be read in place: unpack them to plain .tar files"
    holds = ", ".join(f"{n:,} {ext or 'without extension'}" for ext, n in extensions.most_common(4))
    return f"the folder {root} has no images (it holds {holds}): {READ}{hint}"
