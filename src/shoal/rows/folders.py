"""A folder as one source: which of its files are the data, and which only accompany them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from shoal.core.plural import listed, plural
from shoal.errors import InputError, SourceError, UnlikeError
from shoal.rows.arrays.hdf5 import list_datasets
from shoal.rows.arrays.idx import idx_header
from shoal.rows.arrays.numpy_files import npy_header
from shoal.rows.arrays.raw import MANIFEST, open_raw, raw_store, read_raw_manifest
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
from shoal.rows.handles import head_of
from shoal.rows.images.formats import READ, extension_of
from shoal.rows.images.listing import Found, walk
from shoal.rows.kinds import (
    convert_pickles,
    count_kinds,
    counted,
    extension,
    kind_of_file,
    of_kinds,
)
from shoal.rows.label_files import is_beside, labels_beside
from shoal.rows.options import SourceOptions
from shoal.rows.tables.parquet_files import parquet_schema
from shoal.storage import map_requests

_READ = (
    f"Shoal reads {READ} (also in tar, zip, Parquet, HDF5 and TFRecord files), .npy, IDX, and raw "
    "numbers when --shape and --dtype are given"
)
_DIGITS = re.compile(r"[0-9]+")
_SINGLE = (".npz", ".csv", ".tsv", ".mat")
_NOT_RAW = frozenset(
    (".txt", ".csv", ".tsv", ".json", ".md", ".toml", ".yaml", ".yml", ".xml", ".html", ".log")
)
# Fewer pictures than this beside much larger data are taken for previews of it.
_FEW_PICTURES = 20
# Files of labels or metadata have a few bytes per row, data hundreds or more.
_MUCH_LARGER = 10


@dataclass(frozen=True)
class _Folder:
    root: Path
    found: Found
    options: SourceOptions
    kinds: dict[str, list[str]]

    def paths(self, names: Sequence[str]) -> list[Path]:
        return [self.found.paths.get(name) or self.root / name for name in names]

    @property
    def contents(self) -> str:
        return f"the folder {self.root} holds {counted(self.found.extensions)}"

    def data(self, kind: str) -> list[str]:
        """Files of a kind that can be data: not raw files with the name of a picture."""
        if kind != "raw" or not self.kinds["image"]:
            return self.kinds[kind]
        pictures = {os.path.splitext(name)[0] for name in self.kinds["image"]}
        return [name for name in self.kinds["raw"] if os.path.splitext(name)[0] not in pictures]

    def bytes(self, names: Sequence[str]) -> int:
        total = 0
        for path in self.paths(names):
            with suppress(OSError):
                total += path.stat().st_size
        return total


def open_folder(root: Path, options: SourceOptions) -> Source:
    found = walk(root)
    if not found.names:
        raise SourceError(f"the folder {root} is empty: give a folder with images in it")
    label = root.name or str(root.resolve())
    kinds: dict[str, list[str]] = {kind: [] for kind in ("image", *shards(), "raw", "other")}
    for name in found.names:
        kinds[kind_of(name)].append(name)
    folder = _Folder(root, found, options, kinds)
    if MANIFEST in found.names:
        return _open_described(folder, label)
    raw = _raw_files(folder)
    if raw:
        options.refuse(f"raw files in {root}", key=options.key)
        raws = raw_store(folder.paths(raw), options.shape or (), options.dtype)
        return without(options.array(raws, label), found.names, raw)
    kind, why = _choose(folder)
    label, names = label + why, kinds[kind]
    if kind == "image":
        label += of_kinds(images_of(found.extensions))
        source = open_images(root, readable_images(found, names), label, options, found.paths)
    elif kind == "raw":
        names = folder.data("raw")
        source = _open_raw(folder, names, label)
    else:
        source, names = _open_shards(folder, kind, label)
    source, labels = _with_labels(source, folder)
    own = {*labels, *(() if names is kinds[kind] else names)}
    # avoid another pass over the names of millions of images
    rest = [inner for one, inner in kinds.items() if one != kind or names is not inner]
    return leaving_out(source, count_kinds(n for inner in rest for n in inner if n not in own))


def _choose(folder: _Folder) -> tuple[str, str]:
    """Choose the kind of files that are the data; also say why, if it is not the first kind.

    Images come first, then shards in the order of `shards`. A kind of few files gives way to one
    that has many times its bytes; files named like labels give way to all others.
    """
    root, kinds, as_ = folder.root, folder.kinds, folder.options.as_
    order: list[str] = [kind for kind in ("image", *shards(), "raw") if kinds[kind]]
    if as_ in ("vectors", "table") and order != ["image"]:
        order = [kind for kind in order if kind != "image"]
    data = [kind for kind in order if kind == "image" or not all(map(is_beside, kinds[kind]))]
    order = data or order
    if not order:
        raise SourceError(_no_data_message(folder))
    first = order[0]
    if first == "image" and as_ in ("vectors", "table"):
        raise InputError(f"{root} is a folder of images: it cannot be read --as {as_}")
    single = [name for name in kinds["other"] if name.lower().endswith(_SINGLE)]
    single = [name for name in single if not is_beside(name)]
    if (len(kinds[first]) >= _FEW_PICTURES and first == "image") or len(order) + len(single) == 1:
        return first, ""
    sizes = {kind: folder.bytes(folder.data(kind)) for kind in order}
    largest = max(order, key=lambda kind: sizes[kind])
    kind = largest if sizes[largest] >= _MUCH_LARGER * sizes[first] else first
    if single and folder.bytes(single) >= _MUCH_LARGER * sizes[kind]:
        raise SourceError(
            f"{folder.contents}, most of its bytes in {single[0]}: give that file, "
            f"{root / single[0]}, or one of the others"
        )
    return kind, "" if kind == first else ", by far the most of its bytes"


def _open_shards(folder: _Folder, kind: str, label: str) -> tuple[Source, list[str]]:
    names = folder.kinds[kind]
    try:
        return open_shards(kind, folder.paths(names), label, folder.options), names
    except UnlikeError:
        data = _matching_files(folder, kind)
        if data is None:
            raise
        return open_shards(kind, folder.paths(data), label, folder.options), data


def _open_raw(folder: _Folder, names: Sequence[str], label: str) -> Source:
    """Open raw files without a given shape: those of a known data set."""
    try:
        return open_raw(folder.paths(names), label, folder.options)
    except SourceError as error:
        root, kinds = folder.root, folder.kinds
        others = [root / name for kind in shards() for name in kinds[kind]]
        pictures = [root / f"*{os.path.splitext(name)[1]}" for name in kinds["image"]]
        if not others and not pictures:
            raise
        hint = f"its images, give {pictures[0]}" if pictures else f"another, give {others[0]}"
        raise SourceError(f"{folder.contents}; {error}; to take {hint}") from None


def _open_described(folder: _Folder, label: str) -> Source:
    manifest, everything = read_raw_manifest(folder.root), folder.found.names
    names = manifest.names_in(everything)
    if not names:
        raise SourceError(f"{manifest.path}: none of its files ({listed(manifest.files)}) is there")
    label += f", {plural(len(names), 'raw file')} as {MANIFEST} says"
    label += f", licence {manifest.licence}" if manifest.licence else ""
    source = manifest.open(folder.paths(names), folder.options, label, whole=True)
    return without(source, everything, [*names, MANIFEST, manifest.truth or MANIFEST])


def _with_labels(source: Any, folder: _Folder) -> tuple[Source, Sequence[str]]:
    array, kinds = source.as_array(), folder.kinds
    if (array is None and source.as_files() is None) or source.label_origin:
        return source, ()
    if array is not None and array.is_parsed:
        return source, ()
    tables = [name for name in kinds["other"] if name.lower().endswith((".csv", ".tsv"))]
    names = [*kinds["npy"], *kinds["idx"], *tables]
    files = dict(zip(names, folder.paths(names), strict=True))
    beside = labels_beside(source, files)
    if beside is None:
        return source, ()
    own = [name for name, path in files.items() if path in beside.paths]
    label = f"{source.label}, labels in {beside.origin}"
    return replace(source, beside=beside, label=label), own


def _raw_files(folder: _Folder) -> list[str]:
    kinds = folder.kinds
    if folder.options.shape is None:
        return []
    if kinds["raw"] or kinds["npy"]:
        return kinds["raw"]
    unsure = [name for name in kinds["tfrecord"] if ".tfrec" not in name.lower()]
    return unsure or [name for name in kinds["other"] if extension(name) not in _NOT_RAW]


def readable_images(found: Found, names: Sequence[str]) -> list[str]:
    """Return a folder's images, including unreadable entries: each becomes a row with a reason."""
    pipes = [name for name in found.special if kind_of(name) == "image"]
    return [*names, *pipes, *found.closed]


def _kind_hint(path: Path) -> str:
    head = b""
    with suppress(OSError):
        head = head_of(path)
    ending = extension_of(head)
    if ending:
        return f"; {path.name} is a picture: name such files with its extension, {ending}"
    kind = kind_of_file(path.name, head)
    return "" if kind is None else f"; {path.name} is {kind.what}: {kind.way}"


def _no_data_message(folder: _Folder) -> str:
    root, names, extensions = folder.root, folder.found.names, folder.found.extensions
    usable = [name for name in names if name.lower().endswith(_SINGLE)]
    hint = f"; to read one file, give that file: {root / usable[0]}" if usable else ""
    pickles = convert_pickles([root / name for name in names])
    if pickles:
        return f"the folder {root}: {pickles}"
    if any(".tar." in name.lower() or name.lower().endswith(".tgz") for name in names):
        hint = "; compressed archives cannot be read in place: unpack them to plain .tar files"
    holds = ", ".join(f"{n:,} {ext or 'without extension'}" for ext, n in extensions.most_common(4))
    common = extensions.most_common(1)[0][0]
    hint = hint or _kind_hint(root / next(name for name in names if extension(name) == common))
    return f"the folder {root} has no images (it holds {holds}): {_READ}{hint}"


def _matching_files(folder: _Folder, kind: str) -> list[str] | None:
    """Choose the files of a kind whose rows have one shape and are the data.

    None where a file that is not is numbered like those that are: a shard that is damaged or of
    another version is not to be left out.
    """
    names, root = folder.kinds[kind], folder.root
    paths = folder.paths(names)
    groups: dict[Hashable, list[int]] = {}
    for at, signature in enumerate(map_requests(_SIGNATURES[kind], paths)):
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


def _row_type(header: tuple[np.dtype[Any], tuple[int, ...]]) -> Hashable:
    """Return type and shape of a row; None where rows are single numbers, such as labels."""
    dtype, shape = header
    return (dtype.str, shape[1:]) if len(shape) > 1 and shape[1:] != (1,) else None


# What files whose rows go together have in common; None for files without rows.
_SIGNATURES: dict[str, Callable[[Path], Hashable]] = {
    "npy": lambda path: _row_type(npy_header(path)),
    "idx": lambda path: _row_type(idx_header(path)),
    "hdf5": lambda path: frozenset(
        (one.key, one.dtype.str, one.shape[1:]) for one in list_datasets(path)
    ),
    "parquet": lambda path: str(parquet_schema(path)),
}
