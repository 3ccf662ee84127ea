"""Each classical method beside the plain library call, on the same vectors."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import palettes, streams
from benchmarks.base import Benchmark, Inputs, Measurement, Must, Row, at_least, at_most, values
from benchmarks.data import mnist_images, mnist_labels

_TIMES = 2  # of each call the fastest counts, as the first one may compile and load
_LARGE = "16 dimensions"  # only beside a plain call
_ONLY = {"optics": ("blobs",)}  # which goes row by row in Python, on either side
_DIGITS, _DRAWN, _COMPONENTS = 10_000, 600, 50
_CALLS = "calls"  # the part beside plain calls
_START = 0.1  # seconds that checks, the order of rows and notes may take

Data = tuple[NDArray[np.float32], NDArray[np.int64], int]
Plain = Callable[[NDArray, int, dict[str, Any]], tuple[NDArray, float | None]]


def data_sets(mnist: Path | None = None) -> dict[str, Data]:
    """Make the sets: rows, truth, K; with 10,000 digits of MNIST where it is given."""
    from sklearn.datasets import load_digits, make_blobs, make_circles, make_moons

    from shoal.synthetic import DrawingSet

    digits, drawn = load_digits(), DrawingSet().images(0, _DRAWN)[:, ::5, ::5]
    blobs = make_blobs(1500, centers=5, random_state=3)
    wide = make_blobs(4000, 16, centers=20, random_state=0)
    sets = {
        "digits": (digits.data, digits.target, 10),
        "moons": (*make_moons(1500, noise=0.06, random_state=0), 2),
        "circles": (*make_circles(1500, noise=0.04, factor=0.5, random_state=0), 2),
        "blobs": (*blobs, 5),
        _LARGE: (*wide, 20),
        "drawings": (components(drawn), DrawingSet().truth(0, _DRAWN)[0], 12),
        "null": (np.random.default_rng(0).normal(size=(1500, 8)), np.zeros(1500, int), 5),
    }
    if mnist is not None:
        rows, labels = mnist_images(mnist)[:_DIGITS], mnist_labels(mnist)[:_DIGITS]
        sets["MNIST"] = (components(rows), labels, 10)
    return {name: (x.astype(np.float32), y, k) for name, (x, y, k) in sets.items()}


def components(images: NDArray[np.uint8]) -> NDArray:
    """Return the first 50 principal components of raw pixels."""
    from sklearn.decomposition import PCA

    rows = images.reshape(len(images), -1).astype(np.float64)
    return np.asarray(PCA(_COMPONENTS, random_state=0).fit_transform(rows))


def plain_calls() -> dict[str, Plain]:
    """Return the plain library call of each method that has one, by name and parameters."""
    from scipy.cluster import hierarchy
    from sklearn import cluster
    from sklearn.mixture import GaussianMixture

    def fitted(model: Any) -> Callable[[NDArray], tuple[NDArray, float | None]]:
        def call(x: NDArray) -> tuple[NDArray, float | None]:
            labels = model.fit_predict(x)
            return labels, getattr(model, "inertia_", None)

        return call

    def linkage(name: str) -> Plain:
        def call(x: NDArray, k: int, _: dict[str, Any]) -> tuple[NDArray, float | None]:
            tree = hierarchy.linkage(x, name)
            return hierarchy.fcluster(tree, k, "maxclust"), None

        return call

    def mixture(x: NDArray, k: int, given: dict[str, Any]) -> tuple[NDArray, float | None]:
        shape = {"diagonal": "diag"}.get(given["covariance"], given["covariance"])
        model = GaussianMixture(k, covariance_type=shape, tol=1e-4, max_iter=200, random_state=0)
        labels = model.fit_predict(x)
        return labels, -float(model.score(x))

    calls: dict[str, Plain] = {
        "kmeans": lambda x, k, _: fitted(cluster.KMeans(k, n_init=10, random_state=0))(x),
        "mini-batch-kmeans": lambda x, k, _: fitted(
            cluster.MiniBatchKMeans(k, n_init=3, random_state=0)
        )(x),
        "bisecting-kmeans": lambda x, k, _: fitted(
            cluster.BisectingKMeans(k, init="k-means++", n_init=3, random_state=0)
        )(x),
        "birch": lambda x, k, given: fitted(
            cluster.Birch(n_clusters=k, threshold=given["threshold"])
        )(x),
        "dbscan": lambda x, k, given: fitted(cluster.DBSCAN(eps=given["eps"], min_samples=5))(x),
        "optics": lambda x, k, _: fitted(cluster.OPTICS())(x),
        "hdbscan": lambda x, k, given: fitted(
            cluster.HDBSCAN(min_cluster_size=given["min_cluster_size"], copy=True)
        )(x),
        "spectral": lambda x, k, _: fitted(
            cluster.SpectralClustering(
                k,
                affinity="nearest_neighbors",
                assign_labels="cluster_qr",
                random_state=0,
            )
        )(x),
        "gmm, full": mixture,
        "gmm, diagonal": mixture,
    }
    return calls | {
        f"agglomerative, {name}": linkage(name)
        for name in ("ward", "average", "complete", "single")
    }


def parameters_for(case: str, x: NDArray[np.float32]) -> dict[str, Any]:
    """Return the parameters that both sides get."""
    from shoal.methods.base import WeightedRows
    from shoal.methods.birch import usual_radius
    from shoal.methods.dbscan import proposed_eps

    name, _, variant = case.partition(", ")
    if name == "agglomerative":
        return {"linkage": variant}
    if name == "gmm":
        return {"covariance": variant}
    if name == "dbscan":
        return {"eps": proposed_eps(WeightedRows(x, np.ones(len(x))), 5)}
    if name == "birch":
        return {"threshold": usual_radius(x, 0)}
    return {"min_cluster_size": max(5, round(0.005 * len(x)))} if name == "hdbscan" else {}


def measure(case: str, data: Data, plain: Plain | None) -> Measurement:
    """Time a method and its plain twin, and compare what they find."""
    from sklearn.metrics import adjusted_rand_score

    from shoal.methods import METHODS
    from shoal.methods.run import run_method

    x, truth, k = data
    name = case.partition(", ")[0]
    given = parameters_for(case, x)
    number = k if METHODS[name].takes_k else None
    seconds, found = fastest(lambda: run_method(name, x, k=number, parameters=given))
    quality: dict[str, Any] = {
        "K": int(found.labels.max()) + 1,
        "ARI": round(adjusted_rand_score(truth, found.labels), 4),
    }
    if plain is not None:
        theirs, (labels, cost) = fastest(lambda: plain(x.astype(np.float64), k, given))
        quality |= {
            "plain ARI": round(adjusted_rand_score(truth, labels), 4),
            "same": round(adjusted_rand_score(labels, found.labels), 4),
            "plain seconds": round(theirs, 4),
        }
        mine = own_cost(name, x, found)
        if cost is not None and mine is not None:
            quality["cost over plain"] = round(mine / cost, 4)
    return Measurement(case, len(x), round(seconds, 4), None, 0, quality)


def own_cost(name: str, x: NDArray, found: Any) -> float | None:
    """Return what the plain library calls its cost: inertia, or less mean log-likelihood."""
    if name == "gmm" or found.rule is None or found.rule.kind != "euclidean":
        return None
    apart = x.astype(np.float64) - found.rule.centres[found.labels]
    return float((apart**2).sum())


def fastest(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the least CPU time of some calls in one thread, and what the last one returned."""
    from threadpoolctl import threadpool_limits

    least = np.inf
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        for _ in range(_TIMES):
            began = time.process_time()
            found = call()
            least = min(least, time.process_time() - began)
    return float(least), found


def run(given: Inputs) -> Iterator[Measurement]:
    """Measure every method on every set, and those that go over all rows on tiles."""
    if not given.only or _CALLS in given.only:
        yield from _calls(given.mnist)
    if not given.only or palettes.PART in given.only:
        yield from palettes.run(given)
    yield from streams.run(given)


def _calls(mnist: Path | None) -> Iterator[Measurement]:
    from shoal.methods import METHODS

    calls, sets = plain_calls(), data_sets(mnist)
    alone = [name for name in METHODS if not any(case.startswith(name) for case in calls)]
    for case in (*calls, *alone):
        for name, data in sets.items():
            if name not in _ONLY.get(case, sets) or (case in alone and name in (_LARGE, "MNIST")):
                continue
            found = measure(case, data, calls.get(case))
            found.quality["set"] = name
            yield Measurement(f"{case} on {name}", *_rest(found))


def _rest(found: Measurement) -> tuple[Any, ...]:
    """Return all of a measurement but its case."""
    return found.n, found.seconds, found.peak_mib, found.seed, found.quality


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge that clusters are the same where both are exact, elsewhere as good, and as fast."""
    beside = [row for row in rows if "plain seconds" in row["quality"]]
    others = [*palettes.musts(rows), *streams.musts(rows)]
    if not beside:
        return others
    # Pixels are whole numbers: many distances are equal, and dendrograms of equal right differ.
    exact = [
        row
        for row in beside
        if row["case"].startswith("agglomerative") and row["quality"]["set"] != "digits"
    ]
    costs = [row for row in rows if row["case"].startswith("kmeans") and _has_cost(row)]
    ratio = [row["seconds"] / (1.2 * row["quality"]["plain seconds"] + _START) for row in beside]
    loss = [row["quality"]["plain ARI"] - row["quality"]["ARI"] for row in beside]
    return [
        at_least("agreement with the plain call, dendrograms, the least", _least(exact), 1.0),
        at_most("inertia of k-means over the plain call, the most", _most(costs), 1.005),
        at_most("ARI lost to the plain call, the mean over all", float(np.mean(loss)), 0.01),
        at_most("time over 1.2 × the plain call and 0.1 s, the most", max(ratio), 1.0),
        *others,
    ]


def _has_cost(row: Row) -> bool:
    """Return whether the cost was compared."""
    return "cost over plain" in row["quality"]


def _least(rows: Sequence[Row]) -> float:
    """Return the least agreement."""
    return float(min(values(rows, "same")))


def _most(rows: Sequence[Row]) -> float:
    """Return the largest cost."""
    return float(max(values(rows, "cost over plain")))


BENCHMARK = Benchmark(
    "methods",
    "every classical method beside the plain library call",
    run,
    musts,
    about="Both sides get the same vectors, K and parameters. Seconds are processor time in one "
    "thread, of the faster of two calls. `same` is the adjusted Rand index of the two "
    "results. Methods without a library call are Shoal's own code, because no "
    "well-maintained library under a permissive licence has them with weights. On tiles, "
    "seconds are processor time from the projected rows on disk to centres and a label for "
    "each row; `whole_seconds` is the whole fit. Palettes: constants were set on the "
    "*chosen* photos; the *judged* ones were not used for this.",
    parts=(_CALLS, palettes.PART, *streams.PARTS),
    piecemeal=True,
    by_name=True,
)
