"""k-means on the raw pixels of handwritten digits, following a well-known tutorial.

Run it with ``python examples/handwritten.py [FOLDER] [--mnist FILE]``: pictures are written to the
folder. Without MNIST (an ``.npz`` of `images` and `labels`) it uses scikit-learn's small digits.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import shoal


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--mnist", type=Path)
    given = parser.parse_args()
    if given.mnist:
        with np.load(given.mnist) as file:
            images, digits = file["images"], file["labels"]
        counts = (10, 16, 36, 64, 144, 256)
    else:
        bunch = load_digits()
        images, digits, counts = np.uint8(bunch.images * 15), bunch.target, (10, 16, 36, 64)
    order = np.random.default_rng(0).permutation(len(images))
    images, digits = images[order], digits[order]
    held_out = len(images) // 7
    known, truth = images[:-held_out], digits[:-held_out]
    if given.folder:
        given.folder.mkdir(parents=True, exist_ok=True)

    with tempfile.TemporaryDirectory() as out:

        def fit(method: str, k: int) -> tuple[shoal.Run, dict]:
            # Plain distances between pixels: components only turn the axes.
            features = f"pixels+pca:{min(images[0].size, 300)}"
            folder = None if k in (36, counts[-1]) else out  # a run with names stays as it is
            run = shoal.fit(known, folder, features=features, method=method, k=k)
            return run, next(score for score in run.evaluate(truth) if score["primary"])

        def draw(run: shoal.Run, kind: str) -> None:
            ax = getattr(run.plot, kind)()
            if given.folder:
                ax.figure.savefig(given.folder / f"handwritten-{kind}-{run.primary.k}.png", dpi=80)

        run, score = fit("kmeans", 10)
        print(f"k-means: 10 clusters, purity {score['purity']:.3f}, inertia {score['inertia']:.0f}")
        draw(run, "examples")
        draw(run, "centroids")
        for k in counts:
            run, score = fit("mini-batch-kmeans", k)
            print(
                f"mini-batch k-means, K = {k}: inertia {score['inertia']:.0f}, "
                f"homogeneity {score['homogeneity']:.3f}, accuracy by majority "
                f"{score['purity']:.3f}"
            )
            if k in (36, counts[-1]):
                named = run.label(truth)
                draw(run, "centroids")
        right = named.score(run.predict(images[-held_out:]).cluster, digits[-held_out:])
        print(f"the last K on {held_out:,} digits that it has not seen: {right:.3f}")


if __name__ == "__main__":
    main()
