"""The facts that a source had if it ended earlier: to tell that its first rows are as before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from shoal.sources.arrays import ArraySource
from shoal.sources.base import Source
from shoal.sources.encoded import EncodedSource
from shoal.sources.folder import FolderStore
from shoal.sources.listing import Listing
from shoal.sources.store import FileStore, MemoryStore
from shoal.sources.taken import TakenImages


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
