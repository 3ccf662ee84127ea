"""One or several IDX files as a source, with the files of labels that lie among them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shoal.sources.asked import Asked
from shoal.sources.base import Source
from shoal.sources.idx import idx_header, idx_store
from shoal.sources.joined import joined


def open_idx(paths: Sequence[Path], label: str, asked: Asked) -> Source:
    """Open those of several IDX files that hold rows, one after the other.

    Raises
    ------
    SourceError
        When one is damaged or unlike the others, or all hold labels.
    """
    rows = [path for path in paths if len(idx_header(path)[1]) > 1] or list(paths)
    stores = [idx_store(path) for path in rows]
    many = f", {len(rows):,} IDX files" if len(rows) > 1 else ""
    return asked.array(joined(stores, [path.name for path in rows]), label + many)
