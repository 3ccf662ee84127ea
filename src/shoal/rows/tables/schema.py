"""The schema of a table as learned from its rows; stored with a run, for new rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shoal.core.plural import listed
from shoal.rows.tables.selection import reasons

Role = Literal["number", "date", "category"]

PROBABILITIES = (
    *(0.0, 0.001, 0.005, 0.01, 0.02),
    *(round(0.05 * step, 2) for step in range(1, 20)),
    *(0.98, 0.99, 0.995, 0.999, 1.0),
)
"""The probabilities of the stored quantiles of a column of numbers."""

OTHER, BLANK = "other", "missing"


@dataclass(frozen=True)
class TableColumn:
    name: str  # its header
    role: Role
    form: str | None = None  # format of dates in text; None for dates stored as such
    # of numbers, or of dates in days since 1970, at `PROBABILITIES`
    quantiles: tuple[float, ...] = ()
    step: float = 0.0  # the smallest difference between two of them, 1 for whole numbers
    values: tuple[str, ...] = ()  # the categories, the most common first
    other: bool = False  # whether rarer values form another category
    blank: bool = False  # whether missing cells form another category
    absent: tuple[float, ...] = ()  # codes for missing values
    # a number that many rows have, and their share; `quantiles` are then those of the others
    atom: tuple[float, float] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        return (*self.values, *([OTHER] * self.other), *([BLANK] * self.blank))


@dataclass(frozen=True, eq=False)
class Schema:
    columns: tuple[TableColumn, ...]  # those that are used, in order
    name: str | None  # the column that names the rows
    left_out: tuple[tuple[str, str], ...]  # the others, and why they are not used
    looked: int  # number of rows it was learned from
    # sampled rows as `TableSource.read` returns them, with the fewest gaps: missing cells
    # are filled from the most similar of them
    donors: NDArray[np.float64]

    @property
    def probabilities(self) -> tuple[float, ...]:
        return PROBABILITIES

    @property
    def description(self) -> str:
        parts = [
            _as_words([c for c in self.columns if c.role == role], words)
            for role, words in (("number", "as numbers"), ("date", "as dates"))
        ]
        parts.append(_as_words([c for c in self.columns if c.role == "category"], "as categories"))
        absent = [f"{_shown(value, c)} in {c.name}" for c in self.columns for value in c.absent]
        parts += [f"taken for missing: {listed(absent)}"] if absent else []
        if self.left_out:
            parts.append(f"left out {reasons(self.left_out)}")
        return "; ".join(part for part in parts if part) + "."

    def as_dict(self) -> dict[str, Any]:
        return {
            "columns": [asdict(column) for column in self.columns],
            "name": self.name,
            "left_out": [list(pair) for pair in self.left_out],
            "looked": self.looked,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], donors: NDArray[np.float64]) -> Schema:
        columns = [
            TableColumn(
                **{
                    **column,
                    "quantiles": tuple(column["quantiles"]),
                    "values": tuple(column["values"]),
                    "absent": tuple(column.get("absent", ())),
                    "atom": tuple(column["atom"]) if column.get("atom") else None,
                }
            )
            for column in plain["columns"]
        ]
        left_out = tuple((name, why) for name, why in plain["left_out"])
        return cls(tuple(columns), plain["name"], left_out, plain["looked"], donors)

    @property
    def digest(self) -> str:
        text = json.dumps(self.as_dict(), sort_keys=True).encode()
        donors = np.ascontiguousarray(self.donors).tobytes()
        return hashlib.blake2b(text + donors, digest_size=16).hexdigest()


def _as_words(columns: Sequence[TableColumn], words: str) -> str:
    names = [
        f"{c.name} ({len(c.labels)} values)" if c.role == "category" else c.name for c in columns
    ]
    if not names:
        return ""
    count = f"{len(names)} columns " if len(names) > 1 else ""
    return f"{count}{words}: {listed(names)}"


def _shown(value: float, column: TableColumn) -> str:
    if column.role != "date":
        return f"{value:.15g}"
    return str(np.datetime64(0, "D") + np.timedelta64(int(value), "D"))
