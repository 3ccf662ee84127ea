"""Raw files: read by a shape that is given, by their manifest, or as a set that is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shoal.errors import SourceError
from shoal.rows.arrays.raw import raw_store
from shoal.rows.arrays.raw_manifest import MANIFEST, read_raw_manifest
from shoal.rows.arrays.records import open_records
from shoal.rows.base import Source
from shoal.rows.options import SourceOptions

_HEAD_BYTES = 4096


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
            f"what {what} holds cannot be told from its name or first bytes: for raw numbers give "
            f"--shape and --dtype, as in --shape 16,16,3 --dtype uint8, or a {MANIFEST} beside them"
        )
    return source


def _by_manifest(paths: Sequence[Path], label: str, options: SourceOptions) -> Source | None:
    """Open raw files by the manifest of their folder; None where there is none, or not of them."""
    folder = paths[0].parent
    if any(path.parent != folder for path in paths) or not (folder / MANIFEST).is_file():
        return None
    manifest = read_raw_manifest(folder)
    if len(manifest.names_in([path.name for path in paths])) < len(paths):
        return None
    return manifest.open(paths, options, label, whole=False)


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).decode("utf-8", "replace")[:-1]
    lines = head.splitlines()
    return len(lines) > 1 and all(line.replace("\t", " ").isprintable() for line in lines)
