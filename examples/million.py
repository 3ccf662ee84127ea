"""A million small images from 60 sources, by every method that needs only one pass or batches.

Run it with ``python examples/million.py FOLDER 1000000``: pictures are written to the folder, if
one is given; the default is 1,500 images from 5 sources. 48,000,000 work the same way, with 37 GB.
"""

import sys
import tempfile
import time
from pathlib import Path

import shoal
from shoal.synthetic import TileSet, make_tiles

STREAMING = {
    "mini-batch-kmeans": {"passes": 1},
    "streaming-kmeans": {"passes": 1},
    "kmeans": {"starts": 1, "passes": 1},
    "birch": {},
}


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1_500
    tiles = TileSet(60 if count > 100_000 else 5)
    truth = tiles.truth(0, count)[0]
    with tempfile.TemporaryDirectory() as temporary:
        source, out = Path(temporary) / "tiles", Path(temporary) / "tiles.shoal"
        make_tiles(source, count, tiles)

        def fit(name: str, **how: object) -> shoal.Run:
            began = time.process_time()
            run = shoal.fit(source, out, **how)  # what does not depend on the method is kept
            score = next(score for score in run.evaluate(truth) if score["primary"])
            seconds = time.process_time() - began
            print(f"{name}: {run.primary.k} clusters, AMI {score['ami']:.3f}, {seconds:.0f} s")
            return run

        run = fit("Shoal")
        ax = run.plot.examples(count=12)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            ax.figure.savefig(folder / "million-examples.png", dpi=80)
        for name, parameters in STREAMING.items():
            fit(f"{name}, told K", method=name, k=tiles.sources, parameters=parameters)


if __name__ == "__main__":
    main()
