"""What tells that the first rows of a source are as before: facts of all, of files, of rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.rows.arrays.array import ArraySource
from shoal.rows.base import Source
from shoal.rows.images.encoded import EncodedSource, EncodedStore
from shoal.rows.images.folder import FolderStore
from shoal.rows.images.listing import LED_AWAY, Listing
from shoal.rows.images.paged import PagedStore
from shoal.rows.pictured import rows_of
from shoal.rows.store import FileStore, MemoryStore
from shoal.rows.taken import TakenImages

_MIXER = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no two times become one


def first_facts(source: Source, n: int) -> dict[str, Any] | None:
    """Return the facts (sizes, times, names) of the first n rows, as their source would give them.

    Parameters
    ----------
    source : Source
        With more rows, perhaps taken in another order.
    n : int
        How many.

    Returns
    -------
    dict or None
        None where the source cannot tell: within a file, or in formats without such facts.
    """
    source = rows_of(source)
    if isinstance(source, ArraySource):
        store = source.store
        if isinstance(store, MemoryStore):
            return MemoryStore(store.array[:n]).facts()
        return _of_files(store, n) if isinstance(store, FileStore) else None
    if not isinstance(source, EncodedSource):
        return None
    images, rows = _as_they_lie(source, np.arange(n))
    if isinstance(images, PagedStore):
        return _of_pages(images, rows)
    return _part_of(images, rows).facts() if isinstance(images, FolderStore) else None


def _of_files(store: FileStore, n: int) -> dict[str, Any] | None:
    """Return the facts of the first files, when they have n rows together."""
    count = int(np.searchsorted(store.starts, n))
    if store.starts[count] != n:
        return None
    return replace(store, parts=store.parts[:count]).facts()


def _as_they_lie(source: EncodedSource, rows: NDArray) -> tuple[EncodedStore, NDArray]:
    """Return the store of some rows, and their numbers in it."""
    if isinstance(source.store, TakenImages):
        return source.store.inner, source.store.taken.rows[rows]
    return source.store, rows


def _of_pages(store: PagedStore, rows: NDArray[np.int64]) -> dict[str, Any] | None:
    """Return the facts of some pages, when they are all those of some files, in order."""
    if not isinstance(store.inner, FolderStore):
        return None
    files = store.file_of(rows)
    files = files[np.flatnonzero(np.diff(files, prepend=-1))]
    whole = [np.arange(store.starts[file], store.starts[file + 1]) for file in files.tolist()]
    if not np.array_equal(np.concatenate([rows[:0], *whole]), rows):
        return None
    return store.of_files(files, _part_of(store.inner, files)).facts()


def _part_of(store: FolderStore, rows: NDArray[np.int64]) -> FolderStore:
    """Return some files of a folder, in an order of their own."""
    listing = store.listing
    starts = np.append(0, listing.ends[:-1])[rows].tolist()
    ends = listing.ends[rows]
    blob = b"".join(listing.blob[a:b] for a, b in zip(starts, ends.tolist(), strict=True))
    found = Listing(
        blob, np.cumsum(ends - np.array(starts)), listing.sizes[rows], listing.mtimes[rows]
    )
    return FolderStore(store.root, found)


def row_stamps(source: Source, start: int, stop: int) -> NDArray[np.uint64] | None:
    """Return numbers that change with the sizes or times of the files of rows, (rows,).

    None where rows are not files of a folder.
    """
    found = _listed(source, np.arange(start, stop))
    if found is None:
        return None
    listing, files = found
    sizes, times = (column[files].astype(np.uint64) for column in (listing.sizes, listing.mtimes))
    stamps = times * _MIXER + sizes
    pages = _pages_of(source, np.arange(start, stop))
    return np.where(pages > 0, stamps * _MIXER + pages, stamps)


def row_links(source: Source, start: int, stop: int) -> NDArray[np.uint64] | None:
    """Return hashes of where rows' files really lie, 0 where no link leads there, (rows,).

    None where no row of the source is reached by a link.
    """
    found = _listed(source, np.arange(start, stop))
    return None if found is None or found[0].links is None else found[0].links[found[1]]


def _listed(source: Source, rows: NDArray) -> tuple[Listing, NDArray] | None:
    """Return the listing of the files of rows, and their places in it; None for other sources."""
    if not isinstance(source, EncodedSource):
        return None
    store, rows = _as_they_lie(source, rows)
    if isinstance(store, PagedStore):
        rows, store = store.file_of(rows), store.inner
    return (store.listing, rows) if isinstance(store, FolderStore) else None


def _pages_of(source: Source, rows: NDArray) -> NDArray[np.uint64]:
    """Return the place of each row among the pictures of its file."""
    if not isinstance(source, EncodedSource):
        return np.zeros(len(rows), np.uint64)
    store, rows = _as_they_lie(source, rows)
    if not isinstance(store, PagedStore):
        return np.zeros(len(rows), np.uint64)
    return (rows - store.starts[store.file_of(rows)]).astype(np.uint64)


def led_away(source: Source, rows: NDArray) -> Source:
    """Return the source with the files of some rows not to be read: links lead elsewhere now."""
    found = _listed(source, rows)
    if found is None or not isinstance(source, EncodedSource):
        return source
    listing, places = found
    sizes = listing.sizes.copy()
    sizes[places] = LED_AWAY
    listing = replace(listing, sizes=sizes)
    return replace(source, store=_relisted(source.store, listing))


def _relisted(store: Any, listing: Listing) -> Any:
    """Return a store whose files are those of another listing."""
    if isinstance(store, TakenImages | PagedStore):
        return replace(store, inner=_relisted(store.inner, listing))
    return replace(store, listing=listing)


def file_stamps(source: Source) -> list[list[Any]] | None:
    """Return name, size, time and rows of each file of arrays; None for other sources."""
    source = rows_of(source)
    store = source.store if isinstance(source, ArraySource) else None
    if not isinstance(store, FileStore):
        return None
    return [[part.path.name, part.size, part.mtime_ns, part.n_rows] for part in store.parts]
