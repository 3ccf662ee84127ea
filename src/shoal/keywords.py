"""Settings as keyword arguments, with types, signatures and docstrings.

Names, defaults and texts come from `settings.SETTINGS`; a test compares the types with it.
"""

import functools
import inspect
import re
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from os import PathLike
from typing import Any, Literal, TypedDict, TypeVar, get_type_hints

from shoal.errors import SettingError
from shoal.settings import SETTINGS

Function = TypeVar("Function", bound=Callable[..., Any])
Class = TypeVar("Class", bound=type)


class SourceKeywords(TypedDict, total=False):
    """Settings for reading any source."""

    as_: Literal["images", "vectors", "table"] | None
    key: str | None
    shape: str | Sequence[int] | None
    dtype: Any


class ClusterKeywords(TypedDict, total=False):
    """Settings of a fit on rows that are already open; see `Run.fit_cluster`."""

    features: str | None
    layers: str | int | Sequence[int] | None
    k: int | str | None
    method: str | None
    parameters: Mapping[str, Any] | Sequence[str] | None
    seed: int | None
    memory: str | int | None
    workers: int | None
    engine: Literal["local", "beam", "dask", "spark"] | None
    representatives: int | None
    neighbours: int | None
    detail: float | None
    unknown: float | None
    refine: bool | None
    min_size: int | None
    duplicates: str | PathLike[str] | None


class FitKeywords(SourceKeywords, ClusterKeywords, total=False):
    """All settings of a fit except `images`, which `shoal.fit` also takes in memory."""

    pages: Literal["rows", "channels"] | None
    columns: str | Sequence[str] | None
    leave_out: str | Sequence[str] | None
    categories: str | Sequence[str] | None
    sample: int | None
    previous: str | PathLike[str] | None
    added: Literal["place", "refit"] | None
    constraints: str | PathLike[str] | None


class CutKeywords(TypedDict, total=False):
    """A layer, or any number of clusters; the primary layer by default."""

    layer: int | None
    k: int | None


class LabelKeywords(CutKeywords, total=False):
    """A cut, with or without edits, as in `Run.labels`."""

    raw: bool


def explicit(keywords: type, **defaults: Any) -> Callable[[Function], Function]:
    """Return a decorator that spells out settings which a function takes as ``**settings``.

    `inspect.signature`, and with it help and completion, then show each by name, with its default;
    the docstring's entry ``**settings`` becomes one entry for each.
    """
    types = get_type_hints(keywords)
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=defaults.get(name, _default(name)),
            annotation=types[name],
        )
        for name in SETTINGS
        if name in types
    ]
    entries = "\n".join(map(_entry, added))
    return lambda function: spell_out(function, added, entries)


def spelled_out(keywords: type, entries: str = "") -> Callable[[Class], Class]:
    """Return a decorator for a class: `spell_out` for methods with ``**name: Unpack[keywords]``."""
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in get_type_hints(keywords).items()
    ]

    def decorated(kind: Class) -> Class:
        for name, method in list(vars(kind).items()):
            if not inspect.isfunction(method):
                continue
            *_, last = inspect.signature(method).parameters.values()
            if keywords.__name__ in str(last.annotation) and last.kind is last.VAR_KEYWORD:
                setattr(kind, name, spell_out(method, added, entries))
        return kind

    return decorated


def renamed(method: str, **names: str) -> Callable[[Class], Class]:
    """Return a decorator for a class: a method also takes arguments by their former names."""

    def decorated(kind: Class) -> Class:
        function = getattr(kind, method)

        @functools.wraps(function)
        def with_former_names(*args: Any, **given: Any) -> Any:
            for former, name in names.items():
                if former in given:
                    message = f"{kind.__name__}.{method}: {former} is now called {name}"
                    warnings.warn(message, DeprecationWarning, stacklevel=2)
                    given[name] = given.pop(former)
            return function(*args, **given)

        setattr(kind, method, with_former_names)
        return kind

    return decorated


def spell_out(
    function: Function, parameters: Sequence[inspect.Parameter], entries: str
) -> Function:
    """Replace ``**name`` of a function by parameters, in its signature, docstring and errors."""
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    names = [p.name for p in (*own, *parameters) if p.name != "self"]

    # A fit also takes the parameters of its method, and checks all of them itself.
    open_ended = "method" in names and "parameters" in names

    @functools.wraps(function)
    def checked(*args: Any, **given: Any) -> Any:
        unknown = next((name for name in given if name not in names), None)
        if unknown is not None and not open_ended:
            close = get_close_matches(unknown, names, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
            raise SettingError(f"{function.__name__} has no argument {unknown}: {hint}")
        return function(*args, **given)

    checked.__signature__ = signature.replace(parameters=[*own, *parameters])  # type: ignore[attr-defined]
    if entries:
        text = inspect.getdoc(function) or ""
        entry = r"^\*\*\w+\n(?: +.*\n?)*"
        text, found = re.subn(entry, lambda _: f"{entries}\n", text, flags=re.MULTILINE)
        checked.__doc__ = text if found else f"{text}\n\nParameters\n----------\n{entries}"
    return checked  # type: ignore[return-value]


def _default(name: str) -> Any:
    default = SETTINGS[name].default
    return f"{default // 2**30}GiB" if name == "memory" else default


def _entry(parameter: inspect.Parameter) -> str:
    setting = SETTINGS[parameter.name]
    if setting.choices:
        kind = f"{{{', '.join(f'{choice!r}' for choice in setting.choices)}}}"
    else:
        kind = inspect.formatannotation(parameter.annotation).removesuffix(" | None")
        kind = re.sub(r"\b(?:\w+\.)+", "", kind)
    default = parameter.default
    usual = "optional" if default is None else f"default {default!r}"
    known = setting.choices or setting.rule in setting.help
    text = setting.help if known else f"{setting.help} Values: {setting.rule}."
    wrapped = textwrap.fill(text, 96, break_on_hyphens=False)
    return f"{parameter.name} : {kind}, {usual}\n{textwrap.indent(wrapped, '    ')}"
