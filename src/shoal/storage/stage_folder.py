"""A stage's folder: numbered parts, a marker when it begins, a receipt when it is done."""

from __future__ import annotations

import os
import re
import stat
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from operator import index
from pathlib import Path
from typing import Any

from shoal.errors import RunError
from shoal.storage.nofollow import BEGUN, DONE, KIND, PART, delete_file, link_error, open_file
from shoal.storage.parts import TEMPORARY, unwritable, write_json
from shoal.storage.places import is_remote
from shoal.storage.reading import damage_errors, read_json

_NAME = re.compile(rf"{KIND}/{PART.pattern}")
_FIELDS = {"fingerprint": str, "counts": dict, "seconds": float | int, "peak_memory": int}
_CHUNK = 1 << 20
_CHECKED = 64 << 20  # bytes: read in less than a tenth of a second


@dataclass(frozen=True)
class Receipt:
    """Facts about a finished stage, stored in ``_done.json``."""

    fingerprint: str
    counts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    peak_memory: int = 0  # bytes
    # Size in bytes and CRC-32 of each part, by path in the stage's folder
    parts: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class StageFolder:
    """One stage's folder in a run. Picklable: tasks carry it to the workers.

    Use: unless ``is_done``, call ``begin``, write the parts that ``has`` lacks, then ``finish``.
    """

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    def part(self, kind: str, number: int, ext: str = "npy") -> Path:
        """Return the path of a numbered part: ``vectors/part-00003.npy``."""
        return self._named(f"{kind}/part-{number:05d}.{ext}")

    def whole(self, kind: str, ext: str = "npy") -> Path:
        """Return the path of a result in one file for all rows: ``tree/whole.npy``."""
        return self._named(f"{kind}/whole.{ext}")

    def has(self, kind: str, number: int, ext: str = "npy") -> bool:
        """Return whether a numbered part exists; existing parts are complete."""
        path = self.part(kind, number, ext)
        return _size(path) is not None and not path.parent.is_symlink()

    def parts(self, kind: str) -> list[Path]:
        """Return the numbered parts of one kind, in order."""
        return [path for _, path in sorted(self._numbered(kind))]

    def numbers(self, kind: str, ext: str = "npy") -> set[int]:
        """Return the numbers of the parts of one kind, with one listing."""
        return {number for number, path in self._numbered(kind) if path.suffix == f".{ext}"}

    def _numbered(self, kind: str) -> list[tuple[int, Path]]:
        folder = self.whole(kind).parent
        for one in (self.path, folder):
            if one.is_symlink():
                raise link_error(one)
        if not folder.is_dir():
            return []
        matches = ((PART.fullmatch(path.name), path) for path in folder.iterdir())
        return [
            (int(match["number"]), path) for match, path in matches if match and match["number"]
        ]

    def kinds(self) -> list[str]:
        return [path.name for path in self._kinds()]

    def begin(self, fingerprint: str) -> None:
        """Prepare the folder for parts of `fingerprint`, and keep valid ones.

        Parts of another fingerprint, temporary files, and parts that do not match the receipt are
        deleted. Files that Shoal did not write are kept.
        """
        try:
            self._delete_temporary()
            if self._begun_fingerprint() != fingerprint:
                self.delete()
            elif (self.path / DONE).exists() and not self.is_done(fingerprint):
                self._delete_mismatched()
        except OSError as error:
            raise unwritable(self.path, 0, error) from error
        write_json(self.path / BEGUN, {"fingerprint": fingerprint})

    def finish(
        self,
        fingerprint: str,
        counts: Mapping[str, Any],
        seconds: float,
        peak_memory: int,
        linked: StageFolder | None = None,
    ) -> None:
        """Write the receipt, which marks the stage as done.

        Parts that are the same files as in the folder `linked` are not read again.
        """
        known = {} if linked is None else linked.read_receipt().parts
        parts = {}
        for path in self._files():
            name = self._relative(path)
            same = linked is not None and name in known and _is_same(path, linked.path / name)
            parts[name] = known[name] if same else _size_and_crc(path)
        receipt = Receipt(fingerprint, dict(counts), round(seconds, 3), peak_memory, parts)
        write_json(self.path / DONE, asdict(receipt))

    def is_done(self, fingerprint: str | None = None) -> bool:
        """Return whether the stage is done: receipt of this fingerprint, every part at its size.

        Without a fingerprint, any will do.
        """
        try:
            receipt = self.read_receipt()
        except RunError:
            return False
        if fingerprint is not None and receipt.fingerprint != fingerprint:
            return False
        return not self._mismatched(receipt, lambda name, size: name.endswith(".json"))

    def check(self) -> None:
        """Raise if something is visibly missing or damaged.

        Compared with the receipt are the size of every part, and the content of JSON files and
        wholes; in a store, only the receipt is read.
        """
        receipt = self.read_receipt()
        if not is_remote(self.path):
            self._raise_if(self._mismatched(receipt, _is_small))

    def verify(self) -> None:
        """Read every part and compare it with the receipt."""
        self._raise_if(self._mismatched(self.read_receipt(), lambda name, size: True))

    def _mismatched(self, receipt: Receipt, read: Callable[[str, int], bool]) -> list[str]:
        """List the parts whose size differs from the receipt, or the content of those to `read`."""
        sizes = {self._relative(path): size for path, size in self._files().items()}
        return [
            name
            for name, (size, crc) in receipt.parts.items()
            if sizes.get(name) != size
            or (read(name, size) and _size_and_crc(self.path / name) != (size, crc))
        ]

    def _raise_if(self, mismatched: Sequence[str]) -> None:
        if not mismatched:
            return
        path = self.path / mismatched[0]
        if not is_remote(path):
            for one in (path, path.parent):
                if one.is_symlink():
                    raise link_error(one)
        more = f" and {len(mismatched) - 1} more" if len(mismatched) > 1 else ""
        raise RunError(
            f"{path}{more} is missing or damaged: "
            f"delete the folder {self.path} and run shoal fit again"
        )

    def read_receipt(self) -> Receipt:
        path = self.path / DONE
        if not (path.exists() or path.is_symlink()):
            raise RunError(f"{self.path} is not finished: run shoal fit again, it continues")
        with damage_errors(path):
            fields = read_json(path)
            parts = {}
            for name, (size, crc) in fields["parts"].items():
                if not _NAME.fullmatch(name):
                    raise ValueError(f"{name} is not part of a stage")
                parts[name] = (index(size), index(crc))
            receipt = Receipt(**{**fields, "parts": parts})
            for name, kind in _FIELDS.items():
                if not isinstance(getattr(receipt, name), kind):
                    raise TypeError(f"{name} is {getattr(receipt, name)!r:.80}")
        return receipt

    def delete_parts(self, kind: str) -> None:
        for path in self.parts(kind):
            delete_file(path)

    def delete(self) -> None:
        """Delete the receipt, every part and empty folders; files that Shoal did not write stay."""
        for path in (self.path / DONE, *self._files(), self.path / BEGUN):
            delete_file(path)
        if not is_remote(self.path):
            with suppress(OSError):  # there are files that Shoal did not write
                for folder in (*self._kinds(), self.path):
                    folder.rmdir()

    def _delete_mismatched(self) -> None:
        try:
            listed = self.read_receipt().parts
        except RunError:
            listed = {}
        for path, size in self._files().items():
            expected = listed.get(self._relative(path))
            if expected is None or size != expected[0] or _size_and_crc(path) != expected:
                delete_file(path)
        delete_file(self.path / DONE)

    def _delete_temporary(self) -> None:
        for depth, folder in ((2, self.path), *((3, kind) for kind in self._kinds())):
            for path in folder.glob(".*.tmp"):
                if re.fullmatch(TEMPORARY, path.name):
                    delete_file(path, depth)

    def _begun_fingerprint(self) -> str | None:
        """Read the fingerprint of the parts, stored when they were begun."""
        try:
            begun = read_json(self.path / BEGUN)
        except RunError:
            return None
        return begun.get("fingerprint") if isinstance(begun, dict) else None

    def _kinds(self) -> list[Path]:
        if self.path.is_symlink():
            raise link_error(self.path)
        if not self.path.is_dir():
            return []
        return sorted(
            path
            for path in self.path.iterdir()
            if path.is_dir() and not path.is_symlink() and re.fullmatch(KIND, path.name)
        )

    def _files(self) -> dict[Path, int]:
        """Return the parts with their sizes in bytes."""
        paths = (path for kind in self._kinds() for path in sorted(kind.iterdir()))
        parts = ((path, _size(path)) for path in paths if PART.fullmatch(path.name))
        return {path: size for path, size in parts if size is not None}

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def _named(self, name: str) -> Path:
        """Return the path of `name`, refusing names that `begin` would not know again."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name} is not a name for a part: word/part-00000.npy|parquet|json")
        return self.path / name


def _is_small(name: str, size: int) -> bool:
    """Return whether a part is verified when a run is opened, because all rows depend on it."""
    return name.endswith(".json") or ("/whole." in name and size <= _CHECKED)


def _size(path: Path) -> int | None:
    try:
        if is_remote(path):
            return path.stat().st_size
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _is_same(path: Path, other: Path) -> bool:
    if is_remote(path) or is_remote(other):
        return False
    try:
        return os.path.samestat(os.lstat(path), os.lstat(other))
    except OSError:
        return False


def _size_and_crc(path: Path) -> tuple[int, int]:
    if is_remote(path):
        data = path.read_bytes()
        return len(data), zlib.crc32(data)
    size = crc = 0
    with open(open_file(path), "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
    return size, crc
