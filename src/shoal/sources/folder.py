"""Images in files: a folder of them, or a list of their paths."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.wanted import Wanted
from shoal.errors import SourceError
from shoal.sources.base import Batch, Kind
from shoal.sources.decode import decode, measure
from shoal.sources.listing import Listing
from shoal.sources.pixels import LARGEST_NATIVE, show
from shoal.sources.store import because, check_range

MAX_FILE_BYTES = 1 << 30
_SAMPLED = 500
_NEARLY_ALL = 0.95
_GREY_TOLERANCE = 3


@dataclass(frozen=True, eq=False)
class FolderSource:
    """Image files, in the order of a listing, decoded to one shape when read.

    Attributes
    ----------
    root : Path
        What the names in `listing` are relative to.
    listing : Listing
        The files, as they were when looked at.
    shape : tuple of int
        ``(H, W, C)`` as read.
    mixed_sizes : bool
        True when images are scaled to `shape`.
    sizes : str
        What people call their sizes: ``28×28``, ``mixed sizes``.
    label : str
        What people call the source: the folder's or list's name.
    typical_size : tuple of int
        Median height and width of the files looked at.
    wanted : Wanted or None
        How they are scaled; None for what `shape` says.
    """

    root: Path
    listing: Listing
    shape: tuple[int, int, int]
    mixed_sizes: bool
    sizes: str
    label: str
    typical_size: tuple[int, int]
    wanted: Wanted | None = None

    @property
    def kind(self) -> Kind:
        """``"images"``."""
        return "images"

    @property
    def n_rows(self) -> int:
        """How many files there are."""
        return len(self.listing)

    @property
    def description(self) -> str:
        """One line for people."""
        colour = "grey" if self.shape[2] == 1 else "colour"
        text = f"{self.n_rows:,} {colour} images of {self.sizes} ({self.label})"
        return f"{text}, scaled to {show(self.shape[:2])}" if self.mixed_sizes else text

    def fingerprint(self) -> dict[str, Any]:
        """Count and size of the files, and a hash over all names, sizes and times."""
        digest = hashlib.blake2b(self.listing.blob, digest_size=16)
        for column in (self.listing.ends, self.listing.sizes, self.listing.mtimes):
            digest.update(column.tobytes())
        return {
            "kind": "images",
            "n_rows": self.n_rows,
            "shape": list(self.shape),
            "bytes": int(self.listing.sizes.clip(0).sum()),
            "hash": digest.hexdigest(),
            **({"wanted": self.wanted.as_dict()} if self.wanted else {}),
        }

    def wanting(self, wanted: Wanted) -> FolderSource:
        """Give the same rows, read in another size and cut."""
        size, channels = wanted.size or self.shape[:2], wanted.channels or self.shape[2]
        full = replace(wanted, size=size, channels=channels)
        scaled = self.mixed_sizes or size != self.shape[:2]
        return replace(self, shape=(*size, channels), mixed_sizes=scaled, wanted=full)

    def names(self, start: int, stop: int) -> list[str]:
        """Paths relative to the folder, with ``/``; as written in a list."""
        check_range(start, stop, self.n_rows)
        names = (os.fsencode(self.listing[row]) for row in range(start, stop))
        return [name.decode("utf-8", "replace") for name in names]

    def path(self, row: int) -> Path:
        """Give the file of a row."""
        check_range(row, row + 1, self.n_rows)
        return self.root / self.listing[row]

    def read(self, start: int, stop: int) -> Batch:
        """Decode rows ``start..stop``; a file that cannot be read is black and has a reason."""
        check_range(start, stop, self.n_rows)
        data = np.zeros((stop - start, *self.shape), np.uint8)
        bad: dict[int, str] = {}
        wanted = self.wanted or Wanted(self.shape[:2], channels=self.shape[2])
        for at in range(stop - start):
            try:
                data[at] = decode(self._bytes(start + at), wanted)
            except SourceError as error:
                bad[at] = str(error)
        return Batch(data, bad)

    def read_original(self, row: int, max_side: int | None = None) -> NDArray[np.uint8]:
        """Give one image ``(H, W, C)`` in its own size, or scaled down to `max_side`.

        Raises
        ------
        SourceError
            When the file cannot be read.
        """
        check_range(row, row + 1, self.n_rows)
        try:
            return decode(self._bytes(row), Wanted(max_side=max_side))
        except SourceError as error:
            raise SourceError(f"{self.path(row)}: {error}") from None

    def _bytes(self, row: int) -> bytes:
        """Read a file, checked to be the one that was looked at."""
        size, mtime = int(self.listing.sizes[row]), int(self.listing.mtimes[row])
        return read_bytes(self.root / self.listing[row], size, mtime)


def read_bytes(path: Path, size: int, mtime_ns: int) -> bytes:
    """Read a whole file that had this size and time when it was looked at.

    Raises
    ------
    SourceError
        With the reason as one sentence: gone, changed, too large, no file.
    """
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise SourceError("this is not a file")
        if size < 0:
            raise SourceError("the file was missing when the images were listed")
        if (found.st_size, found.st_mtime_ns) != (size, mtime_ns):
            raise SourceError("the file changed after the images were listed")
        if size > MAX_FILE_BYTES:
            raise SourceError(f"the file has {size:,} bytes, more than {MAX_FILE_BYTES:,}")
        return path.read_bytes()
    except FileNotFoundError:
        raise SourceError("the file is missing") from None
    except (OSError, ValueError, MemoryError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"the file cannot be read: {because(error)}") from None


def make_folder_source(
    root: Path, listing: Listing, label: str, image_size: tuple[int, int] | None = None
) -> FolderSource:
    """Look at some of the files to choose one shape for all.

    If nearly all have one size of at most 64 pixels a side, that; else `image_size`, or
    64×64. Grey if all that are looked at are grey.

    Raises
    ------
    SourceError
        When none of the files looked at can be read.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    colour, first_reason = False, ""
    for row, data in _sample(root, listing):
        try:
            if isinstance(data, SourceError):
                raise data
            size = measure(data)
            colour = colour or not is_grey(decode(data, Wanted(max_side=LARGEST_NATIVE)))
            sizes[size] += 1
        except SourceError as error:
            first_reason = first_reason or f"{listing[row]}: {error}"
    if not sizes:
        looked = min(len(listing), _SAMPLED)
        raise SourceError(
            f"none of the {looked:,} files looked at in {label} can be read "
            f"(the first is {first_reason})"
        )
    (common, count), several = sizes.most_common(1)[0], len(sizes) > 1
    small = max(common) <= LARGEST_NATIVE and count >= _NEARLY_ALL * sizes.total()
    size = image_size or (common if small else (LARGEST_NATIVE, LARGEST_NATIVE))
    said = show(common) if small or not several else "mixed sizes"
    shape = (*size, 3 if colour else 1)
    scaled = size != common or not (small or not several)
    heights, widths = zip(*sizes.elements(), strict=True)
    typical = int(np.median(heights)), int(np.median(widths))
    return FolderSource(root, listing, shape, scaled, said, label, typical)


def _sample(root: Path, listing: Listing) -> Iterator[tuple[int, bytes | SourceError]]:
    """Read some files from all over a listing, or say why they cannot be read."""
    count = min(len(listing), _SAMPLED)
    for row in np.linspace(0, len(listing) - 1, count).astype(int):
        try:
            size, mtime = int(listing.sizes[row]), int(listing.mtimes[row])
            yield row, read_bytes(root / listing[row], size, mtime)
        except SourceError as error:
            yield row, error


def is_grey(image: NDArray[np.uint8]) -> bool:
    """Tell whether an image has one channel, or three equal but for what JPEG rounds."""
    if image.shape[-1] == 1:
        return True
    wide = image.astype(np.int16)
    return bool((wide.max(axis=-1) - wide.min(axis=-1)).max() <= _GREY_TOLERANCE)
