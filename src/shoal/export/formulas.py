"""Cells that a spreadsheet would take for formulas, quoted.

A file name such as ``=cmd|'/c calc'!A1.jpg`` is run by a spreadsheet that opens the CSV file
(https://owasp.org/www-community/attacks/CSV_Injection). An apostrophe before it makes it a text.
"""

from __future__ import annotations

from typing import Any

# The wide forms are formulas in East Asian settings.
_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
_NUMBER = r"^[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?$"


def quote_formulas(table: Any) -> Any:
    """Return a `pyarrow.Table` with an apostrophe before texts that would be formulas.

    These begin with ``=``, ``+``, ``-``, ``@``, a tab or an end of line, in the names of columns
    too. Texts that are numbers, such as ``-1.5``, stay as they are.
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
    """Return a `pyarrow.Table` without the apostrophes that `quote_formulas` put before texts."""
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
