"""Requests that take rows out: tables, a zip file of folders, a contact sheet."""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from starlette.responses import Response, StreamingResponse

from shoal.core.text import encodable
from shoal.errors import InputError, SourceError
from shoal.explore.asked import Asked
from shoal.explore.explorer import Explorer
from shoal.explore.orders import ORDERS, Ordered
from shoal.explore.pictures import encoded
from shoal.export.base import cluster_folder
from shoal.export.plan import safe_name
from shoal.export.tables import write_labels
from shoal.sources import Encoded

FORMS = ("csv", "spreadsheet", "parquet", "folders", "sheet")
LEFT_OUT = "left-out.txt"
MOST_FILES = 20_000
MOST_ON_SHEET = 400
_AT_ONCE = 100_000
_PIECE = 1 << 20
_ACROSS = 20


def export(explorer: Explorer, asked: Asked) -> Response:
    """Return rows of a set as a file to keep."""
    form = asked.text("as", FORMS, "csv")
    k, name = asked.k(explorer), asked.set(explorer)
    order = asked.text("order", ORDERS, "tree")
    seed = asked.whole("seed", 0, 1 << 30, 0)
    rows = explorer.ordered(name, k, order if form == "sheet" else "tree", seed)
    if not len(rows):
        raise InputError("no rows: there is nothing to export")
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", explorer.run.path.name.removesuffix(".shoal"))
    if form == "sheet":
        first = explorer.atlas.rows[rows.take(0, min(len(rows), MOST_ON_SHEET))]
        headers = _kept(f"{stem}-sheet.png")
        return Response(sheet(explorer, first.tolist()), media_type="image/png", headers=headers)
    if form == "folders":
        return _folders(explorer, rows, k, stem)
    tables = _tables(explorer, rows, k)
    if form == "parquet":
        kind = "application/vnd.apache.parquet"
        return _file(f"{stem}.parquet", kind, lambda path: write_labels(tables, path))
    quoted = form == "spreadsheet"
    return _file(
        f"{stem}.csv",
        "text/csv; charset=utf-8",
        lambda path: write_labels(tables, path, quoted=quoted),
    )


def _tables(explorer: Explorer, rows: Ordered, k: int | None) -> Iterator[Any]:
    """Return the rows as tables, some at a time: row, name, cluster and so on."""
    import pyarrow as pa

    cut, atlas = explorer.cut(k), explorer.atlas
    named = pa.array(explorer.names(cut), pa.string())
    for start in range(0, len(rows), _AT_ONCE):
        seats = rows.take(start, min(start + _AT_ONCE, len(rows)))
        numbers, labels = atlas.rows[seats], cut.labels(seats)
        yield pa.table(
            {
                "row": numbers.astype(np.int64),
                "name": pa.array(atlas.names(numbers), pa.string()),
                "cluster": cut.ids[labels].astype(np.int32),
                "cluster_name": named.take(pa.array(labels)),
                "confidence": cut.confidence(seats),
                "outlier": atlas.outliers.holds(seats),
                "moved": np.isin(seats, cut.moved[0]),
            }
        )


def _folders(explorer: Explorer, rows: Ordered, k: int | None, stem: str) -> Response:
    """Return images in a zip file, in a folder for each cluster."""
    if explorer.pictures is None:
        raise InputError(explorer.source_trouble or "the rows are no images")
    if len(rows) > MOST_FILES:
        raise InputError(
            f"{len(rows):,} images are too many for one zip file: choose up to {MOST_FILES:,}, "
            "or use shoal export --as folders"
        )
    cut, seats = explorer.cut(k), rows.take(0, len(rows))
    folders = [
        cluster_folder(cluster, safe_name(name) if name else "")
        for cluster, name in zip(cut.ids.tolist(), explorer.names(cut), strict=True)
    ]
    numbers, labels = explorer.atlas.rows[seats], cut.labels(seats)
    names = explorer.atlas.names(numbers)

    changed = explorer.run.changed

    def write(path: Path) -> None:
        taken: set[str] = set()
        left: list[str] = []
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
            for row, name, label in zip(numbers.tolist(), names, labels.tolist(), strict=True):
                folder = folders[label]
                try:
                    if changed[row]:
                        raise SourceError("it has another size or time than when it was fitted")
                    called, data = _image(explorer, row, name)
                except SourceError as error:
                    left.append(f"{folder}/{name or row}: {error}\n")
                    continue
                file.writestr(_free(f"{folder}/{called}", row, taken), data)
            if left:
                file.writestr(LEFT_OUT, encodable("".join(left)))

    return _file(f"{stem}.zip", "application/zip", write)


def _image(explorer: Explorer, row: int, name: str | None) -> tuple[str, bytes]:
    """Return an image's file name and bytes: as it lies there, else as PNG."""
    assert explorer.pictures is not None
    source = explorer.pictures.source
    if isinstance(source, Encoded):
        return safe_name(source.file_name(row, name)), source.encoded(row)
    return f"{row}.png", encoded(source.read_original(row), lossless=True)[0]


def _free(path: str, row: int, taken: set[str]) -> str:
    """Return a name that is not taken, whatever the case of its letters."""
    if path.lower() in taken:
        stem, dot, ending = path.rpartition(".")
        path = f"{stem}~{row}{dot}{ending}" if dot else f"{path}~{row}"
    taken.add(path.lower())
    return path


def sheet(explorer: Explorer, rows: list[int]) -> bytes:
    """Draw a contact sheet of some rows, line by line, as PNG."""
    if explorer.pictures is None:
        raise InputError(explorer.source_trouble or "the rows are no images")
    across = min(_ACROSS, max(1, int(np.ceil(len(rows) ** 0.5))))
    return explorer.pictures.sheet(rows, across, 96)


def _kept(name: str) -> dict[str, str]:
    """Return the header that makes a browser keep an answer as a file."""
    return {"content-disposition": f'attachment; filename="{name}"'}


def _file(name: str, kind: str, write: Callable[[Path], Any]) -> Response:
    """Write a file, and send it piece by piece; it is gone when it is sent."""
    folder = tempfile.TemporaryDirectory(prefix="shoal-export-")
    try:
        path = Path(folder.name) / name
        write(path)
        file = path.open("rb")
    except BaseException:
        folder.cleanup()
        raise
    return StreamingResponse(_pieces(file, folder), media_type=kind, headers=_kept(name))


def _pieces(file: IO[bytes], folder: tempfile.TemporaryDirectory[str]) -> Iterator[bytes]:
    """Read a file to its end, then delete its folder."""
    with folder, file:
        while piece := file.read(_PIECE):
            yield piece
