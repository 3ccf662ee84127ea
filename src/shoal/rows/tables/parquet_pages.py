"""The sizes of pages in a Parquet file: a reader needs memory for one page of each column.

pyarrow reports sizes of chunks, not of pages, and reads pages of any size: one of 115 MiB took
228 MiB with batches of a row, ``pre_buffer=False``. So sizes are checked before reading.

Format: https://parquet.apache.org/docs/file-format/data-pages and ``parquet.thrift`` beside it,
written by Thrift's compact protocol
(https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from shoal.rows.handles import ReadAt

_HEADER = 1 << 10  # bytes of a header, unless the minimum and maximum in it are long
_MOST_HEADER = 1 << 24
_NUMBER_BYTES = 8
_SMALL_CHUNK = 1 << 17  # less is treated as one page: pages are seldom smaller
_USUAL_PAGE = 1 << 20
_MOST_DICTIONARY = 4 << 20  # bytes of one that is examined: writers end it at 1 MiB
_LENGTH = 4
_CELL_COPIES = 2  # of a cell, as it is appended to an array that doubles when full
_CODECS = {"LZ4": "lz4_raw"}
# Fields of PageHeader, and of the headers of data pages.
_PLAIN, _PACKED, _DATA, _DICTIONARY, _DATA_2 = 2, 3, 5, 7, 8
_VALUES = 1
_ENCODING, _ENCODING_2 = 2, 4
_BY_DICTIONARY = (2, 8)


@dataclass(frozen=True)
class Pages:
    """The largest pages of a column chunk: bytes compressed and not, and number of values.

    `coded` tells whether all values are indices into its dictionary, and `densest` is the
    largest mean size of a value in a page.
    """

    packed: int = 0
    plain: int = 0
    dictionary: int = 0
    values: int = 0
    coded: bool = False
    densest: int = 0


def leaves(meta: Any, group: int, columns: Sequence[str]) -> list[Any]:
    row_group = meta.row_group(group)
    chunks = (row_group.column(at) for at in range(row_group.num_columns))
    starts = tuple(f"{name}." for name in columns)
    wanted = set(columns)
    return [c for c in chunks if c.path_in_schema in wanted or c.path_in_schema.startswith(starts)]


def group_bytes(meta: Any) -> tuple[int, ...]:
    """Return the most memory that each row group takes, with repeated texts counted once."""
    schema, count = meta.schema, meta.num_columns
    repeated = [at for at in range(count) if schema.column(at).max_repetition_level]
    has_bytes = any(schema.column(at).physical_type.endswith("BYTE_ARRAY") for at in range(count))
    sizes = []
    for number in range(meta.num_row_groups):
        group = meta.row_group(number)
        values = group.num_rows * (count - len(repeated))
        values += sum(group.column(at).num_values for at in repeated)
        sizes.append(int(_NUMBER_BYTES * values + has_bytes * group.total_byte_size))
    return tuple(sizes)


def decoded_bytes(chunks: Sequence[Any]) -> int:
    """Return the most memory that column chunks take, with repeated texts counted once."""
    return sum(_decoded(chunk) for chunk in chunks)


def _decoded(chunk: Any) -> int:
    content = chunk.total_uncompressed_size if chunk.physical_type.endswith("BYTE_ARRAY") else 0
    return int(_NUMBER_BYTES * chunk.num_values + content)


def reading_bytes(chunks: Sequence[Any], read: ReadAt | None, buffer: int) -> int:
    """Return the memory for reading column chunks page by page.

    `read` reads the file; it is None if examining pages is too slow, and each chunk is treated
    as one page of at most the usual size. `buffer` bytes are read at a time.
    """
    needed = 0
    for chunk in chunks:
        packed, plain = chunk.total_compressed_size, chunk.total_uncompressed_size
        pages = Pages(packed, plain, 0, chunk.num_values)
        usual = min(_USUAL_PAGE, plain)
        if plain > _SMALL_CHUNK and read is None:
            pages = Pages(usual, usual, usual, usual // _NUMBER_BYTES)
        elif read is not None and plain > _SMALL_CHUNK:
            pages = page_sizes(chunk, read)
        repeated = _NUMBER_BYTES * pages.values if "." in chunk.path_in_schema else 0
        if chunk.physical_type.endswith("BYTE_ARRAY") and plain > _SMALL_CHUNK:
            repeated += _CELL_COPIES * pages.plain  # the page may be one cell
        needed += pages.packed + pages.plain + pages.dictionary + min(buffer, packed) + repeated
    return int(needed)


def rows_within(size: int, chunks: Sequence[Any], read: ReadAt) -> int:
    """Return how many rows of texts or bytes take at most `size` bytes, by the densest page."""
    wide = (c for c in chunks if c.physical_type.endswith("BYTE_ARRAY"))
    densest = sum(page_sizes(c, read).densest for c in wide if _decoded(c) > size)
    return max(1, size // max(1, densest))


def largest_entry(chunk: Any, read: ReadAt) -> int:
    if not chunk.has_dictionary_page or not chunk.dictionary_page_offset:
        return 0
    most = int(chunk.total_uncompressed_size)
    try:
        header, start = _Compact(read(chunk.dictionary_page_offset, _HEADER)).struct()
        most = min(most, header[_PLAIN])
        if most > _MOST_DICTIONARY:
            return most
        data = read(chunk.dictionary_page_offset + start, header[_PACKED])
        if chunk.compression != "UNCOMPRESSED":
            codec = _CODECS.get(chunk.compression, chunk.compression.lower())
            data = pa.decompress(data, most, codec, asbytes=True)
        return max(_entry_lengths(data), default=0)
    except (IndexError, KeyError, ValueError, TypeError, OSError, pa.ArrowException, struct.error):
        return most  # all of it, if it cannot be decoded


def _entry_lengths(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        yield length
        at += _LENGTH + length


def page_sizes(chunk: Any, read: ReadAt) -> Pages:
    """Read the headers of all pages of a column chunk; if damaged, it counts as one page."""
    start = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        start = min(start, chunk.dictionary_page_offset)
    end, packed, plain, dictionary, values = start + chunk.total_compressed_size, 0, 0, 0, 0
    coded, densest = bool(chunk.has_dictionary_page), 0
    try:
        for header in _headers(read, start, end):
            packed = max(packed, header[_PACKED])
            if _DICTIONARY in header:
                dictionary = max(dictionary, header[_PLAIN])
            else:
                plain = max(plain, header[_PLAIN])
                page = header.get(_DATA) or header.get(_DATA_2) or {}
                count = page.get(_VALUES, 0)
                values, densest = max(values, count), max(densest, header[_PLAIN] // max(1, count))
                encoding = page.get(_ENCODING if _DATA in header else _ENCODING_2)
                coded = coded and encoding in _BY_DICTIONARY
    except (IndexError, KeyError, ValueError, TypeError):
        return Pages(
            chunk.total_compressed_size, chunk.total_uncompressed_size, 0, chunk.num_values
        )
    return Pages(packed, plain, dictionary, values, coded, densest)


def _headers(read: ReadAt, at: int, end: int) -> Iterator[dict[int, Any]]:
    while at < end:
        length = _HEADER
        while True:
            data = read(at, length)
            try:
                header, size = _Compact(data).struct()
                break
            except IndexError:
                if length >= _MOST_HEADER or len(data) < length:
                    raise
                length *= 16
        yield header
        if header[_PACKED] < 0 or header[_PLAIN] < 0:
            raise ValueError
        at += size + header[_PACKED]


class _Compact:
    """Reads Thrift's compact protocol; keeps numbers and structs only."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def struct(self) -> tuple[dict[int, Any], int]:
        """Return a struct's numbers and structs by field, and the position after it."""
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            delta, kind = head >> 4, head & 15
            field = field + delta if delta else self._signed()
            found[field] = self._value(kind)
        return found, self._at

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _number(self) -> int:
        found, shift = 0, 0
        while True:
            byte = self._byte()
            found |= (byte & 0x7F) << shift
            if byte < 0x80:
                return found
            shift += 7

    def _signed(self) -> int:
        found = self._number()
        return (found >> 1) ^ -(found & 1)

    def _value(self, kind: int) -> Any:
        if kind in (1, 2):  # true, false
            return kind
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 12:
            return self.struct()[0]
        if kind in (3, 7, 8):
            length = self._number() if kind == 8 else {3: 1, 7: 8}[kind]
            self._at += length
            if self._at > len(self._data):
                raise IndexError
            return None
        raise ValueError(f"page headers have no field of type {kind}")
