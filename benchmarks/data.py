"""The data: given by path, brought along by scikit-learn, or drawn at random."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def mnist_labels(path: Path) -> NDArray:
    """Return the labels in ``mnist.npz``."""
    with np.load(path) as file:
        return np.asarray(file["labels"])


def mnist_images(path: Path) -> NDArray[np.uint8]:
    """Return the images in ``mnist.npz``."""
    with np.load(path) as file:
        return np.asarray(file["images"])


def fashion(folder: Path) -> tuple[Path, NDArray]:
    """Return the file of Fashion-MNIST's 60,000 training images, and their labels."""
    with gzip.open(folder / "train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return folder / "train-images-idx3-ubyte.gz", labels


def mnist_features(path: Path) -> NDArray[np.float32]:
    """Return the vectors that Shoal makes of MNIST's images before it clusters them."""
    from shoal.features import Gradients, Moments, fit_projection

    encoder = Gradients((28, 28, 1))
    encoder.setup()
    rows = encoder.encode(mnist_images(path)[..., None])
    return fit_projection(Moments.of(rows), whiten=encoder.whiten).apply(rows)
