"""Quality of every image of a source: blank, blurred, dark, oddly shaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Unpack, cast

from shoal.core.quality import SIDE, measure_quality
from shoal.errors import InputError, SourceError
from shoal.features.content import is_drawing
from shoal.keywords import SourceKeywords, explicit
from shoal.progress import Progress, default_progress
from shoal.rows import EncodedSource, ImageSource, Source, open_source
from shoal.rows.images.decode import measure
from shoal.rows.pictures import pictures_of
from shoal.settings import available_cores

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 4096
_ROWS_A_TASK = 16
# Aspect ratio above which an image is oddly shaped: wider than panoramas, which have 3 to 1.
_ODD = 3.0


@explicit(SourceKeywords)
def quality_tables(
    source: Any,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    **source_settings: Unpack[SourceKeywords],
) -> Iterator[pa.Table]:
    """Measure every image of a source, a few thousand at a time.

    Parameters
    ----------
    source : path, array or Source
        As for `shoal.fit`.
    workers : int, optional
        Threads; by default all cores.
    progress : Progress, optional
    **source_settings
        How the source is read, as for `shoal.fit`.

    Yields
    ------
    pyarrow.Table
        ``row``, ``name``, ``width``, ``height`` (pixels as stored), ``brightness``, ``contrast``
        (mean and standard deviation of the luminance, 0 to 255), ``sharpness`` and ``detail``
        (0 to 1, see `shoal.core.quality.Quality`), and ``notes``: some of ``blank``, ``dark``,
        ``bright``, ``blurred``, ``nearly empty``, ``odd shape``, ``drawing or text`` and
        ``unreadable``, separated by ``; ``, or empty.

    Raises
    ------
    InputError
        When the source does not hold images.
    """
    opened = source if isinstance(source, Source) else open_source(source, **source_settings)
    opened = pictures_of(opened)
    if opened.kind != "images":
        raise InputError(f"{opened.description}: quality is measured on images only")
    progress = progress or default_progress()
    progress.stage("measuring", opened.n_rows)
    with ThreadPoolExecutor(workers or available_cores()) as pool:
        for start in range(0, opened.n_rows, _BLOCK):
            stop = min(start + _BLOCK, opened.n_rows)
            tasks = [
                pool.submit(_measured, opened, first, min(first + _ROWS_A_TASK, stop), progress)
                for first in range(start, stop, _ROWS_A_TASK)
            ]
            lines = [line for task in tasks for line in task.result()]
            yield _table(opened, start, lines)
    progress.finish()


def _measured(source: Source, start: int, stop: int, progress: Progress) -> list[dict[str, Any]]:
    lines = [_measure(cast(ImageSource, source), row) for row in range(start, stop)]
    progress.advance(stop - start)
    return lines


def _measure(source: ImageSource, row: int) -> dict[str, Any]:
    try:
        picture = source.read_original(row, SIDE)
        height, width = (
            measure(source.encoded(row)) if isinstance(source, EncodedSource) else (0, 0)
        )
    except SourceError:
        return {"notes": "unreadable"}
    if not height:
        height, width = source.typical_size
    found = measure_quality(picture)
    notes = list(found.notes)
    if max(height, width) > _ODD * min(height, width):
        notes.append("odd shape")
    if is_drawing(picture[::2, ::2, :3] if picture.shape[2] >= 3 else picture[::2, ::2, :1]):
        notes.append("drawing or text")
    return {
        "width": width,
        "height": height,
        **{n: getattr(found, n) for n in ("brightness", "contrast", "sharpness", "detail")},
        "notes": "; ".join(notes),
    }


def _table(source: Source, start: int, lines: list[dict[str, Any]]) -> pa.Table:
    import pyarrow as pa

    rows = range(start, start + len(lines))
    names: Sequence[str | None] = source.names(rows.start, rows.stop) or [None] * len(rows)
    columns: dict[str, Any] = {
        "row": pa.array(rows, pa.int64()),
        "name": pa.array(names, pa.string()),
    }
    types = {"width": pa.int32(), "height": pa.int32(), "notes": pa.string()}
    for name in ("width", "height", "brightness", "contrast", "sharpness", "detail", "notes"):
        cells = [line.get(name) for line in lines]
        columns[name] = pa.array(cells, types.get(name, pa.float32()), from_pandas=True)
    return pa.table(columns)
