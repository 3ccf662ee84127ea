from types import SimpleNamespace

import numpy as np
import pytest

from shoal.core.null import REAL, WEAK
from shoal.core.structure import fit_structure
from shoal.core.tree import Tree
from shoal.stages.growth.proposals import _groups_of


def looked_at(m, new):
    """Rows of which the last `new` are new and at unusual distances."""
    is_new = np.arange(m) >= m - new
    return SimpleNamespace(
        rows=np.arange(m), is_old=~is_new, stretched=is_new, weight=np.ones(m), leaf=np.arange(m)
    )


@pytest.mark.parametrize(("excess", "proposed"), [(WEAK + 0.1, 1), (WEAK - 0.1, 0), (REAL, 0)])
def test_a_group_is_looked_for_by_splits_that_chance_does_not_make(excess, proposed):
    splits = np.r_[30, np.delete(np.arange(1, 50), 29)].astype(np.int32)
    full = np.full(49, -np.inf, np.float32)
    full[0] = excess
    tree = Tree(np.arange(50, dtype=np.int32), splits, full)
    found = list(_groups_of(looked_at(50, 20), tree))
    assert [group.tolist() for group in found] == [list(range(30, 50))] * proposed


@pytest.mark.parametrize("d", [2, 8])
def test_in_one_cloud_nothing_is_looked_for(d):
    x = np.random.default_rng(d).normal(size=(400, d)).astype(np.float32)
    for seed in range(3):
        tree = fit_structure(x, seed=seed, resamples=0).tree
        assert list(_groups_of(looked_at(400, 20), tree)) == []
