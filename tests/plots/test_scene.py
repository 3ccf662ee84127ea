import numpy as np
import pytest

from shoal.errors import InputError
from shoal.plots.scene import Scene


def test_drawn_rows_stand_for_all_of_a_cluster(digits):
    scene = Scene(digits, digits.clustering())
    labels = digits.labels()
    for cluster in scene.clusters[:3]:
        all_rows = scene.drawn_rows(cluster, 10_000)
        assert sorted(all_rows) == np.flatnonzero(labels == cluster).tolist()
        assert len(set(scene.drawn_rows(cluster, 5))) == 5
    assert sum(scene.sizes.values()) == 300


def test_clusters_are_by_size_and_called_by_their_names(digits):
    scene = Scene(digits, digits.clustering())
    rows = [scene.sizes[c] for c in scene.clusters]
    assert rows == sorted(rows, reverse=True)
    assert {scene.title(c)[0] for c in scene.clusters} <= set("0123456789")
    assert scene.of_all(2) == f"the 2 largest of {len(rows)} clusters"
    assert Scene(digits, digits.clustering(k=1)).of_all(1) == "1 cluster"


def test_what_a_run_has_not_is_said(digits, table):
    with pytest.raises(InputError, match="no images"):
        _ = Scene(table, table.clustering()).pictures
    with pytest.raises(InputError, match="no columns"):
        _ = Scene(digits, digits.clustering()).table
    with pytest.raises(InputError, match="--cluster 99 is none"):
        Scene(digits, digits.clustering()).checked(99)
