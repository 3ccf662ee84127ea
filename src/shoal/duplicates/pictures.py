"""Rows of one or two sources as thumbnails of equal size."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError, SourceError
from shoal.rows import EncodedSource, ImageRequest, ImageSource, Source, as_requested
from shoal.rows.images.decode import measure

# Height and width that pictures are compared at. At 48 as many planted copies were found, a third
# as many pairs of different photos passed the threshold, and it took twice the time.
SIDE = 32
_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True)
class Rows:
    """The rows of one source, or of two, one after the other."""

    sources: tuple[Source, ...]  # One or two of images
    _contents: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def n(self) -> int:
        return sum(source.n_rows for source in self.sources)

    def owner(self, row: int) -> tuple[int, int]:
        """Return the number of a row's source, and its row there."""
        first = self.sources[0].n_rows
        return (0, row) if row < first else (1, row - first)

    def name(self, row: int) -> str | None:
        """Return the name of a row, None if it has only its number."""
        at, inner = self.owner(row)
        names = self.sources[at].names(inner, inner + 1)
        return None if names is None else names[0]

    def path(self, row: int) -> Path | None:
        """Return the file of a row, None if it is part of a larger one."""
        at, inner = self.owner(row)
        source = self.sources[at]
        return source.path(inner) if isinstance(source, EncodedSource) else None

    def size(self, row: int) -> tuple[int, int]:
        """Return pixels and bytes of a row as stored, 0 if they cannot be read."""
        at, inner = self.owner(row)
        source = self.sources[at]
        if not isinstance(source, EncodedSource):
            return int(np.prod(source.shape[:2])), 0
        try:
            data = source.encoded(inner)
            height, width = measure(data)
        except SourceError:
            return 0, 0
        return height * width, len(data)

    def content(self, row: int) -> str:
        """Return a digest of a row's pixels in full size."""
        at, inner = self.owner(row)
        source, known = self.sources[at], None
        if isinstance(source, EncodedSource):
            known = hashlib.blake2b(source.encoded(inner), digest_size=16).hexdigest()
            if known in self._contents:
                return self._contents[known]
        pixels = np.ascontiguousarray(cast(ImageSource, source).read_original(inner))
        digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
        digest.update(pixels.data)
        if known is not None:
            self._contents[known] = digest.hexdigest()
        return digest.hexdigest()


@dataclass(frozen=True)
class Pictures:
    """Small pictures of all rows, and why some cannot be read."""

    pixels: NDArray[np.uint8]  # (n, H, W, C) Black where a row cannot be read
    bad: dict[int, str]  # Reason by row
    # True where they are the rows in their own size, so that equal ones are exact copies
    whole: bool


@contextmanager
def small_pictures(
    rows: Rows, memory: int, workers: int, advance: Callable[[int], None]
) -> Iterator[Pictures]:
    """Read all rows as small pictures, in memory or, if they are many, in a temporary file."""
    views, whole = _views(rows.sources)
    shape = (rows.n, *views[0].shape)
    size = int(np.prod(shape))
    with tempfile.TemporaryDirectory(prefix="shoal-duplicates-") as folder:
        pixels: NDArray[np.uint8] = (
            np.zeros(shape, np.uint8)
            if size <= memory // 4
            else np.memmap(Path(folder) / "pictures", np.uint8, "w+", shape=shape)
        )
        bad: dict[int, str] = {}
        length = max(1, _BLOCK_BYTES // int(np.prod(shape[1:])) // 16)

        def read(view: Source, first: int, start: int) -> None:
            stop = min(start + length, view.n_rows)
            batch = view.read(start, stop)
            pixels[first + start : first + stop] = batch.data
            bad.update({first + start + at: reason for at, reason in batch.bad.items()})
            advance(stop - start)

        firsts = [0, views[0].n_rows]
        with ThreadPoolExecutor(workers) as pool:
            tasks = [
                pool.submit(read, view, first, start)
                for view, first in zip(views, firsts, strict=False)
                for start in range(0, view.n_rows, length)
            ]
            for task in tasks:
                task.result()
        yield Pictures(pixels, bad, whole)


def _views(sources: tuple[Source, ...]) -> tuple[list[Source], bool]:
    """Bring the sources to one size: their own if all have the same small one."""
    for source in sources:
        if source.kind != "images":
            raise InputError(
                f"{source.description}: copies can only be found among images. For equal rows of "
                "numbers use a table tool, or give --shape if these are images"
            )
    shapes = {source.shape for source in sources}
    if len(shapes) == 1 and not any(source.mixed_sizes for source in sources):
        height, width, channels = next(iter(shapes))
        if max(height, width) <= SIDE:
            return list(sources), True
    channels = max(source.shape[2] for source in sources)
    wanted = ImageRequest(
        (SIDE, SIDE), channels=channels if channels in (1, 3) else None, fit="stretch"
    )
    return [as_requested(source, wanted) for source in sources], False
