"""Quoting of cells that a spreadsheet would run as formulas, by an apostrophe before the text.

https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

from typing import Any

# The wide forms are formulas in East Asian settings.
_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
_NUMBER = r"^[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?$"


def quote_formulas(table: Any) -> Any:
    """Return a `pyarrow.Table` with an apostrophe before texts that would be formulas.

    These begin with ``=``, ``+``, ``-``, ``@``, a tab or a line break; column names too. Numbers
    such as ``-1.5`` are not changed.
    """
    import pyarrow as pa

    columns = [
        _quoted(column)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        else column
        for column in table.columns
    ]
    names = _quoted(pa.chunked_array([pa.array(table.column_names, pa.string())]))
    return pa.table(columns, names=names.to_pylist())


def unquote_formulas(table: Any) -> Any:
    """Return a `pyarrow.Table` without the apostrophes of `quote_formulas`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = [
        pc.replace_substring_regex(column, f"^'({_FORMULA[1:]})", r"\1")
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)


def _quoted(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.match_substring_regex(column, _FORMULA)
    if not pc.any(found).as_py():
        return column
    found = pc.and_not(found, pc.match_substring_regex(column, _NUMBER))
    quote, nothing = pa.scalar("'", column.type), pa.scalar("", column.type)
    return pc.if_else(found, pc.binary_join_element_wise(quote, column, nothing), column)
