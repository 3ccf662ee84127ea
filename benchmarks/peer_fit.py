"""One fit by a peer with its defaults: ``python peer_fit.py evoc|umap SOURCE FOLDER``.

A process of its own, started by `peers`, that loads nothing of Shoal.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def load(source: Path) -> NDArray[np.float32]:
    """Read images as float32 from 0 to 1, flat, or vectors as they are."""
    if source.suffix == ".npz":
        with np.load(source) as file:
            images = file["images"]
        return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
    return np.load(source)


def evoc(rows: NDArray, out: Path) -> NDArray:
    """Cluster by EVoC; its labels are those of the layer it finds most persistent."""
    from evoc import EVoC

    model = EVoC()
    labels = model.fit_predict(rows)
    layers = np.asarray(model.cluster_layers_)
    np.save(out / "layers.npy", layers)
    np.save(out / "layer.npy", int((layers == labels).all(axis=1).argmax()))
    return labels


def umap(rows: NDArray, out: Path) -> NDArray:
    """Cluster UMAP's two-dimensional map by HDBSCAN."""
    from fast_hdbscan import HDBSCAN
    from umap import UMAP

    drawn = UMAP().fit_transform(rows)
    np.save(out / "map.npy", drawn)
    return HDBSCAN().fit_predict(drawn)


def main() -> None:
    """Fit, and write the labels."""
    name, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    labels = {"evoc": evoc, "umap": umap}[name](load(source), out)
    np.save(out / "labels.npy", np.asarray(labels))


if __name__ == "__main__":
    main()
