"""Everything known about a finished run, as `Run.info` returns it."""

from __future__ import annotations

from typing import Any

from shoal.edits import Clustering
from shoal.errors import RunError
from shoal.model import Model
from shoal.stages.fit_stages import quarantined, run_stages, stage_names
from shoal.stages.growth.drift import Drift
from shoal.stages.method_result import Found
from shoal.stages.result import Result
from shoal.storage import odd_entries

_NOTED = ("left_out", "remarks")


def describe_run(result: Result, model: Model, drift: Drift | None) -> dict[str, Any]:
    """Return the source, settings, counts, time and memory of a run."""
    summary, folder = result.summary, result.folder
    stages = _stages(result)
    refined = stages["tree"].pop("refined", None)
    return {
        "path": str(folder.path),
        "source": summary["description"],
        "rows": result.n_rows,
        **{name.replace("_", " "): summary[name] for name in _NOTED if summary.get(name)},
        "sample of": result.sample_of,
        "quarantined": quarantined(folder).num_rows,
        **_table(result),
        "features": _features(result),
        "representatives": len(result.representatives),
        "method": Found(result).facts,
        **({} if refined is None else {"refined": refined}),
        "layers": [layer.as_dict() for layer in result.layers],
        "unknown": _unknown(model),
        **_added(drift),
        "edits": _edits(model),
        "settings": folder.settings,
        "stages": stages,
        "shoal": folder.about.get("shoal"),
        "versions": dict(folder.about.get("versions", {})),
        "odd": odd_entries(folder.path, stage_names()),
    }


def _stages(result: Result) -> dict[str, dict[str, Any]]:
    receipts = {stage.name: stage.read_receipt() for stage in run_stages(result)}
    return {
        name: {
            **receipt.counts,
            "seconds": receipt.seconds,
            "peak_memory_mib": receipt.peak_memory >> 20,
        }
        for name, receipt in receipts.items()
    }


def _features(result: Result) -> str:
    features = str(result.folder.settings.get("features"))
    return features if ":" in features else str(result.encoder["name"])


def _unknown(model: Model) -> dict[str, Any]:
    novelty = model.fitted.novelty
    if novelty is None:  # an earlier version's run
        return {"false alarms, at most": None, "held-out rows": 0}
    return {"false alarms, at most": model.rate, "held-out rows": len(novelty.place)}


def _added(drift: Drift | None) -> dict[str, Any]:
    if drift is None:
        return {}
    report = drift.report
    counts = {name: report[name] for name in ("previous", "kept", "added", "fitted", "fits")}
    misfits, proposals = report["misfits"]["rows"], len(report["proposals"])
    return {"added": {**counts, "misfits": misfits, "proposals": proposals}}


def _table(result: Result) -> dict[str, Any]:
    if result.schema is None:
        return {}
    gaps = {name: count for name, count in result.summary["gaps"].items() if count}
    return {"columns": result.schema.description, "gaps": gaps}


def _edits(model: Model) -> dict[str, Any]:
    try:
        clusters = Clustering.chosen(model.result, model.curation)
    except RunError as error:
        return {"error": str(error)}
    k = clusters.k if clusters.edited else None
    return {"in effect": len(model.curation.done), "clusters": k}
