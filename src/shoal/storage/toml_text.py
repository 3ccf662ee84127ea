"""Settings as TOML, which the standard library reads and tomli-w writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import tomli_w


def toml_text(table: Mapping[str, Any]) -> str:
    """Return `table` as TOML: text, numbers, booleans, lists of them, and tables within.

    Keys with None, which TOML lacks, are left out. Bytes of file names that are not UTF-8 are
    written as escapes.

    Examples
    --------
    >>> print(toml_text({"format": 1, "settings": {"seed": 0, "name": "a"}}))
    format = 1
    <BLANKLINE>
    [settings]
    seed = 0
    name = "a"
    <BLANKLINE>
    """
    return tomli_w.dumps(_plain(table))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_plain(key): _plain(one) for key, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, str | PurePath):
        return str(value).encode(errors="backslashreplace").decode()
    if isinstance(value, bool | int | float):
        return value
    raise TypeError(f"run.toml cannot hold a {type(value).__name__}: {value!r:.80}")
