"""Raw binary rows of a given shape and dtype, of a manifest, or of CIFAR-10, CIFAR-100, STL-10.

A ``shoal.toml`` describes a folder of raw files: how to read them, and their labels.

Layouts: https://www.cs.toronto.edu/~kriz/cifar.html and https://cs.stanford.edu/~acoates/stl10/
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError, SourceError
from shoal.rows.arrays.pixels import show
from shoal.rows.arrays.views import RowView, axes_to_image
from shoal.rows.base import LabelValues, Source
from shoal.rows.handles import head_of, readable
from shoal.rows.images.listing import natural_key
from shoal.rows.label_files import LabelFiles
from shoal.rows.options import SourceOptions
from shoal.rows.store import FileStore, Store, part_of
from shoal.storage import is_remote

_SIDES = (8, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 96, 128, 224, 256)


def raw_store(
    paths: Sequence[Path], shape: tuple[int, ...], dtype: str | None, offset: int = 0
) -> FileStore:
    """Open raw files one after the other as rows of `shape` and `dtype` (default ``uint8``)."""
    kind = parse_dtype(dtype)
    row_bytes = int(np.prod(shape)) * kind.itemsize
    parts = []
    for path in paths:
        with readable(path):
            part = part_of(path, 0, offset)
            if not is_remote(path):
                path.open("rb").close()
        size = part.size - offset
        if size < 0 or size % row_bytes:
            raise SourceError(_size_message(path, max(size, 0), shape, kind))
        parts.append(replace(part, n_rows=size // row_bytes))
    if not any(part.n_rows for part in parts):
        raise SourceError(f"{paths[0]} is empty" if len(paths) == 1 else "all raw files are empty")
    return FileStore(tuple(parts), kind, shape, named=True)


def parse_dtype(dtype: str | None) -> np.dtype[Any]:
    try:
        found = np.dtype(dtype or "uint8")
    except TypeError:
        found = np.dtype("O")
    if found.kind not in "buif":
        raise InputError(f"--dtype {dtype} is not a number type: give uint8, >u2, float32 or such")
    return found


def _size_message(path: Path, size: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    row = int(np.prod(shape)) * dtype.itemsize
    text = (
        f"{path} has {size:,} bytes, not a multiple of {show(shape)} {dtype} rows of {row:,} "
        f"bytes: {size // row:,} rows and {size % row:,} bytes left over"
    )
    fitting = fitting_shapes(size, shape, dtype.itemsize)
    if fitting:
        listed = ", ".join(",".join(map(str, fit)) for fit in fitting)
        return f"{text} (--shape {listed} would fit)"
    return f"{text} (no usual shape fits: is --dtype right, or the file cut off or with a header?)"


def fitting_shapes(size: int, shape: tuple[int, ...], itemsize: int) -> list[tuple[int, ...]]:
    """Return up to four usual shapes that fill a file of `size` bytes, nearest to `shape` first."""
    tried = [(side, side, c) for side in _SIDES for c in (1, 3)]
    fits = [s for s in tried if size >= np.prod(s) and size % (int(np.prod(s)) * itemsize) == 0]
    wanted = np.log(np.prod(shape))
    fits.sort(key=lambda s: abs(np.log(np.prod(s)) - wanted))
    return [s[:2] if s[2] == 1 else s for s in fits[:4]]


_JUDGED_ROWS = 200
_READ_ROWS = 4096
_STL_IMAGES = re.compile(r"(.*)_X(\.bin)", re.IGNORECASE)
_STL_LABELS = re.compile(r".*_y\.bin", re.IGNORECASE)


@dataclass(frozen=True)
class RecordSet:
    name: str
    classes: tuple[int, ...]  # number of classes of the label in each of the first bytes
    shape: tuple[int, int, int]  # of the image that follows, as stored
    order: str
    keys: tuple[str, ...]  # names of the labels
    # files with class names beside the records, for each label; the last label is the default
    names: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.classes) + math.prod(self.shape)


SETS = (
    RecordSet("CIFAR-10", (10,), (3, 32, 32), "CHW", ("label",), ("batches.meta.txt",)),
    RecordSet(
        "CIFAR-100",
        (20, 100),
        (3, 32, 32),
        "CHW",
        ("coarse", "fine"),
        ("coarse_label_names.txt", "fine_label_names.txt"),
    ),
)
STL10 = RecordSet("STL-10", (), (3, 96, 96), "CWH", ("label",), ("class_names.txt",))


@dataclass(frozen=True)
class RecordLabels:
    records: FileStore  # as rows of bytes
    known: RecordSet

    @property
    def origin(self) -> str:
        return f"{self.known.keys[-1]} in each record"

    def read(self, source: Source, key: str | None = None) -> LabelValues:
        keys = self.known.keys
        if key is not None and key not in keys:
            raise InputError(f"the records have no label {key}: give {' or '.join(keys)}")
        at = keys.index(key) if key else len(keys) - 1
        n_rows = self.records.n_rows
        values = [
            self.records.read(start, min(start + _READ_ROWS, n_rows)).data[:, at].copy()
            for start in range(0, n_rows, _READ_ROWS)
        ]
        codes = np.concatenate(values)
        return _names_of(codes, self.records.parts[0].path, self.known.names[at]) or codes


@dataclass(frozen=True)
class FilesOfLabels:
    """A file with one byte per label for each file of images; None for files without labels."""

    paths: tuple[Path | None, ...]
    counts: tuple[int, ...]  # number of images in each file

    @property
    def origin(self) -> str:
        return " and ".join(path.name for path in self.paths if path is not None)

    def read(self, source: Source, key: str | None = None) -> LabelValues:
        found: list[str | None] = []
        for path, count in zip(self.paths, self.counts, strict=True):
            found += [None] * count if path is None else list(map(str, _bytes_of(path, count)))
        return found


def _bytes_of(path: Path, count: int) -> Sequence[int] | Sequence[str]:
    values = np.frombuffer(path.read_bytes(), np.uint8)
    if len(values) != count:
        raise InputError(f"{path} has {len(values):,} labels, but there are {count:,} images")
    return _names_of(values - np.uint8(1), path, STL10.names[0]) or values.tolist()


def _names_of(codes: NDArray[np.uint8], beside: Path, file: str) -> list[str] | None:
    path = beside.parent / file
    if is_remote(path) or not path.is_file():
        return None
    lines = path.read_text("utf-8", "replace").splitlines()
    names = [line.strip() for line in lines if line.strip()]
    if len(set(names)) < len(names) or len(names) <= int(codes.max(initial=0)):
        return None
    return [names[code] for code in codes.tolist()]


def open_records(paths: Sequence[Path], label: str, options: SourceOptions) -> Source | None:
    """Open the files of a data set with a known layout; None for other files."""
    if options.shape is not None or options.dtype is not None:
        return None
    stl = [path for path in paths if _STL_IMAGES.fullmatch(path.name)]
    if stl and all(path in stl or _STL_LABELS.fullmatch(path.name) for path in paths):
        return _open_stl(stl, label, options)
    for known in SETS:
        try:
            records = raw_store(paths, (known.size,), "uint8")
        except SourceError:
            continue
        if _has_labels(records, known):
            view = RowView(
                records, axes_to_image(known.order), skip=len(known.classes), part_shape=known.shape
            )
            label += f", records in the layout of {known.name}"
            return options.array(view, label, RecordLabels(records, known))
    return None


def _has_labels(records: FileStore, known: RecordSet) -> bool:
    """Return whether the first bytes of sampled records can be labels, and vary."""
    rows = np.unique(np.linspace(0, records.n_rows - 1, _JUDGED_ROWS).astype(int)).tolist()
    if len(rows) < 2:
        return False
    found = np.stack([records.read(row, row + 1).data[0, : len(known.classes)] for row in rows])
    few = (found < np.array(known.classes)).all()
    # the dark corner of a picture would be 0 nearly everywhere
    return bool(few and all(np.bincount(column).max() < 0.6 * len(rows) for column in found.T))


def _open_stl(paths: Sequence[Path], label: str, options: SourceOptions) -> Source | None:
    try:
        store = raw_store(paths, STL10.shape, "uint8")
    except SourceError:
        return None
    files = [path.with_name(_STL_IMAGES.sub(r"\1_y\2", path.name)) for path in paths]
    there = tuple(path if path.is_file() else None for path in files)
    labels = (
        FilesOfLabels(there, tuple(part.n_rows for part in store.parts)) if any(there) else None
    )
    view = RowView(store, axes_to_image(STL10.order))
    return options.array(view, f"{label}, images as those of {STL10.name}", labels)


MANIFEST = "shoal.toml"
FORMAT = 1
_MOST_BYTES = 1 << 20
_TEXTS = ("dtype", "order", "truth", "truth_key", "licence", "about")
_KEYS = ("format", "files", "shape", "offset", "rows", *_TEXTS)


@dataclass(frozen=True)
class RawManifest:
    folder: Path
    files: tuple[str, ...]  # names or patterns within the folder
    shape: tuple[int, ...]  # of one row as stored
    dtype: str = "uint8"
    # order of the axes of an image: ``CHW``, ``CWH`` and so on; empty for ``HWC``
    order: str = ""
    offset: int = 0  # bytes before the first row of each file
    rows: int | None = None  # total number of rows, to notice missing files
    truth: str | None = None  # a label file in the folder, and its column or array
    truth_key: str | None = None
    licence: str | None = None  # shown in the description
    about: str | None = None

    @property
    def path(self) -> Path:
        return self.folder / MANIFEST

    def names_in(self, names: Sequence[str]) -> list[str]:
        """Return the files of the manifest among `names` in the folder, in natural order."""
        own = (MANIFEST, self.truth)
        found = [n for n in names if n not in own and any(fnmatchcase(n, p) for p in self.files)]
        return sorted(found, key=natural_key)

    def as_dict(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in _KEYS if name != "format"}
        return {"format": FORMAT, **{k: v for k, v in values.items() if v not in (None, "", 0)}}

    def open(
        self, paths: Sequence[Path], options: SourceOptions, label: str, *, whole: bool
    ) -> Source:
        """Open files of the folder.

        A shape or type in the options overrides the manifest. `whole`: these are all
        files, whose number of rows and labels are those of the manifest.
        """
        options.refuse(f"raw files in {self.folder}", key=options.key)
        store = self._store(paths, options)
        if whole and self.rows is not None and store.n_rows != self.rows:
            raise SourceError(
                f"{self.path} promises {self.rows:,} rows, but its files hold {store.n_rows:,}: "
                "finish making or copying them, or give the files that are there one by one"
            )
        labels = None
        if whole and self.truth and (self.folder / self.truth).exists():
            labels = LabelFiles((self.folder / self.truth,), self.truth_key)
        return options.array(store, label, labels)

    def _store(self, paths: Sequence[Path], options: SourceOptions) -> Store:
        dtype = options.dtype or self.dtype
        if options.shape is not None:
            return raw_store(paths, options.shape, dtype, self.offset)
        store: FileStore = raw_store(paths, self.shape, dtype, self.offset)
        axes = axes_to_image(self.order)
        return RowView(store, axes=axes) if axes != tuple(sorted(axes)) else store


def read_raw_manifest(folder: Path) -> RawManifest:
    path = folder / MANIFEST
    with readable(path, "", (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError)):
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8-sig")
        found = tomllib.loads(text)
    try:
        return _checked(folder, found)
    except (ValueError, TypeError) as error:
        raise SourceError(f"{path} is not a manifest: {error}") from None


def _checked(folder: Path, found: Mapping[str, Any]) -> RawManifest:
    unknown = [key for key in found if key not in _KEYS]
    if unknown:
        raise ValueError(f"{unknown[0]} is not one of its keys ({', '.join(_KEYS)})")
    if found.get("format") != FORMAT:
        raise ValueError(f"format must be {FORMAT}; got {found.get('format')!r:.40}")
    if "files" not in found or "shape" not in found:
        raise ValueError("files and shape are needed")
    texts = {key: _text(key, found[key]) for key in _TEXTS if key in found}
    files = found["files"] if isinstance(found["files"], list) else [found["files"]]
    shape = found["shape"] if isinstance(found["shape"], list) else [found["shape"]]
    if not 1 <= len(shape) <= 3:
        raise ValueError(f"shape must have one to three sides; got {shape!r:.60}")
    for name in (*files, *([texts["truth"]] if "truth" in texts else ())):
        _check_name(name)
    manifest = RawManifest(
        folder,
        tuple(files),
        tuple(_whole("shape", side, 1) for side in shape),
        offset=_whole("offset", found.get("offset", 0), 0),
        rows=_whole("rows", found["rows"], 1) if "rows" in found else None,
        **texts,
    )
    _check_reading(manifest)
    return manifest


def _check_reading(manifest: RawManifest) -> None:
    try:
        parse_dtype(manifest.dtype)
    except InputError:
        raise ValueError(f"dtype {manifest.dtype!r:.40} is not a number type") from None
    letters = "".join(sorted(manifest.order))
    if manifest.order and letters != {1: "", 2: "HW", 3: "CHW"}[len(manifest.shape)]:
        raise ValueError(
            f"order must name the {len(manifest.shape)} axes of shape, such as CHW; "
            f"got {manifest.order!r:.40}"
        )


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} must be a text; got {value!r:.40}")
    return value


def _whole(key: str, value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 1 << 53:
        raise ValueError(f"{key} must be a whole number of at least {least}; got {value!r:.40}")
    return value


def _check_name(name: Any) -> None:
    path = PurePosixPath(_text("files", name))
    if path.is_absolute() or ".." in path.parts or "\\" in name or "://" in name:
        raise ValueError(f"{name!r:.60} must be a name within the folder")


def open_raw(paths: Sequence[Path], label: str, options: SourceOptions) -> Source:
    if options.shape is not None:
        return options.array(raw_store(paths, options.shape, options.dtype), label)
    source = _by_manifest(paths, label, options) or open_records(paths, label, options)
    if source is None:
        if _is_text(paths[0]):
            raise SourceError(
                f"{paths[0]} looks like text: if it is a table, give it a name that ends in .csv"
            )
        what = str(paths[0]) if len(paths) == 1 else f"{label} ({len(paths):,} files)"
        raise SourceError(
            f"the format of {what} is unknown by its name and first bytes: for raw numbers give "
            f"--shape and --dtype, as in --shape 16,16,3 --dtype uint8, or a {MANIFEST} beside them"
        )
    return source


def _by_manifest(paths: Sequence[Path], label: str, options: SourceOptions) -> Source | None:
    folder = paths[0].parent
    if any(path.parent != folder for path in paths) or not (folder / MANIFEST).is_file():
        return None
    manifest = read_raw_manifest(folder)
    if len(manifest.names_in([path.name for path in paths])) < len(paths):
        return None
    return manifest.open(paths, options, label, whole=False)


def _is_text(path: Path) -> bool:
    lines = head_of(path, 4096).decode("utf-8", "replace")[:-1].splitlines()
    return len(lines) > 1 and all(line.replace("\t", " ").isprintable() for line in lines)
