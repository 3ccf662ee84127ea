"""All export formats behind one function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from shoal.core.checked import check_word
from shoal.errors import InputError, RunError
from shoal.export.base import refuse_existing
from shoal.export.datasets import DATASETS
from shoal.export.folders import Outcome, lay_out
from shoal.export.label_columns import beside
from shoal.export.pictures import picture_column
from shoal.export.plan import Mode
from shoal.export.report import NO_PICTURES, Pictures, write_report
from shoal.export.tables import write_labels
from shoal.fitted_run import FittedRun
from shoal.keywords import LabelKeywords
from shoal.rows import Source

# Formats of one file, with its name in a folder.
FILES = {
    "csv": "labels.csv",
    "parquet": "labels.parquet",
    "html": "report.html",
    "atlas": "atlas.parquet",
}


def export_forms() -> tuple[str, ...]:
    """Return all export formats: images in folders, then single files."""
    return ("folders", *DATASETS, *FILES)


@dataclass(frozen=True)
class Exported:
    """The path of an export, and for folders its outcome."""

    path: Path
    outcome: Outcome | None = None
    remarks: tuple[str, ...] = ()


def export(
    run: FittedRun,
    to: Path,
    form: str,
    places: Callable[..., Iterable[Any]],
    pictures: Callable[..., Pictures] = lambda **cut: NO_PICTURES,
    *,
    mode: Mode = "copy",
    changed: bool = False,
    force: bool = False,
    quoted: bool = False,
    on_done: Callable[[int], None] = lambda count: None,
    **cut: Unpack[LabelKeywords],
) -> Exported:
    check_word("export format", form, export_forms())
    if quoted and form != "csv":
        raise InputError(f"formulas are quoted only in csv; got {form}")
    if form not in FILES:
        describe = DATASETS.get(form)
        more: dict[str, Any] = {"mode": mode, "changed": changed, "on_done": on_done}
        return Exported(to, lay_out(run, to, describe=describe, **more, **cut))
    name = Path(FILES[form])
    path = to if to.suffix.lower() == name.suffix and not to.is_dir() else to / name
    if form == "html":
        refuse_existing(path, force)  # before pictures are drawn
        write_report(run, path, **cut, force=force, pictures=pictures(**cut))
        on_done(run.n_rows)
        return Exported(path)
    remarks: list[str] = []
    if form == "atlas":
        refuse_existing(path, force)  # before a map is drawn
        source = _source(run, remarks, "without pictures")
        tables: Iterable[Any] = map(partial(_for_atlas, source), places(**cut))
    else:
        tables = _beside(run, run.clustering(**cut).tables(), form, changed, remarks)
    write_labels(_counted(tables, on_done), path, force=force, quoted=quoted)
    return Exported(path, None, tuple(remarks))


def _counted(tables: Iterable[Any], on_done: Callable[[int], None]) -> Iterator[Any]:
    for table in tables:
        yield table
        on_done(table.num_rows)


def _source(run: FittedRun, remarks: list[str], otherwise: str) -> Source | None:
    try:
        return run.source
    except RunError as error:
        remarks.append(f"{error}; {otherwise}")
        return None


def _for_atlas(source: Source | None, table: Any) -> Any:
    """Convert to the columns of Embedding Atlas: y upwards, clusters as text, thumbnails.

    https://apple.github.io/embedding-atlas/tool.html
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = table.filter(pc.is_valid(table["x"]))
    table = table.set_column(table.column_names.index("y"), "y", pc.subtract(1.0, table["y"]))
    number = pc.cast(table["cluster"], pa.string())
    named = table["cluster_name"] if "cluster_name" in table.column_names else None
    names = number if named is None else pc.coalesce(pc.cast(named, pa.string()), number)
    table = table.drop_columns([] if named is None else ["cluster_name"])
    table = table.append_column("cluster_name", names)
    pictures = picture_column(source, table["row"].to_numpy())
    return table if pictures is None else table.append_column("image", pictures)


def _beside(
    run: FittedRun, tables: Iterable[Any], form: str, changed: bool, remarks: list[str]
) -> Iterator[Any] | Iterable[Any]:
    if not run.is_table:
        return tables
    source = _source(run, remarks, "only labels are written")
    if source is None:
        return tables
    if not changed and run.changed.any():
        remarks.append(
            f"the size or modification time of {source.description} changed since the fit, so only "
            "labels are written: fit it again, or give --changed to add its rows"
        )
        return tables
    typed = form == "parquet"
    table = source.as_table()
    return tables if table is None else beside(tables, table, typed=typed)
