"""Dot drawings of twelve shapes: truncated SVD, k-means, spherical k-means, and Shoal.

Run it with ``python examples/drawings.py FOLDER 32000``: pictures are written to the folder, if one
is given; the default is 200 drawings and fewer components.
"""

import sys
import tempfile
from pathlib import Path

import shoal
from shoal.synthetic import DrawingSet, make_tiles


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    drawings, features = DrawingSet(), f"pixels+svd:{min(100, count // 10)}"
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "drawings"
        make_tiles(source, count, drawings)
        truth = drawings.truth(0, count)[0]

        def ami(run: shoal.Run) -> float:
            return next(score["ami"] for score in run.evaluate(truth) if score["primary"])

        out = Path(temporary) / "drawings.shoal"  # the same for all: features are made once
        for method in ("kmeans", "spherical-kmeans"):
            for k in (8, 12, 16):
                other = shoal.fit(source, out, features=features, method=method, k=k)
                print(f"{method}, told {k}: AMI {ami(other):.2f}")
        run = shoal.fit(source, out, features=features)
        print(f"Shoal: {run.primary.k} clusters, AMI {ami(run):.2f} against the truth")
        choice, _ = shoal.choose_k(run, ks=range(2, 21), references=2)
        print("K by", ", ".join(f"{name}: {k}" for name, k in choice.picks.items()))

        new = run.predict(drawings.images(count, count + 1))
        print(f"a new drawing is in cluster {new.cluster[0]}, confidence {new.confidence[0]:.2f}")
        for name in ("centroids", "map"):
            ax = getattr(run.plot, name)()
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                ax.figure.savefig(folder / f"drawings-{name}.png", dpi=80)


if __name__ == "__main__":
    main()
