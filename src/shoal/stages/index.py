"""Index: the names of the rows, the rows that cannot be read, and what the source is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from shoal.errors import InputError
from shoal.sources import Source
from shoal.sources.arrays import ArraySource
from shoal.stages.base import (
    Context,
    Shards,
    Stage,
    is_plain,
    keeps_pixels,
    write_quarantine,
)
from shoal.storage import StageFolder, read_table, write_json, write_npy, write_table


@dataclass(frozen=True)
class _IndexShard:
    """Looks at one shard; `read` to decode it, `keep` to keep what was decoded."""

    source: Source
    shards: Shards
    folder: StageFolder
    read: bool
    keep: bool

    def setup(self) -> None:
        """Nothing to load."""

    def __call__(self, item: int) -> None:
        import pyarrow as pa

        start, stop = self.shards.bounds(item)
        names = self.source.names(start, stop)
        if names is not None:
            table = pa.table({"name": pa.array(names, pa.string())})
            write_table(self.folder.part("names", item, "parquet"), table)
        bad: dict[int, str] = {}
        if self.read:
            batch = self.source.read(start, stop)
            bad = batch.bad
            if self.keep:
                write_npy(self.folder.part("pixels", item), batch.data)
        write_quarantine(self.folder.part("quarantine", item, "parquet"), start, bad, names)


def _facts(context: Context) -> dict[str, Any]:
    """Give what the index depends on."""
    return {"version": 1, "source": context.facts, "shard_rows": context.shards.size}


def _work(context: Context) -> dict[str, Any]:
    """Index every shard, sum up, and refuse a source without two good rows."""
    source, folder = context.source, context.stage("index")
    task = _IndexShard(source, context.shards, folder, not is_plain(source), keeps_pixels(source))
    context.each_shard(task, lambda item: folder.has("quarantine", item, "parquet"))
    bad = [entry for path in folder.parts("quarantine") for entry in read_table(path).to_pylist()]
    reasons = Counter(entry["reason"] for entry in bad)
    if source.n_rows - len(bad) < 2:
        raise InputError(_too_few(source.n_rows - len(bad), bad))
    summary = {
        "rows": source.n_rows,
        "quarantined": len(bad),
        "reasons": dict(reasons.most_common(20)),
        "description": source.description,
        "kind": source.kind,
        "shape": list(source.shape),
        "mixed_sizes": source.mixed_sizes,
        "named": bool(folder.parts("names")),
        "shard_rows": context.shards.size,
        "rule": _rule(source),
        "source": context.facts,
    }
    write_json(folder.whole("summary", "json"), summary)
    return {"rows": source.n_rows, "quarantined": len(bad), "shards": len(context.shards)}


def _too_few(good: int, bad: list[dict[str, Any]]) -> str:
    """Say that there is nothing to cluster, and why."""
    some = "; ".join(f"{entry['name'] or entry['row']}: {entry['reason']}" for entry in bad[:3])
    said = "no row can be read" if not good else "only one row can be read"
    return f"{said} of {good + len(bad):,}, but at least 2 are needed ({some})"


def _rule(source: Source) -> dict[str, float] | None:
    """Give the range of stored values that was taken for black to white, for new images."""
    if isinstance(source, ArraySource) and source.rule:
        return {"low": source.rule.low, "high": source.rule.high}
    return None


STAGE = Stage("index", (), _facts, _work)
