"""K-means over files of tiles: ``python tiles_peer.py sklearn|faiss FOLDER OUT K``.

A process of its own, started by `tiles`, that loads nothing of Shoal. It is given K. It reads raw
pixels as float32 from 0 to 1, in batches, and writes a label for every row and what it took.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PIXELS = 16 * 16 * 3
BATCH = 16_384
SAMPLE = 200_000


def batches(files: list[Path]) -> Iterator[NDArray[np.float32]]:
    """Read all rows in order."""
    for path in files:
        with path.open("rb") as file:
            while len(raw := np.fromfile(file, np.uint8, BATCH * PIXELS)):
                yield raw.reshape(-1, PIXELS).astype(np.float32) * np.float32(1 / 255)


def sample(files: list[Path], rows: int) -> NDArray[np.float32]:
    """Read the first rows of each file, as many of each: the order of the rows is random."""
    total = sum(path.stat().st_size for path in files)
    parts = []
    for path in files:
        wanted = -(-rows * path.stat().st_size // total)
        parts.append(np.fromfile(path, np.uint8, wanted * PIXELS).reshape(-1, PIXELS))
    return np.concatenate(parts)[:rows].astype(np.float32) * np.float32(1 / 255)


def sklearn(files: list[Path], k: int) -> tuple[NDArray[np.uint8], dict[str, object]]:
    """Take MiniBatchKMeans through all rows once, then have it predict them."""
    from sklearn.cluster import MiniBatchKMeans

    began = time.perf_counter()
    model = MiniBatchKMeans(n_clusters=k, batch_size=BATCH, random_state=0)
    for rows in batches(files):
        model.partial_fit(rows)
    fitted = time.perf_counter()
    labels = np.concatenate([model.predict(rows).astype(np.uint8) for rows in batches(files)])
    return labels, {
        "settings": f"batches of {BATCH:,}, random_state 0, else defaults",
        "fit_seconds": fitted - began,
        "assign_seconds": time.perf_counter() - fitted,
    }


def faiss(files: list[Path], k: int) -> tuple[NDArray[np.uint8], dict[str, object]]:
    """Train FAISS's k-means on a sample, then have it assign all rows."""
    import faiss as library

    began = time.perf_counter()
    rows = sample(files, SAMPLE)
    most = -(-len(rows) // k)  # else it takes 256 rows a centroid
    model = library.Kmeans(PIXELS, k, seed=0, max_points_per_centroid=most)
    model.train(rows)
    fitted = time.perf_counter()
    labels = [model.index.search(rows, 1)[1][:, 0].astype(np.uint8) for rows in batches(files)]
    return np.concatenate(labels), {
        "settings": f"trained on {len(rows):,} rows, {model.cp.niter} iterations, seed 0",
        "fit_seconds": fitted - began,
        "assign_seconds": time.perf_counter() - fitted,
    }


def main() -> None:
    """Cluster, and write labels and facts."""
    name, folder, out, k = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    files = sorted(folder.glob("tiles-*.bin"))
    labels, facts = {"sklearn": sklearn, "faiss": faiss}[name](files, k)
    np.save(out / "labels.npy", labels)
    (out / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
