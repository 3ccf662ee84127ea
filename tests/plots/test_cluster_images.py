import numpy as np
import pytest

import shoal
from shoal.errors import InputError
from shoal.stages.method_result import Found


def shown(ax):
    return np.asarray(ax.images[0].get_array())


def test_centroids_are_the_means(digits, texts):
    ax = digits.plot.centroids()
    page = shown(ax)
    labels, images = digits.labels(), digits.source.read(0, 300).data[..., 0]
    largest = np.bincount(labels).argmax()
    mean = images[labels == largest].mean(axis=0)
    assert np.abs(page[:8, :8, 0] - mean).max() <= 1
    names = set(digits.clustering().names.values())
    assert names <= set(texts(ax))
    middle = shown(digits.plot.centroids(image="typical"))[:8, :8, 0]
    assert any(np.array_equal(middle, image) for image in images[labels == largest])


def test_examples_of_each_cluster_are_of_it(digits):
    images = digits.source.read(0, 300).data[..., 0]
    k = digits.clustering().k
    page = shown(digits.plot.examples(count=3))
    assert page.shape[0] >= 8 * k
    labels = digits.labels()
    first = page[:8, :8, 0]
    assert any(
        np.array_equal(first, image) for image in images[labels == np.bincount(labels).argmax()]
    )


def test_examples_of_one_cluster(digits, texts):
    ax = digits.plot.examples(0, count=6)
    assert any("the 6 most typical of" in text for text in texts(ax))


def test_tables_and_wrong_values_are_refused(digits, table):
    for call in (
        lambda: table.plot.centroids(),
        lambda: table.plot.examples(),
        lambda: digits.plot.centroids(image="sum"),
        lambda: digits.plot.examples(0, count=0),
        lambda: digits.plot.examples(count=10**6),
        lambda: digits.plot.examples(0, count=10**6),
        lambda: digits.plot.examples(count=2.5),
        lambda: digits.plot.centroids(k=2.5),
        lambda: digits.plot.examples(-4),
    ):
        with pytest.raises(InputError):
            call()


def test_units_of_a_map_lie_in_their_places(tmp_path, digits, texts):
    images = digits.source.read(0, 120).data
    run = shoal.fit(images, tmp_path / "som.shoal", method="som", k=6, workers=1)
    page, grid = shown(run.plot.som()), Found(run._result).grid
    assert grid.max(axis=0).tolist() == [1, 2]
    labels = run.labels()
    ids = Found(run._result).ids(run.clustering().of_representative, len(grid))
    for (row, column), cluster in zip(grid.tolist(), ids.tolist(), strict=True):
        mean = images[labels == cluster, ..., 0].mean(axis=0)
        assert np.abs(page[9 * row : 9 * row + 8, 9 * column : 9 * column + 8, 0] - mean).max() <= 1
    with pytest.raises(InputError, match="leave --k out"):
        run.plot.som(k=2)
    with pytest.raises(InputError, match="shows a run of --method som; this is one of shoal"):
        digits.plot.som()
