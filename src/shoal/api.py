"""The Python interface: fit a source, open a run, use its results."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Unpack

from shoal import pipeline, time_forecast
from shoal.engines.options import EngineOptions
from shoal.keywords import FitKeywords, explicit
from shoal.planning import check_disk
from shoal.prediction import Prediction
from shoal.progress import Progress
from shoal.rows import Source, draw_sample
from shoal.rows.memory_budget import memory_limit
from shoal.rows.pictures import rows_of
from shoal.run import Run, fit_rows
from shoal.run_source import open_by, with_images
from shoal.settings import FitSettings, fit_settings
from shoal.stages.result import Representatives
from shoal.storage import RunFolder, as_place, is_remote

__all__ = ["Prediction", "Representatives", "Run", "fit", "open", "plan"]


@explicit(FitKeywords)
def fit(
    source: Any,
    out: str | os.PathLike[str] | None = None,
    *,
    images: Any = None,
    progress: Progress | None = None,
    engine_options: EngineOptions = (),
    **settings: Unpack[FitKeywords],
) -> Run:
    """Cluster images or vectors, without a given number of clusters.

    Parameters
    ----------
    source
        A path (folder, list, tar or zip of images, .npy, .npz, IDX, raw, Parquet, HDF5, TFRecord,
        CSV), a pattern of paths, an array or tensor ``(N, H, W[, C])`` or ``(N, D)``, a list of
        paths or of pictures (PIL), a data frame or Arrow table, a data set of torch or Hugging
        Face, an iterator of such items, or an open `Source`.
    out
        Folder of the run. It is created, resumed if interrupted, or left unchanged if it is up to
        date. By default a temporary one, deleted with the `Run`.
    images
        Images to show for vectors, one per row in the same order: a path (folder, archive, list of
        paths), a list of paths, an array, or an open `Source`.
    progress
        Receives the progress, for example `shoal.progress.RichProgress()`; by default a bar in a
        notebook, and nothing elsewhere.
    engine_options
        With ``engine="beam"``: passed to Beam, for example ``["--runner=FlinkRunner"]``.
        With ``engine="dask"``: ``{"address": "tcp://host:8786"}``, or ``{"scheduler_file": path}``,
        and ``wait``, the seconds a scheduler may be without workers (300); without a scheduler,
        worker processes are started on this machine. With ``engine="spark"``: a running Spark
        context is used; otherwise ``{"master": "yarn", "conf": ["spark.executor.cores=1"]}``, or
        without a master Spark is started on this machine.
    **settings
        The settings of `shoal.settings.SETTINGS`; None means the default.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        When the rows or the settings cannot be used; the message says what to do.
    StorageFullError
        When the disk is full; finished work is kept.

    Examples
    --------
    >>> import numpy as np, shoal
    >>> rows = np.random.default_rng(0).normal(size=(300, 4)) + np.repeat([[0], [20]], 150, 0)
    >>> run = shoal.fit(rows, workers=1)
    >>> run.primary.k, np.bincount(run.labels()).tolist()
    (2, [150, 150])
    """
    checked = _settings(images, settings)
    with memory_limit(checked.memory):
        rows, where = _source_and_path(source, checked, images)
        return fit_rows(rows, where, out, checked, progress, engine_options)


@explicit(FitKeywords)
def plan(
    source: Any,
    out: str | os.PathLike[str] | None = None,
    *,
    images: Any = None,
    **settings: Unpack[FitKeywords],
) -> dict[str, Any]:
    """Return what `fit` would do and its cost, without running it.

    It takes a few seconds to measure how fast this machine reads, encodes and searches.

    Parameters
    ----------
    source, out, images
        As in `fit`.
    **settings
        As in `fit`.

    Returns
    -------
    dict
        The detected source, and for each stage seconds, memory and disk space.

    Raises
    ------
    InputError
        When the rows, the settings or the memory limit cannot be used; the message says what would
        work.
    StorageFullError
        When the disk of `out` has too little space for the run.
    """
    checked = _settings(images, settings)
    with memory_limit(checked.memory):
        rows, _ = _source_and_path(source, checked, images)
        found = pipeline.plan_of(rows, checked)
        if out is not None:
            check_disk(found, as_place(out))
        seconds = time_forecast.seconds(found, time_forecast.measure_speed(found))
    stages = [
        {
            "stage": name,
            "seconds": seconds[name],
            "memory_bytes": need.memory(found.workers),
            "disk_bytes": need.disk,
        }
        for name, need in found.needs.items()
    ]
    return {
        "source": rows.description,
        "why": found.encoder_reason,
        "remark": found.remark or None,
        "run": out,
        **found.as_dict(),
        "stages": stages,
        "seconds": sum(seconds.values()),
        "memory_bytes": found.memory,
        "disk_bytes": found.disk,
    }


def open(path: str | os.PathLike[str]) -> Run:
    """Open a finished run.

    Raises
    ------
    RunError
        When there is no run, or it is unfinished, damaged, or from a newer version.
    """
    return Run(RunFolder.open(path))


def _settings(images: Any, settings: Mapping[str, Any]) -> FitSettings:
    is_path = isinstance(images, str | os.PathLike)
    return fit_settings(**settings, images=images if is_path else None)


def _source_and_path(
    source: Any, settings: FitSettings, images: Any = None
) -> tuple[Source, str | None]:
    where = None
    if isinstance(source, str | os.PathLike):
        place = as_place(source)
        where = str(place) if is_remote(place) else os.path.abspath(os.path.expanduser(place))
    rows = source if isinstance(source, Source) else open_by(source, settings)
    if images is not None and (isinstance(source, Source) or settings.images is None):
        rows = with_images(rows_of(rows), images)
    if settings.sample is not None:
        rows = draw_sample(rows, settings.sample, settings.seed)
    return rows, where
