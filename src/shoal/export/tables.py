"""Labels as a file: Parquet, CSV or a plain array."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from shoal.errors import InputError
from shoal.export.base import refuse_existing
from shoal.storage import write_bytes, write_npy, write_table

ENDINGS = (".parquet", ".csv", ".npy")


def write_labels(table: Any, path: Path, *, force: bool = False) -> None:
    """Write a table of labels in the format that the file's ending says, all or nothing.

    Parameters
    ----------
    table : pyarrow.Table
        With a column ``cluster``; ``.npy`` holds only that, as int32, one a row.
    path : Path
        Ends in ``.parquet``, ``.csv`` or ``.npy``.
    force : bool, default False
        Replace a file that is there.

    Raises
    ------
    InputError
        For another ending, or a file that is there.
    StorageFullError
        When it cannot be written.
    """
    check_ending(path)
    refuse_existing(path, force)
    ending = path.suffix.lower()
    if ending == ".parquet":
        write_table(path, table)
    elif ending == ".npy":
        write_npy(path, table["cluster"].to_numpy().astype(np.int32))
    else:
        write_bytes(path, _csv(table))


def check_ending(path: Path) -> None:
    """Raise for a file whose ending names no format."""
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"{path} has no known ending: give one of {', '.join(ENDINGS)}")


def _csv(table: Any) -> bytes:
    """Write a table as CSV with a header; text is quoted only where it must be."""
    import pyarrow.csv as csv

    # The "needed" style of pyarrow still quotes all text, which no reader minds.
    sink = io.BytesIO()
    csv.write_csv(table, sink)
    return sink.getvalue()
