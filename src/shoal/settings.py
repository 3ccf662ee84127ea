"""The settings of a fit: one table of names, defaults, rules and help."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from shoal.core.chain import STEPS, join_chain, split_chain
from shoal.core.checked import check_word
from shoal.core.known_encoders import KNOWN_ENCODERS
from shoal.core.spec import parse_spec
from shoal.errors import SettingError
from shoal.methods import DEFAULT, METHODS, NAMES, method_name, parse_assignments
from shoal.setting_kinds import (
    Setting,
    absolute,
    choice,
    flag,
    names,
    number,
    parse_dtype,
    parse_k,
    parse_layers,
    parse_path,
    parse_promise,
    parse_shape,
    setting,
    text,
)

IMAGE_ENCODERS = {
    "photo": "photo.for_images",
    "pixels": "pixels.Pixels",
    "gradients": "gradients.Gradients",
    "colours": "colours.Colours",
    "autoencoder": "learned.autoencoder",
    "contrastive": "learned.contrastive",
}
"""Encoders of images: what returns each for a shape (H, W, C), in `shoal.features`."""

FEATURES = ("auto", *IMAGE_ENCODERS, "vectors", "columns")
NETWORKS = ("onnx", "timm", "torchvision", "open_clip")
_FEATURES_RULE = (
    f"one of {', '.join(FEATURES)}, an encoder from shoal encoder list, or a network: onnx:FILE, "
    "timm:NAME, torchvision:NAME or open_clip:NAME; then steps such as +standard, +svd:100"
)


def _parse_parameters(value: Any) -> tuple[str, ...]:
    if not isinstance(value, str | list | tuple | Mapping):
        raise SettingError(
            f"parameters {value!r}: give name=value, or a mapping of names to values"
        )
    return tuple(f"{name}={one}" for name, one in sorted(parse_assignments(value).items()))


def _parse_features(name: str, value: Any) -> str:
    base, steps = split_chain(str(value))
    if steps:
        return join_chain(_parse_features(name, base), steps)
    first, plus, rest = base.partition("+")
    if plus and first.partition(":")[0] not in NETWORKS:
        raise SettingError(
            f"unknown {name} {value!r}: give steps out of {', '.join(STEPS)}; got {rest!r}"
        )
    spec = parse_spec(str(value))
    if spec.kind not in NETWORKS or not spec.what:
        return check_word(name, value, (*FEATURES, *KNOWN_ENCODERS), _FEATURES_RULE)
    if spec.kind == "onnx":
        return str(replace(spec, what=absolute(spec.what)))
    weights = spec.options.get("weights")
    found = {"weights": absolute(weights)} if weights else {}
    return str(replace(spec, options={**spec.options, **found}))


@dataclass(frozen=True)
class FitSettings:
    """The settings of one fit, checked; build it with `fit_settings`."""

    features: str = setting(
        "auto",
        f"Features to compare rows by: {_FEATURES_RULE}.",
        _FEATURES_RULE,
        _parse_features,
        "NAME",
    )
    layers: str | tuple[int, ...] = setting(
        "auto",
        "Layers to keep: auto (those found in the data), or numbers of clusters, the first of "
        "which is the suggested one.",
        "auto, or numbers such as 10 or 5,20,100",
        lambda _name, value: parse_layers(value),
        "K[,K]",
    )
    k: int | None = setting(
        None,
        "Number of clusters to suggest; by default (auto) it is chosen from the data. With the "
        "method shoal, the layers and the tree are the same for any K.",
        "auto, or a whole number of at least 1",
        lambda _name, value: parse_k(value),
        "K",
    )
    method: str = setting(
        DEFAULT,
        "Clustering method: shoal, or a classical one listed by shoal methods.",
        f"one of {', '.join(NAMES)}",
        lambda _name, value: method_name(value),
        "NAME",
    )
    parameters: tuple[str, ...] = setting(
        (),
        "Parameters of the method, each as name=value (repeat --set for more than one).",
        "name=value, with the names that shoal methods lists",
        lambda _name, value: _parse_parameters(value),
        "NAME=VALUE",
        list[str],
    )
    seed: int = number(0, "Random seed; the same seed gives identical results.", 0, 2**32 - 1)
    memory: int = setting(
        4 * 2**30,
        "Memory limit for all processes together.",
        "a number and a unit, such as 4GiB; at least 512MiB",
        parse_promise,
        "SIZE",
    )
    workers: int | None = number(None, "Number of cores to use; by default all.", 1, 4096)
    engine: str = choice(
        "local",
        "Where passes over all rows run: local, beam (Apache Beam), dask or spark (Apache Spark). "
        "Options for the engine go at the end, after --.",
        "local",
        "beam",
        "dask",
        "spark",
    )
    as_: str | None = choice(
        None, "What SOURCE holds; detected by default.", "images", "vectors", "table"
    )
    key: str | None = text(
        "The array of an .npz file, column of a table, dataset or feature to use.", "NAME"
    )
    shape: tuple[int, ...] | None = setting(
        None,
        "Shape of one row, for raw files and for images stored as flat rows.",
        "whole numbers such as 16,16,3",
        lambda _name, value: parse_shape(value),
        "H,W,C",
    )
    dtype: str | None = setting(
        None, "Data type of a raw file.", "such as uint8 or float32", parse_dtype, "TYPE"
    )
    images: str | None = setting(
        None,
        "Images to show for vectors, one per row in the same order: a folder, an archive, or a "
        "list of paths (text, CSV, Parquet).",
        "a path",
        parse_path,
        "IMAGES",
    )
    pages: str | None = choice(
        None,
        "Treat the pages of a TIFF file as rows or as channels of one image; by default as the "
        "metadata says, or rows if it does not say.",
        "rows",
        "channels",
    )
    representatives: int | None = number(
        None,
        "Number of representatives to keep; by default every row, up to about 100,000.",
        2,
        10_000_000,
    )
    neighbours: int | None = number(
        None, "Neighbours per row in the graph; by default 15, fewer for small data sets.", 2, 1000
    )
    detail: float | None = number(
        None,
        "Lowest excess of a split in the primary layer; lower values give more clusters. By "
        "default chosen from the gaps in the data.",
        0.1,
        20,
    )
    unknown: float = number(
        0.05,
        "False alarm rate of predict: at most this share of rows that resemble the fitted ones is "
        "marked unknown.",
        0.0001,
        0.5,
        "SHARE",
    )
    refine: bool = flag(
        "Reassign low-confidence rows of the primary layer with small networks trained on the "
        "confident ones, if that makes the clusters more reproducible. The layers do not change."
    )
    min_size: int | None = number(
        None,
        "Smallest allowed cluster, in rows; by default derived from the number of rows.",
        1,
        2**40,
    )
    columns: tuple[str, ...] | None = names(
        "Columns to use, by name or pattern (e*); by default all usable columns except labels."
    )
    leave_out: tuple[str, ...] | None = names("Columns to ignore.")
    categories: tuple[str, ...] | None = names("Numeric columns to treat as categories.")
    sample: int | None = number(
        None, "Fit only this many rows, drawn at random; by default all rows are fitted.", 2, 2**40
    )
    previous: str | None = text(
        "An earlier run. Cluster ids and edits are kept where clusters match, and added rows are "
        "placed in its tree.",
        "RUN",
    )
    added: str | None = choice(
        None,
        "With --previous: what to do with added rows: place them in its tree (the default), or "
        "refit all rows.",
        "place",
        "refit",
    )
    constraints: str | None = text(
        "An earlier run whose edits constrain this fit: rows that were merged stay together, rows "
        "that were separated stay apart.",
        "RUN",
    )

    duplicates: str | None = text(
        "The output of shoal duplicates -o for these rows; each group of copies then counts as "
        "one image.",
        "FILE",
    )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


SETTINGS: dict[str, Setting] = {
    f.name: replace(f.metadata["setting"], name=f.name) for f in fields(FitSettings)
}
"""The table: every setting of a fit by name."""


def fit_settings(**values: Any) -> FitSettings:
    """Check `values` and fill in the defaults; None stands for the default.

    `workers` is resolved to the cores that this process may use.

    Raises
    ------
    SettingError
        With the value, the rule and what to do.

    Examples
    --------
    >>> fit_settings(memory="2GiB", shape="16,16,3", workers=1).memory
    2147483648
    """
    values = _with_parameters(values)
    for name in values:
        if name not in SETTINGS:
            close = get_close_matches(name, SETTINGS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(SETTINGS)}"
            method = METHODS.get(method_name(values.get("method") or DEFAULT))
            if method is not None and not close:
                method.resolved({name: values[name]})  # which says what parameters there are
            raise SettingError(f"{name} is not a setting: {hint}")
    given = {
        name: SETTINGS[name].parse(value) for name, value in values.items() if value is not None
    }
    if given.get("k") is not None and "detail" in given:
        raise SettingError(
            f"k {given['k']} and detail {given['detail']:g} both choose the suggested number of "
            "clusters: give one of them"
        )
    given.setdefault("workers", available_cores())
    settings = FitSettings(**given)
    _check_method(settings)
    return settings


def _with_parameters(values: dict[str, Any]) -> dict[str, Any]:
    method = METHODS.get(method_name(values.get("method") or DEFAULT))
    known = set() if method is None else {one.name for one in method.parameters}
    own = {name: values[name] for name in values if name in known and name not in SETTINGS}
    if not own:
        return values
    more = parse_assignments(values.get("parameters") or {})
    twice = sorted(set(own) & set(more))
    if twice:
        raise SettingError(f"{twice[0]} is given twice: give it once")
    rest = {name: value for name, value in values.items() if name not in own}
    given = {name: value for name, value in own.items() if value is not None}
    return {**rest, "parameters": {**more, **given}}


_OF_SHOAL = ("detail", "min_size", "constraints", "refine")


def _check_method(settings: FitSettings) -> None:
    name = settings.method
    if name == DEFAULT:
        if settings.parameters:
            raise SettingError(
                f"method {DEFAULT} has no parameters; got {settings.parameters[0]}: give another "
                "--method, or a setting of shoal fit --help"
            )
        return
    METHODS[name].resolved(parse_assignments(settings.parameters))
    METHODS[name].check_k(settings.k)
    for other in _OF_SHOAL:
        value = getattr(settings, other)
        if value not in (None, False):
            raise SettingError(
                f"{other} {value} is for the method {DEFAULT}, but the method is {name}: "
                "leave one out"
            )


def available_cores() -> int:
    """Count the cores that this process may use: its affinity and its control group's quota."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        cores = os.cpu_count() or 1
    quota = _quota(Path("/sys/fs/cgroup"))
    return cores if quota is None else max(1, min(cores, int(quota)))


def _quota(root: Path) -> float | None:
    """Return the cores that the control group allows (its v2 or v1 files), None for no limit."""
    try:
        if (root / "cpu.max").exists():
            quota, period = (root / "cpu.max").read_text().split()
        else:
            quota = (root / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text()
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
