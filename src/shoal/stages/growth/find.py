"""Whether a source is that of an earlier run with rows added, and in which order it is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.packing import rounded
from shoal.errors import InputError, SettingError
from shoal.methods import DEFAULT
from shoal.rows import Source, Taken, as_requested
from shoal.rows.pictures import rows_of
from shoal.settings import FitSettings
from shoal.stages.encoding import project_rows, with_reasons
from shoal.stages.fit_stages import check_run
from shoal.stages.fitted import Fitted
from shoal.stages.growth.judging import NEAR
from shoal.stages.growth.previous import Previous
from shoal.stages.heldout import checked_rows
from shoal.stages.result import Result
from shoal.stages.shards import Shards
from shoal.stages.source_changes import changed_files
from shoal.stages.vectors import read_vectors
from shoal.storage import RunFolder, read_json, read_npy, read_table

_AT_ONCE = 2048
_NAMES = 65_536  # that are Python's own strings at a time
_DECIDING = (
    *("layers", "k", "representatives", "neighbours", "detail", "min_size", "refine"),
    *("method", "parameters"),
)
_AS_BEFORE = (None, "auto", (), DEFAULT, False)  # not given: as in the earlier run


@dataclass(frozen=True)
class Growth:
    """A source with the rows of a previous run, and others after them."""

    previous: Previous
    fitted: Fitted  # The same run
    opened: Source  # The source, the rows of the previous run first
    rows: Source  # The same, as its encoder wants them
    # How many of the previous run's rows are in files that changed, and the first of them
    changed: int = 0
    such_as: str = ""

    @property
    def shards(self) -> Shards:
        return Shards(self.opened.n_rows, self.previous.size)

    @property
    def summary(self) -> str:
        """A sentence that says what is done."""
        path, kept = self.previous.path, self.previous.kept
        if not kept:
            return f"All rows are placed in the tree of the sample in {path}."
        changed = (
            f" {self.changed:,} of these are in files that changed (such as {self.such_as}), and "
            "are placed again."
            if self.changed
            else ""
        )
        return (
            f"{self.opened.n_rows - kept:,} rows come after the {kept:,} of {path}, and are placed "
            f"in its tree.{changed}"
        )


def find_growth(source: Source, settings: FitSettings) -> tuple[Growth | None, str]:
    """Find the rows that were added to those of the run `previous`.

    Rows with names may be added anywhere; those without must come after the others.

    Returns
    -------
    Growth or None
        None where all rows are fitted.
    str
        Why all rows are refitted although some were added; empty otherwise.
    """
    if settings.previous is None or source.taken is not None:
        return None, ""
    result = Result(RunFolder.open(settings.previous))
    check_run(result)
    fitted, sampled = Fitted(result), result.sample_of is not None
    if (sampled and settings.added != "place") or (source.n_rows <= result.n_rows):
        return None, ""
    if settings.added == "refit":
        if source.names(0, 1) is None or not result.summary["named"]:
            _checked(_growth(fitted, source, result.n_rows))
        return None, ""
    if sampled and result.sample_of != source.n_rows:
        raise InputError(
            f"{result.folder.path} is a sample of {result.sample_of:,} rows, but the source has "
            f"{source.n_rows:,}: leave --added place out to refit them"
        )
    kept = 0 if sampled else result.n_rows
    order = _order(result, source) if kept else None
    if isinstance(order, str):
        return None, order
    _check_settings(settings, fitted)
    taken = source if order is None else source.take(Taken(order, source.n_rows))
    growth = _checked(_growth(fitted, taken, kept))
    if 2 * growth.changed > max(kept, 1):
        return None, (
            f"{growth.changed:,} of {kept:,} rows of {result.folder.path} changed (such as "
            f"{growth.such_as}), so all rows are refitted; matching clusters keep their numbers."
        )
    return growth, ""


def _growth(fitted: Fitted, source: Source, kept: int) -> Growth:
    opened = fitted.as_fitted(source)
    wanted = as_requested(opened, fitted.encoder.needs.wanted)
    return Growth(Previous(fitted.result, kept), fitted, opened, wanted)


def _checked(growth: Growth) -> Growth:
    """Return the growth with what changed of the previous run's rows; raise for other rows."""
    previous = growth.previous
    known = growth.opened.first_facts(previous.kept)
    if not previous.kept or _is_known(known, previous.result):
        return growth
    changed = _changed(growth)
    if changed is None:
        _check_rows(growth)
        return growth
    if not len(changed):
        return growth
    shards = tuple(np.unique(changed // previous.size).tolist())
    first = int(changed[0])
    names = growth.opened.names(first, first + 1)
    such_as = f"row {first:,}" if names is None else names[0]
    return replace(
        growth,
        previous=replace(previous, changed=shards),
        changed=len(changed),
        such_as=such_as,
    )


def _changed(growth: Growth) -> NDArray[np.int64] | None:
    """Return the rows whose files changed; None where that is not known."""
    previous, index = growth.previous, growth.previous.stage("index")
    found = changed_files(index, rows_of(growth.opened), previous.kept, previous.size)
    if found is not None or index.parts("stamps"):
        return found
    path = index.whole("files", "json")
    return _changed_files(growth, read_json(path)) if path.exists() else None


def _changed_files(growth: Growth, stamps: list[list[Any]]) -> NDArray[np.int64] | None:
    """Return the rows of files of as many rows as before, but of another size or time.

    None when there are others: then the rows may have moved.
    """
    now = growth.opened.file_stamps()
    if now is None or len(now) < len(stamps):
        return None
    found, start = [np.empty(0, np.int64)], 0
    for old, new in zip(stamps, now, strict=False):
        if (old[0], old[3]) != (new[0], new[3]):
            return None
        if old != new:
            found.append(np.arange(start, start + old[3]))
        start += old[3]
    return np.concatenate(found)


def _check_settings(settings: FitSettings, fitted: Fitted) -> None:
    run = fitted.result.folder
    name, stored = settings.features, run.settings
    given = [(key, getattr(settings, key)) for key in _DECIDING]
    other = [
        (key, value)
        for key, value in given
        if value not in _AS_BEFORE and _plain(value) != _plain(stored.get(key))
    ]
    if name not in ("auto", fitted.encoder.name, stored.get("features")):
        other.append(("features", name))
    if other:
        key, value = other[0]
        raise SettingError(
            f"{key} {_plain(value)}, but the rows are placed in the tree of {run.path}, "
            "which was made without it: leave it out, or refit all rows with --added refit"
        )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _is_known(first_rows: dict[str, Any] | None, result: Result) -> bool:
    """Return whether what is known of the first rows of a source holds for those of a run."""
    stored = result.summary["source"]
    return bool(first_rows) and all(stored.get(k) == v for k, v in (first_rows or {}).items())


def _order(previous: Result, source: Source) -> NDArray[np.int64] | str | None:
    """Return the order in which the rows of the previous run come first; None if they already do.

    A sentence where some of them are gone.
    """
    import pyarrow as pa
    import pyarrow.compute

    paths = previous.folder.stage("index").parts("names")
    known = _is_known(source.first_facts(previous.n_rows), previous)
    if known or source.names(0, 1) is None or not paths or _begins_with(source, paths):
        return None
    old = pa.concat_tables([read_table(path) for path in paths])["name"]
    blocks = range(0, source.n_rows, _NAMES)
    new = pa.chunked_array(
        [pa.array(source.names(a, min(a + _NAMES, source.n_rows)), pa.string()) for a in blocks]
    )
    if len(new.unique()) < len(new):
        return None
    at = pa.compute.index_in(old, value_set=new)
    gone = pa.compute.is_null(at)
    missing = old.filter(gone)
    if len(missing) == len(old):  # the same rows can have other names: one archive, then two
        return None
    if len(missing):
        return (
            f"{len(missing):,} of {len(old):,} rows of {previous.folder.path} are missing (such as "
            f"{missing[0]}), so all rows are refitted; matching clusters keep their numbers."
        )
    first = at.to_numpy().astype(np.int64)
    rest = np.ones(source.n_rows, bool)
    rest[first] = False
    return np.concatenate([first, np.flatnonzero(rest)])


def _begins_with(source: Source, paths: list[Path]) -> bool:
    """Return whether the first rows of a source have the names that are stored, shard by shard."""
    start = 0
    for path in paths:
        names = read_table(path)["name"].to_pylist()
        stop = start + len(names)
        if stop > source.n_rows or source.names(start, stop) != names:
            return False
        start = stop
    return True


def _check_rows(growth: Growth) -> None:
    previous = growth.previous
    shards = Shards(previous.kept, previous.size)
    rows = np.concatenate([checked_rows(shards, number) for number in range(len(shards))])
    growth.fitted.encoder.setup()
    for a in range(0, len(rows), _AT_ONCE):
        chosen = np.asarray(rows[a : a + _AT_ONCE], np.int64)
        stored, good = _stored(previous, chosen)
        found, reasons = _projected(growth, chosen)
        for at in sorted(reasons):
            if good[at]:
                raise InputError(_other(growth, int(chosen[at]), f"cannot be read: {reasons[at]}"))
        away = np.sqrt(((found - stored) ** 2).sum(axis=1))
        usual = np.sqrt((stored[good] ** 2).sum(axis=1).mean()) if good.any() else 0.0
        wrong = np.flatnonzero(good & (away > NEAR * usual))
        if len(wrong):
            raise InputError(_other(growth, int(chosen[wrong[0]]), "is not what it was"))


def _stored(
    previous: Previous, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Read the vectors of some rows, and whether they are good."""
    project, size, vectors, good = previous.stage("project"), previous.size, [], []
    for number in np.unique(rows // size).tolist():
        at = rows[rows // size == number] - number * size
        vectors.append(read_vectors(project, number, at))
        good.append(read_npy(project.part("ok", number))[at])
    return np.concatenate(vectors), np.concatenate(good)


def _projected(
    growth: Growth, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], dict[int, str]]:
    batch = growth.rows.take(Taken(rows, growth.rows.n_rows)).read(0, len(rows))
    fitted, none = growth.fitted, np.empty(0, np.int64)
    vectors, good, _ = project_rows(fitted.encoder, fitted.projection, batch, none)
    bad = with_reasons(good, batch.bad)
    return rounded(vectors) if growth.previous.result.packed else vectors, bad


def _other(growth: Growth, row: int, what: str) -> str:
    names, path = growth.opened.names(row, row + 1), growth.previous.path
    if names is not None:
        return (
            f"{names[0]} (row {row:,} of {path}) {what}: restore it, or refit all rows with "
            "--added refit"
        )
    return (
        f"row {row:,} of {path} {what}: rows without names can only be appended; put the old rows "
        "first, or fit all rows without --previous"
    )
