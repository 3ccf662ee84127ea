"""Requests for reviewing: an overview, the review queue, quizzes, comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from shoal.core.compare import compare_table
from shoal.core.compare import shared_rows as in_common
from shoal.core.contingency import Contingency
from shoal.edits.review import QUIZ_ROWS, quiz_result, quiz_rows
from shoal.errors import InputError
from shoal.explore.copies import LEAST
from shoal.explore.cuts import Cut
from shoal.explore.explorer import Explorer
from shoal.explore.names import shared_rows
from shoal.explore.params import Params
from shoal.explore.suggestions import suggested
from shoal.stages.common import labels_in_common, rows_in_common

_MOST_LINES = 60
_MOST_EACH = 60
_QUESTIONS = 60
_PICTURED = 12  # questions with typical rows: the page asks anew after every answer
_TYPICAL = 12


def overview(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return the most typical rows of some clusters: ``clusters=3,17``."""
    k = params.k(explorer)
    each = params.whole("each", 1, _MOST_EACH, 12)
    ids = params.numbers("clusters", _MOST_LINES)
    cut, found = explorer.cut(k), {}
    for cluster in ids:
        if (number := cut.number(cluster)) >= 0:
            positions = explorer.typical(cut, number).take(0, each)
            found[cluster] = explorer.rows_shown(positions, k)
    return {"clusters": found}


def review(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return the questions whose answers would help most."""
    seq = explorer.curation.refresh()
    queue = explorer.questions()[:_QUESTIONS]
    shown = [
        {
            "kind": question.kind,
            "clusters": question.clusters,
            "chance": round(question.chance, 3),
            "changes": round(float(question.changes), 1),
            "gain": round(float(question.gain), 2),
            "rows": explorer.named(np.asarray(question.rows, np.int64)),
            "parts": question.parts,
            "typical": _typical(explorer, question.clusters) if at < _PICTURED else None,
        }
        for at, question in enumerate(queue)
    ]
    return {"seq": seq, "questions": shown}


def _typical(explorer: Explorer, clusters: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    cut, found = explorer.cut(None), {}
    for cluster in clusters:
        if (number := cut.number(cluster)) >= 0:
            positions = explorer.typical(cut, number).take(0, _TYPICAL)
            found[cluster] = explorer.named(explorer.atlas.rows[positions])
    return found


def copies(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return groups of near duplicates; ``share`` is the progress of the search.

    The first request starts the search. The image to keep comes first in its group.
    """
    if explorer.pictures is None:
        raise InputError("near duplicates are searched among images, but these rows have no images")
    return explorer.copies.groups(params.real("least", LEAST, 1), params.k(explorer))


def suggestions(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return suggested names for the clusters of a cut, by id."""
    cut = explorer.cut(params.k(explorer))
    found = explorer.kept(("suggested", cut.name), lambda: suggested(explorer, cut))
    return {"names": found}


def quiz(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Draw rows of a cluster for a quiz, with the result of the last one."""
    cluster = params.whole("cluster", 0, 1 << 31)
    seed = params.whole("seed", 0, 1 << 30, 0)
    rows = quiz_rows(explorer.curation, cluster, QUIZ_ROWS, seed)
    last = quiz_result(explorer.curation.state, cluster)
    before = last and {
        "right": last.right,
        "wrong": last.wrong,
        "low": last.error.low,
        "high": last.error.high,
        "stale": last.stale,
    }
    return {"rows": explorer.named(np.asarray(rows, np.int64)), "before": before}


def compared(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Compare two cuts, or another run and this one.

    ``before`` and ``after`` are a K, or ``edited``; ``before`` can also be ``other``, the run
    given by --compare.
    """
    after, after_k = _side(explorer, params, "after")
    if params.query.get("before") == "other":
        if explorer.other is None:
            raise InputError("no other run was given: start with shoal explore RUN --compare OTHER")
        earlier = explorer.other.clustering()
        same = rows_in_common(earlier.result, explorer.atlas.result)
        labels = np.append(after.ids, -1)[after.row_labels()]
        table = in_common(labels_in_common(earlier.labels(), same), labels)
        names = {str(c): name for c, name in earlier.names.items()}
        before_k: int | None = earlier.k
        ends = [{"id": c, "face": None, "colour": None} for c in earlier.ids]
    else:
        before, before_k = _side(explorer, params, "before")
        table = Contingency(
            shared_rows(before, after).tocsr(),
            before.ids,
            after.ids,
            np.zeros(len(before.ids), np.int64),
        )
        names, ends = _names(explorer, before), _ends(explorer, before)
    called = {"names_before": names, "names_after": _names(explorer, after)}
    shared = table.table.tocoo()
    flows = {
        "before_clusters": _counted(ends, table.classes, table.table.sum(axis=1)),
        "after_clusters": _counted(_ends(explorer, after), table.clusters, table.table.sum(axis=0)),
        "flows": [
            [int(table.classes[a]), int(table.clusters[b]), int(n)]
            for a, b, n in zip(shared.row, shared.col, shared.data, strict=True)
        ],
    }
    found = compare_table(table).as_dict()
    return {"before": before_k, "after": after_k, **called, **flows, **found}


def _ends(explorer: Explorer, cut: Cut) -> list[dict[str, Any]]:
    listing = cut.listing(explorer.colours(cut))
    listing.sort(key=lambda c: -1 if c["leaf"] is None else c["leaf"])
    return [{"id": c["id"], "face": c["medoid"], "colour": c["colour"]} for c in listing]


def _counted(ends: list[dict[str, Any]], ids: Any, counts: Any) -> list[dict[str, Any]]:
    """Add the number of rows in a comparison to each cluster, and drop empty ones."""
    rows = dict(zip(np.asarray(ids).tolist(), np.asarray(counts).ravel().tolist(), strict=True))
    return [{**end, "rows": int(rows[end["id"]])} for end in ends if rows.get(end["id"])]


def _names(explorer: Explorer, cut: Cut) -> dict[str, str]:
    called = zip(cut.ids.tolist(), explorer.names(cut), strict=True)
    return {str(cluster): name for cluster, name in called if name}


def _side(explorer: Explorer, params: Params, name: str) -> tuple[Cut, int | None]:
    if params.query.get(name, "edited") == "edited":
        return explorer.cut(None), None
    k = params.whole(name, 1, explorer.atlas.result.tree.n_leaves)
    return explorer.cut(k), k
