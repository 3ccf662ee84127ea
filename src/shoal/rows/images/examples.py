"""TensorFlow's Example messages, parsed without TensorFlow.

Format: https://protobuf.dev/programming-guides/encoding and
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/example/example.proto
"""

from __future__ import annotations

from collections.abc import Iterator

from shoal.errors import SourceError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


def first_values(
    record: bytes | memoryview, key: str | None = None, most: int | None = None
) -> dict[str, bytes | int]:
    """Return the first value of each feature of an Example by name: bytes or whole numbers.

    Others are left out, and no others are unpacked: a record may have millions.

    Parameters
    ----------
    record
        The message.
    key
        The name of the only feature that is wanted; None for all.
    most
        Bytes after which values are cut.

    Raises
    ------
    SourceError
        When the bytes are no such message.
    """
    found: dict[str, bytes | int] = {}
    for number, entries in _fields(memoryview(record)):
        if number != 1 or not isinstance(entries, memoryview):
            continue
        for one, entry in _fields(entries):
            if one == 1 and isinstance(entry, memoryview):
                name, feature = _entry(entry)
                if feature is not None and key in (None, name):
                    value = _first_value(feature)
                    if value is not None:
                        found[name] = value if isinstance(value, int) else bytes(value[:most])
    return found


def _entry(entry: memoryview) -> tuple[str, memoryview | None]:
    """Return the name of one feature, and what holds its values."""
    parts = dict(_fields(entry))
    name, feature = parts.get(1), parts.get(2)
    if not isinstance(name, memoryview) or not isinstance(feature, memoryview):
        return "", None
    return bytes(name).decode("utf-8", "replace"), feature


def _first_value(feature: memoryview) -> memoryview | int | None:
    """Return the first value of a feature; None where it has none, or only floats."""
    first: memoryview | int | None = None
    for kind, holder in _fields(feature):
        if not isinstance(holder, memoryview):
            continue
        if kind == 1:
            inner = (value for number, value in _fields(holder) if number == 1)
            first = next((value for value in inner if isinstance(value, memoryview)), None)
        elif kind == 3:
            first = _first_whole(holder)
    return first


def _first_whole(holder: memoryview) -> int | None:
    """Return the first whole number, packed or not; of 64 bits, the highest the sign."""
    for number, value in _fields(holder):
        if number == 1 and (isinstance(value, int) or len(value)):
            one = value if isinstance(value, int) else _varint(value, 0)[0]
            return one - (1 << 64) if one >> 63 else one
    return None


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
            raise SourceError("the record is not an Example message")
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
    raise SourceError("the record is not an Example message")
