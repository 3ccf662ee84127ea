"""TIFF files with several pages: each picture in them is a row."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError, because
from shoal.rows.handles import ReadAt, digest_of
from shoal.rows.images.encoded import PAGE, EncodedStore
from shoal.rows.images.image_table import MIXER, ListedStore
from shoal.rows.images.tiff import open_tiff
from shoal.rows.images.tiff_pages import extract, page_bytes
from shoal.rows.images.tiff_pictures import MOST_CHANNELS, Pages, Pictures, find_pictures
from shoal.rows.memory_budget import FILES

_ENDINGS = (b".tif", b".tiff")
_AT_A_TIME = 32
_READING = "reading the page"


@dataclass(frozen=True, eq=False)
class PagedStore(EncodedStore):
    """Images, some of which are pages of TIFF files; a page is read as a file of its own."""

    inner: ListedStore  # the files
    starts: NDArray[np.int64]  # (files + 1,): first row of each file, and the end
    # (files + 1,): first entry of each file in `places`, and the end; files read as a whole
    # have none
    pages: NDArray[np.int64]
    # (pages, 2): position of each page's directory, and its shift; a picture's pages are adjacent
    places: NDArray[np.int64]
    pages_are: Pages = "auto"  # how pages of new files are read: see `open_source`
    by_range = True

    @property
    def n_rows(self) -> int:
        return int(self.starts[-1])

    @property
    def is_remote(self) -> bool:
        return self.inner.is_remote

    def file_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self.starts, rows, side="right") - 1

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        row = start
        while row < stop:
            file = int(self.file_of(np.array(row)))
            if self.pages[file] < self.pages[file + 1]:
                end = min(stop, int(self.starts[file + 1]))
                yield from self._pictures(file, row, end)
            else:
                paged = int(np.searchsorted(self.pages, self.pages[file], side="right")) - 1
                last = min(paged, file + stop - row)  # files read as a whole have one row each
                end = row + last - file
                yield from self.inner.blobs(file, last)
            row = end

    def names(self, start: int, stop: int) -> list[str] | None:
        if start == stop:
            return []
        files = self.file_of(np.arange(start, stop))
        inner = self.inner.names(int(files[0]), int(files[-1]) + 1)
        if inner is None:
            return None
        counts = np.diff(self.starts)
        return [
            inner[file - files[0]]
            + (f"{PAGE}{row - self.starts[file] + 1}" if counts[file] > 1 else "")
            for row, file in zip(range(start, stop), files.tolist(), strict=True)
        ]

    @property
    def label_origin(self) -> str | None:
        return self.inner.label_origin

    def labels(self) -> list[str | None] | None:
        labels = self.inner.labels()
        if labels is None:
            return None
        counts = np.diff(self.starts).tolist()
        return [label for label, n in zip(labels, counts, strict=True) for _ in range(n)]

    def path(self, row: int) -> Path | None:
        file = int(self.file_of(np.array(row)))
        alone = self.starts[file + 1] - self.starts[file] == 1
        return self.inner.path(file) if alone else None

    def facts(self) -> dict[str, Any]:
        return {**self.inner.facts(), "pages": _digest(self.starts, self.pages, self.places)}

    def first_facts(self, rows: NDArray[np.int64]) -> dict[str, Any] | None:
        """Return the facts of some pictures, if they are all pictures of some files, in order."""
        files = self.file_of(rows)
        files = files[np.flatnonzero(np.diff(files, prepend=-1))]
        whole = [np.arange(self.starts[file], self.starts[file + 1]) for file in files.tolist()]
        if not np.array_equal(np.concatenate([rows[:0], *whole]), rows):
            return None
        facts = self.inner.first_facts(files)
        counts, pages = np.diff(self.starts)[files], np.diff(self.pages)[files]
        places = [self.places[self.pages[f] : self.pages[f + 1]] for f in files.tolist()]
        joined = np.concatenate([self.places[:0], *places])
        return facts and {**facts, "pages": _digest(_ends(counts), _ends(pages), joined)}

    def stamps(self, rows: NDArray[np.int64]) -> NDArray[np.uint64] | None:
        files = self.file_of(rows)
        stamps = self.inner.stamps(files)
        if stamps is None:
            return None
        pages = (rows - self.starts[files]).astype(np.uint64)
        return np.where(pages > 0, stamps * MIXER + pages, stamps)

    def links(self, rows: NDArray[np.int64]) -> NDArray[np.uint64] | None:
        return self.inner.links(self.file_of(rows))

    def without_redirected(self, rows: NDArray[np.int64]) -> PagedStore:
        return replace(self, inner=self.inner.without_redirected(self.file_of(rows)))

    def _pictures(self, file: int, start: int, stop: int) -> Iterator[bytes | SourceError]:
        low, high = int(self.pages[file]), int(self.pages[file + 1])
        first = int(self.starts[file])
        each = (high - low) // (int(self.starts[file + 1]) - first)
        row = start
        packed = self.inner.packed_bytes(file)
        try:
            with FILES.take(2 * packed, _READING), self.inner.opened(file) as read:
                for row in range(start, stop):
                    at = low + (row - first) * each
                    yield from _picture(read, self.places[at : at + each].tolist(), packed > 0)
                row = stop
        except SourceError as error:
            yield from [error] * (stop - row)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError) as error:
        raise SourceError(f"the page cannot be read: {because(error)}") from None


def _picture(
    read: ReadAt, places: list[list[int]], has_room: bool
) -> Iterator[bytes | SourceError]:
    try:
        with _readable():
            file = open_tiff(read)
            if file is None:
                raise SourceError("the file is not a TIFF file any more")
            pages = [replace(file.directory(at), shift=shift) for at, shift in places]
            size = sum(map(page_bytes, pages))
    except SourceError as error:
        yield error
        return

    @_readable()
    def extracted() -> bytes | SourceError:
        note = f"ImageJ=1.53\nimages={len(pages)}\nchannels={len(pages)}\n"
        return extract(pages, note if len(pages) > 1 else "")

    # memory is reserved only once, so that no thread waits for itself
    yield from FILES.granted(0 if has_room else size, _READING, extracted)


def page_by_page(store: ListedStore, pages: Pages) -> tuple[EncodedStore, list[str]]:
    rows = _tiff_rows(store)
    if not rows:
        return store, []
    found = _find_all(store, rows, pages)
    several = {row: one for row, one in zip(rows, found, strict=True) if one is not None}
    if not several:
        return store, []
    as_channels = pages == "auto" and _are_alike(found, store.n_rows)
    if as_channels:
        several = {row: replace(one, each=len(one.pages)) for row, one in several.items()}
    counts, entries = np.ones(store.n_rows, np.int64), np.zeros(store.n_rows, np.int64)
    for row, one in several.items():
        counts[row], entries[row] = len(one), len(one.pages)
    places = [place for row in sorted(several) for place in several[row].pages]
    paged = PagedStore(
        store,
        _ends(counts),
        _ends(entries),
        np.array(places, np.int64),
        "channels" if as_channels else pages,
    )
    return paged, _remarks(list(several.values()), pages, as_channels)


def _tiff_rows(store: ListedStore) -> list[int]:
    names = store.own_names
    small = names.blob.lower()
    if b".tif" not in small:
        return []
    found, at, places = [], small.find(b".tif"), names.ends.tolist()
    while at >= 0:
        row = bisect_right(places, at)
        if small[at : places[row]] in _ENDINGS:
            found.append(row)
        at = small.find(b".tif", at + 4)
    return found


def _find_all(
    store: ListedStore, rows: list[int], pages: Pages
) -> list[Pictures[tuple[int, int]] | None]:
    """Find positions and shifts of pages; None for files with one page, and for damaged files."""

    def find(row: int) -> Pictures[tuple[int, int]] | None:
        try:
            with FILES.take(store.packed_bytes(row), _READING), store.opened(row) as read:
                file = open_tiff(read)
                one = None if file is None else find_pictures(file, pages)
        except (SourceError, OSError, EOFError):
            return None
        if one is None or len(one.pages) < 2:
            return None
        places = tuple((page.at, page.shift) for page in one.pages)
        return Pictures(places, one.each, one.is_array)

    if not store.is_remote:
        return list(map(find, rows))
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        return list(pool.map(find, rows))


def _are_alike(found: Sequence[Pictures[Any] | None], n_files: int) -> bool:
    """Return whether all files are arrays of the same few pages: bands rather than series."""
    counts = {len(one.pages) if one is not None and one.is_array else 0 for one in found}
    return len(counts) == 1 and 2 <= counts.pop() <= min(MOST_CHANNELS, n_files - 1)


def _remarks(found: Sequence[Pictures[Any]], pages: Pages, as_channels: bool) -> list[str]:
    rows = [one for one in found if len(one) > 1]
    channels = [one for one in found if one.each > 1]
    remarks = []
    if rows:
        count = sum(map(len, rows))
        what = "picture" if any(one.each > 1 for one in rows) else "page"
        other = "" if pages == "rows" else "; --pages channels reads them as channels of one"
        remarks.append(
            f"{len(rows):,} TIFF {'file has' if len(rows) == 1 else 'files have'} several pages: "
            f"each of the {count:,} {what}s is a row{other}."
        )
    if channels:
        why = "as their shape is the same in all files" if as_channels else "as their metadata say"
        why = "as requested" if pages == "channels" else why
        other = "" if pages == "rows" else "; --pages rows reads each as a picture"
        most = max(one.each for one in channels)
        remarks.append(
            f"The {most} pages of TIFF files are read as channels of one picture, {why}{other}."
        )
    return remarks


def _ends(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _digest(*parts: NDArray[np.int64]) -> str:
    return digest_of(part.astype("<i8").tobytes() for part in parts)
