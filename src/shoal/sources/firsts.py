"""What tells that the first rows of a source are as before: facts of all, of files, of rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.sources.arrays import ArraySource
from shoal.sources.base import Source
from shoal.sources.encoded import EncodedSource
from shoal.sources.folder import FolderStore
from shoal.sources.listing import LED_AWAY, Listing
from shoal.sources.store import FileStore, MemoryStore
from shoal.sources.taken import TakenImages

_MIXER = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no two times become one


def first_facts(source: Source, n: int) -> dict[str, Any] | None:
    """Give the facts (sizes, times, names) of the first n rows, as their source would give them.

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
    if isinstance(source, ArraySource):
        store = source.store
        if isinstance(store, MemoryStore):
            return MemoryStore(store.array[:n]).facts()
        return _of_files(store, n) if isinstance(store, FileStore) else None
    if not isinstance(source, EncodedSource):
        return None
    images, rows = source.store, np.arange(n)
    if isinstance(images, TakenImages):
        rows = images.taken.rows[:n]
        images = images.inner
    return _of_listing(images, rows) if isinstance(images, FolderStore) else None


def _of_files(store: FileStore, n: int) -> dict[str, Any] | None:
    """Give the facts of the first files, when they have n rows together."""
    count = int(np.searchsorted(store.starts, n))
    if store.starts[count] != n:
        return None
    return replace(store, parts=store.parts[:count]).facts()


def _of_listing(store: FolderStore, rows: np.ndarray) -> dict[str, Any]:
    """Give the facts of some files of a folder, in an order of their own."""
    listing = store.listing
    starts = np.append(0, listing.ends[:-1])[rows].tolist()
    ends = listing.ends[rows]
    blob = b"".join(listing.blob[a:b] for a, b in zip(starts, ends.tolist(), strict=True))
    found = Listing(
        blob, np.cumsum(ends - np.array(starts)), listing.sizes[rows], listing.mtimes[rows]
    )
    return FolderStore(store.root, found).facts()


def row_stamps(source: Source, start: int, stop: int) -> NDArray[np.uint64] | None:
    """Give numbers that change with the sizes or times of the files of rows, (rows,).

    None where rows are no files of a folder.
    """
    found = _listed(source, np.arange(start, stop))
    if found is None:
        return None
    listing, rows = found
    sizes, times = (column[rows].astype(np.uint64) for column in (listing.sizes, listing.mtimes))
    return times * _MIXER + sizes


def row_links(source: Source, start: int, stop: int) -> NDArray[np.uint64] | None:
    """Return hashes of where rows' files really lie, 0 where no link leads there, (rows,).

    None where no row of the source is reached by a link.
    """
    found = _listed(source, np.arange(start, stop))
    return None if found is None or found[0].links is None else found[0].links[found[1]]


def _listed(source: Source, rows: NDArray) -> tuple[Listing, NDArray] | None:
    """Return the listing of the files of rows, and their places in it; None for other sources."""
    store = source.store if isinstance(source, EncodedSource) else None
    if isinstance(store, TakenImages):
        rows, store = store.taken.rows[rows], store.inner
    return (store.listing, rows) if isinstance(store, FolderStore) else None


def led_away(source: Source, rows: NDArray) -> Source:
    """Return the source with the files of some rows not to be read: links lead elsewhere now."""
    found = _listed(source, rows)
    if found is None or not isinstance(source, EncodedSource):
        return source
    listing, places = found
    sizes = listing.sizes.copy()
    sizes[places] = LED_AWAY
    listing = replace(listing, sizes=sizes)
    store: Any = source.store
    if isinstance(store, TakenImages):
        store = replace(store, inner=replace(store.inner, listing=listing))  # type: ignore[type-var]
    else:
        store = replace(store, listing=listing)
    return replace(source, store=store)


def file_stamps(source: Source) -> list[list[Any]] | None:
    """Give name, size, time and rows of each file of arrays; None for other sources."""
    store = source.store if isinstance(source, ArraySource) else None
    if not isinstance(store, FileStore):
        return None
    return [[part.path.name, part.size, part.mtime_ns, part.n_rows] for part in store.parts]
