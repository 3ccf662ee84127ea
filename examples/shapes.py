"""Three sets in the plane, each with a classical method suited to it, with pictures.

Run it with ``python examples/shapes.py FOLDER``: pictures are written to the folder, if one is
given.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import make_blobs, make_classification, make_moons

import shoal


def made_sets() -> dict[str, tuple[np.ndarray, np.ndarray, dict]]:
    """Return for each set: rows, truth, and how to cluster it."""
    classes, truth = make_classification(
        600, 2, n_informative=2, n_redundant=0, n_classes=4, n_clusters_per_class=1,
        class_sep=2, random_state=0,
    )  # fmt: skip
    moons, moon = make_moons(600, noise=0.07, random_state=0)
    blobs, blob = make_blobs(600, centers=3, cluster_std=[0.6, 1.2, 2.2], random_state=8)
    stretched = blobs @ np.array([[0.6, -0.6], [-0.4, 0.8]])
    return {
        "agglomerative": (classes, truth, {"method": "agglomerative", "k": 4}),
        "dbscan": (moons, moon, {"method": "dbscan", "eps": 0.25, "min_samples": 9}),
        "gmm": (stretched, blob, {"method": "gmm", "k": 3}),
    }


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    for name, (rows, truth, how) in made_sets().items():
        run = shoal.fit(rows, **how)
        score = next(s for s in run.evaluate(truth) if s["primary"])
        print(f"{name}: {run.primary.k} clusters, ARI {score['ari']:.2f} against the truth")
        ax = run.plot.scatter()
        ax.set_title(name, loc="left", pad=22)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            ax.figure.savefig(folder / f"{name}.png", dpi=80)


if __name__ == "__main__":
    main()
