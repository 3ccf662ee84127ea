"""The little of TOML that `run.toml` needs, written; the standard library reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any


def toml_text(table: Mapping[str, Any]) -> str:
    """Return `table` as TOML: text, numbers, booleans, lists of them, and tables within.

    None has no place in TOML: such keys are left out.

    Raises
    ------
    TypeError
        For a value of another type.

    Examples
    --------
    >>> print(toml_text({"format": 1, "settings": {"seed": 0, "shape": (16, 16)}}))
    format = 1
    <BLANKLINE>
    [settings]
    seed = 0
    shape = [16, 16]
    <BLANKLINE>
    """
    return "\n".join(_lines(table, [])) + "\n"


def _lines(table: Mapping[str, Any], above: Sequence[str]) -> list[str]:
    """Return the lines of one table: its values first, then the tables in it."""
    lines, inner = [], []
    for key, value in table.items():
        name = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _string(key)
        if isinstance(value, Mapping):
            here = [*above, name]
            inner += ["", f"[{'.'.join(here)}]", *_lines(value, here)]
        elif value is not None:
            lines.append(f"{name} = {_value(value)}")
    return lines + inner


def _value(value: Any) -> str:
    """Return one value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | PurePath):
        return _string(str(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    raise TypeError(f"run.toml cannot hold a {type(value).__name__}: {value!r:.80}")


def _string(text: str) -> str:
    """Quote `text`; bytes of a file name that are not UTF-8 become their escape in words."""
    text = text.encode(errors="backslashreplace").decode()
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
