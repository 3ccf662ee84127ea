"""The Python interface: fit a source, open a run, use its results."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoal import passes, pipeline, time_forecast
from shoal.core.record_lists import RecordList
from shoal.edits import Entry
from shoal.engines.options import EngineOptions
from shoal.errors import InputError
from shoal.keywords import ClusterKeywords, FitKeywords, explicit
from shoal.labelling import Labelling, label_clusters, one_a_row
from shoal.planning import check_disk
from shoal.prediction import Prediction, joined
from shoal.progress import Progress, default_progress, in_notebook
from shoal.rows import Source, Taken, draw_sample
from shoal.rows.cluster_rows import cluster_settings
from shoal.rows.memory_budget import promised
from shoal.rows.vectors_with_images import rows_of
from shoal.run import FittedRun
from shoal.run_source import open_by, with_images
from shoal.settings import FitSettings, fit_settings
from shoal.stages.result import Representatives
from shoal.storage import RunFolder, as_place, is_remote

if TYPE_CHECKING:
    from shoal.export import Exported
    from shoal.notebook import Page, Shown
    from shoal.plots import Plots

__all__ = ["Prediction", "Representatives", "Run", "fit", "open", "plan"]


class Run(FittedRun):
    """A finished fit: clusters at every level of detail, and the data behind them.

    Create it with `fit` or `open`.

    Parameters
    ----------
    folder
        The run's folder, open for reading.
    source
        The rows, if they are already open.
    temporary
        Delete the folder when this run is no longer used.
    """

    def __init__(
        self, folder: RunFolder, source: Source | None = None, temporary: bool = False
    ) -> None:
        super().__init__(folder, source)
        self._temporary = temporary
        self._page: Page | None = None
        if temporary:
            weakref.finalize(self, shutil.rmtree, folder.path, ignore_errors=True)

    def accept_new(self, author: str = "") -> list[int]:
        """Turn each proposal of `drift` into a cluster, by edits that can be undone.

        Returns
        -------
        list of int
            Ids of the new clusters; a proposal that was accepted before gives the same id.
        """
        if self.drift is None:
            raise InputError(f"no rows were added in {self.path}: there are no proposals")
        found = []
        for number in range(len(self.drift.proposals)):
            token = f"new {self.drift.fingerprint[:16]} {number}"
            entry = self.edits.move(self.drift.rows(number), author=author, token=token)
            found.append(int(entry.facts["to"]))
        return found

    def map_table(self, new: Any = None) -> Any:
        """Return the map coordinates of every row. The map is computed on first use.

        Parameters
        ----------
        new
            New rows to place on the map instead; see `predict`.

        Returns
        -------
        pyarrow.Table
            row, name, x, y (0 to 1 from the left and the top; null for unreadable rows), cluster,
            and cluster_name if clusters have names.
        """
        import pyarrow as pa

        made = import_module("shoal.explore.coordinates")  # which is made of runs
        if new is None:
            tables = list(made.map_tables(self))
        else:
            tables = list(made.placed_tables(self, self.model.open(new)))
        return pa.concat_tables(tables).unify_dictionaries()

    def evaluate(
        self,
        truth: ArrayLike,
        k: int | None = None,
        *,
        engine: str = "local",
        engine_options: EngineOptions = (),
    ) -> RecordList:
        """Compare every layer, or the cut into k, with true classes.

        Parameters
        ----------
        truth
            (N,) labels of any type; integers below 0 mean unknown, and are left out. Quarantined
            rows count as errors. For a sample, labels of all rows of the source are accepted too.
        k
            Evaluate only this cut, without edits.
        engine, engine_options
            Where the pass over all rows runs; see `fit`.

        Returns
        -------
        list of dict, shown as a table
            For each cut: k, layer, primary, edited, the scores of `core.metrics.score`, the
            simplified silhouette over representatives, the measures of `core.validity` over
            representatives, weighted by their rows (a row's distance from its representative is
            ignored), DBCV on up to 2,000 of them, and the stability. If there are edits, the last
            entry is for the edited clusters.

        Raises
        ------
        InputError
            When there is not one label per row.
        """
        from shoal.evaluation import evaluate

        true = self._classes(truth, "truth")
        with passes.engine_for(self._folder, engine, engine_options) as opened:
            return evaluate(self, true, k, opened)

    def _classes(self, given: ArrayLike, name: str) -> NDArray:
        """Return true classes as an array, one per row; for a sample only those of its rows."""
        true = np.asarray(given)
        if self._result.taken is not None and true.shape == (self.sample_of,):
            true = true[self._result.taken]
        return one_a_row(true, self.n_rows, name)

    def label(
        self,
        truth: ArrayLike,
        test: ArrayLike | None = None,
        *,
        layer: int | None = None,
        k: int | None = None,
        names: Sequence[str] | None = None,
        replace: bool = False,
    ) -> Labelling:
        """Name each cluster by the majority class of its labelled rows.

        The names are edits, which can be undone. Clusters of the same class are numbered: ``3``,
        ``3 (2)``.

        Parameters
        ----------
        truth
            (N,) labels of any type; integers below 0 mean unknown.
        test
            (N,) held-out labels: not used for naming, only to measure the accuracy.
        layer, k
            Another cut whose clusters to name; the edits then restart from it.
        names
            Class names, if classes are integers from 0.
        replace
            Replace existing names, except those of locked clusters.

        Returns
        -------
        Labelling
            The class of each cluster, and the accuracy; its `score` measures the accuracy on new
            rows.

        Raises
        ------
        InputError
            When there is not one label per row, or all labelled rows are held out.
        """
        named = layer is not None or k is not None
        return label_clusters(
            self.edits,
            self._classes(truth, "truth"),
            None if test is None else self._classes(test, "test"),
            names=names,
            k=self._result.chosen_k(layer, k) if named else None,
            replace=replace,
        )

    def import_edits(self, table: Any) -> list[Entry]:
        """Import corrected clusters and names from a table, as edits; all or none.

        Parameters
        ----------
        table
            A CSV or Parquet file, or a data frame. Rows are matched by a column ``row``, or one
            with row names. ``cluster`` is the cluster of a row, by number, name or a new name;
            ``cluster_name`` names that cluster, or alone is the cluster of the row.

        Returns
        -------
        list of Entry
            The edits; `edits.undo` reverts them.

        Raises
        ------
        InputError
            When the table cannot be read, or a row or a cluster does not exist.
        """
        from shoal.export.corrections import import_corrections

        before = self.edits.refresh()
        import_corrections(self.edits, table)
        return self.edits.entries(before)

    @property
    def plot(self) -> Plots:
        """Plots of the run: ``run.plot.sizes()`` and so on, each a matplotlib Axes."""
        from shoal.plots import Plots

        return Plots(self)

    def predict(
        self,
        images: Any,
        *,
        layer: int | None = None,
        k: int | None = None,
        raw: bool = False,
        unknown: float | None = None,
        engine: str = "local",
        engine_options: EngineOptions = (),
    ) -> Prediction:
        """Assign new rows to clusters, with a confidence, or mark them as unknown.

        Parameters
        ----------
        images
            An array, a path, or a `Source`, of the same kind as the fitted rows.
        layer, k, raw
            Which clusters; see `labels`. A representative votes for the cluster of most of its
            rows, so rows moved one by one count only where they are the majority.
        unknown
            Largest share of rows like the fitted ones that may be called unknown, for example 0.01;
            by default from the fit's settings, 0.05.
        engine, engine_options
            Where the pass over all rows runs; see `fit`.
        """
        with passes.engine_for(self._folder, engine, engine_options) as opened:
            source = self.model.open(images)
            notes = self.model.notes(source)
            cut: dict[str, Any] = {"layer": layer, "k": k, "raw": raw, "unknown": unknown}
            found = passes.predict_blocks(self.model, source, opened, notes=notes, **cut)
            return joined(list(found), notes)

    def cluster_source(self, cluster: int) -> Source:
        """Return the rows of a cluster, including edits, as a source of its own.

        Raises
        ------
        InputError
            When there is no such cluster.
        RunError
            When the rows of the fit cannot be reopened.
        """
        rows = self.edits.rows_of(self.edits.state.existing(cluster))
        taken = Taken(rows, self._rows.n_rows)
        return self._rows.take(taken, f", cluster {cluster} of {self.path.name}")

    @explicit(ClusterKeywords, features=None)
    def fit_cluster(
        self,
        cluster: int,
        out: str | os.PathLike[str] | None = None,
        *,
        progress: Progress | None = None,
        engine_options: EngineOptions = (),
        **settings: Unpack[ClusterKeywords],
    ) -> Run:
        """Fit only the rows of one cluster, with features projected for them alone.

        Differences between its parts may be lost in a projection of all rows. Rows are read and
        encoded as in this run; other settings have their defaults.

        Parameters
        ----------
        cluster
            Its id, as in `labels`.
        out, progress, engine_options
            As in `shoal.fit`.
        **settings
            Settings of the fit; by default with the features of this run.

        Returns
        -------
        Run
            A run of these rows, in their order.

        Raises
        ------
        InputError
            When there is no such cluster, it has too few rows, or a setting concerns the reading or
            the choice of rows.
        RunError
            When the rows of the fit cannot be opened again.
        """
        stored = self._folder.settings
        checked = cluster_settings(self.path, stored, settings)
        with promised(checked.memory):
            rows = self.cluster_source(cluster)
            where = stored.get("source")
            return _fitted(rows, where, out, checked, progress, engine_options)

    def show(
        self, cluster: int, count: int = 24, *, layer: int | None = None, k: int | None = None
    ) -> Shown:
        """Return the most typical rows of a cluster; a notebook shows them as images.

        Parameters
        ----------
        cluster
            Its id, as in `labels`.
        count
            Number of rows.
        layer, k
            Which clusters; see `labels`.

        Raises
        ------
        InputError
            When there is no such cluster or cut.
        """
        from shoal.notebook import show

        return show(self, cluster, count, layer, k)

    def export(
        self,
        to: str | os.PathLike[str],
        form: str = "folders",
        *,
        layer: int | None = None,
        k: int | None = None,
        raw: bool = False,
        mode: Literal["copy", "symlink", "hardlink"] = "copy",
        changed: bool = False,
        force: bool = False,
        quoted: bool = False,
        progress: Progress | None = None,
    ) -> Exported:
        """Export the clusters to folders, files or formats of other programs.

        Parameters
        ----------
        to
            A folder, or a file name for formats of one file.
        form
            One folder of images per cluster (``folders``), or also with a file for another program
            (``coco``, ``huggingface``, ``label-studio``, ``fiftyone``); or one file (``csv``,
            ``parquet``, ``html``, or ``atlas``, the map for Embedding Atlas).
        layer, k, raw
            Which clusters; see `labels`.
        mode
            For folders: copy files, or link to them.
        changed
            Include files whose size or modification time changed since the fit.
        force
            Overwrite an existing file.
        quoted
            In CSV, quote text that a spreadsheet would run as a formula.

        Returns
        -------
        Exported
            `path`, and for folders the `outcome`: the number of files `done`, and those `left`.

        Raises
        ------
        InputError
            When the form is unknown, or does not fit the rows or the target.
        """
        from shoal.export import export
        from shoal.plots.report import report_pictures

        progress = progress or default_progress()
        progress.stage("export", self.n_rows, "rows")
        made = import_module("shoal.explore.coordinates")  # which is made of runs
        found = export(
            self,
            as_place(to),
            form,
            lambda **cut: made.map_tables(self, **cut),
            lambda **cut: report_pictures(self, **cut),
            layer=layer,
            k=k,
            raw=raw,
            mode=mode,
            changed=changed,
            force=force,
            quoted=quoted,
            on_done=progress.advance,
        )
        progress.finish()
        return found

    def explore(
        self,
        *,
        tab: bool | None = None,
        height: int = 760,
        port: int | None = None,
        read_only: bool = False,
        metadata: str | os.PathLike[str] | None = None,
    ) -> Page:
        """Open the explorer in a notebook cell or a browser tab.

        This process serves it until it exits, or until `Page.stop`. To wait for it in a script, use
        ``shoal explore RUN`` instead.

        Parameters
        ----------
        tab
            Open a browser tab; the default outside a notebook.
        height
            Height of the page in the cell, in pixels.
        port
            By default a free one.
        read_only
            Do not allow edits.
        metadata
            CSV or Parquet file with columns to filter by.

        Returns
        -------
        Page
            While it runs, repeated calls return the same page.
        """
        tab = not in_notebook() if tab is None else tab
        if self._page is None or not self._page.running:
            make = import_module("shoal.explore.page").ServedPage  # which is made of runs
            more = None if metadata is None else Path(metadata)
            self._page = make(
                self, inline=not tab, height=height, port=port, read_only=read_only, metadata=more
            )
        page: Page = self._page
        page.inline = not tab
        if tab:
            page.open()
        return page

    def _repr_html_(self) -> str:
        from shoal.notebook import run_html

        return run_html(self, self._temporary)


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
    with promised(checked.memory):
        rows, where = _source_and_path(source, checked, images)
        return _fitted(rows, where, out, checked, progress, engine_options)


def _fitted(
    rows: Source,
    where: str | None,
    out: str | os.PathLike[str] | None,
    settings: FitSettings,
    progress: Progress | None,
    engine_options: EngineOptions,
) -> Run:
    progress = progress or default_progress()
    if out is not None:
        run = pipeline.run_pipeline(out, rows, settings, where, progress, engine_options)
        return Run(run, rows)
    folder = Path(tempfile.mkdtemp(prefix="shoal-"))
    try:
        run = pipeline.run_pipeline(folder, rows, settings, where, progress, engine_options)
        return Run(run, rows, True)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


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
    with promised(checked.memory):
        rows, _ = _source_and_path(source, checked, images)
        found = pipeline.plan_of(rows, checked)
        if out is not None:
            check_disk(found, as_place(out))
        seconds = time_forecast.seconds(found, time_forecast.calibrate(found))
    stages = [
        {
            "stage": need.stage,
            "seconds": seconds[need.stage],
            "memory_bytes": need.memory(found.workers),
            "disk_bytes": need.disk,
        }
        for need in found.needs
    ]
    return {
        "source": rows.description,
        "why": found.why,
        "remark": found.remark or None,
        "run": out,
        **found.as_dict(),
        "seconds": sum(seconds.values()),
        "memory_bytes": found.memory,
        "disk_bytes": found.disk,
        "stages": stages,
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
