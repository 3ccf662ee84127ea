import numpy as np
import pytest

from shoal.features import Pixels, Vectors
from shoal.features.structure_score import is_weak, shown_splits, shows_more

DRAW = np.random.default_rng(0)


@pytest.mark.parametrize("d", [3, 10, 40])
def test_a_cloud_shows_none_and_groups_do(d):
    rows = DRAW.normal(size=(400, d)).astype(np.float32)
    cloud = shown_splits(rows, Vectors(d))
    groups = shown_splits(rows + 12 * np.eye(d, dtype=np.float32)[np.arange(400) % 3], Vectors(d))
    assert is_weak(cloud)
    assert not is_weak(groups)
    assert shows_more(groups, cloud)
    assert not shows_more(cloud, groups)
    assert not shows_more(groups, groups)


def test_features_of_another_unit_show_the_same():
    rows = DRAW.normal(size=(300, 6)).astype(np.float32) + 9 * np.eye(6, dtype=np.float32)[0]
    rows[:150] *= -1
    found, other = (shown_splits(unit * rows, Vectors(6)) for unit in (1, 1024))
    np.testing.assert_allclose(found, other, rtol=1e-5)


@pytest.mark.parametrize("rows", [np.zeros((0, 4)), np.ones((1, 4)), np.ones((9, 4))])
def test_rows_without_any_difference_show_none(rows):
    found = shown_splits(rows.astype(np.float32), Pixels((2, 2, 1)))
    assert len(found) == 0
    assert is_weak(found)
    assert not shows_more(found, found)
