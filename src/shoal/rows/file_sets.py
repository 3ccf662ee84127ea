"""Several files as one source: a list or a pattern of images, or of shards."""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shoal.errors import InputError
from shoal.rows.arrays.hdf5 import Hdf5Images, open_datasets
from shoal.rows.arrays.idx import open_idx
from shoal.rows.arrays.numpy_files import npy_store
from shoal.rows.arrays.raw import open_raw
from shoal.rows.base import Source
from shoal.rows.images.containers import CONTAINERS, container_of, list_containers
from shoal.rows.images.formats import EXTENSIONS
from shoal.rows.images.image_table import FilesStore
from shoal.rows.images.listing import list_files
from shoal.rows.kinds import count_kinds, left_out, of_kinds, reads_by_extra
from shoal.rows.label_files import LabelFiles
from shoal.rows.options import SourceOptions
from shoal.rows.tables.parquet_files import open_parquet
from shoal.storage import is_remote

_EXTENSIONS: dict[str, str] = {
    **dict.fromkeys(EXTENSIONS, "image"),
    ".npy": "npy",
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".h5", ".hdf5", ".hdf", ".he5"), "hdf5"),
    **dict.fromkeys((".bin", ".raw", ".dat", ".u8", ".uint8"), "raw"),
}
_IDX = re.compile(r"[-.]idx\d*([-.]?u?byte)?(\.gz)?$", re.IGNORECASE)


def shards() -> dict[str, str]:
    """Return the kinds of files with many rows each, in order of preference, with their plurals."""
    return {
        "archive": "archives",
        "parquet": "Parquet files",
        "hdf5": "HDF5 files",
        **{one.kind: one.many for one in CONTAINERS},
        "npy": ".npy files",
        "idx": "IDX files",
    }


def kind_of(name: str) -> str:
    """Return the kind of a file by its name.

    >>> kind_of("a/b.JPG"), kind_of("shard-000.tar"), kind_of("notes.md")
    ('image', 'archive', 'other')
    >>> kind_of("x.tfrecord-00000-of-00010"), kind_of("train-00000-of-01024")
    ('tfrecord', 'tfrecord')
    >>> kind_of("train-images-idx3-ubyte"), kind_of("x.idx3-ubyte.gz"), kind_of("a.idx")
    ('idx', 'idx', 'idx')
    """
    ending = os.path.splitext(name)[1].lower()
    known = _EXTENSIONS.get(ending)
    if known is None and reads_by_extra(ending):
        return "image"
    if _IDX.search(name):
        return "idx"
    container = None if known else container_of(name)
    return known or (container.kind if container else "other")


def images_of(extensions: Counter[str]) -> Counter[str]:
    return Counter({e: count for e, count in extensions.items() if kind_of(f"x{e}") == "image"})


def without(source: Source, names: Sequence[str], taken: Sequence[str]) -> Source:
    """Return the source, its description counting the files of `names` that it does not use."""
    return leaving_out(source, count_kinds(names) - count_kinds(taken))


def leaving_out(source: Any, counts: Counter[str]) -> Source:
    if not counts:
        return source
    label = source.label + left_out(counts)
    return dataclasses.replace(source, label=label, left_out=counts + Counter(source.left_out))


def open_matching(paths: Sequence[Path], label: str, options: SourceOptions) -> Source:
    """Open the matches of a pattern with ``*``; other files beside images are left out."""
    images = [path for path in paths if kind_of(path.name) == "image"]
    others = Counter(kind_of(path.name) for path in paths if kind_of(path.name) != "image")
    if options.shape is not None or not images or any(others[kind] for kind in shards()):
        return open_paths(paths, label, options)
    names = [path.name for path in paths if not path.is_dir()]
    return without(open_paths(images, label, options), names, [path.name for path in images])


def open_paths(paths: Sequence[Path], label: str, options: SourceOptions) -> Source:
    kinds = Counter(kind_of(path.name) for path in paths)
    kind, count = kinds.most_common(1)[0]
    if kind == "raw" or (options.shape is not None and kind == "other"):
        return open_raw(paths, label, options)
    if kind in ("image", "other") or count < len(paths):
        # a list may name missing or damaged images, but no shard may be left out silently
        if any(kinds[other] for other in shards()):
            odd = next(path for path in paths if kind_of(path.name) != kind)
            like = next(path for path in paths if kind_of(path.name) == kind)
            raise InputError(
                f"{label}: {odd.name} is of another kind than {like.name}: give files of one kind"
            )
        names = [str(path) if is_remote(path) else os.path.abspath(path) for path in paths]
        return open_images(Path("/"), names, label + of_kinds(count_kinds(names)), options)
    return open_shards(kind, paths, label, options)


def open_images(
    root: Path,
    names: Sequence[str],
    label: str,
    options: SourceOptions,
    paths: Mapping[str, Path] | None = None,
) -> Source:
    options.check_images(label)
    return options.files(FilesStore(list_files(root, names, paths)), label)


def open_shards(kind: str, paths: Sequence[Path], label: str, options: SourceOptions) -> Source:
    many = f"{label}, {len(paths):,} {shards()[kind]}" if len(paths) > 1 else label
    container = next((one for one in CONTAINERS if one.kind == kind), None)
    if container is not None:
        store, kinds = list_containers(paths, label, options.key if container.has_keys else None)
        many += store.about
        taken = images_of(kinds)
        source = options.files(store, many + of_kinds(taken), keyed=container.has_keys)
        return leaving_out(source, kinds - taken)
    if kind == "npy":
        options.refuse(".npy files", key=options.key, dtype=options.dtype)
        return options.array(npy_store(paths, named=len(paths) > 1), label)
    if kind == "idx":
        options.refuse("IDX files", key=options.key, dtype=options.dtype)
        return open_idx(paths, label, options)
    if kind == "hdf5":
        return _open_hdf5(paths, label, many, options)
    return open_parquet(paths, label, many, options)


def _open_hdf5(paths: Sequence[Path], label: str, many: str, options: SourceOptions) -> Source:
    options.refuse("HDF5 files", dtype=options.dtype)
    found, key, labels = open_datasets(paths, label, options.key, options.stored_as)
    beside = None if labels is None else LabelFiles(tuple(paths), labels)
    if not isinstance(found, Hdf5Images):
        return options.array(found, f"{many}, dataset {key}", beside)
    source: Any = options.encoded(found, f"{many}, dataset {key}", keyed=True)
    return dataclasses.replace(source, beside=beside)
