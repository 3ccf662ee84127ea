import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from shoal.core import relabelling
from shoal.core.relabelling import reassign, with_labels
from shoal.core.structure import fit_structure
from shoal.core.verdicts import affinity_share


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(relabelling, "_STEPS", 300)
    monkeypatch.setattr(relabelling, "_HIDDEN", 64)
    monkeypatch.setattr(relabelling, "_HALVINGS", 1)


def touching(seed=1, rows=1000):
    """Two round groups whose nearest-neighbour graph does not find the straight border."""
    generator = np.random.default_rng(seed)
    truth = np.repeat([0, 1], rows)
    vectors = generator.normal(size=(2 * rows, 8)) + 3.2 * truth[:, None] * (np.arange(8) == 0)
    return vectors.astype(np.float32), truth


def refined(vectors, k, view=None, n_views=1, **settings):
    structure = fit_structure(vectors, layers=(k,), resamples=0)
    view = view or (lambda rows, _: vectors[rows])
    found = reassign(structure, vectors, np.ones(len(vectors)), view, n_views, **settings)
    return structure, structure.tree.labels(k), found


def test_networks_find_the_border_of_groups_that_touch():
    vectors, truth = touching()
    structure, before, found = refined(vectors, 2)
    assert found.helped
    assert found.after > found.before
    assert adjusted_rand_score(truth, found.labels) > adjusted_rand_score(truth, before) + 0.01
    sure = affinity_share(structure.neighbours, structure.affinities, before) >= 0.9
    assert (found.labels[sure] == before[sure]).all()
    tree = with_labels(structure.tree, vectors, 2, found.labels)
    assert (tree.labels(2) == found.labels).all()


def test_fixed_rows_keep_their_cluster():
    vectors, _ = touching()
    _, before, free = refined(vectors, 2)
    assert (free.labels != before).any()
    fixed = np.zeros(len(vectors), np.bool_)
    fixed[np.flatnonzero(free.labels != before)[::2]] = True
    after = refined(vectors, 2, fixed=fixed)[2].labels
    assert (after[fixed] == before[fixed]).all()
    assert (after[~fixed] == free.labels[~fixed]).all()


@pytest.mark.parametrize("k", [2, 5])
def test_pieces_of_one_blob_are_not_refined(k):
    vectors = np.random.default_rng(0).normal(size=(800, 10)).astype(np.float32)
    _, before, found = refined(vectors, k)
    assert not found.helped
    assert found.agreement < 0.5
    assert (found.labels == before).all()


def test_altered_copies_that_tell_nothing_are_no_help():
    vectors, _ = touching(rows=400)
    generator = np.random.default_rng(0)

    def view(rows, number):
        return (
            vectors[generator.permutation(len(vectors))[: len(rows)]] if number else vectors[rows]
        )

    _, before, found = refined(vectors, 2, view, 5)
    assert not found.helped
    assert found.agreement > 0.5
    assert (found.labels == before).all()


def test_few_rows_are_left_as_they_are():
    vectors = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    _, before, found = refined(vectors, 10)
    assert np.isnan(found.before)
    assert (found.labels == before).all()


def test_a_cluster_that_networks_do_not_find_keeps_its_rows():
    vectors, _ = touching()
    sizes = np.random.default_rng(2)
    small = (sizes.normal(size=(8, 8)) * 0.3 + vectors[:1]).astype(np.float32)
    vectors = np.concatenate([vectors, small])
    labels = np.append(np.repeat([0, 1], 1000), np.full(8, 2)).astype(np.int32)
    _, known = relabelling._train_networks(vectors[None], labels, np.ones(len(labels)), 3, 0)
    assert known.tolist() == [True, True, False]
