"""Encoded images in TFRecord files, read by their framing, without TensorFlow.

Format: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError, SourceError
from shoal.rows.handles import Headers, LargeFile, Opened, looking, with_files
from shoal.rows.images.encoded import spread
from shoal.rows.images.examples import first_values
from shoal.rows.images.folder import MAX_FILE_BYTES
from shoal.rows.images.formats import extension_of
from shoal.rows.room import FILES
from shoal.rows.store import because, file_facts
from shoal.rows.tables.selection import listed
from shoal.storage import UrlPath, many

_HEAD, _FOOT = 12, 4
_TRIED, _MOST = 100, 1 << 40
_MOST_TEXT = 1 << 16  # bytes of a name or a label, and of what tells an image
_READING = "reading the record"
_IMAGES = ("image/encoded", "image", "image_raw", "encoded", "jpg", "jpeg", "png")
_LABELS = ("image/class/label", "label", "labels", "class", "cls", "target", "image/class/text")
_NAMES = ("image/filename", "filename", "file_name", "path", "name", "image/source_id", "id")


@dataclass(frozen=True, eq=False)
class RecordStore:
    """Images in the records of TFRecord files.

    Attributes
    ----------
    files : tuple of LargeFile
        In order.
    places : int64 array, shape (n, 2)
        Where each record's bytes begin, and how many there are; -1 in place of damage.
    owner : int32 array, shape (n,)
        Number of its file.
    reasons : dict
        Why some rows cannot be read.
    key, label_key, name_key : str, str or None, str or None
        The features that hold the image, its label and its name.
    """

    files: tuple[LargeFile, ...]
    places: NDArray[np.int64]
    owner: NDArray[np.int32]
    reasons: dict[int, str]
    key: str
    label_key: str | None
    name_key: str | None

    @property
    def n_rows(self) -> int:
        """How many records there are, damage counted."""
        return len(self.owner)

    @property
    def is_far(self) -> bool:
        """Whether each read asks a network."""
        return isinstance(self.files[0].path, UrlPath)

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        """Read records in order, each checked by its sum."""
        for row, opened in with_files(self.files, self.owner, self.places, start, stop):
            make = partial(self._image, opened, row)
            yield from FILES.granted(2 * int(self.places[row, 1]), _READING, make)

    def names(self, start: int, stop: int) -> list[str] | None:
        """Values of the feature of names; else file and record where there are many files."""
        if self.name_key is not None:
            return [text or "" for text in self._texts(self.name_key, start, stop)]
        if len(self.files) == 1:
            return None
        firsts = np.searchsorted(self.owner, np.arange(len(self.files)))
        owners = self.owner[start:stop].tolist()
        return [
            f"{self.files[owner].path.name}:{row - int(firsts[owner])}"
            for row, owner in zip(range(start, stop), owners, strict=True)
        ]

    @property
    def label_origin(self) -> str | None:
        """The feature of labels."""
        return None if self.label_key is None else f"feature {self.label_key}"

    def labels(self) -> list[str | None] | None:
        """Values of the feature of labels."""
        return None if self.label_key is None else self._texts(self.label_key, 0, self.n_rows)

    def path(self, row: int) -> None:
        """Return None: records are not files."""

    def some(self, count: int) -> NDArray[np.int64]:
        """Rows from all over."""
        return spread(self.n_rows, count)

    def facts(self) -> dict[str, Any]:
        """Return the feature, and the files' names, sizes and times."""
        files = [(file.path.name, file.size, file.mtime_ns) for file in self.files]
        return {"feature": self.key, **file_facts(files)}

    def _image(self, opened: Opened | SourceError, row: int) -> bytes | SourceError:
        """Read a record's image, or return the reason why not."""
        try:
            image = first_values(self._record(opened, row, check=True), self.key).get(self.key)
        except SourceError as error:
            return error
        if not isinstance(image, bytes):
            return SourceError(f"the record has no feature {self.key} of bytes")
        return image

    def _texts(self, key: str, start: int, stop: int) -> list[str | None]:
        """Read a feature of rows as text, None where it is missing."""
        found = self.first_values(start, stop, check=False, key=key, most=_MOST_TEXT)
        return [None if one is None or key not in one else _text(one[key]) for one in found]

    def first_values(
        self, start: int, stop: int, *, check: bool, key: str | None = None, most: int
    ) -> Iterator[dict[str, bytes | int] | None]:
        """Go through the features of records, cut after `most` bytes; None without a record."""
        for row, opened in with_files(self.files, self.owner, self.places, start, stop):
            found = None
            with (
                suppress(SourceError),
                FILES.take(int(self.places[row, 1]), _READING),
            ):
                found = first_values(self._record(opened, row, check), key, most)
            yield found

    def _record(self, opened: Opened | SourceError, row: int, check: bool) -> memoryview:
        """Read one record.

        Raises
        ------
        SourceError
            With the reason why it cannot be read.
        """
        if isinstance(opened, SourceError):
            raise opened
        if row in self.reasons:
            raise SourceError(self.reasons[row])
        offset, size = self.places[row].tolist()
        if size > MAX_FILE_BYTES:
            raise SourceError(f"the record has {size:,} bytes, more than {MAX_FILE_BYTES:,}")
        try:
            data = memoryview(opened.read(offset, size + _FOOT))
        except (OSError, EOFError, MemoryError) as error:
            raise SourceError(f"the file cannot be read: {because(error)}") from None
        record, foot = data[:size], data[size:]
        if len(foot) < _FOOT:
            raise SourceError("the file ended early")
        if check and _sum(record) != int.from_bytes(foot, "little"):
            raise SourceError("the record is damaged: its checksum is wrong")
        return record


def _text(value: bytes | int) -> str | None:
    """Return a value as text."""
    return str(value) if isinstance(value, int) else value.decode("utf-8", "replace") or None


def is_tfrecord(head: bytes) -> bool:
    """Return whether a file that begins so is a TFRecord: its first length has the right sum."""
    return len(head) >= _HEAD and _length(head[:_HEAD]) is not None


def make_record_store(paths: Sequence[Path], label: str, key: str | None) -> RecordStore:
    """List the records of files, and find the feature that holds the images.

    Raises
    ------
    SourceError
        When a file is not a TFRecord, or there are no records.
    InputError
        When no feature, or not exactly one, holds images and `key` says none.
    """
    files, places, counts, n_rows = [], list[NDArray[np.int64]](), list[int](), 0
    reasons: dict[int, str] = {}
    for file, found, reason in many(paths[0], _look, paths):
        files.append(file)
        if reason:
            reasons[n_rows + len(found)] = reason
            found = np.append(found, [[-1, -1]], axis=0)
        places.append(found)
        counts.append(len(found))
        n_rows += len(found)
    if n_rows == len(reasons):
        why = f": {reasons[0]}" if reasons else ""
        raise SourceError(f"{label} has no records that can be read{why}")
    owner = np.repeat(np.arange(len(files), dtype=np.int32), counts)
    store = RecordStore(tuple(files), np.concatenate(places), owner, reasons, "", None, None)
    return _with_keys(store, label, key)


def _look(path: Path) -> tuple[LargeFile, NDArray[np.int64], str]:
    """List the records of a file, and say why the list ends early if it does."""
    with looking(path) as (opened, file):
        if file.size and not is_tfrecord(opened.read(0, _HEAD)):
            raise SourceError(
                f"{path} is not a TFRecord file, or a compressed one: write it without compression"
            )
        places = array("q")
        opened.expect(0, file.size)
        reason = _scan(Headers(opened), file.size, places)
        return file, np.array(places, np.int64).reshape(-1, 2), reason


def _scan(headers: Headers, size: int, places: array[int]) -> str:
    """Go from record to record by their lengths, note where they lie; say why it ends early."""
    at = 0
    while at < size:
        head = headers.read(at, _HEAD)
        if len(head) < _HEAD:
            return f"the file is cut off at byte {size:,}"
        length = _length(head)
        if length is None:
            return f"the file is damaged from byte {at:,} on: the rest cannot be found"
        if at + _HEAD + length + _FOOT > size:
            return f"the file is cut off within a record, at byte {size:,}"
        places.extend((at + _HEAD, length))
        at += _HEAD + length + _FOOT
    return ""


def _length(head: bytes) -> int | None:
    """Read a record's length, None when its checksum is wrong."""
    length, crc = struct.unpack("<QI", head)
    return int(length) if length < _MOST and _sum(head[:8]) == crc else None


def _sum(data: bytes | memoryview) -> int:
    """Return the checksum of some bytes."""
    from shoal.rows.images.crc32c import masked_crc  # only now: the compiler takes time to load

    return masked_crc(data)


def _with_keys(store: RecordStore, label: str, key: str | None) -> RecordStore:
    """Find the features by the first records."""
    tried = store.first_values(0, min(_TRIED, store.n_rows), check=True, most=_MOST_TEXT)
    samples = [sample for sample in tried if sample is not None]
    names = sorted({name for sample in samples for name in sample})
    images = [name for name in names if any(_is_image(sample.get(name)) for sample in samples)]
    if key is not None and key not in names:
        raise InputError(f"{label} has no feature {key}: it has {listed(names) or 'none'}")
    if key is None and len(images) > 1:
        images = [name for name in _IMAGES if name in images][:1] or images
    if key is None and len(images) != 1:
        found = f"{len(images)} features that hold" if images else "no feature that holds"
        hint = f": give --key {images[0]} or another" if images else ""
        raise InputError(f"{label} has {found} images{hint} (it has {listed(names) or 'none'})")
    label_key = next((name for name in _LABELS if name in names), None)
    return RecordStore(
        store.files,
        store.places,
        store.owner,
        store.reasons,
        key or images[0],
        label_key,
        next((name for name in _NAMES if _distinct(samples, name)), None),
    )


def _is_image(value: bytes | int | None) -> bool:
    """Return whether a feature holds an image."""
    return isinstance(value, bytes) and bool(extension_of(value))


def _distinct(samples: list[dict[str, bytes | int]], name: str) -> bool:
    """Return whether a feature is there in all samples and never twice the same."""
    values = [sample[name] for sample in samples if name in sample]
    return len(values) == len(samples) == len(set(values))
