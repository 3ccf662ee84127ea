"""Zip archives: the position of each member, and its bytes.

Format: APPNOTE.TXT 6.3.10 (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT).
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from shoal.errors import SourceError, because
from shoal.rows.handles import KnownFile, Opened
from shoal.rows.images.image_table import Container, Member

_STORED, _DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
_METHODS = {9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstd", 95: "xz", 98: "PPMd"}
LOCAL_HEADER = 30
_ENCRYPTED = 1
_ESCAPED = "surrogateescape"
_MOST = 1 << 62
_PIECE = 4 << 20  # bytes: most images are read and decompressed in one piece


class ZipArchive(Container):
    endings = (".zip",)
    is_packed = True

    def begins(self, head: bytes) -> bool:
        return head[:4] == b"PK\3\4"

    def members(self, opened: Opened, file: KnownFile) -> Iterator[Member]:
        for info in list_zip(file.path):
            yield Member(
                info.filename.replace("\\", "/").removeprefix("./").encode("utf-8", _ESCAPED),
                min(info.header_offset, _MOST),
                min(info.compress_size, _MOST),
                min(info.file_size, _MOST),
                info.CRC,
                reason=reason_not_read(info),
            )

    def unpack(self, opened: Opened, offset: int, packed: int, size: int, crc: int) -> bytes:
        header = opened.read(offset, LOCAL_HEADER)
        if len(header) < LOCAL_HEADER or header[:4] != b"PK\3\4":
            raise SourceError("the archive is damaged where this member should begin")
        at = offset + header_bytes(header)
        is_packed = header[8:10] != b"\0\0"
        data = _inflated(opened, at, packed, size) if is_packed else opened.read(at, packed)
        if len(data) != size:
            found = f"more than {size:,}" if len(data) > size else f"only {len(data):,} of {size:,}"
            raise SourceError(f"the member has {found} bytes")
        if zlib.crc32(data) != crc:
            raise SourceError("the member is damaged: its checksum is wrong")
        return data


def list_zip(path: Path) -> list[zipfile.ZipInfo]:
    """List the members of a zip archive in stored order, without folders."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise SourceError(
            f"{path} cannot be read as a zip archive: {because(error)}: is it cut off?"
        ) from None
    return sorted(members, key=lambda info: info.header_offset)


def reason_not_read(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _ENCRYPTED:
        return "the member is encrypted"
    if info.compress_type not in (_STORED, _DEFLATED):
        method = _METHODS.get(info.compress_type, f"method {info.compress_type}")
        return f"the member is packed by {method}, which is not read: pack it by deflate"
    return ""


def header_bytes(header: bytes) -> int:
    """Return the length of a local header (APPNOTE 4.3.7) with the name and the extra field.

    Their lengths may differ from those in the central directory.
    """
    return LOCAL_HEADER + sum(struct.unpack_from("<HH", header, 26))


def _inflated(opened: Opened, at: int, packed: int, size: int) -> bytes:
    """Decompress a member piece by piece, without holding all of its compressed bytes."""
    inflate, out, end = zlib.decompressobj(-15), io.BytesIO(), at + packed
    try:
        while at < end and not inflate.eof and out.tell() <= size:
            piece = opened.read(at, min(_PIECE, end - at))
            if not piece:
                break
            at += len(piece)
            while piece and out.tell() <= size:
                out.write(inflate.decompress(piece, min(_PIECE, size + 1 - out.tell())))
                piece = inflate.unconsumed_tail
    except zlib.error as error:
        raise SourceError(f"the member cannot be unpacked: {because(error)}") from None
    return out.getvalue()
