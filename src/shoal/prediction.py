"""The clusters of new rows, as `Run.predict` returns them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.record_lists import Tabular
from shoal.rows.tables.mixed import Notes

_COLUMNS = ("cluster", "confidence", "unknown")


@dataclass(frozen=True, repr=False)
class Prediction(Tabular):
    """Clusters of new rows.

    Attributes
    ----------
    cluster
        (n,) int32 cluster id, −1 for rows that could not be read.
    confidence
        (n,) float32, 0..1, NaN for unreadable rows.
    unknown
        (n,) bool: unlike the fitted rows. Farther out than all but a stated share of rows like the
        fitted ones, 5% by default.
    names
        Names of clusters, by id.
    remarks
        Sentences on how the new rows differ from the fitted ones: missing columns, imputed cells.
    """

    cluster: NDArray[np.int32]
    confidence: NDArray[np.float32]
    unknown: NDArray[np.bool_]
    names: Mapping[int, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.cluster)

    def to_arrow(self) -> Any:
        """Return a `pyarrow.Table` of each row's cluster, confidence and unknown.

        With cluster_name where any cluster has one.
        """
        import pyarrow as pa

        columns: dict[str, Any] = {name: getattr(self, name) for name in _COLUMNS}
        if self.names:
            columns["cluster_name"] = [self.names.get(c) for c in self.cluster.tolist()]
        return pa.table(columns)

    def records(self) -> list[dict[str, Any]]:
        """Return a summary: rows, mean confidence and unknown rows of each cluster."""
        return [
            {
                "cluster": int(c),
                "name": self.names.get(int(c)),
                "rows": int(mine.sum()),
                "confidence": float(self.confidence[mine].mean()),
                "unknown": int(self.unknown[mine].sum()),
            }
            for c in np.unique(self.cluster)
            for mine in [self.cluster == c]
        ]

    def __repr__(self) -> str:
        unread = int((self.cluster < 0).sum())
        clusters = len(np.unique(self.cluster[self.cluster >= 0]))
        return (
            f"<Prediction of {len(self):,} rows: {clusters:,} cluster{'s' * (clusters != 1)}, "
            f"{int(self.unknown.sum()):,} unknown, {unread:,} unreadable>"
        )


def joined(found: list[Prediction], notes: Notes) -> Prediction:
    """Concatenate the predictions of blocks."""
    columns = {name: np.concatenate([getattr(one, name) for one in found]) for name in _COLUMNS}
    return Prediction(**columns, names=found[0].names, remarks=notes.remarks)
