"""What an export needs of a run, and the words that all exports share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from shoal.core.plural import plural
from shoal.core.tree import Tree
from shoal.errors import InputError
from shoal.rows import Source


class LayerLike(Protocol):
    """A marked cut of the tree."""

    @property
    def k(self) -> int:
        """How many clusters."""

    @property
    def excess(self) -> float:
        """Excess of the last split that it takes."""

    @property
    def stability(self) -> float:
        """Stability under resampling, 0..1, NaN when not known."""

    @property
    def primary(self) -> bool:
        """True for the layer that is shown first."""

    @property
    def weak(self) -> bool:
        """True where splits as faint as its last one are found in structureless data, too."""


class RepresentativesLike(Protocol):
    """The rows that stand for all others."""

    @property
    def vectors(self) -> NDArray:
        """Projected features, shape (m, d)."""

    @property
    def weights(self) -> NDArray:
        """Rows that each stands for, shape (m,)."""

    @property
    def rows(self) -> NDArray:
        """A row of the source for each, shape (m,)."""


class ClusteringLike(Protocol):
    """Clusters of a run: a cut, or what people's edits made of it."""

    @property
    def k(self) -> int:
        """How many clusters."""

    @property
    def ids(self) -> Sequence[int]:
        """The clusters in the order of the tree."""

    @property
    def names(self) -> Mapping[int, str]:
        """Names of those that have one."""

    @property
    def edited(self) -> bool:
        """Whether edits are in it."""

    @property
    def of_representative(self) -> NDArray:
        """Cluster of each representative, shape (m,)."""

    def tables(self) -> Iterator[Any]:
        """Return what `RunLike.table` does, shard by shard."""

    def linkage(self) -> list[tuple[int, int, float]]:
        """Return the merges above the clusters, in the order of `ids`."""


class RunLike(Protocol):
    """The part of a run that exports read."""

    @property
    def path(self) -> Path:
        """The run folder."""

    @property
    def layers(self) -> Sequence[LayerLike]:
        """The marked cuts, coarse to fine."""

    @property
    def primary(self) -> LayerLike:
        """The layer that is shown first."""

    @property
    def tree(self) -> Tree:
        """The tree over the representatives."""

    @property
    def representatives(self) -> RepresentativesLike:
        """The rows that stand for all others."""

    @property
    def source(self) -> Source:
        """Where the rows come from."""

    @property
    def changed(self) -> NDArray:
        """Whether the file of each row is another than was fitted, (N,) bool."""

    @property
    def is_table(self) -> bool:
        """Whether the rows are those of a table of mixed columns."""

    @property
    def quarantine(self) -> Any:
        """Table of the rows that could not be read: row, name, reason."""

    def labels(self, layer: int | None = None, k: int | None = None, raw: bool = False) -> NDArray:
        """Return the cluster of each row, −1 for quarantined rows."""

    def table(self, layer: int | None = None, k: int | None = None, raw: bool = False) -> Any:
        """Return row, name, cluster, confidence, outlier."""

    def clustering(
        self, layer: int | None = None, k: int | None = None, raw: bool = False
    ) -> ClusteringLike:
        """Return the clusters with their names."""

    def info(self) -> Mapping[str, Any]:
        """Return what is known about the run."""


def cluster_folder(cluster: int, name: str = "") -> str:
    """Name a cluster's folder so that names sort as numbers do: ``cluster-003-cats``.

    >>> cluster_folder(3), cluster_folder(3, "cats")
    ('cluster-003', 'cluster-003-cats')
    """
    return f"cluster-{cluster:03d}{'-' if name else ''}{name}"


def cluster_title(cluster: int, name: str | None = None) -> str:
    """Call a cluster by its name, if it has one, and its number.

    >>> cluster_title(3), cluster_title(3, "cats")
    ('Cluster 3', 'cats (cluster 3)')
    """
    return f"Cluster {cluster}" if name is None else f"{name} (cluster {cluster})"


def refuse_existing(path: Path, force: bool) -> None:
    """Raise for a file that is there already, unless told to replace it.

    Raises
    ------
    InputError
        When something is at `path` and `force` is not given, or it is a folder.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file")
    if not force and (path.is_symlink() or path.exists()):
        raise InputError(f"{path} exists: give another name, or --force to replace it")


def number(value: float | None, digits: int = 2) -> str:
    """Write a number for people; an em dash for what is not known or not finite.

    >>> number(0.98765), number(float("nan")), number(None), number(1234567.0, 0)
    ('0.99', '–', '–', '1,234,567')
    """
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.{digits}f}"


def rows_word(source: Source, count: int) -> str:
    """Say ``1 image``, ``12 images`` or ``12 rows``."""
    return plural(count, "image" if source.kind == "images" else "row")
