"""The plot of a choice of K: elbow, silhouettes and the other criteria."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shoal.methods.k_choice import KChoice
from shoal.plots.canvas import ACCENT, figure_class, save

_TITLES = {
    "inertia": "Inertia (it always falls): elbow",
    "silhouette": "Silhouette: largest",
    "calinski_harabasz": "Caliński–Harabasz: largest",
    "davies_bouldin": "Davies–Bouldin: smallest",
    "gap": "Gap: first within one error of the next",
    "strength": "Prediction strength: last from 0.8 on",
    "bic": "BIC: smallest",
}
_MARK = "#d55e00"  # what is picked


def write_k_picture(path: Path, found: KChoice, layers: Sequence[int]) -> None:
    names = [name for name in _TITLES if any(one[name] is not None for one in found.table)]
    down = -(-(len(names) + 1) // 3)
    figure = figure_class()(figsize=(11, 3.1 * down), layout="constrained")
    axes = list(np.ravel(figure.subplots(down, 3)))
    for axis, name in zip(axes, names, strict=False):
        _curve(axis, name, found)
    _draw_silhouettes(axes[len(names)], found)
    for axis in axes[len(names) + 1 :]:
        axis.remove()
    layers_text = f"; Shoal's layers: {', '.join(map(str, layers))}" if layers else ""
    figure.suptitle(f"K by {found.method}{layers_text}")
    save(axes[0], path)


def _curve(axis: Any, name: str, found: KChoice) -> None:
    known = [one for one in found.table if one[name] is not None]
    ks, values = [one["k"] for one in known], [one[name] for one in known]
    axis.plot(ks, values, color=ACCENT, marker="o", markersize=3)
    if name == "gap":
        errors = [one["gap_error"] for one in known]
        axis.errorbar(ks, values, errors, color=ACCENT, linewidth=0.8, capsize=2)
    pick = found.picks.get("elbow" if name == "inertia" else name)
    if pick in ks:
        axis.plot(pick, values[ks.index(pick)], "o", color=_MARK, markersize=7)
        axis.axvline(pick, color=_MARK, linewidth=0.8, linestyle=":")
    axis.set_title(f"{_TITLES[name]}{'' if pick is None else f' → {pick}'}", fontsize=9)
    axis.set_xlabel("K", fontsize=8)
    axis.tick_params(labelsize=7)


def _draw_silhouettes(axis: Any, found: KChoice) -> None:
    bottom, each = 0, [value for cluster in found.silhouettes for value in cluster]
    gap = max(1, len(each) // 60)
    for number, cluster in enumerate(found.silhouettes):
        rows = np.arange(bottom, bottom + len(cluster))
        axis.fill_betweenx(rows, 0, cluster, color=f"C{number % 10}", step="mid")
        bottom += len(cluster) + gap
    axis.axvline(float(np.mean(each)) if each else 0.0, color=_MARK, linewidth=0.8, linestyle=":")
    axis.set_title(f"Silhouettes at K = {found.picks['silhouette']}", fontsize=9)
    axis.set_yticks([])
    axis.tick_params(labelsize=7)
