"""One or several IDX files as a source, with the files of labels that lie among them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from shoal.rows.arrays.concatenated import joined
from shoal.rows.arrays.idx import idx_header, idx_store
from shoal.rows.base import Source
from shoal.rows.options import SourceOptions

_LOOKED = 1 << 16


def open_idx(paths: Sequence[Path], label: str, options: SourceOptions) -> Source:
    """Open those of several IDX files that hold rows, one after the other.

    Raises
    ------
    SourceError
        When one is damaged or unlike the others, or all hold labels.
    """
    every = [path for path in paths if len(idx_header(path)[1]) > 1] or list(paths)
    rows = list({_digest(path): path for path in reversed(every)}.values())[::-1]
    stores = [idx_store(path) for path in rows]
    many = f", {len(rows):,} IDX files" if len(rows) > 1 else ""
    copies = f", {len(every) - len(rows):,} copies left out" if len(rows) < len(every) else ""
    return options.array(joined(stores, [path.name for path in rows]), label + many + copies)


def _digest(path: Path) -> tuple[int, bytes]:
    """Size of a file, and a hash of its first and last bytes: MNIST comes with each file twice."""
    with path.open("rb") as file:
        data = file.read(_LOOKED)
        size = path.stat().st_size
        file.seek(max(0, size - _LOOKED))
        return size, hashlib.blake2b(data + file.read(_LOOKED), digest_size=16).digest()
