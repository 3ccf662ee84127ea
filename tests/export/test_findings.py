import numpy as np

from shoal.export.findings import gather_findings


def test_the_clusters_come_in_the_order_of_the_tree(image_run):
    found = gather_findings(image_run, k=4)
    assert [c.cluster for c in found.clusters] == [0, 1, 2, 3]
    assert [c.size for c in found.clusters] == [10] * 4
    assert [c.outliers for c in found.clusters] == [2, 1, 2, 1]
    assert np.array_equal(found.position, image_run.labels())


def test_rows_shown_are_those_of_the_cluster_and_of_their_kind(image_run):
    labels, table = image_run.labels(), image_run.table().to_pylist()
    for c in gather_findings(image_run, k=4).clusters:
        shown = (c.medoid, *c.typical, *c.unsure, *c.outlying, *c.sample)
        assert {labels[row] for row in shown} == {c.cluster}
        assert all(table[row]["outlier"] for row in c.outlying)
        assert not any(table[row]["outlier"] for row in c.unsure)
        assert c.medoid not in c.typical
        doubts = [table[row]["confidence"] for row in c.unsure]
        assert doubts == sorted(doubts)


def test_the_medoid_is_nearest_to_the_mean(image_run):
    vectors = image_run.representatives.vectors[:10]
    away = ((vectors - vectors.mean(0)) ** 2).sum(1)
    assert gather_findings(image_run, k=4).clusters[0].medoid == away.argmin()


def test_the_excess_of_a_cluster_is_that_of_the_split_that_made_it(image_run):
    tree = image_run.tree
    found = gather_findings(image_run, k=4)
    for leaf, c in enumerate(found.clusters):
        above = [float(e) for left, right, e in tree.linkage(4) if leaf in (left, right)]
        assert [c.excess] == above


def test_one_cluster_was_split_from_nothing(image_run):
    (only,) = gather_findings(image_run, k=1).clusters
    assert only.size == 40
    assert np.isnan(only.excess)
