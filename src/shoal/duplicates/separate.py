"""Move copies away, or write a collection without them; nothing is overwritten."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoal.duplicates.find import Duplicates
from shoal.errors import InputError
from shoal.rows import EncodedSource
from shoal.rows.images.formats import is_image_name
from shoal.storage import read_json, write_json

MANIFEST = "duplicates.json"
_FORMAT = 1


@dataclass(frozen=True)
class Separated:
    """The number of files moved, written or returned, and those left alone with the reason."""

    done: int
    left: tuple[tuple[str, str], ...] = ()


def remove_copies(found: Duplicates, folder: Path) -> Separated:
    """Move the files of all copies into a folder; the kept ones stay in place."""
    lines = [line for line in found.table.to_pylist() if line["kind"] != "kept"]
    files = []
    for line in lines:
        row = line["row"] + (found.rows.sources[0].n_rows if line["source"] else 0)
        path = found.rows.path(row)
        if path is None:
            raise InputError(
                f"row {line['row']} is part of a larger file and cannot be moved: write a "
                "collection without copies with --keep-one DIR"
            )
        files.append((path.absolute(), Path(line["name"] or path.name)))
    return _carry_out(folder, "move", files)


def keep_one(found: Duplicates, folder: Path) -> Separated:
    """Write one image of each group, and all images in no group, into a folder.

    Files are copied unchanged, and rows of archives and tables as stored.
    """
    if len(found.rows.sources) == 2:
        raise InputError("--keep-one works on one source: leave --against out")
    source = found.rows.sources[0]
    if not isinstance(source, EncodedSource):
        raise InputError("--keep-one writes image files, but these rows are not images")
    copies = {line["row"] for line in found.table.to_pylist() if line["kind"] != "kept"}
    names: Sequence[str | None] = source.names(0, source.n_rows) or [None] * source.n_rows
    files: list[tuple[Path | int, Path]] = []
    for row, name in enumerate(names):
        if row not in copies:
            place = Path(name).parent if name else Path()
            files.append((row, place / source.file_name(row, name)))
    return _carry_out(folder, "write", files, source)


def _carry_out(
    folder: Path, action: str, files: list[tuple[Any, Path]], source: EncodedSource | None = None
) -> Separated:
    if folder.exists() and any(folder.iterdir()):
        raise InputError(
            f"{folder} is not empty: give a new folder, or undo the earlier command with --undo"
        )
    targets = list(_free_names([name for _, name in files]))
    entries: list[dict[str, Any]] = [
        {"from": str(origin), "to": str(target)}
        for (origin, _), target in zip(files, targets, strict=True)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {"format": _FORMAT, "action": action, "files": entries}
    write_json(folder / MANIFEST, manifest)
    left = []
    for entry, (origin, _) in zip(entries, files, strict=True):
        target = folder / entry["to"]
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if source is None:
                _move(origin, target)
            else:
                target.write_bytes(source.encoded(origin))
            stat = target.lstat()
            entry["bytes"], entry["time"] = stat.st_size, stat.st_mtime_ns
        except OSError as error:
            left.append((entry["to"], str(error)))
    write_json(folder / MANIFEST, manifest)
    return Separated(len(entries) - len(left), tuple(left))


def _free_names(names: list[Path]) -> Iterator[Path]:
    """Return relative names without ``..``, unique even if case is ignored."""
    taken: set[str] = set()
    for number, name in enumerate(names):
        parts = [part for part in name.parts if part not in ("..", ".", name.anchor)]
        safe = Path(*parts) if parts else Path(f"row-{number}")
        if str(safe).lower() in taken:
            safe = safe.with_name(f"{safe.stem}-{number}{safe.suffix}")
        taken.add(str(safe).lower())
        yield safe


def _move(origin: Path, target: Path) -> None:
    """Move a file to an unused name, possibly on another disk."""
    try:
        os.link(origin, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:  # another disk, or one without hard links
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        shutil.copy2(origin, target, follow_symlinks=False)
    origin.unlink()


def undo(folder: Path) -> Separated:
    """Move files back, or delete written ones, if they are unchanged."""
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder} has no {MANIFEST}: no copies were moved there")
    manifest = read_json(path)
    try:
        action, files = manifest["action"], [dict(entry) for entry in manifest["files"]]
        if manifest["format"] != _FORMAT or action not in ("move", "write"):
            raise ValueError(manifest["format"])
        entries = [(Path(e["from"]), _inside(folder, e["to"]), e) for e in files]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path} is damaged, or from another version of Shoal") from None
    left, done = [], 0
    for origin, target, entry in entries:
        reason = _reason_to_stay(action, folder, origin, target, entry)
        if reason:
            left.append((entry["to"], reason))
        elif os.path.lexists(target):
            if action == "move":
                origin.parent.mkdir(parents=True, exist_ok=True)
                _move(target, origin)
            else:
                target.unlink()
            done += 1
    if not left:
        path.unlink()
    for inner in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        with suppress(OSError):
            inner.rmdir()
    with suppress(OSError):
        folder.rmdir()
    return Separated(done, tuple(left))


def _inside(folder: Path, name: str) -> Path:
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts:
        raise ValueError(name)
    return folder / name


def _reason_to_stay(
    action: str, folder: Path, origin: Path, target: Path, entry: dict[str, Any]
) -> str | None:
    if not os.path.lexists(target):
        return None
    inside = target.relative_to(folder).parents
    links = [folder / part for part in inside if part.parts and (folder / part).is_symlink()]
    if links:
        return f"{links[0]} is now a link"
    stat = target.lstat()
    if "bytes" in entry and (stat.st_size, stat.st_mtime_ns) != (entry["bytes"], entry["time"]):
        return "it was changed"
    if action == "move" and os.path.lexists(origin):
        return f"{origin} exists again"
    # Only images were moved: a manifest that came from others must not place, say, a start-up file.
    if action == "move" and not is_image_name(origin.name):
        return f"{origin} is not an image file name: move it by hand"
    return None
