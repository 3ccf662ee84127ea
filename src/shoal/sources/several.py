"""Several files as one source: a folder, a list or a pattern of images or of shards."""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from shoal.errors import InputError, SourceError
from shoal.sources.archive import make_archive_store
from shoal.sources.arrays import npy_store
from shoal.sources.asked import Asked
from shoal.sources.base import Source
from shoal.sources.folder import FolderStore
from shoal.sources.formats import EXTENSIONS, READ
from shoal.sources.hdf5 import Hdf5Images, open_datasets
from shoal.sources.kinds import count_kinds, kind_of_file, left_out, of_kinds, reads_by_extra
from shoal.sources.listing import Found, make_listing, walk
from shoal.sources.parquet import make_parquet_source
from shoal.sources.parquet_images import find_images, make_parquet_images
from shoal.sources.raw import raw_store
from shoal.sources.raw_files import open_raw
from shoal.sources.raw_manifest import MANIFEST, read_raw_manifest
from shoal.sources.table import listed
from shoal.sources.tfrecord import make_record_store
from shoal.storage import UrlPath

FileKind = Literal["image", "archive", "npy", "parquet", "hdf5", "tfrecord", "raw", "other"]

_READ = (
    f"Shoal reads {READ} (also in tar, zip, Parquet, HDF5 and TFRecord files), .npy, and raw "
    "numbers when --shape and --dtype are given"
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
    ending = os.path.splitext(name)[1].lower()
    known = _EXTENSIONS.get(ending)
    if known is None and reads_by_extra(ending):
        return "image"
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
        return without(asked.array(raws, label), found.names, raw)
    if kinds["image"] and asked.as_ != "vectors":
        names = sorted_with(kinds["image"], found)
        taken = _images_of(found.extensions)
        images = open_images(root, names, label + of_kinds(taken), asked, found.paths)
        return leaving_out(images, found.extensions - taken)
    for kind in _SHARDS:
        if kinds[kind]:
            shards = open_shards(kind, _under(root, kinds[kind], found), label, asked)
            return without(shards, found.names, kinds[kind])
    if kinds["image"]:
        raise InputError(f"{root} is a folder of images: it cannot be read --as {asked.as_}")
    raise SourceError(_nothing(root, found.names, found.extensions))


def _open_described(root: Path, found: Found, label: str, asked: Asked) -> Source:
    """Open the raw files of a folder that has a manifest."""
    manifest = read_raw_manifest(root)
    names = manifest.names_in(found.names)
    if not names:
        raise SourceError(f"{manifest.path}: none of its files ({listed(manifest.files)}) is there")
    many = f"{len(names):,} raw file{'s' * (len(names) > 1)} as {MANIFEST} says"
    files = _under(root, names, found)
    source = manifest.open(files, asked, f"{label}, {many}", whole=True)
    return without(source, found.names, [*names, MANIFEST, manifest.truth or MANIFEST])


def _images_of(extensions: Counter[str]) -> Counter[str]:
    """Return the counts of those extensions that are images'."""
    return Counter({e: count for e, count in extensions.items() if kind_of(f"x{e}") == "image"})


def without(source: Source, names: Sequence[str], taken: Sequence[str]) -> Source:
    """Return a source that says which files of all `names`, but for its own, it leaves out."""
    return leaving_out(source, count_kinds(names) - count_kinds(taken))


def leaving_out(source: Any, counts: Counter[str]) -> Source:
    """Return a source that says how many files of which extensions were left out."""
    if not counts:
        return source
    label = source.label + left_out(counts)
    return dataclasses.replace(source, label=label, left_out=counts + Counter(source.left_out))


def open_matching(paths: Sequence[Path], label: str, asked: Asked) -> Source:
    """Open what a pattern with ``*`` matches: images leave out what is none, as a folder does."""
    images = [path for path in paths if kind_of(path.name) == "image"]
    others = Counter(kind_of(path.name) for path in paths if kind_of(path.name) != "image")
    if asked.shape is not None or not images or any(others[kind] for kind in _SHARDS):
        return open_paths(paths, label, asked)
    names = [path.name for path in paths if not path.is_dir()]
    return without(open_paths(images, label, asked), names, [path.name for path in images])


def open_paths(paths: Sequence[Path], label: str, asked: Asked) -> Source:
    """Open a list of files: of images, or of shards of one kind.

    Raises
    ------
    InputError
        When they are of several kinds, or of none that is read.
    """
    kinds = Counter(kind_of(path.name) for path in paths)
    kind, count = kinds.most_common(1)[0]
    if kind == "raw" or (asked.shape is not None and kind == "other"):
        return open_raw(paths, label, asked)
    if kind in ("image", "other") or count < len(paths):
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
        return open_images(Path("/"), names, label + of_kinds(count_kinds(names)), asked)
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
        store, kinds = make_archive_store(paths)
        taken = _images_of(kinds)
        return leaving_out(asked.encoded(store, many + of_kinds(taken)), kinds - taken)
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
        return make_parquet_source(paths, label, asked)
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
    kind = kind_of_file(f"x{extensions.most_common(1)[0][0]}")
    if kind is not None and not hint:
        hint = f"; {kind.what}: {kind.way}"
    return f"the folder {root} has no images (it holds {holds}): {_READ}{hint}"
