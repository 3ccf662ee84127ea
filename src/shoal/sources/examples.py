"""TensorFlow's Example messages, parsed without TensorFlow.

Format: https://protobuf.dev/programming-guides/encoding and
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/example/example.proto
"""

from __future__ import annotations

from collections.abc import Iterator

from shoal.errors import SourceError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


def features(record: bytes) -> dict[str, list[bytes] | list[int]]:
    """Give the features of an Example by name: bytes or whole numbers; others are left out.

    Raises
    ------
    SourceError
        When the bytes are no such message.
    """
    found: dict[str, list[bytes] | list[int]] = {}
    for number, entries in _fields(memoryview(record)):
        if number != 1 or not isinstance(entries, memoryview):
            continue
        for one, entry in _fields(entries):
            if one == 1 and isinstance(entry, memoryview):
                name, values = _entry(entry)
                if values:
                    found[name] = values
    return found


def _entry(entry: memoryview) -> tuple[str, list[bytes] | list[int]]:
    """Give the name and the values of one feature."""
    parts = dict(_fields(entry))
    name, feature = parts.get(1), parts.get(2)
    if not isinstance(name, memoryview) or not isinstance(feature, memoryview):
        return "", []
    values: list[bytes] | list[int] = []
    for kind, holder in _fields(feature):
        if not isinstance(holder, memoryview):
            continue
        if kind == 1:
            inner = (value for number, value in _fields(holder) if number == 1)
            values = [bytes(value) for value in inner if isinstance(value, memoryview)]
        elif kind == 3:
            values = _whole_numbers(holder)
    return bytes(name).decode("utf-8", "replace"), values


def _whole_numbers(holder: memoryview) -> list[int]:
    """Give whole numbers, packed or one by one; 64 bits, the highest the sign."""
    values: list[int] = []
    for number, value in _fields(holder):
        if number == 1 and isinstance(value, memoryview):
            at = 0
            while at < len(value):
                one, at = _varint(value, at)
                values.append(one)
        elif number == 1 and isinstance(value, int):
            values.append(value)
    return [value - (1 << 64) if value >> 63 else value for value in values]


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Go through the fields of a message: number, and whole number or bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            length, at = _varint(message, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise SourceError("the record is no Example message")
        if at + length > len(message):
            raise SourceError("the record is an Example message that is cut off")
        yield tag >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, lowest first; give it and the place behind it."""
    value = 0
    for shift in range(_LONGEST_VARINT):
        if at >= len(message):
            raise SourceError("the record is an Example message that is cut off")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at
    raise SourceError("the record is no Example message")
