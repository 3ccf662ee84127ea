"""Plots of a run with matplotlib, which is imported on first use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from shoal.core.checked import check_word
from shoal.fitted_run import FittedRun
from shoal.keywords import CutKeywords, renamed, spelled_out
from shoal.labelling import check_names, comparable_rows, labels_per_row
from shoal.plots import cluster_images, measures, plane, tables, tree
from shoal.plots.canvas import FORMS, check_form, save
from shoal.plots.scene import Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FORMS", "KINDS", "Plots", "check_form", "save"]

KINDS = {
    "centroids": "the mean or most typical image of each cluster",
    "examples": "the most typical images of each cluster, or of one (--cluster)",
    "dendrogram": "the tree above the clusters, with its cut",
    "silhouette": "how deep rows lie in their clusters",
    "elbow": "inertia against the number of clusters",
    "k-distance": "distances to the k-th neighbour, for DBSCAN's eps",
    "reachability": "valleys of OPTICS, coloured by cluster",
    "som": "the mean image of each unit of a self-organising map, on its grid",
    "confusion": "true classes against clusters (--truth)",
    "map": "all rows in the plane (--projection own, tsne, umap or pca)",
    "sizes": "rows of each cluster",
    "profile": "means of a table's columns in each cluster",
    "scatter": "rows by two or three columns (--columns)",
    "distributions": "distributions of a table's columns, by cluster",
}
"""The kinds of plots, and what each shows."""


@renamed("centroids", of="image")
@renamed("map", way="projection")
@spelled_out(CutKeywords)
class Plots:
    """Pictures of a run: each call draws one, and returns its matplotlib Axes.

    All take `layer` or `k` for clusters other than the (edited) primary ones, and `ax` to draw on;
    by default axes of a suitable size are created. A notebook displays them; elsewhere
    ``ax.figure.savefig("picture.png")`` writes them.

    Raises
    ------
    MissingExtraError
        When matplotlib is not installed (``pip install 'shoal[plot]'``).
    InputError
        When a plot does not apply to the run, such as images of a table.
    """

    def __init__(self, run: FittedRun, raw: bool = False) -> None:
        self._run, self._raw = run, raw

    def __repr__(self) -> str:
        return f"<pictures of a run: {', '.join(KINDS)}>"

    def _scene(self, cut: CutKeywords) -> Scene:
        return Scene(self._run, self._run.clustering(raw=self._raw, **cut))

    def centroids(
        self, ax: Axes | None = None, *, image: str = "auto", **cut: Unpack[CutKeywords]
    ) -> Axes:
        """Draw an image of each cluster, with its name and number of rows.

        Parameters
        ----------
        image : {"auto", "mean", "typical"}
            The mean of up to 200 images, or the most typical one; ``auto``: the latter for images
            of mixed sizes, such as photos.
        """
        return cluster_images.centroids(self._scene(cut), ax, image)

    def examples(
        self,
        cluster: int | None = None,
        ax: Axes | None = None,
        *,
        count: int | None = None,
        **cut: Unpack[CutKeywords],
    ) -> Axes:
        """Draw the most typical images of one cluster, or a row of them for each cluster.

        Parameters
        ----------
        cluster : int, optional
        count : int, optional
            Number of images; by default 24 of one cluster, or 10 of each.
        """
        count = count if count is not None else 10 if cluster is None else 24
        return cluster_images.examples(self._scene(cut), ax, cluster, count)

    def dendrogram(
        self, ax: Axes | None = None, *, leaves: int | None = None, **cut: Unpack[CutKeywords]
    ) -> Axes:
        """Draw the tree above the clusters, its cut, and images at its leaves.

        Parameters
        ----------
        leaves : int, optional
            Clusters at the leaves, 2 to 60; by default those of the next finer layer.
        """
        return tree.dendrogram(self._scene(cut), ax, leaves)

    def silhouette(self, ax: Axes | None = None, **cut: Unpack[CutKeywords]) -> Axes:
        """Draw the silhouettes of up to 3,000 representatives, cluster by cluster."""
        return measures.silhouette(self._scene(cut), ax)

    def elbow(self, ax: Axes | None = None, **cut: Unpack[CutKeywords]) -> Axes:
        """Draw the inertia of cuts of the tree into 1 to 60 clusters, with the knee."""
        return measures.elbow(self._scene(cut), ax)

    def k_distance(
        self, ax: Axes | None = None, *, neighbour: int = 4, **cut: Unpack[CutKeywords]
    ) -> Axes:
        """Draw the sorted distances of representatives to their k-th neighbour.

        Parameters
        ----------
        neighbour : int, default 4
            As in Ester et al. (1996) for DBSCAN.
        """
        return measures.k_distance(self._scene(cut), ax, neighbour)

    def reachability(
        self, ax: Axes | None = None, *, neighbour: int = 4, **cut: Unpack[CutKeywords]
    ) -> Axes:
        """Draw the reachability of up to 3,000 representatives in the order of OPTICS.

        Parameters
        ----------
        neighbour : int, default 4
            Neighbour whose distance defines the density.
        """
        return measures.reachability(self._scene(cut), ax, neighbour)

    def som(self, ax: Axes | None = None, **cut: Unpack[CutKeywords]) -> Axes:
        """Draw the mean image of each unit of a self-organising map in its place on the grid."""
        return cluster_images.som(self._scene(cut), ax)

    def confusion(
        self,
        truth: ArrayLike,
        ax: Axes | None = None,
        *,
        names: Sequence[str] | None = None,
        **cut: Unpack[CutKeywords],
    ) -> Axes:
        """Draw the number of rows of each true class in each cluster.

        Parameters
        ----------
        truth : array-like, shape (N,)
            Classes of any type; integers below 0 mean unknown.
        names : sequence of str, optional
            Class names, if classes are integers from 0.
        """
        scene = self._scene(cut)
        given = labels_per_row(truth, scene.result.n_rows)
        check_names(given, names)
        if names is not None:
            return measures.confusion(scene, ax, given.astype(np.int64), names)
        known = comparable_rows(given)
        found, codes = np.unique(given[known], return_inverse=True)
        coded = np.full(len(given), -1, np.int64)
        coded[known] = codes
        return measures.confusion(scene, ax, coded, [str(name) for name in found.tolist()])

    def map(
        self,
        ax: Axes | None = None,
        *,
        projection: str = "own",
        seed: int | None = None,
        **cut: Unpack[CutKeywords],
    ) -> Axes:
        """Draw the representatives in the plane, with the name and a typical image of each cluster.

        Parameters
        ----------
        projection : {"own", "tsne", "umap", "pca"}
            The explorer's map, computed if needed; t-SNE (openTSNE, perplexity 30) or UMAP
            (needs ``pip install 'shoal[umap]'``) of up to 10,000 representatives; or the first two
            principal components.
        seed : int, optional
            By default that of the fit.
        """
        return plane.map_(self._scene(cut), ax, projection, seed)

    def sizes(self, ax: Axes | None = None, **cut: Unpack[CutKeywords]) -> Axes:
        """Draw the size of each cluster."""
        return measures.sizes(self._scene(cut), ax)

    def profile(self, ax: Axes | None = None, **cut: Unpack[CutKeywords]) -> Axes:
        """Draw means of numbers and shares of categories of a table in each cluster."""
        return tables.profile(self._scene(cut), ax)

    def distributions(self, ax: Axes | None = None, **cut: Unpack[CutKeywords]) -> Axes:
        """Draw a histogram of each column, stacked by cluster."""
        return tables.distributions(self._scene(cut), ax)

    def scatter(
        self,
        columns: Sequence[str] | None = None,
        ax: Axes | None = None,
        **cut: Unpack[CutKeywords],
    ) -> Axes:
        """Draw rows of a table or vectors by their columns, coloured by cluster.

        Parameters
        ----------
        columns : sequence of str, optional
            Two, or three for a 3-d plot; by default the first two numeric ones.
        """
        return tables.scatter(self._scene(cut), ax, columns)

    def draw(self, kind: str, **options: Any) -> Axes:
        """Draw a plot by name, such as ``"k-distance"``.

        Raises
        ------
        InputError
            For an unknown kind.
        """
        check_word("kind of plot", kind, tuple(KINDS))
        return getattr(self, kind.replace("-", "_"))(**options)
