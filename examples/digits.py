"""Cluster handwritten digits without labels, judge the result, and place new images.

Run it with ``python examples/digits.py``; it takes some seconds and needs no download.
"""

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


if __name__ == "__main__":
    main()
