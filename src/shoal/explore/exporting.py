"""Export requests: tables, a zip file of folders, a contact sheet."""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from shoal.core.text import encodable
from shoal.errors import InputError, SourceError
from shoal.explore.explorer import Explorer
from shoal.explore.orders import ORDERS, Ordered
from shoal.explore.params import Params
from shoal.explore.pictures import encoded
from shoal.explore.views import pictures_of
from shoal.export.base import cluster_folder
from shoal.export.datasets import DATASETS, ImageFolder
from shoal.export.plan import Action, free_name, safe_name
from shoal.export.tables import write_labels
from shoal.rows import EncodedSource

FORMS = ("csv", "spreadsheet", "parquet", "folders", *DATASETS, "sheet")
LEFT_OUT = "left-out.txt"
MOST_FILES = 20_000
MOST_ON_SHEET = 400
_AT_ONCE = 100_000
_ACROSS = 20


def export(explorer: Explorer, params: Params) -> Response:
    """Return the rows of a set as a file to download."""
    form = params.text("as", FORMS, "csv")
    k = params.k(explorer)
    order = params.text("order", ORDERS, "tree")
    seed = params.whole("seed", 0, 1 << 30, 0)
    rows = explorer.ordered(params.set(explorer), k, order if form == "sheet" else "tree", seed)
    if not len(rows):
        raise InputError("the set has no rows to export")
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", explorer.run.path.name.removesuffix(".shoal"))
    if form == "sheet":
        first = explorer.atlas.rows[rows.take(0, min(len(rows), MOST_ON_SHEET))]
        headers = {"content-disposition": f'attachment; filename="{stem}-sheet.png"'}
        return Response(sheet(explorer, first.tolist()), media_type="image/png", headers=headers)
    if form in ("folders", *DATASETS):
        return _folders(explorer, rows, k, stem, form)
    kind = "application/vnd.apache.parquet" if form == "parquet" else "text/csv; charset=utf-8"
    name = f"{stem}.parquet" if form == "parquet" else f"{stem}.csv"
    tables, quoted = _tables(explorer, rows, k), form == "spreadsheet"
    return _file(name, kind, lambda path: write_labels(tables, path, quoted=quoted))


def _tables(explorer: Explorer, rows: Ordered, k: int | None) -> Iterator[Any]:
    import pyarrow as pa

    cut, atlas = explorer.cut(k), explorer.atlas
    named = pa.array(explorer.names(cut), pa.string())
    for start in range(0, len(rows), _AT_ONCE):
        positions = rows.take(start, min(start + _AT_ONCE, len(rows)))
        numbers, labels = atlas.rows[positions], cut.labels(positions)
        yield pa.table(
            {
                "row": numbers.astype(np.int64),
                "name": pa.array(atlas.names(numbers), pa.string()),
                "cluster": cut.ids[labels].astype(np.int32),
                "cluster_name": named.take(pa.array(labels)),
                "confidence": cut.confidence(positions),
                "outlier": atlas.outliers.holds(positions),
                "moved": np.isin(positions, cut.moved[0]),
            }
        )


def _folders(explorer: Explorer, rows: Ordered, k: int | None, stem: str, form: str) -> Response:
    """Send images in a zip file, one folder per cluster, with a data set's own file."""
    pictures_of(explorer)
    if len(rows) > MOST_FILES:
        raise InputError(
            f"{len(rows):,} images are too many for one zip file: choose up to {MOST_FILES:,}, "
            f"or use shoal export --as {form}"
        )
    write = partial(_write_zip, explorer, rows.take(0, len(rows)), k, stem, form)
    return _file(f"{stem}.zip", "application/zip", write)


def _write_zip(
    explorer: Explorer, positions: NDArray, k: int | None, stem: str, form: str, path: Path
) -> None:
    cut, changed = explorer.cut(k), explorer.run.changed
    ids, called = cut.ids.tolist(), explorer.names(cut)
    names = {c: name for c, name in zip(ids, called, strict=True) if name}
    folders = {c: cluster_folder(c, safe_name(names[c]) if c in names else "") for c in ids}
    taken: set[str] = set()
    left: list[str] = []
    done: list[Action] = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for facts in explorer.rows_shown(positions, k):
            row, name, folder = facts["row"], facts["name"], folders[facts["cluster"]]
            try:
                if changed[row]:
                    raise SourceError("its size or modification time changed since the fit")
                file_name, data = _image(explorer, row, name)
            except SourceError as error:
                left.append(f"{folder}/{name or row}: {error}\n")
                continue
            target = free_name(f"{folder}/{file_name}", row, taken)
            file.writestr(target, data)
            sure, far = float(facts["confidence"]), bool(facts["outlier"])
            done.append(Action(row, name, facts["cluster"], sure, far, None, target))
        if left:
            file.writestr(LEFT_OUT, encodable("".join(left)))
        if form in DATASETS:
            source = pictures_of(explorer).source
            for name, text in DATASETS[form](ImageFolder(source, stem, done, names)).items():
                file.writestr(name, encodable(text))


def _image(explorer: Explorer, row: int, name: str | None) -> tuple[str, bytes]:
    """Return an image's file name and bytes: the file itself, or else a PNG."""
    source = pictures_of(explorer).source
    if isinstance(source, EncodedSource):
        return safe_name(source.file_name(row, name)), source.encoded(row)
    return f"{row}.png", encoded(source.read_original(row), lossless=True)[0]


def sheet(explorer: Explorer, rows: list[int]) -> bytes:
    """Draw a contact sheet of some rows, line by line, as PNG."""
    across = min(_ACROSS, max(1, int(np.ceil(len(rows) ** 0.5))))
    return pictures_of(explorer).sheet(rows, across, 96)


def _file(name: str, kind: str, write: Callable[[Path], Any]) -> Response:
    """Write a temporary file, send it, and delete it."""
    folder = tempfile.TemporaryDirectory(prefix="shoal-export-")
    path = Path(folder.name) / name
    try:
        write(path)
    except BaseException:
        folder.cleanup()
        raise
    delete = BackgroundTask(folder.cleanup)
    return FileResponse(path, media_type=kind, filename=name, background=delete)
