"""Cluster handwritten digits without labels, evaluate the result, and assign new images.

Run it with ``python examples/digits.py FOLDER``; it takes a few seconds and needs no download.
Pictures are written to the folder, if one is given.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import shoal


def main() -> None:
    digits = load_digits()
    images = np.clip(digits.images * 16, 0, 255).astype(np.uint8)
    known, new = images[:1500], images[1500:]

    run = shoal.fit(known)
    print(run)
    for layer in run.layers:
        mark = " (primary)" if layer.primary else ""
        print(f"K = {layer.k}: excess {layer.excess:.2f}, stability {layer.stability:.2f}{mark}")

    scores = next(s for s in run.evaluate(digits.target[:1500]) if s["primary"])
    print(f"against the truth: AMI {scores['ami']:.3f}, accuracy {scores['accuracy']:.3f}")

    print("rows in each of 20 clusters:", np.bincount(run.labels(k=20)).tolist())

    found = run.predict(new)
    print(f"{len(found)} new images, {found.unknown.sum()} unlike any cluster")

    named = run.label(digits.target[:1500])
    right = named.score(found.cluster, digits.target[1500:])
    print(f"new images whose cluster has the name of their digit: {right:.3f}")
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        folder.mkdir(parents=True, exist_ok=True)
        kinds = ("centroids", "dendrogram", "silhouette", "elbow", "map", "reachability", "sizes")
        for kind in kinds:
            run.plot.draw(kind).figure.savefig(folder / f"digits-{kind}.png", dpi=80)
        run.plot.examples(count=8).figure.savefig(folder / "digits-examples.png", dpi=80)
        grid = shoal.fit(known, method="som", k=96)
        grid.plot.som().figure.savefig(folder / "digits-som.png", dpi=80)
        confusion = run.plot.confusion(digits.target[:1500])
        confusion.figure.savefig(folder / "digits-confusion.png", dpi=80)


if __name__ == "__main__":
    main()
