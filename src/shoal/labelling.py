"""Name clusters by the majority class of their labelled rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoal.core.contingency import Contingency, contingency
from shoal.core.record_lists import Tabular
from shoal.edits import Curation
from shoal.edits.names import folded
from shoal.errors import InputError

_LONGEST = 60  # characters of a class in a cluster name


@dataclass(frozen=True)
class Labelling(Tabular):
    """The majority class of each cluster, and its accuracy.

    Attributes
    ----------
    classes : dict
        Majority class of the labelled rows of each cluster; clusters without labelled rows are
        absent.
    lines : list of dict
        For each cluster, largest first: cluster, rows, label, name, labelled (rows used), purity
        (share of these in the majority class).
    accuracy : float
        Share of the labelled rows whose class is that of their cluster.
    labelled : int
        Labelled rows used for naming.
    test_accuracy : float
        Accuracy on the held-out rows; NaN if there are none.
    tested : int
        Held-out rows.
    named : int
        Clusters that were named.
    kept : tuple of int
        Clusters that were left unchanged because a user named or locked them.
    edits : int
        Number of edits made, and hence of undo steps.
    """

    classes: Mapping[int, Any]
    lines: Sequence[Mapping[str, Any]]
    accuracy: float
    labelled: int
    test_accuracy: float
    tested: int
    named: int
    kept: tuple[int, ...]
    edits: int

    def records(self) -> list[dict[str, Any]]:
        return [dict(line) for line in self.lines]

    def score(self, clusters: ArrayLike, truth: ArrayLike) -> float:
        """Return the accuracy on other rows, for example new ones; see `Run.predict`.

        Parameters
        ----------
        clusters
            (n,) clusters of the rows. A cluster without a class, or below 0, counts as an error.
        truth
            (n,) classes of the rows. Integers below 0 mean unknown, and are left out.

        Raises
        ------
        InputError
            When the lengths differ, or no class is known.
        """
        found, true = np.asarray(clusters), np.asarray(truth)
        if found.shape != true.shape:
            raise InputError(f"{found.size:,} clusters, but {true.size:,} classes")
        known = comparable_rows(true)
        return _accuracy(contingency(true[known], found[known]), self.classes)


def known_rows(truth: NDArray) -> NDArray[np.bool_]:
    """Return which rows have a known class, that is not NaN or an integer below 0."""
    if np.issubdtype(truth.dtype, np.signedinteger):
        return truth >= 0
    known: NDArray[np.bool_] = truth == truth  # NaN, also among objects, is not itself
    return known


def labels_per_row(truth: ArrayLike, n_rows: int, name: str = "truth") -> NDArray:
    """Return labels as an array, or raise unless there is one per row."""
    labels = np.asarray(truth)
    if labels.shape != (n_rows,):
        raise InputError(
            f"the {name} has shape {labels.shape}, but the run has {n_rows:,} rows: "
            "one label per row is needed"
        )
    return labels


def comparable_rows(truth: NDArray) -> NDArray[np.bool_]:
    """Return which rows have a known class, or raise where none has."""
    known = known_rows(truth)
    if not known.any():
        raise InputError("no row has a known class to compare with")
    return known


def check_names(truth: NDArray, names: Sequence[str] | None) -> None:
    """Raise if names are given and a class is not the index of one of them."""
    if names is None:
        return
    whole = np.issubdtype(truth.dtype, np.integer)
    if not whole or int(truth.max(initial=-1)) >= len(names):
        got = f"up to {truth.max(initial=-1)}" if whole else f"of type {truth.dtype}"
        raise InputError(
            f"with {len(names):,} names of classes, classes must be whole numbers below "
            f"{len(names):,}; got {got}"
        )


def label_clusters(
    curation: Curation,
    truth: NDArray,
    test: NDArray | None,
    *,
    names: Sequence[str] | None = None,
    k: int | None = None,
    replace: bool = False,
) -> Labelling:
    """Name each cluster by the majority class of its labelled rows; see `Run.label`.

    `truth`, `test`: (N,) classes; rows with a class in `test` are held out.
    """
    check_names(truth, names)
    tested = known_rows(test) if test is not None else np.zeros(len(truth), bool)
    known = known_rows(truth) & ~tested
    if not known.any():
        raise InputError(
            "no row has a known class that is not held out, so clusters cannot be named"
        )
    before = curation.refresh()
    with curation.together():
        if k is not None and k != curation.k:
            curation.start_from(k=k)
        counted = _count(curation, truth, known)
        classes = _majority(counted)
        kept = _kept(curation, replace)
        called = {c: _word(label, names) for c, label in classes.items() if c not in kept}
        named = _rename(curation, called)
    held_out = _count(curation, test, tested) if test is not None and tested.any() else None
    return Labelling(
        classes,
        _lines(curation, counted, classes, names),
        _accuracy(counted, classes),
        int(known.sum()),
        float("nan") if held_out is None else _accuracy(held_out, classes),
        int(tested.sum()),
        named,
        tuple(sorted(c for c in kept if c in classes)),
        curation.seq - before,
    )


def _count(curation: Curation, truth: NDArray, wanted: NDArray[np.bool_]) -> Contingency:
    total = None
    for start, labels in curation.blocks():
        rows = slice(start, start + len(labels))
        there = wanted[rows]
        if there.any():
            more = contingency(truth[rows][there], labels[there])
            total = more if total is None else total + more
    assert total is not None  # callers pass at least one wanted row
    return total


def _majority(counted: Contingency) -> dict[int, Any]:
    if not len(counted.clusters):
        return {}
    best = np.asarray(counted.table.argmax(axis=0)).ravel()
    found = counted.classes[best].tolist()
    return dict(zip(counted.clusters.tolist(), found, strict=True))


def _accuracy(counted: Contingency, classes: Mapping[int, Any]) -> float:
    place = {label: at for at, label in enumerate(counted.classes.tolist())}
    table = counted.table.tocsc()
    right = sum(
        int(table[place[classes[cluster]], at])
        for at, cluster in enumerate(counted.clusters.tolist())
        if classes.get(cluster) in place
    )
    return right / (int(counted.table.sum()) + int(counted.noise.sum()))


def _kept(curation: Curation, replace: bool) -> set[int]:
    clusters = curation.state.clusters.values()
    return {c.id for c in clusters if c.locked or (c.name is not None and not replace)}


def _word(label: Any, names: Sequence[str] | None) -> str:
    word = str(label if names is None else names[label]).strip() or "(empty)"
    return word if len(word) <= _LONGEST else f"{word[: _LONGEST - 1]}…"


def _rename(curation: Curation, called: Mapping[int, str]) -> int:
    state = curation.state
    order = sorted(called, key=lambda c: (-state.sizes[c], c))
    taken = {c.name for c in state.clusters.values() if c.name is not None and c.id not in called}
    times: Counter[str] = Counter()
    wanted = {}
    for cluster in order:
        name = word = called[cluster]
        while name in taken:
            times[word] += 1
            name = f"{word} ({times[word] + 1})"
        taken.add(name)
        wanted[cluster] = name
    return rename_all(curation, wanted)


def rename_all(curation: Curation, wanted: Mapping[int, str]) -> int:
    """Name clusters, which may change names with each other; return how many changed."""
    names = {c: curation.state.clusters[c].name for c in wanted}
    changed = {c: name for c, name in wanted.items() if name != names[c]}
    given = set(map(folded, changed.values()))
    for cluster in changed:  # first, so that no new name collides with an old one
        if folded(names[cluster] or "") in given:
            curation.rename(cluster, None)
    for cluster, name in changed.items():
        curation.rename(cluster, name)
    return len(changed)


def _lines(
    curation: Curation,
    counted: Contingency,
    classes: Mapping[int, Any],
    names: Sequence[str] | None,
) -> list[dict[str, Any]]:
    sums = np.asarray(counted.table.sum(axis=0)).tolist()
    most = np.asarray(counted.table.max(axis=0).todense()).ravel().tolist()
    counts = dict(zip(counted.clusters.tolist(), zip(sums, most, strict=True), strict=True))
    lines = []
    for line in curation.listing():
        labelled, right = counts.get(line["cluster"], (0, 0))
        label = classes.get(line["cluster"])
        lines.append(
            {
                "cluster": line["cluster"],
                "rows": line["rows"],
                "label": None if label is None else _word(label, names),
                "name": line["name"],
                "labelled": labelled,
                "purity": right / labelled if labelled else float("nan"),
            }
        )
    return lines
