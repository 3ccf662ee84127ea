"""Labels beside the columns that the rows of a table had."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from shoal.rows.tables.cells import to_numbers
from shoal.rows.tables.mixed import TableSource

_OWN = " (own)"


def beside(tables: Iterable[Any], source: TableSource, *, typed: bool) -> Iterator[Any]:
    """Add to each table of labels the columns that its rows have in the source.

    `source`: Whose columns are added, all of them, as they are stored; one with a name that the
    labels have, too, gets `` (own)`` after it.
    """
    schema = None
    for labels in tables:
        start = labels["row"][0].as_py() if labels.num_rows else 0
        own = source.original(start, start + labels.num_rows)
        for name, column in zip(own.column_names, own.columns, strict=True):
            labels = labels.append_column(
                name + _OWN if name in labels.column_names else name,
                _typed(source, name, column) if typed else column,
            )
        # a part that cannot be read has no types
        labels = labels if schema is None else labels.cast(schema)
        schema = labels.schema if schema is None else schema
        yield labels


def _typed(source: TableSource, name: str, column: Any) -> Any:
    import pyarrow as pa

    if not pa.types.is_string(column.type):
        return column
    roles = {c.name: c.role for c in source.schema.columns}
    if roles.get(name) != "number":
        return column
    return pa.array(to_numbers(column, source.table.decimal), from_pandas=True)
