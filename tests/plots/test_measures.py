import numpy as np
import pytest
from sklearn.cluster import OPTICS
from sklearn.datasets import load_digits
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from shoal.core.validity import validity
from shoal.errors import InputError


def test_bars_are_the_sizes(digits):
    ax = digits.plot.sizes()
    widths = [bar.get_width() for bar in ax.patches]
    assert widths == sorted(np.bincount(digits.labels()).tolist(), reverse=True)


def test_the_mean_silhouette_is_that_of_scikit_learn(digits, texts):
    ax, kept = digits.plot.silhouette(), digits.representatives
    expected = silhouette_score(kept.vectors, digits.labels()[kept.rows])
    assert f"mean {expected:.2f}" in texts(ax)
    assert len(ax.collections) == digits.clustering().k
    with pytest.raises(InputError, match="two clusters"):
        digits.plot.silhouette(k=1)


def test_the_elbow_shows_inertia_of_the_cuts(digits, texts):
    ax = digits.plot.elbow()
    (ks, inertia), kept = ax.lines[0].get_data(), digits.representatives
    labels = digits.labels(k=int(ks[4]), raw=True)[kept.rows]
    assert inertia[4] == pytest.approx(validity(kept.vectors, labels).inertia)
    assert (np.diff(inertia) < 0).all()
    assert any(text.startswith("knee at ") for text in texts(ax))


def test_distances_to_neighbours_are_exact(digits):
    vectors = digits.representatives.vectors
    slow = NearestNeighbors(n_neighbors=4).fit(vectors).kneighbors()[0][:, -1]
    drawn = digits.plot.k_distance().lines[0].get_ydata()
    assert drawn == pytest.approx(np.sort(slow)[::-1], rel=1e-4)
    for wrong in (0, 1.5, 300):
        with pytest.raises(InputError, match="--neighbour"):
            digits.plot.k_distance(neighbour=wrong)


def test_confusion_counts_rows(digits, texts):
    truth = load_digits().target[:300]
    found = texts(digits.plot.confusion(truth))
    assert "300 rows; shade: share of the class" in found
    named = texts(digits.plot.confusion(truth, names=[f"digit {d}" for d in range(10)]))
    assert {f"digit {d}" for d in range(10)} <= set(named)
    some = np.where(np.arange(300) < 50, truth, -1)
    assert "50 rows; shade: share of the class" in texts(digits.plot.confusion(some))
    unknown = np.where(truth < 9, truth, np.nan)
    assert f"{(truth < 9).sum()} rows; shade: share of the class" in texts(
        digits.plot.confusion(unknown)
    )
    for wrong in (truth[:5], np.full(300, -1), np.full(300, np.nan)):
        with pytest.raises(InputError):
            digits.plot.confusion(wrong)
    for classes in (truth, truth / 2):
        with pytest.raises(InputError, match="names of classes"):
            digits.plot.confusion(classes, names=["zero", "one"])


def test_reachability_is_that_of_scikit_learn(digits):
    ax = digits.plot.reachability(neighbour=3)
    heights = np.array([line[1][1] for line in ax.collections[0].get_segments()])
    model = OPTICS(min_samples=4).fit(digits.representatives.vectors.astype(float))
    expected = model.reachability_[model.ordering_]
    np.testing.assert_allclose(heights[1:], expected[1:])
    assert heights[0] == heights[1:].max()  # the first has none before it
    with pytest.raises(InputError, match="from 1 to 299; got 300"):
        digits.plot.reachability(neighbour=300)
