"""Encoded images in TFRecord files, read by their framing, without TensorFlow.

Formats: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details and
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/example/example.proto, written
as https://protobuf.dev/programming-guides/encoding says. Messages are read by own code, as the
library of protocol buffers keeps a second copy of every record, and unpacks all of its numbers.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from os.path import basename
from typing import Any

import google_crc32c
import numpy as np

from shoal.core.plural import listed
from shoal.errors import InputError, SourceError
from shoal.rows.handles import Headers, KnownFile, Opened
from shoal.rows.images.formats import extension_of
from shoal.rows.images.image_table import Container, Member, MembersStore
from shoal.rows.memory_budget import FILES
from shoal.rows.store import numbered_names

_HEAD, _FOOT = 12, 4
_VARINT, _BYTES, _FIXED = 0, 2, {1: 8, 5: 4}
_LONGEST_VARINT = 10
_TRIED, _MOST = 100, 1 << 40
_MOST_TEXT = 1 << 16  # bytes of a name or a label, and of what tells an image
_NAMED = re.compile(r"\.tfrec(ord)?s?\b|-\d+-of-\d+$", re.IGNORECASE)
_IMAGES = ("image/encoded", "image", "image_raw", "encoded", "jpg", "jpeg", "png")
_LABELS = ("image/class/label", "label", "labels", "class", "cls", "target", "image/class/text")
_NAMES = ("image/filename", "filename", "file_name", "path", "name", "image/source_id", "id")


@dataclass(frozen=True)
class TFRecord(Container):
    key: str | None = None  # the feature of the image; None before it is known

    kind, many, what, called = "tfrecord", "TFRecord files", "record", "file"
    has_names, has_keys, is_packed = False, True, True

    def matches(self, name: str) -> bool:
        return _NAMED.search(basename(name)) is not None

    def begins(self, head: bytes) -> bool:
        return len(head) >= _HEAD and _length(head[:_HEAD]) is not None

    def members(self, opened: Opened, file: KnownFile) -> Iterator[Member]:
        opened.expect(0, file.size)
        if file.size and not self.begins(opened.read(0, _HEAD)):
            raise SourceError(
                f"{file.path} is not a TFRecord file, or a compressed one: write it without "
                "compression"
            )
        return _scan(Headers(opened), file.size)

    def room(self, size: int) -> int:
        return 2 * size

    def unpack(self, opened: Opened, offset: int, packed: int, size: int, crc: int) -> bytes:
        assert self.key is not None
        image = first_values(_record(opened, offset, size, True), self.key).get(self.key)
        if not isinstance(image, bytes):
            raise SourceError(f"the record has no feature {self.key} of bytes")
        return image

    def chosen(self, store: MembersStore, label: str, key: str | None) -> MembersStore:
        tried = _values(store, 0, min(_TRIED, store.n_rows), check=True)
        samples = [sample for sample in tried if sample is not None]
        names = sorted({name for sample in samples for name in sample})
        images = [
            name
            for name in names
            if any(isinstance(v := one.get(name), bytes) and extension_of(v) for one in samples)
        ]
        if key is not None and key not in names:
            raise InputError(f"{label} has no feature {key}: it has {listed(names) or 'none'}")
        if key is None and len(images) > 1:
            images = [name for name in _IMAGES if name in images][:1] or images
        if key is None and len(images) != 1:
            found = f"{len(images)} features that hold" if images else "no feature that holds"
            hint = f": give --key {images[0]} or another" if images else ""
            raise InputError(f"{label} has {found} images{hint} (it has {listed(names) or 'none'})")
        label_key = next((name for name in _LABELS if name in names), None)
        title = next((name for name in _NAMES if _is_distinct(samples, name)), None)
        chosen, nameless = (TFRecord(key or images[0]),) * len(store.files), store.inner_names
        rows = store.file, store.places, nameless, None, store.reasons
        return RecordsStore(store.files, chosen, *rows, label_key, title)


@dataclass(frozen=True, eq=False)
class RecordsStore(MembersStore):
    containers: tuple[TFRecord, ...]
    label_key: str | None = None  # the features of the label and the name
    name_key: str | None = None

    @property
    def about(self) -> str:
        return f", feature {self.containers[0].key}"

    def names(self, start: int, stop: int) -> list[str] | None:
        if self.name_key is not None:
            return [text or "" for text in _texts(self, self.name_key, start, stop)]
        if len(self.files) == 1:
            return None
        starts = np.searchsorted(self.file, np.arange(len(self.files) + 1))
        return numbered_names(starts, lambda at: self.files.path(at).name, start, stop)

    @property
    def label_origin(self) -> str | None:
        return None if self.label_key is None else f"feature {self.label_key}"

    def labels(self) -> list[str | None] | None:
        return None if self.label_key is None else _texts(self, self.label_key, 0, self.n_rows)

    def facts(self) -> dict[str, Any]:
        return {"feature": self.containers[0].key, **self._file_facts()}


def _scan(headers: Headers, size: int) -> Iterator[Member]:
    at, reason = 0, ""
    while at < size and not reason:
        head = headers.read(at, _HEAD)
        length = _length(head) if len(head) == _HEAD else 0
        if len(head) < _HEAD:
            reason = f"the file is cut off at byte {size:,}"
        elif length is None:
            reason = f"the file is damaged from byte {at:,} on: the rest cannot be found"
        elif at + _HEAD + length + _FOOT > size:
            reason = f"the file is cut off within a record, at byte {size:,}"
        else:
            yield Member(b"", at + _HEAD, length, length)
            at += _HEAD + length + _FOOT
    if reason:
        yield Member(b"", at, 0, 0, reason=reason, is_damage=True)


def _length(head: bytes) -> int | None:
    length, crc = struct.unpack("<QI", head)
    return int(length) if length < _MOST and masked_crc(head[:8]) == crc else None


def masked_crc(data: bytes) -> int:
    """Return the checksum as stored: rotated, plus a constant."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _record(opened: Opened, offset: int, size: int, check: bool) -> bytes:
    record = opened.read(offset, size)
    foot = opened.read(offset + size, _FOOT) if check else bytes(_FOOT)
    if len(record) + len(foot) < size + _FOOT:
        raise SourceError("the file ended early")
    if check and masked_crc(record) != int.from_bytes(foot, "little"):
        raise SourceError("the record is damaged: its checksum is wrong")
    return record


def _values(
    store: MembersStore, start: int, stop: int, *, check: bool, key: str | None = None
) -> Iterator[dict[str, bytes | int] | None]:
    """Yield the features of records, long texts truncated; None for unreadable records."""
    for row, opened in store.with_files(start, stop):
        offset, _, size, _ = store.places[row].tolist()
        found = None
        with suppress(SourceError, OSError, EOFError, MemoryError):
            if not isinstance(opened, SourceError) and row not in store.reasons:
                with FILES.take(size, "reading the record"):
                    found = first_values(_record(opened, offset, size, check), key, _MOST_TEXT)
        yield found


def _texts(store: MembersStore, key: str, start: int, stop: int) -> list[str | None]:
    found = _values(store, start, stop, check=False, key=key)
    return [None if one is None or key not in one else _text(one[key]) for one in found]


def _text(value: bytes | int) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _is_distinct(samples: list[dict[str, bytes | int]], name: str) -> bool:
    values = [sample[name] for sample in samples if name in sample]
    return len(values) == len(samples) == len(set(values))


def first_values(
    record: bytes, key: str | None = None, most: int | None = None
) -> dict[str, bytes | int]:
    """Return the first value of each feature of an Example by name: bytes or whole numbers."""
    found: dict[str, bytes | int] = {}
    for features in _inner(memoryview(record), 1):
        for entry in _inner(features, 1):
            parts = dict(_fields(entry))
            called, feature = parts.get(1), parts.get(2)
            if not isinstance(called, memoryview) or not isinstance(feature, memoryview):
                continue
            name = bytes(called).decode("utf-8", "replace")
            if key in (None, name):
                value = _first_value(feature)
                if value is not None:
                    found[name] = value if isinstance(value, int) else bytes(value[:most])
    return found


def _first_value(feature: memoryview) -> memoryview | int | None:
    for texts in _inner(feature, 1):
        return next(iter(_inner(texts, 1)), None)
    for wholes in _inner(feature, 3):
        for _, value in _fields(wholes):
            if isinstance(value, int) or len(value):  # by itself, or packed with others
                one = value if isinstance(value, int) else _varint(value, 0)[0]
                return one - (1 << 64) if one >> 63 else one
    return None


def _inner(message: memoryview, wanted: int) -> Iterator[memoryview]:
    return (v for number, v in _fields(message) if number == wanted and not isinstance(v, int))


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the fields of a message: number, and integer or bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag & 7 == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        length = _FIXED.get(tag & 7, 0)
        if tag & 7 == _BYTES:
            length, at = _varint(message, at)
        elif not length:
            raise SourceError("the record is not an Example message")
        if at + length > len(message):
            raise SourceError("the record is an Example message that is cut off")
        yield tag >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(_LONGEST_VARINT):
        if at >= len(message):
            raise SourceError("the record is an Example message that is cut off")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at
    raise SourceError("the record is not an Example message")
