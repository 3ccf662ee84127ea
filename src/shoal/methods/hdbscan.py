"""HDBSCAN: the clusters of DBSCAN that last longest over all reaches."""

from __future__ import annotations

from shoal.methods.base import Method, Parameter, Partition, WeightedRows

_SHARE, _LARGEST = 0.005, 100  # of the rows; the default of the smallest cluster


def fit(
    data: WeightedRows,
    seed: int,
    k: int | None,
    min_cluster_size: int | None,
    min_samples: int | None,
    select: str,
) -> Partition:
    """Keep the clusters that persist over densities (Campello et al. 2013; scikit-learn)."""
    from sklearn.cluster import HDBSCAN

    m = len(data)
    notes: tuple[str, ...] = ()
    if min_cluster_size is None:
        min_cluster_size = min(m, max(5, min(_LARGEST, round(_SHARE * m))))
        notes = (f"min_cluster_size = {min_cluster_size}, 0.5% of the rows, 5 to {_LARGEST}.",)
    model = HDBSCAN(
        min_cluster_size=min(m, max(2, min_cluster_size)),
        min_samples=None if min_samples is None else min(min_samples, m),
        cluster_selection_method=select,
        copy=True,
    )
    return Partition(model.fit_predict(data.as_float64), notes=notes)


METHOD = Method(
    "hdbscan",
    "density",
    "The DBSCAN clusters that are most persistent over all radii.",
    fit,
    "time m²·d (less in few dimensions), memory m·d",
    needs_k=False,
    takes_k=False,
    weighted=False,
    most=10_000,
    noise=True,
    parameters=(
        Parameter("min_cluster_size", None, "Smallest cluster, in rows.", 2, 2**31 - 1, whole=True),
        Parameter(
            "min_samples",
            None,
            "Rows that define a dense neighbourhood; by default min_cluster_size.",
            1,
            2**31 - 1,
            whole=True,
        ),
        Parameter(
            "select",
            "eom",
            "Select clusters by excess of mass, or the leaves.",
            choices=("eom", "leaf"),
        ),
    ),
)
