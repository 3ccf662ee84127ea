"""Drift: whether rows that were added fit the tree that they were placed in, and what would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.share_intervals import (
    bonferroni,
    chance_of_more,
    difference_interval,
    share_interval,
    total_variation,
)
from shoal.stages.context import Context
from shoal.stages.fitted import CALIBRATED, USUAL
from shoal.stages.growth.judging import Gauge, added_rows
from shoal.stages.growth.proposals import LEAST, MOST_CLUSTERED, Found, propose
from shoal.stages.result import Result
from shoal.stages.stage import Stage
from shoal.stages.workload import GRAPH_BYTES, Need, Workload
from shoal.storage import RunFolder, damage_errors, read_json, read_npy, write_json

ALPHA = 0.01
"""How often, at most, rows that are like the old ones shall be said not to fit."""

_RARE = 0.002  # share of unlike rows that is no sign: the limits aim at less than one in 1,000
_UNUSUAL = 0.075  # share at unusual distances that is none: they aim at one in 20
_ADVISED = 0.05  # share of new rows that fit no cluster, from which a new fit is advised
_STRETCHED = 0.25  # the same for those at unusual distances
_TIMES = 2.0  # as many rows as were fitted

_REPORTED = {"previous", "kept", "added", "fitted", "fits", "shard_rows", "misfits", "proposals"}


@dataclass(frozen=True)
class Drift:
    # See docs/run-folder.md: whether they fit, how the shares of the clusters changed, what new
    # clusters are proposed, and what is advised
    report: dict[str, Any]
    fingerprint: str
    run: RunFolder

    @property
    def fits(self) -> bool:
        """Whether the new rows are like the old ones."""
        return bool(self.report["fits"])

    @property
    def proposals(self) -> list[dict[str, Any]]:
        return self.report["proposals"]

    def rows(self, proposal: int) -> NDArray[np.int64]:
        size = int(self.report["shard_rows"])
        found = [np.empty(0, np.int64)]
        for path in self.run.stage(STAGE.name).parts("proposal"):
            start = int(path.stem.removeprefix("part-")) * size
            found.append(start + np.flatnonzero(read_npy(path) == proposal))
        return np.concatenate(found)


def read_drift(result: Result) -> Drift | None:
    """Read the verdict on added rows; None for a run that none were added to."""
    if not result.summary.get("grown"):
        return None
    folder = result.folder.stage(STAGE.name)
    fingerprint = folder.read_receipt().fingerprint
    path = folder.whole("report", "json")
    report = read_json(path)
    with damage_errors(path):
        if missing := _REPORTED.difference(report):
            raise KeyError(min(missing))
        _ = int(report["misfits"]["rows"]), [int(one["rows"]) for one in report["proposals"]]
    return Drift(report, fingerprint, result.folder)


@dataclass
class _Counts:
    """How many new rows there are, and how they lie; `clusters` and `unusual` of each cluster."""

    clusters: NDArray[np.int64]
    unusual: NDArray[np.int64]
    rows: int = 0
    unlike: int = 0
    stretched: int = 0
    beyond: int = 0


def _depends_on(context: Context) -> dict[str, Any]:
    return {"version": 2, "seed": context.settings.seed}


def _work(context: Context) -> dict[str, Any]:
    previous, folder, result = context.previous, context.stage("drift"), Result(context.run)
    assert previous is not None  # the stage runs only then
    gauge = Gauge.of(previous, result.representative_labels(result.primary.k))
    new = _counted(context, gauge)
    verdict = _verdict(new, gauge)
    found = propose(context, gauge) if _has_cause(new) else []
    before = _before(gauge)
    report = {
        "previous": previous.path,
        "fitted": previous.fitted,
        "kept": previous.kept,
        "changed": list(previous.changed),
        "added": context.shards.n_rows - previous.kept,
        "read": new.rows,
        "shard_rows": context.shards.size,
        "kind": result.summary["kind"],
        **_findings(new, verdict, found),
        **verdict,
        **_shares(before, new.clusters),
        "proposals": [{"proposal": at, **asdict(one)} for at, one in enumerate(found)],
    }
    report["advice"] = _advice(report, context.shards.n_rows)
    write_json(folder.whole("report", "json"), report)
    return {"added": report["added"], "misfits": report["misfits"]["rows"], "proposals": len(found)}


def _counted(context: Context, gauge: Gauge) -> _Counts:
    found = _Counts(*np.zeros((2, gauge.clusters), np.int64))
    for added in added_rows(context, gauge):
        found.clusters += np.bincount(added.cluster, minlength=gauge.clusters)
        unusual = added.cluster[added.stretched]
        found.unusual += np.bincount(unusual, minlength=gauge.clusters)
        found.rows += len(added.rows)
        found.unlike += int(added.unlike.sum())
        found.stretched += int(added.stretched.sum())
        found.beyond += int(added.beyond.sum())
        context.progress.advance(len(added.rows))
    return found


def _before(gauge: Gauge) -> NDArray[np.int64]:
    """Count the rows of each cluster in the previous run."""
    counts = np.zeros(gauge.clusters, np.int64)
    np.add.at(counts, gauge.labels, gauge.previous.result.counts)
    return counts


def _share(count: int, n: int, expected: float) -> dict[str, Any]:
    low, high = share_interval(count, n)
    share = count / max(n, 1)
    return {
        "rows": count,
        "share": share,
        "low": float(low),
        "high": float(high),
        "expected": expected,
    }


def _verdict(new: _Counts, gauge: Gauge) -> dict[str, Any]:
    place, distance = gauge.fitted.own
    expected = float((distance > gauge.limits[gauge.labels[place]]).mean())
    unlike = _share(new.unlike, new.rows, expected)
    stretched = _share(new.stretched, new.rows, 1 - USUAL)
    unlike["chance"] = chance_of_more(new.unlike, new.rows, max(_RARE, 2 * expected))
    stretched["chance"] = chance_of_more(new.stretched, new.rows, _UNUSUAL)
    beyond = _share(new.beyond, new.rows, 0.0)
    return {"unlike": unlike, "stretched": stretched, "beyond": beyond}


def _has_cause(new: _Counts) -> bool:
    chances = (
        chance_of_more(int(unusual), int(rows), 1 - USUAL)
        for unusual, rows in zip(new.unusual, new.clusters, strict=True)
    )
    return new.unlike >= LEAST or min(chances) * len(new.clusters) < ALPHA


def _findings(new: _Counts, verdict: dict[str, Any], found: list[Found]) -> dict[str, Any]:
    """Say whether the new rows fit, why not, and how many fit no cluster.

    Each of the three signs may be wrong in a third of `ALPHA`.
    """
    signs = {name: verdict[name]["chance"] < ALPHA / 3 for name in ("unlike", "stretched")}
    signs["proposals"] = bool(found)
    count = verdict["unlike"]["rows"] + sum(one.rows - one.unlike for one in found)
    return {
        "fits": not any(signs.values()),
        "signs": [name for name, there in signs.items() if there],
        "misfits": _share(count, new.rows, verdict["unlike"]["expected"]),
    }


def _shares(before: NDArray[np.int64], after: NDArray[np.int64]) -> dict[str, Any]:
    n, m = int(before.sum()), int(after.sum())
    used = np.flatnonzero(before + after)
    z = bonferroni(1.96, len(used))
    low, high = difference_interval(before, n, after, m, z)
    total, chance = total_variation(before, after)
    clusters = [
        {
            "cluster": c,
            "before": before[c] / max(n, 1),
            "added": after[c] / max(m, 1),
            "low": float(low[c]),
            "high": float(high[c]),
            "changed": bool(low[c] > 0 or high[c] < 0),
        }
        for c in used.tolist()
    ]
    return {"clusters": clusters, "shift": {"total": total, "by_chance": chance}}


def _advice(report: dict[str, Any], n_rows: int) -> str | None:
    for why in _reasons(report, n_rows):
        return f"Refit all rows with --added refit: {why}."
    return None


def _reasons(report: dict[str, Any], n_rows: int) -> Iterator[str]:
    misfits, stretched = report["misfits"], report["stretched"]
    if not report["fits"] and misfits["low"] > _ADVISED:
        yield f"{misfits['share']:.1%} of the new rows fit no cluster of the tree"
    if "stretched" in report["signs"] and stretched["low"] > _STRETCHED:
        usual = f"{1 - USUAL:.0%} of the old ones had"
        yield f"{stretched['share']:.0%} of the new rows are at distances that {usual}"
    if n_rows >= _TIMES * report["fitted"]:
        yield f"the tree was fitted to only {report['fitted']:,} of now {n_rows:,} rows"


def _need(work: Workload) -> Need:
    """Forecast the clustering of a sample, and the stored distances of fitted rows."""
    sample = MOST_CLUSTERED * (GRAPH_BYTES + 12 * work.features)
    return Need(sample, disk=8 * min(work.rows, CALIBRATED))


STAGE = Stage(
    "drift",
    ("project", "summarise", "tree", "assign"),
    _depends_on,
    _work,
    need=_need,
    growth_only=True,
)
