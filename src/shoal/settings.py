"""The settings of a fit: one table of names, defaults, rules and help."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from operator import index
from pathlib import Path
from typing import Any

import numpy as np

from shoal.core.chain import STEPS, join_chain, split_chain
from shoal.core.known_encoders import KNOWN_ENCODERS
from shoal.core.spec import parse_spec
from shoal.errors import SettingError
from shoal.methods import DEFAULT, METHODS, NAMES, method_name, parse_assignments

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_memory(value: str | int) -> int:
    """Return an amount of memory in bytes.

    Parameters
    ----------
    value
        Bytes, or a number with a unit: ``4GiB`` and ``4G`` are 4 × 1024³, ``4GB`` is 4 × 1000³.

    Raises
    ------
    SettingError
        For anything else, and for nothing or less.

    Examples
    --------
    >>> parse_memory("4GiB"), parse_memory("1.5 kB"), parse_memory(100)
    (4294967296, 1500, 100)
    """
    wrong = SettingError(
        f"{value!r} is not an amount of memory: give a number and a unit, such as 4GiB or 500MB"
    )
    if isinstance(value, str):
        match = re.fullmatch(
            r"\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([kmgt]?)(i?)(b?)\s*", value.lower()
        )
        if not match or (match[3] and not match[2]):
            raise wrong
        base = 1000 if match[4] and not match[3] else 1024
        amount = int(float(match[1]) * base ** _UNITS[match[2]])
    else:
        amount = _whole(value, wrong)
    if amount <= 0:
        raise wrong
    return amount


def parse_shape(value: str | Sequence[int]) -> tuple[int, ...]:
    """Return the shape of one row: one to three whole numbers, each at least 1.

    Raises
    ------
    SettingError
        For anything else.

    Examples
    --------
    >>> parse_shape("16,16,3"), parse_shape("28x28"), parse_shape((64,))
    ((16, 16, 3), (28, 28), (64,))
    """
    wrong = SettingError(
        f"{value!r} is not a shape: give height, width and channels, such as 16,16,3 "
        "(or the length of a vector, such as 64)"
    )
    shape = _numbers(value, r"[,x×]", wrong)
    if not 1 <= len(shape) <= 3 or min(shape) < 1:
        raise wrong
    return shape


def parse_layers(value: str | int | tuple[int, ...] | list[int]) -> str | tuple[int, ...]:
    """Return ``"auto"``, or the numbers of clusters of the layers, as given: the first is primary.

    Raises
    ------
    SettingError
        For anything else.

    Examples
    --------
    >>> parse_layers("auto"), parse_layers("10,50"), parse_layers(7)
    ('auto', (10, 50), (7,))
    """
    if value == "auto":
        return "auto"
    wrong = SettingError(
        f"layers {value!r}: give auto, or numbers of clusters such as 10 or 5,20,100"
    )
    numbers = _numbers([value] if isinstance(value, int) else value, ",", wrong)
    if not numbers or min(numbers) < 1:
        raise wrong
    return tuple(dict.fromkeys(numbers))


def available_cores() -> int:
    """Count the cores that this process may use: its affinity and its control group's quota."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        cores = os.cpu_count() or 1
    quota = _quota(Path("/sys/fs/cgroup"))
    return cores if quota is None else max(1, min(cores, int(quota)))


@dataclass(frozen=True)
class Setting:
    """One row of the table.

    `rule` says in words what values are good; `parse` makes a good value of what was given or
    raises `SettingError`. None, where it is the default, stands for "chosen by Shoal".
    """

    name: str
    default: Any
    help: str
    rule: str
    parse: Callable[[Any], Any]
    choices: tuple[str, ...] = ()
    """All values that are good, where these are few words."""


def _setting(
    default: Any,
    text: str,
    rule: str,
    parse: Callable[[str, Any], Any],
    choices: tuple[str, ...] = (),
) -> Any:
    about = {"help": text, "rule": rule, "parse": parse, "choices": choices}
    return field(default=default, metadata=about)


def _number(default: Any, text: str, low: float, high: float, whole: bool = True) -> Any:
    rule = f"a {'whole ' if whole else ''}number from {low:,} to {high:,}"

    def parse(name: str, value: Any) -> int | float:
        wrong = SettingError(f"{name} {value!r}: give {rule}")
        number = _whole(value, wrong) if whole else _real(value, wrong)
        if not low <= number <= high:
            raise wrong
        return number

    return _setting(default, text, rule, parse)


def _choice(default: str | None, text: str, *choices: str) -> Any:
    rule = f"one of {', '.join(choices)}"

    def parse(name: str, value: Any) -> str:
        return _word(name, value, choices, rule)

    return _setting(default, text, rule, parse, choices)


def _word(name: str, value: Any, choices: tuple[str, ...], rule: str) -> str:
    if value in choices:
        return str(value)
    close = get_close_matches(str(value), choices, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise SettingError(f"{name} {value!r}: give {rule}{hint}")


def _text(text: str) -> Any:
    def parse(name: str, value: Any) -> str:
        if isinstance(value, str | os.PathLike) and os.fspath(value):
            return str(value)
        raise SettingError(f"{name} {value!r}: give a text")

    return _setting(None, text, "a text", parse)


def _names(text: str) -> Any:
    def parse(name: str, value: Any) -> tuple[str, ...]:
        wrong = SettingError(f"{name} {value!r}: give names of columns, such as age,income")
        if isinstance(value, str):
            value = next(csv.reader([value], skipinitialspace=True), [])
        if not isinstance(value, list | tuple) or not value:
            raise wrong
        names = tuple(str(word).strip() for word in value)
        if not all(names) or len(set(names)) < len(names):
            raise wrong
        return names

    return _setting(
        None, text, 'names such as age,income; quote a name that has a comma: "a, b"', parse
    )


_FEATURES = (
    *("auto", "photo", "pixels", "gradients", "colours", "autoencoder", "contrastive"),
    *("vectors", "columns"),
)
_NETWORKS = ("onnx", "timm", "torchvision", "open_clip")
_FEATURES_RULE = (
    f"one of {', '.join(_FEATURES)}, an encoder from shoal encoder list, or a network: onnx:FILE, "
    "timm:NAME, torchvision:NAME or open_clip:NAME; then steps such as +standard, +svd:100"
)


def _parse_k(value: Any) -> int | None:
    if isinstance(value, str) and value.strip() == "auto":
        return None
    wrong = SettingError(f"k must be a whole number of at least 1; got {value!r}")
    numbers = _numbers([value] if isinstance(value, int | np.integer) else value, ",", wrong)
    if len(numbers) > 1:
        raise SettingError(
            f"k must be one number; got {value!r}: for several layers give layers "
            f"{','.join(map(str, numbers))}, the first of them suggested"
        )
    if not numbers or numbers[0] < 1:
        raise wrong
    return numbers[0]


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
    if plus and first.partition(":")[0] not in _NETWORKS:
        raise SettingError(f"{name} {value!r}: give steps out of {', '.join(STEPS)}; got {rest!r}")
    spec = parse_spec(str(value))
    if spec.kind not in _NETWORKS or not spec.what:
        return _word(name, value, (*_FEATURES, *KNOWN_ENCODERS), _FEATURES_RULE)
    if spec.kind == "onnx":
        return str(replace(spec, what=_absolute(spec.what)))
    weights = spec.options.get("weights")
    found = {"weights": _absolute(weights)} if weights else {}
    return str(replace(spec, options={**spec.options, **found}))


def _parse_flag(name: str, value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise SettingError(f"{name} {value!r}: give true or false")


def _parse_path(name: str, value: Any) -> str:
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise SettingError(f"{name} {value!r}: give a path")
    return _absolute(str(value))


def _absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(os.path.expanduser(path))


def _parse_memory(name: str, value: Any) -> int:
    amount = parse_memory(value)
    if amount < 2**29:
        raise SettingError(f"{name} {value!r}: give at least 512MiB, Shoal's libraries take half")
    return amount


def _parse_dtype(name: str, value: Any) -> str:
    try:
        dtype = np.dtype(value)
    except (TypeError, ValueError, SyntaxError):
        dtype = np.dtype(object)
    if dtype.kind not in "buif" or dtype.names:
        raise SettingError(f"{name} {value!r}: give a type of numbers such as uint8 or float32")
    return dtype.str.lstrip("|") if dtype.byteorder == ">" else dtype.name


@dataclass(frozen=True)
class FitSettings:
    """The settings of one fit, checked; build it with `fit_settings`."""

    features: str = _setting(
        "auto",
        f"Features to compare rows by: {_FEATURES_RULE}.",
        _FEATURES_RULE,
        _parse_features,
    )
    layers: str | tuple[int, ...] = _setting(
        "auto",
        "Layers to keep: auto (those found in the data), or numbers of clusters, the first of "
        "which is the suggested one.",
        "auto, or numbers such as 10 or 5,20,100",
        lambda _name, value: parse_layers(value),
    )
    k: int | None = _setting(
        None,
        "Number of clusters to suggest; by default (auto) it is chosen from the data. With the "
        "method shoal, the layers and the tree are the same for any K.",
        "auto, or a whole number of at least 1",
        lambda _name, value: _parse_k(value),
    )
    method: str = _setting(
        DEFAULT,
        "Clustering method: shoal, or a classical one listed by shoal methods.",
        f"one of {', '.join(NAMES)}",
        lambda _name, value: method_name(value),
    )
    parameters: tuple[str, ...] = _setting(
        (),
        "Parameters of the method, each as name=value (repeat --set for more than one).",
        "name=value, with the names that shoal methods lists",
        lambda _name, value: _parse_parameters(value),
    )
    seed: int = _number(0, "Random seed; the same seed gives identical results.", 0, 2**32 - 1)
    memory: int = _setting(
        4 * 2**30,
        "Memory limit for all processes together.",
        "a number and a unit, such as 4GiB; at least 512MiB",
        _parse_memory,
    )
    workers: int | None = _number(None, "Number of cores to use; by default all.", 1, 4096)
    engine: str = _choice(
        "local",
        "Where passes over all rows run: local, beam (Apache Beam), dask or spark (Apache Spark). "
        "Options for the engine go at the end, after --.",
        "local",
        "beam",
        "dask",
        "spark",
    )
    as_: str | None = _choice(
        None,
        "What SOURCE holds; detected by default.",
        "images",
        "vectors",
        "table",
    )
    key: str | None = _text(
        "The array of an .npz file, column of a table, dataset or feature to use."
    )
    shape: tuple[int, ...] | None = _setting(
        None,
        "Shape of one row, for raw files and for images stored as flat rows.",
        "whole numbers such as 16,16,3",
        lambda _name, value: parse_shape(value),
    )
    dtype: str | None = _setting(
        None, "Data type of a raw file.", "such as uint8 or float32", _parse_dtype
    )
    images: str | None = _setting(
        None,
        "Images to show for vectors, one per row in the same order: a folder, an archive, or a "
        "list of paths (text, CSV, Parquet).",
        "a path",
        _parse_path,
    )
    pages: str | None = _choice(
        None,
        "Treat the pages of a TIFF file as rows or as channels of one image; by default what its "
        "metadata say, otherwise rows.",
        "rows",
        "channels",
    )
    representatives: int | None = _number(
        None,
        "Number of representatives to keep; by default every row, up to about 100,000.",
        2,
        10_000_000,
    )
    neighbours: int | None = _number(
        None, "Neighbours per row in the graph; by default 15, fewer for small data sets.", 2, 1000
    )
    detail: float | None = _number(
        None,
        "Lowest excess of a split in the primary layer; lower values give more clusters. By "
        "default chosen from the gaps in the data.",
        0.1,
        20,
        whole=False,
    )
    unknown: float = _number(
        0.05,
        "False alarm rate of predict: the largest share of rows like the fitted ones that may be "
        "called unknown.",
        0.0001,
        0.5,
        whole=False,
    )
    refine: bool = _setting(
        False,
        "Reassign low-confidence rows of the primary layer with small networks trained on the "
        "confident ones, if that makes the clusters more reproducible. The layers do not change.",
        "true or false",
        _parse_flag,
    )
    min_size: int | None = _number(
        None,
        "Smallest allowed cluster, in rows; by default derived from the number of rows.",
        1,
        2**40,
    )
    columns: tuple[str, ...] | None = _names(
        "Columns to use, by name or pattern (e*); by default all usable columns except labels."
    )
    leave_out: tuple[str, ...] | None = _names("Columns to ignore.")
    categories: tuple[str, ...] | None = _names("Numeric columns to treat as categories.")
    sample: int | None = _number(
        None,
        "Fit only this many rows, drawn at random; by default all rows are fitted.",
        2,
        2**40,
    )
    previous: str | None = _text(
        "An earlier run. Cluster ids and edits are kept where clusters match, and added rows are "
        "placed in its tree."
    )
    added: str | None = _choice(
        None,
        "With previous, what to do with added rows: place them in its tree (the default), or "
        "refit all rows.",
        "place",
        "refit",
    )
    constraints: str | None = _text(
        "An earlier run whose edits constrain this fit: rows that were merged stay together, rows "
        "that were separated stay apart."
    )

    duplicates: str | None = _text(
        "The output of shoal duplicates -o for these rows; each group of copies then counts as "
        "one image."
    )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def _table() -> dict[str, Setting]:
    def row(name: str, default: Any, info: Any) -> Setting:
        return Setting(
            name,
            default,
            info["help"],
            info["rule"],
            lambda value: info["parse"](name, value),
            info["choices"],
        )

    return {f.name: row(f.name, f.default, f.metadata) for f in fields(FitSettings)}


SETTINGS = _table()
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


def _whole(value: Any, wrong: SettingError) -> int:
    if isinstance(value, bool | np.bool_):
        raise wrong
    try:
        return index(value)
    except TypeError:
        raise wrong from None


def _real(value: Any, wrong: SettingError) -> float:
    if isinstance(value, bool | np.bool_ | str):
        raise wrong
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise wrong from None


def _numbers(value: Any, separator: str, wrong: SettingError) -> tuple[int, ...]:
    if isinstance(value, str):
        words = re.split(separator, value.strip().strip("()[]"))
        if not all(re.fullmatch(r"\s*[0-9]{1,12}\s*", word) for word in words):
            raise wrong
        return tuple(int(word) for word in words)
    if not isinstance(value, list | tuple | np.ndarray):
        raise wrong
    return tuple(_whole(number, wrong) for number in value)


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
