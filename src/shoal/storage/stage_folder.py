"""A stage's folder: numbered parts, a marker when it begins, a receipt when it is done."""

from __future__ import annotations

import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from operator import index
from pathlib import Path
from typing import Any, TypeVar

from shoal.errors import RunError
from shoal.storage.nofollow import link_error, open_file, remove
from shoal.storage.parts import TEMPORARY, unwritable, write_json
from shoal.storage.places import is_remote
from shoal.storage.reading import read_json

_BEGUN = "_begun.json"
_DONE = "_done.json"
_WORD = r"[a-z][a-z0-9_]*"
_PART = re.compile(r"(?:part-(?P<number>\d{5,})|whole)\.(?:npy|parquet|json)")
_NAME = re.compile(rf"{_WORD}/(?:part-\d{{5,}}|whole)\.(?:npy|parquet|json)")
_FIELDS = {"fingerprint": str, "counts": dict, "seconds": float | int, "peak_memory": int}
_CHUNK = 1 << 20
_CHECKED = 64 << 20  # bytes: read in less than a tenth of a second
_AT_A_TIME = 16  # requests to a store

Item = TypeVar("Item")
Answer = TypeVar("Answer")


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
        return self._known(f"{kind}/part-{number:05d}.{ext}")

    def whole(self, kind: str, ext: str = "npy") -> Path:
        """Return the path of a result in one file for all rows: ``tree/whole.npy``."""
        return self._known(f"{kind}/whole.{ext}")

    def has(self, kind: str, number: int, ext: str = "npy") -> bool:
        """Return whether a numbered part exists; existing parts are complete."""
        path = self.part(kind, number, ext)
        return _size(path) is not None and not path.parent.is_symlink()

    def parts(self, kind: str) -> list[Path]:
        numbered = []
        for path in self._parts():
            match = _PART.fullmatch(path.name)
            if path.parent.name == kind and match and match["number"]:
                numbered.append((int(match["number"]), path))
        return [path for _, path in sorted(numbered)]

    def numbers(self, kind: str, ext: str = "npy") -> set[int]:
        """Return the numbers of the parts of one kind, with one listing."""
        folder = self._known(f"{kind}/whole.{ext}").parent
        for one in (self.path, folder):
            if one.is_symlink():
                raise link_error(one)
        if not folder.is_dir():
            return set()
        found = (
            _PART.fullmatch(path.name) for path in folder.iterdir() if path.suffix == f".{ext}"
        )
        return {int(match["number"]) for match in found if match and match["number"]}

    def kinds(self) -> list[str]:
        return [path.name for path in self._kinds()]

    def begin(self, fingerprint: str) -> None:
        """Prepare the folder for parts of `fingerprint`, and keep valid ones.

        Parts of another fingerprint, temporary files, and parts that do not match the receipt are
        deleted. Files that Shoal did not write are kept.
        """
        try:
            self._sweep()
            if self._note() != fingerprint:
                self.clear()
            elif (self.path / _DONE).exists() and not self.is_done(fingerprint):
                self._drop_mismatched()
        except OSError as error:
            raise unwritable(self.path, 0, error) from error
        write_json(self.path / _BEGUN, {"fingerprint": fingerprint})

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
        known = {} if linked is None else linked.receipt.parts
        parts = {}
        for path in self._parts():
            name = self._relative(path)
            same = linked is not None and name in known and _is_same(path, linked.path / name)
            parts[name] = known[name] if same else _size_and_crc(path)
        receipt = Receipt(fingerprint, dict(counts), round(seconds, 3), peak_memory, parts)
        write_json(self.path / _DONE, asdict(receipt))

    def is_done(self, fingerprint: str | None = None) -> bool:
        """Return whether the stage is done: receipt of this fingerprint, every part at its size.

        Without a fingerprint, any will do.
        """
        try:
            receipt = self.receipt
        except RunError:
            return False
        if fingerprint is not None and receipt.fingerprint != fingerprint:
            return False
        return not self._wrong(receipt, lambda name, size: name.endswith(".json"))

    def check(self) -> None:
        """Raise for what is missing or damaged as far as that is seen at once.

        That is every part of another size, and the content of all JSON and of the wholes. Of a
        folder in a store only the receipt is looked at.
        """
        receipt = self.receipt
        if not is_remote(self.path):
            self._refuse(self._wrong(receipt, _is_small))

    def verify(self) -> None:
        """Read every part and compare it with the receipt."""
        self._refuse(self._wrong(self.receipt, lambda name, size: True))

    def _wrong(self, receipt: Receipt, read: Callable[[str, int], bool]) -> list[str]:
        """List the parts that are not as the receipt says, by their sizes; some are read."""
        sizes = self._sizes()
        return [
            name
            for name, (size, crc) in receipt.parts.items()
            if sizes.get(name) != size
            or (read(name, size) and _size_and_crc(self.path / name) != (size, crc))
        ]

    def _refuse(self, wrong: Sequence[str]) -> None:
        if not wrong:
            return
        path = self.path / wrong[0]
        if not is_remote(path):
            for one in (path, path.parent):
                if one.is_symlink():
                    raise link_error(one)
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise RunError(
            f"{path}{more} is missing or damaged: "
            f"delete the folder {self.path} and run shoal fit again"
        )

    @property
    def receipt(self) -> Receipt:
        path = self.path / _DONE
        if not (path.exists() or path.is_symlink()):
            raise RunError(f"{self.path} is not finished: run shoal fit again, it continues")
        try:
            return self._received(read_json(path))
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            if isinstance(error, RunError):
                raise
            raise RunError(
                f"{path} is damaged: delete the folder {self.path} and run shoal fit again"
            ) from error

    def _received(self, fields: dict[str, Any]) -> Receipt:
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

    def clear(self) -> None:
        """Delete the receipt and every part; files that Shoal did not write stay."""
        delete(self.path / _DONE)
        for path in list(self._parts()):
            delete(path)

    def remove(self) -> None:
        """Delete the receipt, every part, and what is then empty of the folder."""
        self.clear()
        delete(self.path / _BEGUN)
        if not is_remote(self.path):
            with suppress(OSError):  # there are files that Shoal did not write
                for folder in (*self._kinds(), self.path):
                    folder.rmdir()

    def _drop_mismatched(self) -> None:
        try:
            listed = self.receipt.parts
        except RunError:
            listed = {}
        for path in list(self._parts()):
            name = self._relative(path)
            if name not in listed or not _matches(path, listed[name]):
                delete(path)
        delete(self.path / _DONE)

    def _note(self) -> str | None:
        """Read the fingerprint under which the parts here were begun, if any."""
        try:
            note = read_json(self.path / _BEGUN)
        except RunError:
            return None
        return note.get("fingerprint") if isinstance(note, dict) else None

    def _sweep(self) -> None:
        for depth, folder in ((2, self.path), *((3, kind) for kind in self._kinds())):
            for path in folder.glob(".*.tmp"):
                if re.fullmatch(TEMPORARY, path.name):
                    delete(path, depth)

    def _kinds(self) -> list[Path]:
        if self.path.is_symlink():
            raise link_error(self.path)
        if not self.path.is_dir():
            return []
        return sorted(
            path
            for path in self.path.iterdir()
            if path.is_dir() and not path.is_symlink() and re.fullmatch(_WORD, path.name)
        )

    def _parts(self) -> Iterator[Path]:
        for kind in self._kinds():
            for path in sorted(kind.iterdir()):
                if _PART.fullmatch(path.name) and path.is_file() and not path.is_symlink():
                    yield path

    def _sizes(self) -> dict[str, int | None]:
        if is_remote(self.path):
            return {self._relative(path): _size(path) for path in self._parts()}
        found: dict[str, int | None] = {}
        for kind in self._kinds():
            with os.scandir(kind) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False) and _PART.fullmatch(entry.name):
                        size = entry.stat(follow_symlinks=False).st_size
                        found[f"{kind.name}/{entry.name}"] = size
        return found

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def _known(self, name: str) -> Path:
        """Return the path of `name`, refusing names that `begin` would not know again."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name} is not a name for a part: word/part-00000.npy|parquet|json")
        return self.path / name


def many(folder: Path, ask: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
    """Call `ask` for many items, concurrently if each answer comes over a network."""
    if not is_remote(folder):
        return list(map(ask, items))
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        return list(pool.map(ask, items))


def delete(path: Path, depth: int | None = None) -> None:
    if is_remote(path):
        path.unlink(missing_ok=True)
    else:
        remove(path, depth)


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


def _matches(path: Path, expected: tuple[int, int]) -> bool:
    return _size(path) == expected[0] and _size_and_crc(path) == expected
