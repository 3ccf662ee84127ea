"""A folder as one source: which of its files are the data, and which lie beside them."""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

from shoal.errors import InputError, SourceError, UnlikeError
from shoal.rows.arrays.hdf5 import list_datasets
from shoal.rows.arrays.idx import idx_header
from shoal.rows.arrays.numpy_files import npy_header
from shoal.rows.arrays.raw import raw_store
from shoal.rows.arrays.raw_files import open_raw
from shoal.rows.arrays.raw_manifest import MANIFEST, read_raw_manifest
from shoal.rows.base import Source
from shoal.rows.file_sets import (
    images_of,
    kind_of,
    leaving_out,
    open_images,
    open_shards,
    shards,
    without,
)
from shoal.rows.images.formats import READ, extension_of
from shoal.rows.images.listing import Found, walk
from shoal.rows.kinds import count_kinds, counted, extension, kind_of_file, of_kinds
from shoal.rows.options import SourceOptions
from shoal.rows.pickles import convert_pickles
from shoal.rows.sibling_labels import is_beside, labels_beside
from shoal.rows.tables.parquet_files import parquet_schema
from shoal.rows.tables.selection import listed
from shoal.storage import many

Kinds = dict[str, list[str]]

_READ = (
    f"Shoal reads {READ} (also in tar, zip, Parquet, HDF5 and TFRecord files), .npy, IDX, and raw "
    "numbers when --shape and --dtype are given"
)
_DIGITS = re.compile(r"[0-9]+")
_HEAD = 512  # bytes that tell the kind of a file
_SINGLE = (".npz", ".csv", ".tsv", ".mat")
_NOT_RAW = frozenset(
    (".txt", ".csv", ".tsv", ".json", ".md", ".toml", ".yaml", ".yml", ".xml", ".html", ".log")
)
# Fewer pictures than this beside much larger data are previews of it.
_FEW_PICTURES = 20
# Files of truth or facts have a few bytes a row, rows that are clustered hundreds or more.
_MUCH_LARGER = 10


def open_folder(root: Path, options: SourceOptions) -> Source:
    """Open a folder: of images, of shards, or of raw files."""
    found = walk(root)
    if not found.names:
        raise SourceError(f"the folder {root} is empty: give a folder with images in it")
    label = root.name or str(root.resolve())
    if MANIFEST in found.names:
        return _open_described(root, found, label, options)
    kinds = _by_kind(found.names)
    raw = _raw_files(kinds, options)
    if raw:
        options.refuse(f"raw files in {root}", key=options.key)
        raws = raw_store(_under(root, raw, found), options.shape or (), options.dtype)
        return without(options.array(raws, label), found.names, raw)
    names: Sequence[str]
    kind, why = _choose(root, found, kinds, options)
    label += why
    if kind == "image":
        names = kinds["image"]
        source = _open_images(root, found, names, label, options)
    elif kind == "raw":
        names = _data("raw", kinds)
        source = _open_raw(root, found, kinds, label, options)
    else:
        source, names = _open_shards(root, found, kind, kinds[kind], label, options)
    source, labels = _with_labels(source, root, found, kinds)
    own = {*labels, *(() if names is kinds[kind] else names)}
    # the names of millions of images are not gone through once more
    rest = [inner for one, inner in kinds.items() if one != kind or names is not inner]
    return leaving_out(source, count_kinds(n for inner in rest for n in inner if n not in own))


def _choose(root: Path, found: Found, kinds: Kinds, options: SourceOptions) -> tuple[str, str]:
    """Choose the kind of files that are the data; also say why, where it is not the first one.

    Images come first, then shards in the order of `SHARDS`. A kind of few files gives way to one
    that has many times its bytes; files that are named as labels are give way to all others.
    """
    order: list[str] = [kind for kind in ("image", *shards(), "raw") if kinds[kind]]
    if options.as_ in ("vectors", "table") and order != ["image"]:
        order = [kind for kind in order if kind != "image"]
    data = [kind for kind in order if kind == "image" or not all(map(is_beside, kinds[kind]))]
    order = data or order
    if not order:
        raise SourceError(_nothing(root, found.names, found.extensions))
    first = order[0]
    if first == "image" and options.as_ in ("vectors", "table"):
        raise InputError(f"{root} is a folder of images: it cannot be read --as {options.as_}")
    single = [name for name in kinds["other"] if name.lower().endswith(_SINGLE)]
    single = [name for name in single if not is_beside(name)]
    if (len(kinds[first]) >= _FEW_PICTURES and first == "image") or len(order) + len(single) == 1:
        return first, ""
    sizes = {kind: _bytes(root, _data(kind, kinds), found) for kind in order}
    largest = max(order, key=lambda kind: sizes[kind])
    kind = largest if sizes[largest] >= _MUCH_LARGER * sizes[first] else first
    if single and _bytes(root, single, found) >= _MUCH_LARGER * sizes[kind]:
        raise SourceError(
            f"the folder {root} holds {counted(found.extensions)}, most of its bytes in "
            f"{single[0]}: give that file, {root / single[0]}, or one of the others"
        )
    return kind, "" if kind == first else ", by far the most of its bytes"


def _data(kind: str, kinds: Kinds) -> list[str]:
    """Files of a kind that can be data: raw ones not, where a picture has the same name."""
    if kind != "raw" or not kinds["image"]:
        return kinds[kind]
    pictures = {os.path.splitext(name)[0] for name in kinds["image"]}
    return [name for name in kinds["raw"] if os.path.splitext(name)[0] not in pictures]


def _bytes(root: Path, names: Sequence[str], found: Found) -> int:
    """Count the bytes of some files; those that are gone have none."""
    total = 0
    for path in _under(root, names, found):
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total


def _open_images(
    root: Path, found: Found, names: Sequence[str], label: str, options: SourceOptions
) -> Source:
    label += of_kinds(images_of(found.extensions))
    return open_images(root, sorted_with(names, found), label, options, found.paths)


def _open_shards(
    root: Path,
    found: Found,
    kind: str,
    names: Sequence[str],
    label: str,
    options: SourceOptions,
) -> tuple[Source, Sequence[str]]:
    """Open the files of a kind; where their rows are not alike, those that are the data."""
    paths = _under(root, names, found)
    try:
        return open_shards(kind, paths, label, options), names
    except UnlikeError:
        data = _alike(root, kind, names, paths)
        if data is None:
            raise
        return open_shards(kind, _under(root, data, found), label, options), data


def _open_raw(root: Path, found: Found, kinds: Kinds, label: str, options: SourceOptions) -> Source:
    """Open raw files without a shape: those of a set that is known."""
    try:
        return open_raw(_under(root, _data("raw", kinds), found), label, options)
    except SourceError as error:
        others = [name for kind in shards() for name in kinds[kind]]
        pictures = [root / f"*{os.path.splitext(name)[1]}" for name in kinds["image"]]
        if not others and not pictures:
            raise
        hint = (
            f"its images, give {pictures[0]}" if pictures else f"another, give {root / others[0]}"
        )
        raise SourceError(
            f"the folder {root} holds {counted(found.extensions)}; {error}; to take {hint}"
        ) from None


def _open_described(root: Path, found: Found, label: str, options: SourceOptions) -> Source:
    manifest = read_raw_manifest(root)
    names = manifest.names_in(found.names)
    if not names:
        raise SourceError(f"{manifest.path}: none of its files ({listed(manifest.files)}) is there")
    many = f"{len(names):,} raw file{'s' * (len(names) > 1)} as {MANIFEST} says"
    many += f", licence {manifest.licence}" if manifest.licence else ""
    files = _under(root, names, found)
    source = manifest.open(files, options, f"{label}, {many}", whole=True)
    return without(source, found.names, [*names, MANIFEST, manifest.truth or MANIFEST])


def _with_labels(
    source: Any, root: Path, found: Found, kinds: Kinds
) -> tuple[Source, Sequence[str]]:
    array = source.as_array()
    if (array is None and source.as_files() is None) or source.label_origin:
        return source, ()
    if array is not None and array.is_parsed:
        return source, ()
    tables = [name for name in kinds["other"] if name.lower().endswith((".csv", ".tsv"))]
    names = [*kinds["npy"], *kinds["idx"], *tables]
    files = dict(zip(names, _under(root, names, found), strict=True))
    beside = labels_beside(source, files)
    if beside is None:
        return source, ()
    own = [name for name, path in files.items() if path in beside.paths]
    label = f"{source.label}, labels in {beside.origin}"
    return dataclasses.replace(source, beside=beside, label=label), own


def _by_kind(names: Sequence[str]) -> Kinds:
    kinds: Kinds = {kind: [] for kind in ("image", *shards(), "raw", "other")}
    for name in names:
        kinds[kind_of(name)].append(name)
    return kinds


def _raw_files(kinds: Kinds, options: SourceOptions) -> list[str]:
    if options.shape is None:
        return []
    if kinds["raw"] or kinds["npy"]:
        return kinds["raw"]
    shards = [name for name in kinds["tfrecord"] if ".tfrec" not in name.lower()]
    others = [name for name in kinds["other"] if os.path.splitext(name)[1].lower() not in _NOT_RAW]
    return shards or others


def sorted_with(names: Sequence[str], found: Found) -> list[str]:
    """Return a folder's images, and what may be images but cannot be read: each becomes a row."""
    pipes = [name for name in found.special if kind_of(name) == "image"]
    return [*names, *pipes, *found.closed]


def _under(root: Path, names: Sequence[str], found: Found) -> list[Path]:
    return [found.paths.get(name) or root / name for name in names]


def _of_first(root: Path, name: str) -> str:
    """Say what one of many files like it is, by its name or its first bytes, and the way out."""
    try:
        with (root / name).open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        head = b""
    ending = extension_of(head)
    if ending:
        return f"; {name} is a picture: name such files with its extension, {ending}"
    kind = kind_of_file(name, head)
    return "" if kind is None else f"; {name} is {kind.what}: {kind.way}"


def _nothing(root: Path, names: Sequence[str], extensions: Counter[str]) -> str:
    usable = [name for name in names if name.lower().endswith(_SINGLE)]
    hint = f"; to read one file, give that file: {root / usable[0]}" if usable else ""
    pickles = convert_pickles([root / name for name in names])
    if pickles:
        return f"the folder {root}: {pickles}"
    if any(".tar." in name.lower() or name.lower().endswith(".tgz") for name in names):
        hint = "; compressed archives cannot be read in place: unpack them to plain .tar files"
    holds = ", ".join(f"{n:,} {ext or 'without extension'}" for ext, n in extensions.most_common(4))
    common = extensions.most_common(1)[0][0]
    hint = hint or _of_first(root, next(name for name in names if extension(name) == common))
    return f"the folder {root} has no images (it holds {holds}): {_READ}{hint}"


def _alike(root: Path, kind: str, names: Sequence[str], paths: Sequence[Path]) -> list[str] | None:
    """Choose the files of a folder whose rows are alike and are the data.

    None where a file that is not is numbered like those that are: a shard that is damaged or of
    another version is not to be left out.
    """
    groups: dict[Hashable, list[int]] = {}
    for at, signature in enumerate(many(paths[0], _SIGNATURES[kind], list(paths))):
        groups.setdefault(signature, []).append(at)
    data = [group for what, group in groups.items() if what is not None]
    data = [g for g in data if not all(is_beside(names[at]) for at in g)] or data
    if len(data) < 2:
        return [names[at] for at in (data or list(groups.values()))[0]]
    series = [{_DIGITS.sub("#", names[at]) for at in group} for group in data]
    if len(set().union(*series)) < sum(map(len, series)):
        return None
    sizes = [sum(paths[at].stat().st_size for at in group) for group in data]
    order = sorted(range(len(data)), key=lambda at: -sizes[at])
    if sizes[order[0]] < _MUCH_LARGER * sizes[order[1]]:
        first, second = (names[data[at][0]] for at in order[:2])
        raise InputError(
            f"the folder {root} holds files of several sets, such as {first} and {second}, whose "
            f"rows are not alike: give those of one set, such as {root / first}"
        )
    return [names[at] for at in data[order[0]]]


def _of_npy(path: Path) -> Hashable:
    """Type and shape of a row; None where rows are single numbers."""
    dtype, shape = npy_header(path)
    return (dtype.str, shape[1:]) if len(shape) > 1 and shape[1:] != (1,) else None


def _of_idx(path: Path) -> Hashable:
    """Type and shape of a row; None for labels."""
    dtype, shape = idx_header(path)
    return (dtype.str, shape[1:]) if len(shape) > 1 else None


def _of_hdf5(path: Path) -> Hashable:
    return frozenset((one.key, one.dtype.str, one.shape[1:]) for one in list_datasets(path))


def _of_parquet(path: Path) -> Hashable:
    return str(parquet_schema(path))


_SIGNATURES: dict[str, Callable[[Path], Hashable]] = {
    "npy": _of_npy,
    "idx": _of_idx,
    "hdf5": _of_hdf5,
    "parquet": _of_parquet,
}
