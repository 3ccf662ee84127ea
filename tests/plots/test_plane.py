import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.offsetbox import AnnotationBbox
from sklearn.decomposition import PCA

from shoal.errors import InputError, MissingExtraError
from shoal.explore.prepare import prepare_leaves, prepare_map


@pytest.mark.parametrize("projection", ["own", "pca", "tsne"])
def test_every_representative_is_a_dot_in_the_colour_of_its_cluster(digits, projection, texts):
    ax = digits.plot.map(projection=projection)
    dots = ax.collections[0]
    assert np.isfinite(dots.get_offsets()).all()
    assert len(dots.get_offsets()) == 300
    colours, labels = dots.get_facecolors()[:, :3], digits.labels()[digits.representatives.rows]
    assert len(np.unique(np.column_stack([colours, labels]), axis=0)) == len(np.unique(labels))
    assert set(digits.clustering().names.values()) & set(texts(ax))
    again = digits.plot.map(projection=projection).collections[0]
    assert np.array_equal(again.get_offsets(), dots.get_offsets())


def test_components_are_those_of_scikit_learn(digits):
    ours = np.asarray(digits.plot.map(projection="pca").collections[0].get_offsets())
    theirs = PCA(2, svd_solver="full").fit_transform(digits.representatives.vectors)
    signs = np.sign((ours * theirs).sum(axis=0))
    assert ours == pytest.approx(theirs * signs, abs=1e-3)


def test_a_stored_map_is_taken_unless_it_is_of_another_fit(digits):
    run = digits._result.folder
    prepare_leaves(run, run.path)
    prepare_map(run, run.path)
    folder = run.stage("map")
    try:
        stored = np.load(folder.whole("layout"))
        found = np.asarray(digits.plot.map().collections[0].get_offsets())
        assert np.array_equal(found[digits.tree.order], stored)
        np.save(folder.whole("layout"), stored[:9])
        assert len(digits.plot.map(seed=5).collections[0].get_offsets()) == 300
    finally:
        shutil.rmtree(folder.path)


def test_named_clusters_show_a_typical_image(digits, table, texts):
    ax = digits.plot.map()
    boxes = [one for one in ax.artists if isinstance(one, AnnotationBbox)]
    names = set(digits.clustering().names.values()) & set(texts(ax))
    assert len(boxes) == len(names)
    first = digits.plot.examples(count=1).images[0].get_array()
    height, width = (int(n) for n in boxes[0].offsetbox.get_data().shape[:2])
    assert np.array_equal(boxes[0].offsetbox.get_data(), first[:height, :width])
    assert not [one for one in table.plot.map().artists if isinstance(one, AnnotationBbox)]


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, "a"])
def test_seeds_are_checked(digits, seed):
    with pytest.raises(InputError, match="--seed must be"):
        digits.plot.map(seed=seed)


def test_other_ways_are_refused(digits):
    with pytest.raises(InputError, match="got isomap"):
        digits.plot.map(projection="isomap")


def test_umap_is_asked_where_it_is_there(digits, monkeypatch):
    given = {}

    class Umap:
        def __init__(self, **how):
            given.update(how)

        def fit_transform(self, rows):
            return rows[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Umap))
    ax = digits.plot.map(projection="umap", seed=3)
    assert given == {"n_neighbors": 15, "random_state": 3, "n_jobs": 1}
    drawn = np.asarray(ax.collections[0].get_offsets())
    assert np.allclose(drawn, digits.representatives.vectors[:, :2])
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtraError, match="shoal\\[umap\\]"):
        digits.plot.map(projection="umap")
