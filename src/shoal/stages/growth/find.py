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
from shoal.stages.base import Shards, read_vectors
from shoal.stages.encoding import project_rows, with_reasons
from shoal.stages.fitted import Fitted
from shoal.stages.growth.grown import Grown
from shoal.stages.growth.judging import NEAR
from shoal.stages.heldout import checked_rows
from shoal.stages.result import Result
from shoal.stages.source_changes import changed_files
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
    """A source to which rows were added."""

    grown: Grown  # The earlier run
    fitted: Fitted  # What it knows of its rows
    opened: Source  # The source, the rows of the earlier run first
    rows: Source  # The same, as its encoder wants them
    # How many of the earlier run's rows are in files that changed, and the first of them
    changed: int = 0
    such_as: str = ""

    @property
    def shards(self) -> Shards:
        return Shards(self.opened.n_rows, self.grown.size)

    @property
    def summary(self) -> str:
        """A sentence that says what is done."""
        before, kept = self.grown.before, self.grown.kept
        if not kept:
            return f"All rows are placed in the tree of the sample in {before.folder.path}."
        changed = (
            f" {self.changed:,} of these are in files that changed (such as {self.such_as}), and "
            "are placed again."
            if self.changed
            else ""
        )
        return (
            f"{self.opened.n_rows - kept:,} rows come after the {kept:,} of {before.folder.path}, "
            f"and are placed in its tree.{changed}"
        )


def find_growth(source: Source, settings: FitSettings) -> Growth | str:
    """Return whether rows were added to those of the run `previous`, or why all is fitted anew.

    Rows with names may be added anywhere; those without must come after the others.
    """
    if settings.previous is None or source.taken is not None:
        return ""
    before = Result(RunFolder.open(settings.previous))
    before.check()
    fitted, sampled = Fitted(before), before.sample_of is not None
    if (sampled and settings.added != "place") or (source.n_rows <= before.n_rows):
        return ""
    if settings.added == "refit":
        if source.names(0, 1) is None or not before.summary["named"]:
            _checked(_growth(fitted, source, before.n_rows))
        return ""
    if sampled and before.sample_of != source.n_rows:
        raise InputError(
            f"{before.folder.path} is a sample of {before.sample_of:,} rows, but the source has "
            f"{source.n_rows:,}: leave --added place out to refit them"
        )
    kept = 0 if sampled else before.n_rows
    rows = _in_order(before, source) if kept else None
    if isinstance(rows, str):
        return rows
    _check_settings(settings, before, fitted)
    taken = source if rows is None else source.take(Taken(rows, source.n_rows))
    growth = _checked(_growth(fitted, taken, kept))
    if 2 * growth.changed > max(kept, 1):
        return (
            f"{growth.changed:,} of {kept:,} rows of {before.folder.path} changed (such as "
            f"{growth.such_as}), so all rows are refitted; matching clusters keep their numbers."
        )
    return growth


def _growth(fitted: Fitted, source: Source, kept: int) -> Growth:
    opened = fitted.as_fitted(source)
    wanted = as_requested(opened, fitted.encoder.needs.wanted)
    return Growth(Grown(fitted.result, kept), fitted, opened, wanted)


def _checked(growth: Growth) -> Growth:
    grown = growth.grown
    facts = growth.opened.first_facts(grown.kept)
    if not grown.kept or _is_known(facts, grown.before.summary["source"]):
        return growth
    changed = _changed(growth)
    if changed is None:
        _check_rows(growth)
        return growth
    if not len(changed):
        return growth
    shards = tuple(np.unique(changed // grown.size).tolist())
    first = int(changed[0])
    names = growth.opened.names(first, first + 1)
    such_as = f"row {first:,}" if names is None else names[0]
    return replace(
        growth, grown=replace(grown, changed=shards), changed=len(changed), such_as=such_as
    )


def _changed(growth: Growth) -> NDArray[np.int64] | None:
    grown, index = growth.grown, growth.grown.stage("index")
    found = changed_files(index, rows_of(growth.opened), grown.kept, grown.size)
    if found is not None or index.parts("stamps"):
        return found
    path = index.whole("files", "json")
    return _changed_files(growth, read_json(path)) if path.exists() else None


def _changed_files(growth: Growth, before: list[list[Any]]) -> NDArray[np.int64] | None:
    """Return the rows of files of as many rows as before, but of another size or time.

    None when there are others: then the rows may have moved.
    """
    now = growth.opened.file_stamps()
    if now is None or len(now) < len(before):
        return None
    found, start = [np.empty(0, np.int64)], 0
    for old, new in zip(before, now, strict=False):
        if (old[0], old[3]) != (new[0], new[3]):
            return None
        if old != new:
            found.append(np.arange(start, start + old[3]))
        start += old[3]
    return np.concatenate(found)


def _check_settings(settings: FitSettings, before: Result, fitted: Fitted) -> None:
    name, stored = settings.features, before.folder.settings
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
            f"{key} {_plain(value)}, but the rows are placed in the tree of {before.folder.path}, "
            "which was made without it: leave it out, or refit all rows with --added refit"
        )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _is_known(found: dict[str, Any] | None, facts: dict[str, Any]) -> bool:
    return bool(found) and all(facts.get(name) == value for name, value in (found or {}).items())


def _in_order(before: Result, source: Source) -> NDArray[np.int64] | str | None:
    """Return the order in which the rows of the earlier run come first; None when they do already.

    A sentence where some of them are gone.
    """
    import pyarrow as pa
    import pyarrow.compute

    paths = before.folder.stage("index").parts("names")
    known = _is_known(source.first_facts(before.n_rows), before.summary["source"])
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
            f"{len(missing):,} of {len(old):,} rows of {before.folder.path} are missing (such as "
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
    before, kept = growth.grown.before, growth.grown.kept
    shards = Shards(kept, growth.grown.size)
    rows = np.concatenate([checked_rows(shards, number) for number in range(len(shards))])
    growth.fitted.encoder.setup()
    for a in range(0, len(rows), _AT_ONCE):
        chosen = np.asarray(rows[a : a + _AT_ONCE], np.int64)
        stored, good = _stored(before, chosen, shards.size)
        found, reasons = _made(growth, chosen)
        for at in sorted(reasons):
            if good[at]:
                raise InputError(_other(growth, int(chosen[at]), f"cannot be read: {reasons[at]}"))
        away = np.sqrt(((found - stored) ** 2).sum(axis=1))
        usual = np.sqrt((stored[good] ** 2).sum(axis=1).mean()) if good.any() else 0.0
        wrong = np.flatnonzero(good & (away > NEAR * usual))
        if len(wrong):
            raise InputError(_other(growth, int(chosen[wrong[0]]), "is not what it was"))


def _stored(
    before: Result, rows: NDArray[np.int64], size: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    project, vectors, good = before.folder.stage("project"), [], []
    for number in np.unique(rows // size).tolist():
        at = rows[rows // size == number] - number * size
        vectors.append(read_vectors(project, number, at))
        good.append(read_npy(project.part("ok", number))[at])
    return np.concatenate(vectors), np.concatenate(good)


def _made(growth: Growth, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], dict[int, str]]:
    batch = growth.rows.take(Taken(rows, growth.rows.n_rows)).read(0, len(rows))
    fitted, none = growth.fitted, np.empty(0, np.int64)
    vectors, good, _ = project_rows(fitted.encoder, fitted.projection, batch, none)
    bad = with_reasons(good, batch.bad)
    return rounded(vectors) if growth.grown.before.packed else vectors, bad


def _other(growth: Growth, row: int, what: str) -> str:
    names, path = growth.opened.names(row, row + 1), growth.grown.before.folder.path
    if names is not None:
        return (
            f"{names[0]} (row {row:,} of {path}) {what}: restore it, or refit all rows with "
            "--added refit"
        )
    return (
        f"row {row:,} of {path} {what}: rows without names can only be appended; put the old rows "
        "first, or fit all rows without --previous"
    )
