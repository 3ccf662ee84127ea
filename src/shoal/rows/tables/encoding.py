"""How a text file is encoded: UTF-8, UTF-16 as Windows' programs write it, or one byte a letter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO

_HEAD_BYTES = 1 << 16
# Of a table in UTF-16, nearly every other byte is 0; text without Latin letters has a mark.
_MANY, _FEW = 0.3, 0.05


@dataclass(frozen=True)
class Encoding:
    name: str = "utf-8"  # as Python calls it, without a byte order mark
    bom_bytes: int = 0  # how long the mark at the file's beginning is; 0 without one

    @property
    def unit(self) -> str:
        """NumPy's type of the units that letters are made of, among them the ends of lines."""
        return {"utf-16-le": "<u2", "utf-16-be": ">u2"}.get(self.name, "u1")


def find_encoding(head: bytes) -> Encoding:
    r"""Find the encoding of a text by its first bytes: by its mark, its zero bytes, its validity.

    >>> find_encoding(b"\xff\xfea\0"), find_encoding(b"\0a\0,\0b\0\n").name
    (Encoding(name='utf-16-le', bom_bytes=2), 'utf-16-be')
    >>> find_encoding("é".encode()).name, find_encoding("é,".encode("latin-1")).name
    ('utf-8', 'cp1252')
    """
    marks = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
    for mark, name in marks:
        if head.startswith(mark) and not head.startswith(b"\xff\xfe\0\0"):
            return Encoding(name, len(mark))
    for at, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = (head[one::2].count(0) / max(1, len(head) // 2) for one in (at, 1 - at))
        if zeros > _MANY and others < _FEW and "\n" in head.decode(name, "replace"):
            return Encoding(name)
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end < len(head) or error.reason != "unexpected end of data":
            return Encoding("cp1252")
    return Encoding()


def open_text(path: Path, errors: str = "strict") -> IO[str]:
    """Open a text file to be read, its ends of lines kept, in the encoding that it has."""
    with path.open("rb") as file:
        found = find_encoding(file.read(_HEAD_BYTES))
    if found.name == "cp1252" and errors == "surrogateescape":
        found = Encoding()  # names of files, which need be no text at all
    text = path.open(encoding=found.name, errors=errors, newline="")
    text.seek(found.bom_bytes)
    return text
