"""A finished fit with everything that can be done with it."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

from numpy.typing import ArrayLike

from shoal import passes, pipeline
from shoal.core.record_lists import RecordList
from shoal.edits import Entry
from shoal.engines.options import EngineOptions
from shoal.fitted_run import FittedRun
from shoal.keywords import ClusterKeywords, explicit
from shoal.model import PredictKeywords
from shoal.prediction import Prediction, joined
from shoal.progress import Progress, default_progress, in_notebook
from shoal.rows import Source
from shoal.rows.memory_budget import memory_limit
from shoal.rows.options import cluster_settings
from shoal.settings import FitSettings
from shoal.storage import RunFolder, as_place

if TYPE_CHECKING:
    from shoal.export import Exported
    from shoal.notebook import Page, Shown
    from shoal.plots import Plots


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

        made = import_module("shoal.explore.coordinates")  # which imports runs
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
            cut: PredictKeywords = {"layer": layer, "k": k, "raw": raw, "unknown": unknown}
            blocks = passes.predict_blocks(self.model, source, opened, notes=notes, **cut)
            return joined(list(blocks), notes)

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
        with memory_limit(checked.memory):
            rows = self.cluster_source(cluster)
            where = stored.get("source")
            return fit_rows(rows, where, out, checked, progress, engine_options)

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
        made = import_module("shoal.explore.coordinates")  # which imports runs
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
            make = import_module("shoal.explore.page").ServedPage  # which imports runs
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


def fit_rows(
    rows: Source,
    where: str | None,
    out: str | os.PathLike[str] | None,
    settings: FitSettings,
    progress: Progress | None,
    engine_options: EngineOptions,
) -> Run:
    """Run the pipeline on open rows, in `out` or in a folder that is deleted with the run."""
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
