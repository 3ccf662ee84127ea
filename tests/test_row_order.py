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


ROWS = {
    "images": lambda: IMAGES[:600],
    "vectors": lambda: IMAGES[:600].reshape(600, -1).astype(float),
    "overlapping groups": overlapping_blobs,
    "repeated rows": repeated_rows,
}


@pytest.fixture(scope="module", params=ROWS)
def fitted(request):
    """Rows, and the fit of them as they are."""
    rows = ROWS[request.param]()
    return rows, shoal.fit(rows, workers=1)


@pytest.mark.parametrize("order", ["shuffled", "reversed", "sorted"])
def test_other_orders_give_the_same_clusters(fitted, order):
    rows, one = fitted
    at = {
        "shuffled": np.random.default_rng(1).permutation(len(rows)),
        "reversed": np.arange(len(rows))[::-1],
        "sorted": np.lexsort(rows.reshape(len(rows), -1).T),
    }[order]
    other = shoal.fit(rows[at], workers=1)
    assert [layer.k for layer in one.layers] == [layer.k for layer in other.layers]
    assert adjusted_rand_score(one.labels()[at], other.labels()) == 1
