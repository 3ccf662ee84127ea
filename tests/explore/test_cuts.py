import numpy as np
import pytest

from shoal.explore import map_views
from shoal.explore.params import Params


def check(explorer, k):
    """Everything that a cut says must be as the run's labels say, row by row."""
    cut, atlas, run = explorer.cut(k), explorer.atlas, explorer.run
    labels = run.edits.labels() if k is None else run.labels(k=k)
    positions = np.arange(atlas.n_positions)
    rows = atlas.rows[:]
    assert np.array_equal(cut.ids[cut.labels(positions)], labels[rows])
    assert cut.ids.tolist() == sorted(set(labels[labels >= 0].tolist()) | set(cut.state.clusters))
    for number, cluster in enumerate(cut.ids):
        mine = cut.positions_of(number).all()
        assert np.array_equal(np.sort(rows[mine]), np.flatnonzero(labels == cluster))
        assert cut.sizes[number] == (labels == cluster).sum()
        assert cut.outliers[number] == run.outliers[labels == cluster].sum()
        medoid = cut.medoids[number]
        assert (labels[rows[medoid]] == cluster) if len(mine) else medoid == -1
    assert cut.sizes.sum() == (labels >= 0).sum()
    return cut


@pytest.mark.parametrize("k", [1, 2, 7, 30])
def test_a_plain_cut_is_as_the_labels_say(explorer, k):
    cut = check(explorer, k)
    rows = explorer.atlas.rows[:]
    confidence = explorer.run.confidence(k=k)[rows]
    assert np.allclose(cut.confidence(np.arange(len(rows))), confidence)
    assert len(explorer.colours(cut)) == len(np.unique(explorer.colours(cut))) == k


def test_edits_are_followed_to_the_row(explorer):
    edits = explorer.curation
    check(explorer, None)
    edits.merge([0, 1])
    check(explorer, None)
    first = edits.rows_of(2)
    edits.move(first[::3], name="taken out")
    check(explorer, None)
    edits.move(edits.rows_of(0)[5:25], to=2)
    check(explorer, None)
    edits.split(0, 3)
    check(explorer, None)
    edits.move(edits.rows_of(3), to=2)  # nothing is left of it
    check(explorer, None)
    edits.undo(2)
    check(explorer, None)
    assert len(explorer.colours(explorer.cut(None))) == len(explorer.cut(None).ids)


def test_a_medoid_is_the_leaf_nearest_to_the_mean(digits):
    cut = digits.cut(5)
    vectors, leaf = digits.atlas.vectors, digits.atlas.leaves_at(cut.medoids)
    for number in range(5):
        mine = cut.of_leaf == number
        mean = np.average(vectors[mine], axis=0, weights=digits.atlas.counts[mine])
        away = np.linalg.norm(vectors - mean, axis=1)
        assert away[leaf[number]] == pytest.approx(away[mine].min(), rel=1e-4)


def test_the_listing_says_what_the_page_shows(vectors):
    vectors.curation.rename(1, "<b>&")
    cut = vectors.cut(None)
    listing = cut.listing(vectors.colours(cut))
    assert [c["id"] for c in listing] == cut.ids.tolist()
    assert listing[1]["name"] == "<b>&"
    assert sum(c["rows"] for c in listing) == 898
    assert all(0 <= c["separation"] <= 1 for c in listing)
    assert all(len(c["xy"]) == 2 for c in listing)


def test_what_a_name_does_not_change_is_not_found_out_again(digits):
    before = digits.cut(None)
    listed = before.listing(digits.colours(before))
    digits.curation.rename(0, "zeros")
    named = digits.cut(None)
    assert named is not before
    assert named.away is before.away
    found = named.listing(digits.colours(named))
    assert found == [{**listed[0], "name": "zeros"}, *listed[1:]]
    digits.curation.merge([0, 1])
    merged = digits.cut(None)
    fresh = type(merged)(merged.atlas, merged.state)
    assert merged.away is not before.away
    assert merged.listing(digits.colours(merged)) == fresh.listing(digits.colours(fresh))


def test_a_map_is_drawn_anew_only_for_other_rows(digits, monkeypatch):
    drawn = []
    real = map_views.density_png

    def counted(*args):
        drawn.append(args)
        return real(*args)

    def looked():
        where = Params(dict.fromkeys("zxy", "0"))
        return map_views.tile(digits, where).body, digits.cut(None).rows_name

    monkeypatch.setattr(map_views, "density_png", counted)
    first = looked()
    digits.curation.rename(0, "zeros")
    digits.curation.mark(1, "good")
    assert looked() == first
    assert len(drawn) == 1
    digits.curation.merge([0, 1])
    merged = looked()
    assert merged[0] != first[0]
    assert merged[1] != first[1]
    digits.curation.undo()
    assert looked() == first
    assert len(drawn) == 2


def test_the_review_queue_is_as_if_made_anew(explorer):
    from shoal.edits.review import Reviewer

    edits = explorer.curation
    kept = Reviewer(edits)
    for act in (
        lambda: edits.rename(0, "a"),
        lambda: edits.merge([0, 1]),
        lambda: edits.mark(2, "junk"),
        lambda: edits.move(explorer.atlas.rows[:5].astype(int), 3),
        edits.undo,
        lambda: edits.keep_apart(2, 3),
    ):
        act()
        assert kept.queue() == Reviewer(edits).queue()


def test_what_a_cut_learns_from_the_one_before_is_what_it_would_find(explorer):
    edits = explorer.curation
    for act in (
        lambda: None,
        lambda: edits.split(0, 2),
        lambda: edits.merge([1, 2]),
        lambda: edits.move(explorer.atlas.rows[:9].astype(int), 3),
        lambda: edits.move(edits.rows_of(3), name="all of it"),
        lambda: edits.undo(3),
    ):
        act()
        for k in (None, 4, 7):
            cut = explorer.cut(k)
            anew = type(cut)(cut.atlas, cut.state)
            for name in ("means", "away", "shares", "medoids", "separation"):
                found, expected = getattr(cut, name), getattr(anew, name)
                np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=name)


def test_a_merge_finds_out_nothing_about_the_other_clusters(digits, monkeypatch):
    before = digits.cut(None)
    before.listing(digits.colours(before))
    asked = []
    shares_of = type(before)._shares_of
    monkeypatch.setattr(
        type(before),
        "_shares_of",
        lambda cut, leaves: asked.append(leaves) or shares_of(cut, leaves),
    )
    digits.curation.merge([0, 1])
    merged = digits.cut(None)
    assert np.array_equal(asked[0], np.flatnonzero(merged.of_leaf == merged.number(0)))
    digits.curation.undo()
    assert digits.cut(None).away is before.away
    assert len(asked) == 1


def test_a_cluster_comes_apart_where_the_tree_first_splits_it(explorer):
    tree = explorer.run.tree
    for k in (1, 3, 8):
        cut = explorer.cut(k)
        for number in range(len(cut.ids)):
            mine = set(np.flatnonzero(cut.of_leaf == number).tolist())
            first = next(
                (
                    at + 2
                    for at, split in enumerate(tree.splits.tolist())
                    if {split - 1, split} <= mine
                ),
                0,
            )
            assert cut.comes_apart[number] == first


@pytest.mark.parametrize("k", [1, 3, 5, 20])
def test_mixed_are_clusters_whose_next_split_is_about_as_clear_as_the_last_one(digits, k):
    cut = digits.cut(k)
    excess = digits.run.tree.excess
    last = excess[k - 2] if k > 1 else 0
    for cluster, apart in zip(cut.listing(digits.colours(cut)), cut.comes_apart, strict=True):
        expected = apart > 0 and excess[apart - 2] >= max(1.2, last * 2 / 3)
        assert cluster["mixed_at"] == (apart if expected else None)
    assert k == 20 or any(c["mixed_at"] for c in cut.listing(digits.colours(cut)))


def test_what_people_called_one_thing_is_not_mixed(digits):
    def mixed():
        cut = digits.cut(None)
        return {c["id"]: c["mixed_at"] for c in cut.listing(digits.colours(cut))}

    # Merged by hand: the split between the two is no sign of a mixture.
    a, b, *_ = (cluster for cluster, at in mixed().items() if at is None)
    digits.curation.merge([a, b], a)
    assert mixed()[a] is None
    digits.curation.start_from(k=4)
    some = next(cluster for cluster, at in mixed().items() if at is not None)
    digits.curation.keep_whole(some)
    assert mixed()[some] is None
