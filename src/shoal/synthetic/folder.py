"""Write synthetic images to disk: raw files, the labels of all rows, receipts."""

from __future__ import annotations

import re
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from shoal.engines.local import LocalEngine
from shoal.errors import InputError, SettingError, ShoalError, StorageFullError
from shoal.progress import Progress, Silent
from shoal.rows.arrays.raw import MANIFEST, RawManifest
from shoal.settings import available_cores
from shoal.storage import read_json, toml_text, write_bytes, write_json, write_pieces, write_table
from shoal.storage.parts import TEMPORARY, unwritable
from shoal.synthetic.tileset import TileSet

SHARD_ROWS = 1 << 18
"""Rows per file of tiles except the last: 192 MiB. Files of larger images have fewer rows."""

TRUTH = "truth.parquet"
MOST_ROWS = 10**10

_TILE_BYTES = 768
_RECEIPTS = ".receipts"  # hidden: they are not part of the data
_PIECE_ROWS = 1 << 13
_TRUTH_BYTES = 2  # a row, at most, on disk


class ImageSet(Protocol):
    """Images that depend only on a seed and the row number, with random access to rows.

    Attributes
    ----------
    noun
        Name of the images: ``tiles``.
    recipe
        Incremented whenever the same seed no longer gives the same bytes.
    shape
        Of one image.
    truths
        Names of the label columns, the first of which clusters are compared with.
    licence, about
        For the folder's own description.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    noun: ClassVar[str]
    recipe: ClassVar[int]
    shape: ClassVar[tuple[int, int, int]]
    truths: ClassVar[tuple[str, ...]]
    licence: ClassVar[str]
    about: ClassVar[str]

    def images(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Make the images of the rows from `start` up to `stop`."""

    def truth(self, start: int, stop: int) -> Sequence[NDArray]:
        """Return the columns of the truth for these rows."""


@dataclass(frozen=True)
class Made:
    """The result: folder, rows and files, and how many files existed before."""

    folder: Path
    rows: int
    files: tuple[Path, ...]
    kept: int
    made_bytes: int

    @property
    def truth(self) -> Path:
        """The truth of every row, a column for each of the set's `truths`."""
        return self.folder / TRUTH


def make_tiles(
    out: Path,
    n: int,
    tiles: ImageSet | None = None,
    *,
    shard: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Made:
    """Generate a set of images in a folder, resume an unfinished one, or extend it.

    Files ``tiles-00000.bin`` and so on hold the rows as raw uint8; ``truth.parquet`` holds the
    labels of all rows once they are complete, and ``shoal.toml`` describes the files.

    Parameters
    ----------
    out : Path
        A new or empty folder, or one of the same set with at most `n` rows.
    n : int
        Rows.
    tiles : ImageSet, optional
        Which images; tiles by default.
    shard : int, optional
        Write only the file with this number, exactly as in the full set.
    workers : int, optional
        Threads; by default all cores. The bytes do not depend on it.
    progress : Progress, optional
        Receives the progress.

    Raises
    ------
    InputError
        When the folder holds something else, or there is no such file.
    StorageFullError
        When the disk is full, or the folder is not writable.
    """
    tiles, bars = tiles or TileSet(), progress or Silent()
    if not 1 <= n <= MOST_ROWS:
        raise SettingError(f"n must be from 1 to {MOST_ROWS:,}; got {n:,}")
    count = -(-n // shard_rows(tiles))
    if shard is not None and not 0 <= shard < count:
        raise InputError(
            f"shard must be from 0 to {count - 1:,} for {n:,} {tiles.noun}; got {shard}"
        )
    before = _rows_before(out, n, tiles)
    task = _MakeShard(tiles, out, n, bars)
    wanted = range(count) if shard is None else [shard]
    left = [number for number in wanted if not task.is_made(number)]
    size = sum(map(task.size, left))
    _check_room(out, size + _TRUTH_BYTES * n)
    if before != n:
        _begin(out, n, tiles)
    if before != n or not (out / MANIFEST).exists():
        _describe(out, n, tiles)
    if 0 < len(left) < len(wanted):
        bars.note(f"{len(wanted) - len(left):,} of {len(wanted):,} files exist already")
    if left:
        bars.stage(tiles.noun, size // _row_bytes(tiles), tiles.noun)
        LocalEngine(workers or available_cores()).run(task, left)
        bars.finish()
    if not (out / TRUTH).exists() and all(map(task.is_made, range(count))):
        _sweep(out / TRUTH)
        write_truth(out / TRUTH, tiles, n)
    files = tuple(task.path(number) for number in wanted)
    return Made(out, n, files, len(wanted) - len(left), size)


def shard_rows(tiles: ImageSet) -> int:
    """Return the rows per file."""
    return max(1, SHARD_ROWS * _TILE_BYTES // _row_bytes(tiles))


def _row_bytes(tiles: ImageSet) -> int:
    return int(np.prod(tiles.shape))


def write_truth(path: Path, tiles: ImageSet, n: int) -> None:
    """Write the labels of the first `n` rows as Parquet."""
    import pyarrow as pa

    parts = [
        pa.table(
            dict(zip(tiles.truths, tiles.truth(start, min(n, start + SHARD_ROWS)), strict=True))
        )
        for start in range(0, n, SHARD_ROWS)
    ]
    write_table(path, pa.concat_tables(parts))


@dataclass(frozen=True)
class _MakeShard:
    """Writes one file and reports progress. A receipt marks it as complete."""

    tiles: ImageSet
    out: Path
    n: int
    progress: Progress

    def setup(self) -> None:
        self.tiles.images(0, 1)  # compiles, once for all threads

    def __call__(self, item: int) -> None:
        path, receipt = self.path(item), self._receipt(item)
        _sweep(path, receipt)
        sums = [0]
        write_pieces(path, self._pieces(item, sums), self.size(item))
        write_json(receipt, {"bytes": self.size(item), "crc32": sums[0]})

    def path(self, number: int) -> Path:
        return self.out / f"{self.tiles.noun}-{number:05d}.bin"

    def size(self, number: int) -> int:
        start, stop = self._bounds(number)
        return (stop - start) * _row_bytes(self.tiles)

    def is_made(self, number: int) -> bool:
        try:
            size = self.path(number).stat().st_size
            return bool(size == self.size(number) == read_json(self._receipt(number))["bytes"])
        except (OSError, ShoalError, TypeError, KeyError):
            return False

    def _receipt(self, number: int) -> Path:
        return self.out / _RECEIPTS / f"{self.path(number).stem}.json"

    def _bounds(self, number: int) -> tuple[int, int]:
        rows = shard_rows(self.tiles)
        return number * rows, min(self.n, (number + 1) * rows)

    def _pieces(self, number: int, sums: list[int]) -> Iterator[memoryview]:
        """Generate a file's bytes, and keep their checksum in `sums`."""
        start, stop = self._bounds(number)
        step = max(1, _PIECE_ROWS * _TILE_BYTES // _row_bytes(self.tiles))
        for first in range(start, stop, step):
            images = self.tiles.images(first, min(stop, first + step))
            piece = images.reshape(-1).data
            sums[0] = zlib.crc32(piece, sums[0])
            yield piece
            self.progress.advance(len(images))


def _sweep(*paths: Path) -> None:
    """Delete leftovers of a killed process, but not files that other processes write."""
    for path in paths:
        for left in path.parent.glob(f".{path.name}.*"):
            if re.fullmatch(TEMPORARY, left.name):
                left.unlink(missing_ok=True)


def _rows_before(out: Path, n: int, tiles: ImageSet) -> int:
    """Return the rows of the set in a folder, 0 for a new one; raise if it holds something else."""
    try:
        found = sorted(path.name for path in out.iterdir())
    except FileNotFoundError:
        return 0
    except NotADirectoryError:
        raise InputError(f"{out} is a file: give a folder") from None
    except OSError as error:
        raise InputError(f"{out} cannot be read: {error.strerror}") from None
    about_name = f"{tiles.noun}.json"
    ours = re.compile(
        rf"{tiles.noun}-\d{{5,}}\.bin|{about_name}|{MANIFEST}|{TRUTH}|{re.escape(_RECEIPTS)}|"
        + TEMPORARY
    )
    others = [name for name in found if not ours.fullmatch(name)]
    if about_name not in found:
        others += [name for name in found if not re.fullmatch(TEMPORARY, name)]
    if others:
        raise InputError(f"{out} holds other files ({others[0]}): give a new or empty folder")
    if about_name not in found:
        return 0
    names = (*asdict(tiles), "recipe", "rows")
    about = _about(out / about_name, names)
    theirs = _described(tiles, about)
    wanted = _described(tiles, {**asdict(tiles), "recipe": tiles.recipe})
    if theirs != wanted:
        raise InputError(f"{out} holds {theirs}, not {wanted}: give another folder")
    if about["rows"] > n:
        raise InputError(
            f"{out} holds {about['rows']:,} {tiles.noun}, more than the {n:,} requested: give "
            "another folder"
        )
    return about["rows"]


def _begin(out: Path, n: int, tiles: ImageSet) -> None:
    try:
        _sweep(out / TRUTH, out / f"{tiles.noun}.json")
        (out / TRUTH).unlink(missing_ok=True)  # it has another number of rows
    except OSError as error:
        raise unwritable(out, 0, error) from error
    write_json(out / f"{tiles.noun}.json", {**asdict(tiles), "recipe": tiles.recipe, "rows": n})


def _describe(out: Path, n: int, tiles: ImageSet) -> None:
    _sweep(out / MANIFEST)
    manifest = RawManifest(
        out,
        (f"{tiles.noun}-*.bin",),
        tiles.shape,
        rows=n,
        truth=TRUTH,
        truth_key=tiles.truths[0],
        licence=tiles.licence,
        about=tiles.about,
    )
    write_bytes(out / MANIFEST, toml_text(manifest.as_dict()).encode())


def _about(path: Path, names: Sequence[str]) -> dict[str, int]:
    try:
        facts: Any = read_json(path)
        return {name: int(facts[name]) for name in names}
    except (ShoalError, TypeError, KeyError, ValueError):
        raise InputError(f"{path} is damaged: give another folder, or delete this one") from None


def _described(tiles: ImageSet, facts: Mapping[str, Any]) -> str:
    """Describe a set: ``tiles (sources 60, seed 0, recipe 2)``."""
    names = (*asdict(tiles), "recipe")
    return f"{tiles.noun} ({', '.join(f'{name} {facts[name]}' for name in names)})"


def _check_room(out: Path, needed: int) -> None:
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise StorageFullError(
            f"{out} needs {needed:,} more bytes, but only {free:,} are free: free some space, give "
            "another folder, or a smaller --n"
        )
