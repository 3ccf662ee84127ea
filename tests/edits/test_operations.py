import numpy as np
import pytest

from shoal.edits import Entry

MOVE = {"count": 1, "to": 0, "new": False, "name": None}
NAMES = {0: "zeros", 3: None, 7: "x" * 100}


@pytest.mark.parametrize(
    ("op", "facts", "told"),
    [
        ("merge", {"clusters": [0, 3], "into": 0}, "Merged cluster 3 into “zeros”"),
        ("split", {"cluster": 0, "ids": [0, 8, 9]}, "Split “zeros” into 3 clusters"),
        ("divide", {"cluster": 0, "id": 8}, "Took cluster 8 out of “zeros”"),
        ("move", {**MOVE, "to": 9, "new": True}, "Moved 1 image to new cluster 9"),
        ("move", {**MOVE, "count": 2}, "Moved 2 images to “zeros”"),
        ("move", {**MOVE, "name": "odd"}, "Moved 1 image to new cluster “odd”"),
        ("rename", {"cluster": 3, "name": "ones"}, "Renamed cluster 3 to “ones”"),
        ("rename", {"cluster": 0, "name": None}, "Took the name off “zeros”"),
        ("mark", {"cluster": 3, "mark": "junk"}, "Marked cluster 3 as junk"),
        ("mark", {"cluster": 3, "mark": None}, "Took the mark off cluster 3"),
        ("lock", {"cluster": 3, "locked": False}, "Unlocked cluster 3"),
        ("note", {"cluster": 3, "note": ""}, "Removed the note on cluster 3"),
        ("apart", {"clusters": [0, 3]}, "“zeros” and cluster 3 will not be merged"),
        ("whole", {"cluster": 0}, "“zeros” will not be split"),
        ("quiz", {"cluster": 3, "right": [1], "wrong": []}, "Quiz on cluster 3: 1 right, 0 wrong"),
        ("confirm", {"count": 3, "to": 0}, "Confirmed 3 images of “zeros”"),
        ("base", {"k": 1}, "Restarted from the cut into 1 cluster"),
        ("undo", {"n": 3}, "Undid 3 edits"),
        ("skipped", {"what": "a merge", "why": "gone"}, "Not carried over: a merge (gone)"),
    ],
)  # fmt: skip
def test_edits_are_told_as_people_would(op, facts, told):
    assert Entry(1, "", "", op, facts).describe(NAMES, "image") == told


def test_long_names_are_shortened():
    told = Entry(1, "", "", "lock", {"cluster": 7, "locked": True}).describe(NAMES)
    assert len(told) < 80
    assert told.endswith("…”")


def test_every_edit_of_a_run_has_its_message(edits):
    edits.merge([0, 1])
    edits.split(0, 3)
    edits.move(np.arange(5))
    edits.move(np.arange(5), 2)
    edits.rename(2, "a")
    edits.note(2, "b")
    edits.mark(2, "good")
    edits.keep_apart(2, 3)
    edits.keep_whole(2)
    edits.answer_quiz(2, [0], [1])
    edits.confirm([0], 2)
    edits.lock(2)
    edits.lock(2, False)
    edits.start_from(k=3)
    edits.undo(2)
    edits.redo()
    told = [entry.describe() for entry in edits.entries()]
    assert len(told) == 16
    assert all(line[0].isupper() and len(line.split()) > 1 for line in told)
