"""``shoal.toml``: describes a folder of raw files, how to read them, and their labels."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from shoal.errors import InputError, SourceError
from shoal.rows.arrays.raw import open_records, parse_dtype, raw_store
from shoal.rows.arrays.views import RowView, axes_to_image
from shoal.rows.base import Source
from shoal.rows.handles import head_of, readable
from shoal.rows.images.listing import natural_key
from shoal.rows.label_files import LabelFiles
from shoal.rows.options import SourceOptions
from shoal.rows.store import FileStore, Store

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
    """Open raw files by the manifest of their folder; None if it does not describe them."""
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
