"""Compare methods on the same features: one run each, a table, their agreement, one page."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoal import api
from shoal.core.metrics import adjusted_rand
from shoal.core.record_lists import RecordList
from shoal.core.validity import validity
from shoal.engines.memory import resident
from shoal.errors import InputError, SettingError, StorageFullError, WorkError
from shoal.export.methods_page import MethodsPage, write_methods_page
from shoal.methods import DEFAULT, METHODS, method_name, parse_assignments
from shoal.methods.scores import silhouette
from shoal.progress import Progress, Silent
from shoal.stages.fit_stages import STAGES
from shoal.stages.method_result import Found
from shoal.stages.result import Result
from shoal.storage import RunFolder, as_place, is_remote, link_file

PAGE = "methods.html"
_SHARED = tuple(stage.name for stage in STAGES[:4])  # index to summarise, shared by all methods
_SILHOUETTE_ROWS = 2_000
_EVERY = 0.02  # seconds between two memory samples


@dataclass(frozen=True)
class MethodComparison:
    """Results of several methods on the same rows.

    Attributes
    ----------
    runs
        The run of each applicable method, by name.
    table
        One record per method: K, noise, seconds, memory and measures, or why it was declined.
    agreement
        (n, n) adjusted Rand index of each pair of runs, in their order.
    page
        The HTML page.
    """

    runs: dict[str, api.Run]
    table: RecordList
    agreement: NDArray[np.float64]
    page: Path

    def __repr__(self) -> str:
        return f"{self.table!r}\n{self.page}"


def compare_methods(
    source: Any,
    methods: Sequence[str],
    out: str | Path,
    *,
    k: int | str | None = None,
    truth: ArrayLike | None = None,
    parameters: Mapping[str, Any] | Sequence[str] = (),
    progress: Progress | None = None,
    **settings: Any,
) -> MethodComparison:
    """Fit several methods on the same features, with one run per method in the folder `out`.

    Rows are read, encoded and summarised once. A method that cannot be applied to them is listed
    with the reason.

    Parameters
    ----------
    source
        As in `fit`.
    methods
        Names, as ``shoal methods`` lists them.
    out
        Folder for the runs and the page ``methods.html``.
    k
        Number of clusters, for the methods that take it.
    truth
        (N,) true classes; integers below 0 mean unknown.
    parameters
        Parameters with the name of their method: ``{"dbscan.eps": 0.3}`` or ``"dbscan.eps=0.3"``.
    progress
        As in `fit`.
    **settings
        Other settings of `fit`.

    Returns
    -------
    MethodComparison

    Raises
    ------
    InputError
        When a name or a parameter is unknown, or no method is applicable.
    """
    names = list(dict.fromkeys(method_name(name) for name in methods))
    if not names:
        raise InputError("methods is empty: give names such as kmeans,dbscan,shoal")
    own = _parameters_of(parameters, names)
    bars, folder = progress or Silent(), as_place(out)
    runs: dict[str, api.Run] = {}
    records: dict[str, dict[str, Any]] = {}
    for name in names:
        bars.note(f"{name}:")
        if runs:
            _share_stages(next(iter(runs.values())).path, folder / name)
        takes_k = name == DEFAULT or METHODS[name].takes_k
        given: dict[str, Any] = {**settings, "method": name, "parameters": own[name]}
        if takes_k:
            given["k"] = k
        try:
            with _PeakMemory() as memory:
                runs[name] = api.fit(source, folder / name, progress=bars, **given)
        except (InputError, WorkError) as error:
            if isinstance(error, StorageFullError) or len(names) == 1:
                raise
            records[name] = {"method": name, "declined": str(error)}
            bars.note(f"{name} is skipped: {error}")
            continue
        records[name] = _record(runs[name], name, memory.peak, truth)
    if not runs:
        raise InputError(str(next(iter(records.values()))["declined"]))
    labels = {name: run.labels() for name, run in runs.items()}
    outliers = {name: run.outliers for name, run in runs.items()}
    results = {name: Result(RunFolder.open(run.path)) for name, run in runs.items()}
    places = {name: result.representative_of_row for name, result in results.items()}
    shared = agreement(list(labels.values()))
    table = RecordList(records.values())
    page = folder / PAGE
    write_methods_page(page, MethodsPage(runs, table, shared, labels, places, outliers))
    return MethodComparison(runs, table, shared, page)


def agreement(labels: Sequence[NDArray]) -> NDArray[np.float64]:
    n = len(labels)
    found = np.eye(n)
    for i in range(n):
        for j in range(i):
            found[i, j] = found[j, i] = adjusted_rand(labels[i], labels[j])
    return found


def _parameters_of(
    given: Mapping[str, Any] | Sequence[str], names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Group parameters by method, and check them.

    >>> _parameters_of({"dbscan.eps": 1}, ["kmeans", "dbscan"])
    {'kmeans': {}, 'dbscan': {'eps': 1}}
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    for key, value in parse_assignments(given).items():
        before, dot, name = key.rpartition(".")
        method = method_name(before) if dot else ""
        if dot and method not in found:
            raise SettingError(f"--set {key}: {method} is not one of the methods to compare")
        if method not in found:
            raise SettingError(
                f"--set {key}: prefix it with a method, such as {names[0]}.{name}=…; the methods "
                f"are {', '.join(names)}"
            )
        found[method][name] = value
    for name in names:
        if name != DEFAULT:
            METHODS[name].resolved(found[name])
    return found


def _share_stages(first: Path, other: Path) -> None:
    """Link the stages that do not depend on the method into the folder of another run."""
    if other.exists() or is_remote(first):
        return
    for stage in _SHARED:
        for path in sorted((first / stage).rglob("*")):
            if path.is_file():
                link_file(path, other / path.relative_to(first))
    # Last, because this turns the folder into a run, which the fit then resumes.
    link_file(first / "run.toml", other / "run.toml")


class _PeakMemory:
    def __init__(self) -> None:
        self.peak: int | None = resident()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        while not self._done.wait(_EVERY):
            now = resident()
            if now is not None and self.peak is not None:
                self.peak = max(self.peak, now)

    def __enter__(self) -> _PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def _record(run: api.Run, name: str, memory: int | None, truth: ArrayLike | None) -> dict[str, Any]:
    result = Result(RunFolder.open(run.path))
    k, vectors, weights = run.primary.k, result.representatives.vectors, result.counts
    labels = result.representative_labels(k).copy()
    noisy = name != DEFAULT and METHODS[name].noise
    record: dict[str, Any] = {
        "method": name,
        "k": k,
        "noise": float(run.outliers.mean()) if noisy else None,
        "seconds": run.info()["stages"]["tree"]["seconds"],
        "memory_mib": None if memory is None else memory >> 20,
        "representatives": len(weights),
        "inertia": validity(vectors, labels, weights).inertia,
        "silhouette": _silhouette(vectors, labels, weights),
    }
    if truth is not None:
        scores = run.evaluate(truth, k=k)[0]
        record |= {key: scores[key] for key in ("accuracy", "purity", "nmi", "ami", "ari")}
    notes = Found(result).facts.get("notes")
    return record | ({"notes": list(notes)} if notes else {})


def _silhouette(vectors: NDArray, labels: NDArray, weights: NDArray) -> float | None:
    if labels.max(initial=0) < 1:
        return None
    if len(labels) <= _SILHOUETTE_ROWS:
        return silhouette(vectors, labels, weights.astype(np.float64))
    draw = np.random.default_rng(0)
    share = weights / weights.sum()
    some = np.sort(draw.choice(len(labels), _SILHOUETTE_ROWS, replace=False, p=share))
    return silhouette(vectors[some], labels[some])
