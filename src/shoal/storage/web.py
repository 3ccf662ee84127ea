"""Ranges of files on web servers, some of which give only whole files."""

from __future__ import annotations

from typing import Any

from shoal.errors import PlaceError

_PARTIAL = 206
_NOTHING_THERE = 416


def is_page(info: dict[str, Any]) -> bool:
    """Tell a page, which may be a list of files, from a file by what its server says of it."""
    return bool(info.get("mimetype") == "text/html")


def read_range(fs: Any, url: str, start: int, stop: int) -> bytes:
    """Read bytes ``start..stop`` of a file on a web server.

    fsspec does not look at whether a range came or all of the file. A server that knows no
    ranges gives the beginning of a file; more is not fetched.
    """
    from fsspec.asyn import sync

    if start >= stop:
        return b""
    return sync(fs.loop, _read, fs, url, start, stop)


async def _read(fs: Any, url: str, start: int, stop: int) -> bytes:
    session = await fs.set_session()
    headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
    async with session.get(fs.encode_url(url), headers=headers) as answer:
        if answer.status == _NOTHING_THERE:
            return b""
        fs._raise_not_found_for_status(answer, url)
        if answer.status == _PARTIAL:
            return bytes(await answer.read())
        if start:
            raise PlaceError(
                f"{url} cannot be read in pieces: its server only sends whole files (no ranges). "
                "Copy it to a disk and give that, or serve it from an object store or a server "
                "with ranges, such as nginx"
            )
        pieces, left = [], stop
        while left > 0 and (piece := await answer.content.read(left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)
