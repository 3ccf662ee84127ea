import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.core.contingency import contingency, match_labels
from shoal.core.metrics import score, score_table

labelled = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=60)


@given(labelled, st.integers(0, 60))
def test_parts_add_up_to_the_whole(pairs, at):
    truth, found = (np.array(side) for side in zip(*pairs, strict=True))
    found -= 1  # 0 .. 6 become noise and 0 .. 5
    at = min(max(at, 1), len(pairs))
    total = contingency(truth[:at], found[:at])
    if at < len(pairs):
        total = total + contingency(truth[at:], found[at:])
    whole = contingency(truth, found)
    assert np.array_equal(total.table.toarray(), whole.table.toarray())
    for name in ("classes", "clusters", "noise"):
        assert np.array_equal(getattr(total, name), getattr(whole, name))
    assert score_table(total) == score(truth, found)


@pytest.mark.parametrize("kind", [np.int64, str])
def test_rows_are_counted_in_pieces_as_at_once(monkeypatch, kind):
    draw = np.random.default_rng(0)
    truth, found = draw.integers(0, 9, 200).astype(kind), draw.integers(-1, 5, 200)
    whole = contingency(truth, found)
    monkeypatch.setattr("shoal.core.contingency._AT_ONCE", 7)
    pieces = contingency(truth, found)
    assert np.array_equal(whole.table.toarray(), pieces.table.toarray())
    for name in ("classes", "clusters", "noise"):
        assert np.array_equal(getattr(whole, name), getattr(pieces, name))


def test_contingency_counts_noise_apart():
    shared = contingency(["b", "a", "b", "b"], [9, 3, 3, -1])
    assert shared.classes.tolist() == ["a", "b"]
    assert shared.clusters.tolist() == [3, 9]
    assert shared.table.toarray().tolist() == [[1, 0], [1, 1]]
    assert shared.noise.tolist() == [0, 1]


def test_matched_labels_by_hand():
    previous = [0, 0, 0, 1, 1, 1, 2, -1]
    new = [5, 5, 6, 3, 3, 3, -1, 8]
    assert match_labels(previous, new).tolist() == [0, 0, 3, 1, 1, 1, -1, 4]


def test_a_slight_overlap_is_no_match():
    previous = np.repeat([0, 1], 50)
    new = np.concatenate([np.zeros(10), np.full(80, 1), np.full(10, 2)]).astype(int)
    new[:10], new[90:] = 1, 1
    assert match_labels(previous, new).max() < 2  # one cluster of all keeps one of the ids
    spread = np.arange(100) % 10
    assert match_labels(np.arange(100) // 10, spread).min() == 10


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 5)), min_size=1, max_size=50))
def test_renaming_keeps_the_partition(pairs):
    previous, new = np.array(pairs).T
    renamed = match_labels(previous, new)
    assert np.array_equal(renamed == -1, new == -1)
    assert np.array_equal(renamed[:, None] == renamed, new[:, None] == new)
    assert np.array_equal(match_labels(new, 7 * new + 6 * (new == -1)), new)
