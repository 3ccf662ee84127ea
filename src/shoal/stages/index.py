"""Index: row names, unreadable rows, and a summary of the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.rows import Batch, Source, remarks_of
from shoal.rows.arrays.scale import sample_values
from shoal.rows.handles import origins
from shoal.rows.pictures import pictures_of
from shoal.stages.context import Context
from shoal.stages.growth.previous import Previous
from shoal.stages.quarantine import refuse_too_few, write_quarantine
from shoal.stages.shards import Shards
from shoal.stages.source_traits import (
    index_reads_rows,
    index_stores_rows,
    is_encoded,
    row_bytes,
)
from shoal.stages.stage import Stage
from shoal.stages.workload import Need, Workload, read_bytes
from shoal.storage import StageFolder, read_npy, read_table, write_json, write_npy, write_table


@dataclass(frozen=True)
class _IndexShard:
    """Indexes one shard; `read` to find unusable rows, `keep` to store what was read."""

    source: Source
    shards: Shards
    folder: StageFolder
    read: bool
    keep: bool
    named: bool = True

    def setup(self) -> None: ...

    def __call__(self, item: int) -> None:
        import pyarrow as pa

        start, stop = self.shards.bounds(item)
        names = self._names(start, stop) if self.named else None
        if names is not None:
            table = pa.table({"name": pa.array(names, pa.string())})
            write_table(self.folder.part("names", item, "parquet"), table)
        files = pictures_of(self.source).as_files()
        stamps = None if files is None else files.stamps(start, stop)
        if stamps is not None:
            write_npy(self.folder.part("stamps", item), stamps)
        links = None if files is None else files.links(start, stop)
        if links is not None and links.any():
            write_npy(self.folder.part("links", item), links)
        bad: dict[int, str] = {}
        if self.read:
            batch = self.source.read(start, stop)
            bad = batch.bad
            if self.keep:
                write_npy(self.folder.part("numbers", item), batch.data)
            if self.source.kind == "table":
                write_npy(self.folder.part("gaps", item), _gaps(batch))
        write_quarantine(self.folder.part("quarantine", item, "parquet"), start, bad, names)

    def _names(self, start: int, stop: int) -> list[str] | None:
        """Return the names of rows; for a sample without names, the row numbers."""
        names, taken = self.source.names(start, stop), self.source.taken
        if names is None and taken is not None:
            return list(map(str, taken.rows[start:stop].tolist()))
        return names


def _gaps(batch: Batch) -> NDArray[np.int64]:
    """Count the missing and non-numeric cells of each column, in usable rows."""
    gaps = ~np.isfinite(batch.data)
    return gaps.sum(axis=0, dtype=np.int64)


def _depends_on(context: Context) -> dict[str, Any]:
    return {"version": 2, "source": context.fingerprint, "shard_rows": context.shards.size}


def _index_rows(
    context: Context, named: bool = True, links: bool | None = True, **about: Any
) -> dict[str, Any]:
    """Index every missing shard and write the summary; raise without two usable rows.

    `named` and `links` state whether names and links are recorded; `about` is added to the summary.
    """
    import pyarrow as pa

    source, folder = context.opened, context.stage("index")
    read, keep = index_reads_rows(source), index_stores_rows(source)
    task = _IndexShard(source, context.shards, folder, read, keep, named)
    runs = context if read else context.light()
    runs.run_missing(task, lambda: folder.numbers("quarantine", "parquet"))
    bad = pa.concat_tables([read_table(path) for path in folder.parts("quarantine")])
    refuse_too_few(source.n_rows, bad)
    array, files, table = source.as_array(), source.as_files(), source.as_table()
    values = sample_values(source)
    summary = {
        "rows": source.n_rows,
        "description": source.description,
        "left_out": dict(getattr(source, "left_out", {})),
        "remarks": remarks_of(source),
        "kind": source.kind,
        "shape": list(source.shape),
        "mixed_sizes": source.mixed_sizes,
        "named": bool(folder.parts("names")),
        "columns": list(getattr(source, "column_names", ())),
        "shard_rows": context.shards.size,
        "rule": array.rule.facts if array and array.rule else None,
        "row_shape": list(array.row_shape) if array else None,
        "reading": files.reading.as_dict() if files else None,
        "pages": files.store.pages_are if files else None,
        "values": values.as_dict() if values else None,
        "source": context.fingerprint,
        "sample_of": sample_of(source),
        "links": links,
        **about,
    }
    if table is not None:
        counts = sum(read_npy(path) for path in folder.parts("gaps"))
        names = (column.name for column in table.schema.columns)
        summary["gaps"] = dict(zip(names, np.asarray(counts).tolist(), strict=True))
        write_npy(folder.whole("donors"), table.schema.donors)
        write_json(folder.whole("schema", "json"), table.schema.as_dict())
    taken = source.taken
    if taken is not None:
        write_npy(folder.whole("taken"), taken.rows)
    stamps = source.file_stamps()
    if stamps is not None:
        write_json(folder.whole("files", "json"), stamps)
    found = origins(pictures_of(source))
    if found:
        write_json(folder.whole("origins", "json"), found)
    write_json(folder.whole("summary", "json"), summary)
    return {"rows": source.n_rows, "quarantined": bad.num_rows, "shards": len(context.shards)}


def sample_of(source: Source) -> int | None:
    """Return the number of rows that a source was sampled from; None if it is not a sample."""
    taken = source.taken
    return taken.of if taken is not None and taken.sample else None


def _extend(context: Context, previous: Previous) -> dict[str, Any]:
    """Link what the previous run recorded of its rows, and index the others."""
    source, summary = context.opened, previous.result.summary
    named = not previous.kept or bool(summary["named"])
    named &= source.names(0, 1) is not None or source.taken is not None
    previous.link(
        context.stage("index"),
        lambda kind, number: (
            number is not None and previous.keeps(number) and (named or kind != "names")
        ),
    )
    links = summary.get("links") if previous.kept else True  # earlier versions recorded none
    names = ("kind", "shape", "mixed_sizes", "rule", "reading", "pages", "values")
    about = {"previous": previous.path, "kept": previous.kept, "fitted": previous.fitted}
    kept = {name: summary.get(name) for name in names}
    return _index_rows(context, named, links, **kept, grown=about)


def _need(work: Workload) -> Need:
    source, n = work.opened, work.rows
    names = 40 * n * is_encoded(source)
    numbers = n * row_bytes(source) if index_stores_rows(source) else 0
    if not index_reads_rows(source):
        return Need(disk=names + numbers)
    return Need(work.source_bytes, work.shards.size * read_bytes(source), names + numbers)


STAGE = Stage(
    "index",
    (),
    _depends_on,
    _index_rows,
    _extend,
    _need,
    reads_source=True,
    quarantines=True,
)
