"""The plots in the report of a run."""

from __future__ import annotations

import sys
from typing import Unpack

from shoal.errors import InputError, MissingExtraError
from shoal.fitted_run import FittedRun
from shoal.keywords import CutKeywords
from shoal.methods import METHODS
from shoal.plots import KINDS, Plots
from shoal.plots.canvas import encoded
from shoal.plots.plane import has_own_map
from shoal.stages.method_result import Found
from shoal.stages.result import Result

# Drawn of every run, unless it has no such thing: a table has no images, one cluster no tree.
_OF_ALL = ("centroids", "som", "dendrogram", "map", "silhouette", "profile", "distributions")
_OF_METHODS = {"dbscan": "k-distance", "optics": "reachability"}


def report_pictures(
    run: FittedRun, raw: bool = False, **cut: Unpack[CutKeywords]
) -> tuple[list[tuple[str, bytes]], str]:
    """Draw the plots that suit the rows and the method of a run.

    Returns
    -------
    pictures : list of (str, bytes)
        What each shows, and its WebP.
    missing : str
        A sentence on what to install where there are none for want of matplotlib.
    """
    result = run.clustering(raw=raw, **cut).result
    found = []
    for kind in _kinds(result):
        quick = {} if kind != "map" or has_own_map(result) else {"projection": "pca"}
        try:
            ax = Plots(run, raw).draw(kind, **cut, **quick)
        except MissingExtraError as error:
            return [], str(error)
        except InputError:
            continue
        found.append((KINDS[kind].split(" (")[0], encoded(ax, "webp")))
        if "matplotlib.pyplot" in sys.modules:  # which would show it in a notebook, too
            import matplotlib.pyplot as plt

            plt.close(ax.figure)
    return found, ""


def _kinds(result: Result) -> list[str]:
    name = Found(result).facts["name"]
    own = [_OF_METHODS[name]] if name in _OF_METHODS else []
    elbow = ["elbow"] if name in METHODS and METHODS[name].needs_k else []
    return [*_OF_ALL, *elbow, *own]
