"""OPTICS: rows in the order of their density, cut where it falls steeply."""

from __future__ import annotations

from shoal.methods.base import Method, Parameter, Partition, WeightedRows


def fit(
    data: WeightedRows, seed: int, k: int | None, min_samples: int, xi: float, eps: float | None
) -> Partition:
    """Order rows by reachability and take the valleys as clusters (scikit-learn).

    With `eps` the clusters are those that DBSCAN would find at that reach.

    Ankerst et al., "OPTICS: ordering points to identify the clustering structure", 1999.
    """
    from sklearn.cluster import OPTICS

    model = OPTICS(
        min_samples=max(2, min(min_samples, len(data))),
        xi=xi,
        cluster_method="xi" if eps is None else "dbscan",
        eps=eps,
    )
    return Partition(model.fit_predict(data.as_float64))


METHOD = Method(
    "optics",
    "density",
    "Orders rows by reachability; its valleys are clusters of any density.",
    fit,
    "time m²·d, memory m·d",
    needs_k=False,
    takes_k=False,
    weighted=False,
    most=10_000,
    noise=True,
    parameters=(
        Parameter(
            "min_samples", 5, "Rows that define a dense neighbourhood.", 2, 2**31 - 1, whole=True
        ),
        Parameter("xi", 0.05, "Minimum steepness of a valley.", 1e-9, 1 - 1e-9),
        Parameter("eps", None, "Cut at this radius instead, as in DBSCAN.", 1e-300),
    ),
)
