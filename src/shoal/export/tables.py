"""Labels as a file: Parquet, CSV or a plain array."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from shoal.errors import InputError
from shoal.export.base import refuse_existing
from shoal.export.formulas import quote_formulas
from shoal.storage import parquet_options, replacing, write_npy_blocks

ENDINGS = (".parquet", ".csv", ".npy")


def write_labels(
    tables: Any, path: Path, *, rows: int | None = None, force: bool = False, quoted: bool = False
) -> int:
    """Write labels in the format of the file's extension, completely or not at all; count rows.

    `tables`: with a column ``cluster``, the only one that ``.npy`` holds, as int32; read one at a
    time. `rows`: their total number, which ``.npy`` needs first; without it, all clusters are
    collected in memory.
    """
    import pyarrow as pa

    check_ending(path, quoted)
    refuse_existing(path, force)
    pieces: Iterator[Any] = iter([tables] if isinstance(tables, pa.Table) else tables)
    if path.suffix.lower() == ".npy":
        clusters: Iterable[Any] = (table["cluster"].to_numpy() for table in pieces)
        if rows is None:
            kept = list(clusters)
            clusters, rows = kept, sum(map(len, kept))
        write_npy_blocks(path, (rows,), np.dtype(np.int32), clusters)
        return rows
    with replacing(path) as temporary:
        return _stream(pieces, temporary, path.suffix.lower(), quoted)


def _stream(pieces: Iterable[Any], path: Path, ending: str, quoted: bool) -> int:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    writer, rows = None, 0
    with pa.OSFile(str(path), "wb") as sink:
        for table in pieces:
            if ending == ".csv":
                table = quote_formulas(_plain(table)) if quoted else _plain(table)
            if writer is None:
                if ending == ".csv":
                    # The "needed" style of pyarrow quotes all text as well.
                    writer = pa.csv.CSVWriter(sink, table.schema)
                else:
                    options = parquet_options(table.schema)
                    writer = pa.parquet.ParquetWriter(sink, table.schema, **options)
            writer.write_table(table)
            rows += table.num_rows
        if writer is not None:
            writer.close()
    return rows


def _plain(table: Any) -> Any:
    import pyarrow as pa

    fields = [
        pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type)
        for f in table.schema
    ]
    return table.cast(pa.schema(fields))


def check_ending(path: Path, quoted: bool = False) -> None:
    """Raise InputError for an unknown extension, or if formulas cannot be quoted in the format."""
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"{path} must end in one of {', '.join(ENDINGS)}")
    if quoted and path.suffix.lower() != ".csv":
        raise InputError(f"--quote-formulas needs a .csv file; got {path}")
