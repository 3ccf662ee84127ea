"""What images say of themselves, to filter by: folder, size, format, date, camera, look.

Headers are read in a thread of their own, when somebody first asks for the filters.
"""

from __future__ import annotations

import io
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from posixpath import dirname
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.ndimage import laplace

from shoal.errors import InputError, ShoalError
from shoal.explore.cuts import Cut
from shoal.explore.metadata import Column, Metadata, make_metadata
from shoal.rows import EncodedSource

if TYPE_CHECKING:
    from shoal.explore.explorer import Explorer

_MOST_READ = 50_000  # about two minutes of reading in the background
_MOST_ROWS = 2_000_000
_AT_ONCE = 64
_PAUSE = 0.01  # seconds between blocks: the page comes first
_EXIF, _TAKEN, _CHANGED, _CAMERA = 0x8769, 36867, 306, 272
_OWN = "From the images themselves"


@dataclass
class Facets:
    """Columns that images bring with them."""

    explorer: Explorer
    share: float = 0.0  # how much of the headers is read, 0 to 1
    columns: tuple[Column, ...] = ()  # those that are known by now
    _started: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Begin to read, once; folders are known at once."""
        with self._lock:
            if self._started:
                return
            self._started = True
            self.columns = _useful(self._folders())
            if self.explorer.pictures is None or self.explorer.atlas.n_rows > _MOST_READ:
                self.share = 1.0
                return
        threading.Thread(target=self._read, daemon=True).start()

    def _folders(self) -> dict[str, list[Any]]:
        atlas = self.explorer.atlas
        if not atlas.result.summary["named"] or atlas.n_rows > _MOST_ROWS:
            return {}
        return {"folder": [dirname(n or "") or None for n in atlas.names(np.arange(atlas.n_rows))]}

    def _read(self) -> None:
        found: dict[str, list[Any]] = {}
        n_rows = self.explorer.atlas.n_rows
        for row in range(n_rows):
            for name, value in self._facts(row).items():
                found.setdefault(name, [None] * n_rows)[row] = value
            if row % _AT_ONCE == 0:
                self.share = row / n_rows
                time.sleep(_PAUSE)
        self.columns += _useful(found)
        self.share = 1.0

    def _facts(self, row: int) -> dict[str, Any]:
        source, pictures = self.explorer.run.source, self.explorer.pictures
        assert pictures is not None
        facts: dict[str, Any] = {}
        with suppress(ShoalError, OSError):  # its other facts, if any, are all there is
            if isinstance(source, EncodedSource):
                facts = header(source.encoded(row))
            facts |= seen(pictures.tiles([row], pictures.side)[0])
        return facts


def seen(tile: NDArray[np.uint8]) -> dict[str, float]:
    """Return what a small picture, (H, W, C), shows: how bright and how sharp it is.

    Sharpness is the standard deviation of the Laplacian, which blur takes off first; sources:
    Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy" (2000).
    """
    grey = tile.mean(axis=2)
    return {
        "brightness, %": round(float(grey.mean()) / 2.55, 1),
        "sharpness": round(float(laplace(grey).std()), 1),
    }


def header(data: bytes) -> dict[str, Any]:
    """Return size, format, and where it has them month and camera, of an encoded image."""
    from PIL import Image

    facts: dict[str, Any] = {"file size, KB": round(len(data) / 1000, 1)}
    try:
        with Image.open(io.BytesIO(data)) as image:
            facts |= {"longest side": max(image.size), "format": image.format}
            exif = image.getexif()
            taken = exif.get_ifd(_EXIF).get(_TAKEN) or exif.get(_CHANGED)
            camera = exif.get(_CAMERA)
    except Exception:  # damaged in any of the many ways that images are
        return facts
    if isinstance(taken, str) and taken[:4].isdecimal() and taken[:4] > "0000":
        facts["taken"] = taken[:7].replace(":", "-")
    if isinstance(camera, str) and camera.strip("\0 "):
        facts["camera"] = camera.strip("\0 ")
    return facts


def _useful(found: dict[str, list[Any]]) -> tuple[Column, ...]:
    varied = {name: cells for name, cells in found.items() if len(set(cells)) > 1}
    if not varied:
        return ()
    try:
        return make_metadata(pa.table(varied), _OWN).columns
    except InputError:
        return ()


def beside_cut(explorer: Explorer, cut: Cut) -> Metadata:
    """Return what rows can be filtered by in a cut: columns beside them, their own, confidence."""
    own, given = explorer.facets, explorer.metadata
    columns = [*(given.columns if given is not None else ())]
    taken = {column.name for column in columns}
    more = explorer.copies.columns if explorer.copies.ready else ()
    columns += [column for column in (*own.columns, *more) if column.name not in taken]
    if "confidence" not in taken and explorer.atlas.n_positions <= _MOST_ROWS:
        key = ("confidence", cut.rows_name)
        columns.append(explorer.kept(key, lambda: _confidence(explorer, cut)))
    return Metadata(tuple(columns), _OWN if given is None else given.joined)


def _confidence(explorer: Explorer, cut: Cut) -> Column:
    atlas = explorer.atlas
    positions, found = np.arange(atlas.n_positions), np.full(atlas.n_rows, np.nan)
    found[atlas.rows[positions]] = np.round(100 * cut.confidence(positions).astype(np.float64), 1)
    return Column("confidence, %", "number", pa.array(found))
