import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.edits.conftest import rows_of_six_groups

import shoal
from shoal.core.tree import Tree
from shoal.edits import Clustering
from shoal.edits.clustering import linkage_of


@pytest.fixture
def run(edits):
    return shoal.open(edits.fit.result.folder.path)


def test_without_edits_everything_is_the_cut(run):
    for asked in ({}, {"k": 3}, {"layer": 0}):
        found = run.clustering(**asked)
        assert not found.edited
        assert np.array_equal(found.labels(), run.labels(**asked, raw=True))
        tree_order = found.of_representative[run.tree.order]
        assert (
            found.ids == tree_order[np.sort(np.unique(tree_order, return_index=True)[1])].tolist()
        )
        assert found.linkage() == run.tree.linkage(found.k)
    table = run.table(k=4)
    assert table.column_names == ["row", "name", "cluster", "confidence", "outlier"]
    assert np.array_equal(table["confidence"], run.clustering(k=4).result.confidence(4), True)


def test_labels_are_the_edited_ones_unless_told_otherwise(run):
    raw, k = run.labels(), run.primary.k
    moved = np.flatnonzero(raw == 2)[:4]
    run.edits.merge([0, 1])
    run.edits.move(moved, name="odd")
    expected = np.where(raw == 1, 0, raw)
    expected[moved] = max(run.edits.state.clusters)
    assert np.array_equal(run.labels(), expected)
    assert np.array_equal(run.labels(k=k), expected)
    assert np.array_equal(run.labels(raw=True), raw)
    assert np.array_equal(run.labels(k=2), run.labels(k=2, raw=True))
    assert not run.clustering(k=2).edited
    run.edits.undo(2)
    assert np.array_equal(run.labels(), raw)


def test_the_table_has_names_marks_and_full_confidence_of_moved_rows(run):
    raw = run.labels()
    moved = np.flatnonzero(raw == 2)[:4]
    run.edits.move(moved, name="odd")
    run.edits.mark(0, "junk")
    table = run.table()
    assert table.column_names[-2:] == ["cluster_name", "mark"]
    assert (table["confidence"].to_numpy()[moved] == 1).all()
    assert np.isnan(table["confidence"].to_numpy()[raw < 0]).all()
    names, marks = (np.array(table[c].to_pylist(), object) for c in ("cluster_name", "mark"))
    assert np.flatnonzero(names == "odd").tolist() == moved.tolist()
    assert ((marks == "junk") == (raw == 0)).all()
    assert np.array_equal(run.confidence(), table["confidence"], True)


def test_an_edit_of_another_process_is_seen(run):
    run.labels()
    shoal.open(run.path).edits.merge([0, 1])
    assert 1 not in run.labels()


def test_clusters_left_empty_are_no_clusters_any_more(run):
    rows = run.edits.rows_of(3)
    run.edits.move(rows, 0)
    assert run.edits.sizes()[3] == 0
    assert 3 not in run.clustering().ids
    assert run.clustering().k == len(run.edits.sizes()) - 1


def test_a_cluster_stands_where_the_middle_of_it_is(run):
    before = run.clustering().ids
    run.edits.merge([before[0], before[1]], into=before[0])
    run.edits.rename(before[2], "x")
    found = run.clustering()
    assert found.ids == [before[0], *before[2:]]
    assert len(found.linkage()) == found.k - 1
    assert found.names == {before[2]: "x"}


def test_new_rows_go_where_the_edits_put_their_like(run):
    rows, raw = rows_of_six_groups(), run.labels()
    known = raw >= 0
    plain = run.predict(rows)
    assert (plain.cluster[known] == raw[known]).mean() > 0.98
    run.edits.merge([0, 1], name="both")
    new = run.edits.move(np.flatnonzero(raw == 3), name="taken out").facts["to"]
    found = run.predict(rows)
    assert (found.cluster[known] == run.labels()[known]).mean() > 0.98
    assert (found.cluster[raw == 3] == new).mean() > 0.95
    assert found.names == {0: "both", new: "taken out"}
    assert np.array_equal(run.predict(rows, raw=True).cluster, plain.cluster)


def test_few_rows_moved_out_of_their_surroundings_do_not_draw_new_rows(run):
    if run.clustering().result.rows_are_representatives:
        pytest.skip("every row is its own representative")
    rows, raw = rows_of_six_groups(), run.labels()
    place = run.clustering().result.representative_of_row
    _, one_each = np.unique(place[raw == 0], return_index=True)
    several = np.bincount(place[raw == 0]).max()
    assert several > 2
    big = np.bincount(place[raw == 0]).argmax()
    moved = np.flatnonzero((place == big) & (raw == 0))[:1]
    new = run.edits.move(moved).facts["to"]
    assert not (run.predict(rows).cluster == new).any()
    assert len(one_each) > 1


def test_scores_of_the_edited_clusters_come_last(run):
    truth = run.labels()
    merged = np.where(truth == 1, 0, truth)
    assert not any(score["edited"] for score in run.evaluate(merged))
    run.edits.merge([0, 1])
    *cuts, last = run.evaluate(merged)
    assert not any(score["edited"] for score in cuts)
    assert (last["edited"], last["k"], last["primary"]) == (True, run.primary.k - 1, False)
    assert last["ari"] == 1
    assert max(score["ari"] for score in cuts) < 1


def test_info_counts_the_edits(run):
    run.edits.merge([0, 1])
    assert run.info()["edits"] == {"in effect": 1, "clusters": run.primary.k - 1}


@given(st.data())
def test_merges_of_single_leaves_are_those_of_the_tree(data):
    m = data.draw(st.integers(2, 12))
    splits = np.array(data.draw(st.permutations(range(1, m))), np.int32)
    excess = -np.sort(-np.array(data.draw(st.lists(st.floats(0, 9), min_size=m, max_size=m))))[1:]
    tree = Tree(np.arange(m, dtype=np.int32), splits, excess.astype(np.float32))
    assert linkage_of(tree, list(range(m))) == tree.linkage(m)


def test_clusters_at_one_place_merge_first():
    tree = Tree(np.arange(3), np.array([1, 2]), np.array([4, 3], np.float32))
    assert linkage_of(tree, [0, 0, 2]) == [(0, 1, -np.inf), (3, 2, 4.0)]


def test_a_clustering_reads_as_a_table_and_not_as_arrays(edits):
    found = Clustering.chosen(edits.fit.result, edits)
    assert repr(found) == f"<Clustering into {found.k} of 700 rows>"
    table = found.to_pandas()
    assert table["rows"].is_monotonic_decreasing
    assert table["rows"].sum() == 698
    edits.rename(int(table["cluster"][1]), "<b>")
    edits.merge(table["cluster"][2:4].tolist())
    named = Clustering.chosen(edits.fit.result, edits)
    assert len(named.records()) == found.k - 1
    assert "edited" in repr(named)
    assert "&lt;b&gt;" in named._repr_html_()
    assert repr(named.result.representatives).startswith("<")
    assert "array" not in repr(named.result.representatives)
