"""Open the rows of a fit from its settings, and reopen those of a finished run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from shoal.errors import InputError, RunError, ShoalError
from shoal.rows import Source, Taken, open_source
from shoal.rows.options import READING
from shoal.rows.pictures import (
    check_pictures,
    pictures_of,
    rows_of,
    with_pictures,
)
from shoal.rows.tables.schema import Schema
from shoal.settings import FitSettings, fit_settings
from shoal.stages.fitted import Fitted
from shoal.stages.result import Result
from shoal.stages.source_changes import without_new_links
from shoal.storage import as_place


def open_by(
    where: Any,
    settings: FitSettings,
    schema: Schema | None = None,
    fitted: Sequence[str] | None = None,
) -> Source:
    """Open a source by the settings, with the columns of an earlier run."""
    kind: Any = settings.as_
    pages: Any = settings.pages or "auto"
    opened: Source = open_source(
        where,
        as_=kind,
        key=settings.key,
        shape=settings.shape,
        dtype=settings.dtype,
        columns=settings.columns,
        leave_out=settings.leave_out,
        categories=settings.categories,
        schema=schema,
        fitted=fitted,
        pages=pages,
    )
    if settings.pages and opened.as_files() is None:
        raise InputError(f"--pages {settings.pages} does not apply to {opened.description}")
    if settings.images is not None:
        return with_images(rows_of(opened), settings.images)
    return opened


def with_images(rows: Source, images: Any) -> Source:
    pictures = images if isinstance(images, Source) else open_source(images, as_="images")
    is_path = isinstance(images, str | os.PathLike)
    return with_pictures(rows, pictures, is_path and as_place(images).is_dir())


def reopened(result: Result) -> Source:
    """Reopen the rows of a finished run."""
    settings, summary, path = result.folder.settings, result.summary, result.folder.path
    where, images = settings.get("source"), settings.get("images")
    if where is None and images is not None:
        return _pictures(result, images)
    if where is None:
        raise RunError(
            f"the rows of {path} ({summary['description']}) were given in memory: save them to a "
            "file and fit that to be able to see them"
        )
    try:
        source = open_by(
            where,
            fit_settings(**{name: settings.get(name) for name in READING}),
            result.schema,
            result.vector_columns,
        )
    except ShoalError as error:
        raise RunError(f"the rows of {path} are gone: {error}") from error
    if summary["kind"] == "images":
        source = pictures_of(source)
    source = _taken(result, source)
    if summary.get("grown"):
        source = Fitted(result).as_fitted(source)
    if [source.n_rows, list(source.shape)] != [result.n_rows, summary["shape"]]:
        raise RunError(
            f"{where} has changed since the fit: it was {summary['description']}, and is "
            f"{source.description}; run shoal fit again"
        )
    array = source.as_array()
    if array is not None and array.pictures is not None:
        pictures: Any = without_new_links(result, array.pictures)
        return replace(array, pictures=pictures)
    return without_new_links(result, source)


def _pictures(result: Result, images: str) -> Source:
    try:
        pictures = _taken(result, open_source(images, as_="images"))
        check_pictures(pictures, result.n_rows, f"{result.n_rows:,} rows")
    except ShoalError as error:
        raise RunError(f"the images of {result.folder.path} are gone: {error}") from error
    return without_new_links(result, pictures)


def _taken(result: Result, source: Source) -> Source:
    rows, of = result.source_rows, result.sample_of
    if rows is None or source.n_rows <= int(rows.max()) or source.n_rows < (of or 0):
        return source
    label = f", a sample of {of:,}" if of else ""
    return source.take(Taken(rows, source.n_rows, of is not None), label)
