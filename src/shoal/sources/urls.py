"""Sources that lie in an object store, or anywhere else that fsspec reaches.

Arrays and images are read in place, each worker fetching only what it is at.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import numpy as np

from shoal.errors import SourceError
from shoal.sources.arrays import npy_store
from shoal.sources.asked import Asked
from shoal.sources.base import Source
from shoal.sources.folder import FolderStore
from shoal.sources.formats import EXTENSIONS
from shoal.sources.listing import Listing, natural_key
from shoal.sources.raw import parse_dtype, raw_store
from shoal.sources.store import because
from shoal.storage import UrlPath


def open_url(url: UrlPath, asked: Asked) -> Source:
    """Open what lies at an address: ``.npy`` files, raw numbers or images; one, or a folder.

    Raises
    ------
    SourceError
        When there is nothing, or nothing that is read from there.
    """
    found = _found(url)
    names = sorted((name for name in found if not name.startswith(".")), key=natural_key)
    if not names:
        raise SourceError(f"{url} does not exist, or holds no files")
    root = url.parent if names == [url.name] and not url.is_dir() else url
    images = [name for name in names if os.path.splitext(name)[1].lower() in EXTENSIONS]
    if images:
        listing = _listing({name: found[name] for name in images})
        return asked.encoded(FolderStore(cast(Path, root), listing), url.name)
    paths = [cast(Path, root / name) for name in names]
    if all(path.suffix == ".npy" for path in paths):
        return asked.array(npy_store(paths, named=len(paths) > 1), url.name)
    if asked.shape is not None:
        parse_dtype(asked.dtype)
        wanted = [path for path in paths if path.suffix == paths[0].suffix]
        return asked.array(raw_store(wanted, asked.shape, asked.dtype), url.name)
    raise SourceError(
        f"{url}: images, .npy files and raw numbers (with --shape) are read from an address; "
        f"{names[0]} is none of them: copy it to a disk that all workers reach"
    )


def _found(url: UrlPath) -> dict[str, UrlPath]:
    """List the files at an address, by their names within it."""
    try:
        if url.is_dir():
            return {path.relative_to(url).as_posix(): path for path in url.walk()}
        return {url.name: UrlPath(url.url, url.info())}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SourceError(f"{url} cannot be read: {because(error)}") from None
    except ImportError as error:
        raise SourceError(f"{url} cannot be read: {error}") from None


def _listing(found: dict[str, UrlPath]) -> Listing:
    """Keep the names, sizes and times of files."""
    encoded = [os.fsencode(name) for name in found]
    stats = [path.stat() for path in found.values()]
    return Listing(
        b"".join(encoded),
        np.cumsum([len(name) for name in encoded], dtype=np.int64),
        np.array([one.st_size for one in stats], np.int64),
        np.array([one.st_mtime_ns for one in stats], np.int64),
    )
