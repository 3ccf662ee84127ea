"""A finished fit for reading, used by exports, plots and pages; the base of `Run`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoal.core.advice import Advice, advise, advise_method
from shoal.core.layers import Layer, Layers
from shoal.core.tree import Tree
from shoal.edits import Clustering, Curation
from shoal.errors import InputError
from shoal.labelling import Labelling, label_clusters, labels_per_row
from shoal.methods import DEFAULT, METHODS
from shoal.model import Model
from shoal.rows import Source, Taken
from shoal.rows.pictures import pictures_of
from shoal.run_info import describe_run
from shoal.run_source import reopened
from shoal.stages.fit_stages import check_run, quarantined, verify_run
from shoal.stages.growth.drift import Drift, read_drift
from shoal.stages.method_result import Found
from shoal.stages.result import Representatives, Result
from shoal.stages.source_changes import changed_rows
from shoal.storage import RunFolder


class FittedRun:
    """The results of a finished fit, read-only: what exports and plots read of a `Run`.

    Parameters
    ----------
    folder
        The run's folder, open for reading.
    source
        The rows, if they are already open.
    """

    def __init__(self, folder: RunFolder, source: Source | None = None) -> None:
        self._folder = folder
        self._source = source
        self._result = Result(folder)
        check_run(self._result)

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self._folder.path

    @property
    def layers(self) -> Layers:
        """The layers, coarse to fine; one is primary."""
        return self._result.layers

    @property
    def primary(self) -> Layer:
        """The suggested layer."""
        return self._result.primary

    @property
    def tree(self) -> Tree:
        """The tree over the representatives, from which any K is a cut."""
        return self._result.tree

    @property
    def representatives(self) -> Representatives:
        """The representatives: `vectors`, `weights`, `rows`."""
        return self._result.representatives

    @property
    def n_rows(self) -> int:
        """Number of rows, including quarantined ones."""
        return self._result.n_rows

    @property
    def sample_of(self) -> int | None:
        """Number of rows that this run is a sample of; None if it has all rows."""
        return self._result.sample_of

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of rows assigned to each representative, (m,)."""
        return self._result.counts

    @cached_property
    def drift(self) -> Drift | None:
        """Report on rows added to an earlier run; None if there are none."""
        return read_drift(self._result)

    def verify(self) -> None:
        """Read all files of the run, and raise if one is missing or damaged.

        Raises
        ------
        RunError
            With the file, and what to do.
        """
        verify_run(self._result)

    def clustering(
        self, layer: int | None = None, k: int | None = None, raw: bool = False
    ) -> Clustering:
        """Return the clusters with their names; parameters as in `labels`."""
        return Clustering.chosen(self._result, None if raw else self.edits, layer, k)

    def labels(
        self, layer: int | None = None, k: int | None = None, raw: bool = False
    ) -> NDArray[np.int32]:
        """Cluster of each row, −1 for quarantined rows.

        Edits are included, and never change the ids of other clusters. Without edits, clusters are
        numbered from the largest (0) on.

        Parameters
        ----------
        layer
            Number of a layer, 0 for the coarsest; by default the primary one.
        k
            Or any number of clusters. Edits apply only to the layer or K that they started from;
            others are plain cuts of the tree.
        raw
            Ignore edits.

        Returns
        -------
        ndarray, shape (N,), int32

        Raises
        ------
        InputError
            When both are given, or there is no such layer or cut.
        """
        return self.clustering(layer, k, raw).labels()

    def confidence(
        self, layer: int | None = None, k: int | None = None, raw: bool = False
    ) -> NDArray[np.float32]:
        """Return the confidence of each row, 0..1; NaN for quarantined rows; see `labels`.

        Rows moved by edits have 1.
        """
        return self.clustering(layer, k, raw).confidence()

    def memberships(self) -> NDArray[np.float32]:
        """Return the membership of each row in each cluster of the method, (N, K) float32.

        Only for methods with memberships, such as ``gmm``; a row has those of its representative.
        Clusters are in the order of `labels` without edits. Quarantined rows have NaN.

        Raises
        ------
        InputError
            When the method of the run has no memberships.
        """
        found = Found(self._result)
        shares = found.memberships
        if shares is None:
            soft = ", ".join(name for name, method in METHODS.items() if method.soft)
            raise InputError(
                f"{self.path} was fitted by {found.facts['name']}, which has no memberships: fit "
                f"with method {soft}"
            )
        order = found.ids(self._result.representative_labels(shares.shape[1]), shares.shape[1])
        assert order is not None  # methods with memberships have a rule
        gone = np.full((1, shares.shape[1]), np.nan, np.float32)
        return np.concatenate([shares[:, np.argsort(order)], gone])[
            self._result.representative_of_row
        ]

    @property
    def outliers(self) -> NDArray[np.bool_]:
        """Outlier flag of each row, (N,) bool."""
        return self._result.outliers

    def table(self, layer: int | None = None, k: int | None = None, raw: bool = False) -> Any:
        """Return a `pyarrow.Table` of row, name, cluster, confidence, outlier; see `labels`.

        With edits it also has cluster_name and mark (good or junk), null if not set.
        """
        import pyarrow as pa

        tables = list(self.clustering(layer, k, raw).tables())
        return pa.concat_tables(tables).unify_dictionaries()

    @cached_property
    def quarantine(self) -> Any:
        """Unusable rows, a `pyarrow.Table` of row, name, reason."""
        return quarantined(self._folder)

    @cached_property
    def edits(self) -> Curation:
        """Manual corrections: merge, split, move, name, undo and so on."""
        return Curation(self._result)

    @cached_property
    def model(self) -> Model:
        """The model for new rows, which needs only the run folder."""
        return Model(self._folder, curation=self.edits)

    def info(self) -> dict[str, Any]:
        """Return everything known about the run: source, settings, counts, time, memory."""
        return describe_run(self._result, self.model, self.drift)

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

    def _classes(self, given: ArrayLike, name: str) -> NDArray:
        """Return true classes as an array, one per row; for a sample only those of its rows."""
        true = np.asarray(given)
        if self._result.source_rows is not None and true.shape == (self.sample_of,):
            true = true[self._result.source_rows]
        return labels_per_row(true, self.n_rows, name)

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
            k=self._result.resolve_k(layer, k) if named else None,
            replace=replace,
        )

    @property
    def advice(self) -> Advice:
        """Advice: the number of groups, a large mixed one, other K nearly as clear."""
        method = Found(self._result).facts["name"]
        if method != DEFAULT:
            return advise_method(method, self.primary.k)
        return advise(self.tree, self.layers, self.counts)

    @property
    def is_table(self) -> bool:
        """True if the rows are from a table of mixed columns."""
        return self._result.schema is not None

    @property
    def source(self) -> Source:
        """The rows of the fit, reopened from their source.

        Raises
        ------
        RunError
            When they were given in memory, are missing, or have changed.
        """
        return pictures_of(self._rows)

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

    @property
    def _rows(self) -> Source:
        if self._source is None:
            self._source = reopened(self._result)
        return self._source

    @cached_property
    def changed(self) -> NDArray[np.bool_]:
        """Whether the file of each row changed since the fit in size, time or link target, (N,).

        If files hold many rows, all rows count as changed when any file changed.
        """
        return changed_rows(self._result, self.source)

    def __repr__(self) -> str:
        ks = ", ".join(f"{layer.k}{'*' if layer.primary else ''}" for layer in self.layers)
        return f"<Run {str(self.path)!r}: {self._result.summary['description']}; layers K = {ks}>"
