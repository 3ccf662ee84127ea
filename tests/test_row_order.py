"""The order of the rows does not change what is found."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

import shoal

IMAGES = load_digits().images.astype(np.uint8)


def overlapping_blobs():
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(8, 6))
    return np.concatenate([centre + rng.normal(size=(90, 6)) for centre in centres])


def repeated_rows():
    rng = np.random.default_rng(0)
    return rng.integers(0, 5, (900, 4)).astype(np.float32)


@pytest.mark.parametrize(
    "rows",
    [
        IMAGES[:900],
        IMAGES[:900].reshape(900, -1).astype(float),
        overlapping_blobs(),
        repeated_rows(),
    ],
    ids=["images", "vectors", "overlapping groups", "repeated rows"],
)
@pytest.mark.parametrize("order", ["shuffled", "reversed", "sorted"])
def test_other_orders_give_the_same_clusters(rows, order):
    at = {
        "shuffled": np.random.default_rng(1).permutation(len(rows)),
        "reversed": np.arange(len(rows))[::-1],
        "sorted": np.lexsort(rows.reshape(len(rows), -1).T),
    }[order]
    one, other = shoal.fit(rows, workers=1), shoal.fit(rows[at], workers=1)
    assert [layer.k for layer in one.layers] == [layer.k for layer in other.layers]
    assert adjusted_rand_score(one.labels()[at], other.labels()) == 1
