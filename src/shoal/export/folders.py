"""Export of images to folders, one per cluster; nothing is overwritten, and it can be undone."""

from __future__ import annotations

import io
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack, cast

import numpy as np

from shoal.errors import InputError, SourceError
from shoal.export.datasets import Describe, ImageFolder
from shoal.export.manifest import (
    BESIDE,
    NAME,
    Journal,
    Manifest,
    digest,
    digest_of,
    read_manifest,
    write_manifest,
)
from shoal.export.plan import Action, Mode, plan_actions
from shoal.fitted_run import FittedRun
from shoal.keywords import LabelKeywords
from shoal.rows import EncodedSource, ImageSource, Source
from shoal.rows.arrays.pixels import to_channels
from shoal.storage import fingerprint, is_remote, write_bytes
from shoal.storage.nofollow import delete_file, open_folder
from shoal.storage.parts import unwritable

_CHANGED = "its size or modification time changed since the fit; --changed includes it"
_TEMPORARY = r"\.[0-9a-f]{12}\.tmp"


@dataclass(frozen=True)
class Outcome:
    """Result of an export or its undo: counts, and skipped files with the reason."""

    done: int
    before: int
    left: tuple[tuple[str, str], ...] = ()


def lay_out(
    run: FittedRun,
    folder: Path,
    *,
    mode: Mode = "copy",
    changed: bool = False,
    describe: Describe | None = None,
    on_done: Callable[[int], None] = lambda count: None,
    **cut: Unpack[LabelKeywords],
) -> Outcome:
    """Export the images of a run by cluster: ``cluster-003/name.jpg``, or ``cluster-003-cats/…``.

    Nothing is ever overwritten. ``manifest.json`` lists every file with its outlier flag, and the
    quarantined rows. After an interruption, the same call continues.

    `mode`: {"copy", "symlink", "hardlink"}. Images in archives and tables are extracted unchanged,
    and rows of arrays are written as PNG.
    `changed`: Include files whose size or modification time changed since the fit, but never the
    targets of new symbolic links.
    """
    if is_remote(folder):
        raise InputError(f"{folder} is not a local folder, which this export needs: give one")
    clusters, actions = run.clustering(**cut), plan_actions(run, mode, **cut)
    others = np.zeros(run.source.n_rows, bool) if changed else run.changed
    if len(actions) and all(others[action.row] for action in actions):
        raise InputError(
            f"every file of {run.source.description} changed in size or modification time since "
            "the fit: run shoal fit again, or give --changed to export the files as they are now"
        )
    head = {
        "run": str(run.path.absolute()),
        "k": clusters.k,
        "mode": mode,
        **({} if describe is None else {"as": describe.__name__}),
        "quarantined": run.quarantine.to_pylist(),
    }
    plan = Manifest(head, fingerprint([head, [a.as_dict() for a in actions]]), actions, {})
    with _writing(folder):
        begun = _begin(folder, plan)
        new = [action for action in actions if action.target not in begun]
        on_done(len(actions) - len(new))
        left = []
        with closing(Journal(folder)) as journal:
            for action in new:
                is_other = others[action.row]
                reason = _CHANGED if is_other else _make(run.source, folder, action, mode, journal)
                left += [(action.target, reason)] if reason else []
                on_done(1)
        made = len(new) - len(left)
        left += _finish(folder, plan, describe, run.source, clusters.names)
    return Outcome(made, len(begun), tuple(left))


def _finish(
    folder: Path,
    plan: Manifest,
    describe: Describe | None,
    source: Source,
    names: Mapping[int, str],
) -> list[tuple[str, str]]:
    """Write the manifest and the files beside the images; return those that were changed."""
    before, journal, left = read_manifest(folder), Journal(folder), []
    facts = before.facts | journal.read()
    if describe is not None:
        images = [action for action in plan.actions if action.target in facts]
        texts = describe(ImageFolder(source, folder.absolute().name, images, names))
        made = plan.head[BESIDE] = before.head.get(BESIDE, {})
        for name, text in texts.items():
            path, data = folder / name, text.encode()
            if os.path.lexists(path) and not _unchanged(path, made.get(name, digest_of(data))):
                left.append((name, "it was changed"))
            else:
                write_bytes(path, data)
                made[name] = digest_of(data)
    write_manifest(folder, replace(plan, facts=facts))
    journal.delete()
    return left


def undo(folder: Path, on_done: Callable[[int], None] = lambda count: None) -> Outcome:
    """Remove exactly the files that an export wrote, and folders that are empty then.

    Files changed since are kept, and so are copies and hard links without their original.
    """
    manifest = read_manifest(folder)
    facts = manifest.facts | Journal(folder).read()
    removed, gone, left = 0, 0, []
    with _writing(folder):
        _sweep(folder)
        for action in manifest.actions:
            on_done(1)
            path, fact = folder / action.target, facts.get(action.target)
            if not os.path.lexists(path):
                gone += fact is not None
                continue
            reason = _changed(path, action, fact or _fact(action, manifest.head["mode"]))
            if reason:
                left.append((action.target, reason))
                continue
            delete_file(path, depth=2)
            removed += 1
        for name, fact in manifest.head.get(BESIDE, {}).items():
            if _unchanged(folder / name, fact):
                delete_file(folder / name, depth=1)
            elif os.path.lexists(folder / name):
                left.append((name, "it was changed"))
        _tidy(folder, manifest, left)
    return Outcome(removed, gone, tuple(left))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = Path(error.filename) if isinstance(error.filename, str) else folder
        raise unwritable(place, 0, error) from error


def _begin(folder: Path, plan: Manifest) -> frozenset[str]:
    """Check that the folder is empty or has this export; return the files already written."""
    if not folder.exists() or not any(folder.iterdir()):
        folder.mkdir(parents=True, exist_ok=True)
        write_manifest(folder, plan)
        return frozenset()
    try:
        before = read_manifest(folder)
    except InputError:
        if (folder / NAME).exists():
            raise
        raise InputError(
            f"{folder} is not empty and was not made by shoal export: give a new folder"
        ) from None
    if before.fingerprint != plan.fingerprint:
        raise InputError(
            f"{folder} holds another export (of {before.head.get('k')} clusters, by "
            f"{before.head.get('mode')}): give a new folder, or undo that one with "
            f"shoal export {plan.head['run']} --to {folder} --as folders --undo"
        )
    _sweep(folder)
    facts = before.facts | Journal(folder).read()
    return frozenset(target for target in facts if os.path.lexists(folder / target))


def _sweep(folder: Path) -> None:
    for path in folder.glob("cluster-*/.*.tmp"):
        if re.fullmatch(_TEMPORARY, path.name) and not path.parent.is_symlink():
            delete_file(path, depth=2)


def _make(source: Source, folder: Path, action: Action, mode: Mode, journal: Journal) -> str | None:
    target = folder / action.target
    origin = Path(action.origin) if action.origin else None
    if origin is not None and not origin.exists():
        return "its original is missing"
    with open_folder(target.parent, 1, make=True) as inner:
        if mode == "copy" or origin is None:
            try:
                data = _bytes(source, action.row)
            except SourceError as error:
                return str(error)
            fact = digest_of(data)
            if not _there(target, action, fact):
                _copy(data, target, inner, origin)
        else:
            fact = {mode: str(origin)}
            if not _there(target, action, fact):
                _link(origin, target.name, inner, mode)
    journal.add(action.target, fact)
    return None


def _link(origin: Path, name: str, folder: int, mode: Mode) -> None:
    if mode == "symlink":
        os.symlink(origin, name, dir_fd=folder)
    else:  # to the file itself, where the original is a link
        os.link(os.path.realpath(origin), name, dst_dir_fd=folder, follow_symlinks=False)


def _copy(data: bytes, target: Path, folder: int, origin: Path | None) -> None:
    """Write a file under a temporary name, then rename it, with the original's time and mode."""
    temporary = f".{secrets.token_hex(6)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, 0o666, dir_fd=folder), "wb") as file:
            file.write(data)
            file.flush()
            if origin is not None:
                found = os.stat(origin)
                os.fchmod(file.fileno(), found.st_mode & 0o777)
                os.utime(file.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))
        _move_to_free(temporary, target, folder)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)


def _there(target: Path, action: Action, fact: dict[str, Any]) -> bool:
    """Return whether an interrupted call already wrote this file."""
    if not os.path.lexists(target):
        return False
    reason = _changed(target, action, fact)
    if reason:
        raise InputError(f"{target} is in the way ({reason}): move it, or give a new folder")
    return True


def _move_to_free(temporary: str, target: Path, folder: int) -> None:
    """Move a file to a free name: unlike a rename, a link fails if the name exists."""
    both = {"src_dir_fd": folder, "dst_dir_fd": folder}
    try:
        os.link(temporary, target.name, **both, follow_symlinks=False)
    except FileExistsError:
        raise InputError(f"{target} appeared meanwhile: give a new folder") from None
    except OSError:  # a disk without hard links
        if os.path.lexists(target):
            raise InputError(f"{target} appeared meanwhile: give a new folder") from None
        os.rename(temporary, target.name, **both)


def _bytes(source: Source, row: int) -> bytes:
    if isinstance(source, EncodedSource):
        return source.encoded(row)
    from PIL import Image

    pixels = cast(ImageSource, source).read_original(row)
    buffer = io.BytesIO()
    pixels = pixels[..., 0] if pixels.shape[2] == 1 else to_channels(pixels, 3)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _fact(action: Action, mode: str) -> dict[str, Any] | None:
    """Return what an unfinished export would have recorded of a file, if that can be known."""
    if action.origin is None or not os.path.isfile(action.origin):
        return None
    return digest(Path(action.origin)) if mode == "copy" else {mode: action.origin}


def _changed(path: Path, action: Action, fact: dict[str, Any] | None) -> str | None:
    """Return the reason why a file must be kept, or None if it can be removed."""
    if path.parent.is_symlink():
        return "its folder became a link"
    if fact is None:
        return "the export did not finish it"
    if "symlink" in fact:
        same = path.is_symlink() and os.readlink(path) == fact["symlink"]
        return None if same else "it was changed"
    if path.is_symlink() or not path.is_file():
        return "it was changed"
    if action.origin is not None and not os.path.exists(action.origin):
        return "its original is gone"
    if "hardlink" in fact:
        return None if os.path.samefile(path, fact["hardlink"]) else "it was changed"
    return None if digest(path) == fact else "it was changed"


def _unchanged(path: Path, fact: dict[str, Any]) -> bool:
    return path.is_file() and not path.is_symlink() and digest(path) == fact


def _tidy(folder: Path, manifest: Manifest, left: list[tuple[str, str]]) -> None:
    for name in sorted({Path(action.target).parts[0] for action in manifest.actions}):
        with suppress(OSError):
            (folder / name).rmdir()
    if left:
        return
    Journal(folder).delete()
    (folder / NAME).unlink()
    with suppress(OSError):
        folder.rmdir()
