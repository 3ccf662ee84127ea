import numpy as np
import pytest

from shoal.core.tree import Tree
from shoal.edits import ConflictError, LockedError, NameTakenError
from shoal.edits.names import clean_name
from shoal.edits.operations.split import own_parts
from shoal.errors import InputError


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda e: e.merge([0]), "at least two different clusters"),
        (lambda e: e.merge([0, 0]), "at least two different clusters"),
        (lambda e: e.merge([0, 99]), "there is no cluster 99; the clusters are 0, 1"),
        (lambda e: e.merge([0, "x"]), "cluster 'x': give a whole number"),
        (lambda e: e.merge([0, True]), "cluster True: give a whole number"),
        (lambda e: e.split(0, 1), "cluster 0 into 1 parts, but it has"),
        (lambda e: e.split(0, 10**6), "into 1000000 parts, but it has"),
        (lambda e: e.move([5, 700]), "row 700, but the rows are numbered 0 to 699"),
        (lambda e: e.move([]), "no rows were given"),
        (lambda e: e.move(e.rows_of(1), 1), "rows are in cluster 1 already"),
        (lambda e: e.move([3], 1, "new"), "rename it with a separate edit"),
        (lambda e: e.rename(0, "x" * 201), "a name of 201 characters"),
        (lambda e: e.note(0, "x" * 10_001), "a note of 10,001 characters"),
        (lambda e: e.mark(0, "fine"), "mark 'fine': give one of good, junk"),
        (lambda e: e.lock(0, False), "cluster 0 is not locked already"),
        (lambda e: e.keep_apart(2, 2), "cluster 2 and itself"),
        (lambda e: e.answer_quiz(0, []), "no rows were given"),
        (lambda e: e.answer_quiz(0, e.rows_of(0)[:2], e.rows_of(0)[:1]), "both right and wrong"),
        (lambda e: e.answer_quiz(0, e.rows_of(1)[:1]), "is not in cluster 0"),
        (lambda e: e.start_from(k=0), "k must be a whole number of at least 1; got 0"),
        (lambda e: e.start_from(layer=99), "layer must be a whole number from 0"),
        (lambda e: e.undo(), "there is nothing to undo"),
        (lambda e: e.redo(3), "there is nothing to redo"),
        (lambda e: e.divide(0, [10**6]), "row 1000000, but the rows are numbered"),
    ],
)
def test_what_cannot_be_done_is_said_and_not_logged(edits, asked, said):
    with pytest.raises(InputError, match=said):
        asked(edits)
    assert edits.refresh() == 0


def test_a_quarantined_row_goes_nowhere(edits):
    bad = int(np.flatnonzero(edits.labels() < 0)[0])
    with pytest.raises(InputError, match=f"row {bad} is quarantined"):
        edits.move([bad], 0)


def test_a_locked_cluster_refuses_edits_until_it_is_unlocked(edits):
    edits.lock(1)
    rows = edits.rows_of(1)[:3]
    for asked in (
        lambda: edits.merge([0, 1]),
        lambda: edits.split(1, 2),
        lambda: edits.move(rows, 0),
        lambda: edits.move(rows),
        lambda: edits.move(edits.rows_of(0)[:3], 1),
        lambda: edits.rename(1, "x"),
        lambda: edits.note(1, "x"),
        lambda: edits.mark(1, "junk"),
        lambda: edits.start_from(k=2),
    ):
        with pytest.raises(LockedError, match="cluster 1 is locked: unlock it first"):
            asked()
    edits.merge([0, 2])
    edits.lock(1, False)
    edits.mark(1, "junk")
    assert edits.state.clusters[1].mark == "junk"


def test_a_merge_keeps_the_name_and_all_notes(edits):
    edits.rename(3, "small")
    edits.note(3, "one")
    edits.note(0, "two")
    told = edits.preview_merge([3, 0])
    assert (told.into, told.name, told.note) == (0, "small", "two\none")
    assert told.rows == (edits.sizes()[3], edits.sizes()[0])
    edits.merge([3, 0], into=3)
    assert edits.state.clusters[3].note == "one\ntwo"
    edits.merge([3, 1], name="all of them")
    assert {c.name for c in edits.state.clusters.values() if c.name} == {"all of them"}


def test_a_merge_does_not_take_the_name_of_a_third(edits):
    edits.rename(2, "Dogs")
    with pytest.raises(NameTakenError) as told:
        edits.merge([0, 1], name="dogs")
    assert set(told.value.proposal.clusters) == {0, 1, 2}
    edits.merge([0, 1, 2], name="dogs")


def test_rows_taken_out_under_a_taken_name_are_not_moved_there(edits):
    edits.rename(2, "Dogs")
    with pytest.raises(NameTakenError, match="move the rows there, or give another name"):
        edits.move(edits.rows_of(0)[:2], name="DOGS")
    assert edits.seq == 1


def test_moves_count_only_the_rows_that_move(edits):
    rows = np.concatenate([edits.rows_of(0)[:3], edits.rows_of(1)[:4]])
    assert edits.move(rows, 1).facts["count"] == 3


def test_an_edit_of_what_another_changed_meanwhile_is_a_conflict(edits):
    seen = edits.seq
    edits.merge([0, 1], author="ada")
    with pytest.raises(ConflictError, match=r"ada changed cluster 0 in the meantime \(Merged clus"):
        edits.rename(0, "x", seen=seen)
    with pytest.raises(ConflictError, match=r"there is no cluster 1; .*meanwhile: Merged clus"):
        edits.rename(1, "x", seen=seen)
    with pytest.raises(ConflictError, match="ada changed"):
        edits.undo(seen=seen)
    edits.rename(2, "not touched by it", seen=seen)
    edits.rename(0, "x", seen=edits.seq)
    assert edits.seq == 3


def test_an_edit_sent_twice_is_done_once(edits):
    one = edits.move([3, 4], token="a-1")
    assert edits.move([3, 4], token="a-1") == one
    assert edits.seq == 1


def test_names_are_cleaned():
    assert clean_name("e\u0301te\u0301\x00\x1b[0m ") == "été[0m"
    for name in ("", "  \n", "\x07"):
        with pytest.raises(InputError, match="is not a name"):
            clean_name(name)


@pytest.mark.parametrize(
    ("excess", "parts"),
    [([5, 4.8, 1.5], 3), ([5, 2, 1.9], 2), ([3], 2), ([9, 8, 7, 6.5], 5), ([0.39, 0.2], 2)],
)
def test_the_widest_gap_says_into_how_many_parts(excess, parts):
    splits = np.arange(1, len(excess) + 2, dtype=np.int32)
    tree = Tree(np.arange(len(splits) + 1), splits, np.append(excess, -np.inf).astype(np.float32))
    assert own_parts(tree, np.arange(len(splits)), 0) == parts


def test_without_a_marked_split_a_number_is_asked_for():
    tree = Tree(np.arange(2), np.array([1]), np.array([-np.inf], np.float32))
    with pytest.raises(InputError, match="the tree suggests no split of cluster 7"):
        own_parts(tree, np.array([0]), 7)
