import numpy as np
import pytest


def do(client, op, **facts):
    return client.post("/api/edits", json={"op": op, **facts})


def good(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def sizes(client):
    found = good(client.get("/api/clusters"))
    return {c["id"]: c["rows"] for c in found["clusters"]}


def test_an_edit_is_in_the_log_and_in_every_count(explorer, ask):
    client = ask(explorer)
    before = sizes(client)
    merged = good(do(client, "merge", clusters=[1, 2], author="ada"))
    assert merged["summary"] == "Merged cluster 2 into cluster 1"
    after = sizes(client)
    assert after == {c: n + (before[2] if c == 1 else 0) for c, n in before.items() if c != 2}
    log = good(client.get("/api/edits"))
    assert [(e["op"], e["author"], e["in_effect"]) for e in log["entries"]] == [
        ("merge", "ada", True)
    ]
    undone = good(do(client, "undo"))
    assert (undone["redo"], undone["summary"]) == (
        "Merged cluster 2 into cluster 1",
        "Undone: merged cluster 2 into cluster 1",
    )
    assert sizes(client) == before
    assert not good(client.get("/api/edits"))["entries"][1]["in_effect"]
    good(do(client, "redo"))
    assert sizes(client) == after


def test_rows_are_moved_by_sets(explorer, ask):
    client = ask(explorer)
    labels = explorer.run.labels()
    rows = np.flatnonzero(labels == 0)[::2].tolist()
    chosen = good(client.post("/api/sets", json={"rows": rows}))["set"]
    good(do(client, "move", set=chosen, name="odd ones"))
    listing = good(client.get("/api/clusters"))["clusters"]
    new = next(c for c in listing if c["name"] == "odd ones")
    assert new["rows"] == len(rows)
    again = good(client.post("/api/sets", json={"clusters": [new["id"]]}))
    shown = good(client.get(f"/api/rows?set={again['set']}&count=500"))
    assert sorted(r["row"] for r in shown["rows"]) == rows
    assert all(r["moved"] for r in shown["rows"])
    assert sum(sizes(client).values()) == (labels >= 0).sum()


def test_a_taken_name_proposes_a_merge_and_does_none(digits, ask):
    client = ask(digits)
    good(do(client, "rename", cluster=1, name="Ones"))
    before = sizes(client)
    answer = do(client, "rename", cluster=0, name="ones")
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert error["kind"] == "name"
    assert error["proposal"]["into"] == 1
    assert sorted(error["proposal"]["clusters"]) == [0, 1]
    assert sizes(client) == before


def test_a_conflict_is_shown_and_nothing_is_done(digits, ask):
    client = ask(digits)
    seen = good(client.get("/api/clusters"))["seq"]
    good(do(client, "rename", cluster=0, name="mine", author="ada", seen=seen))
    answer = do(client, "merge", clusters=[0, 1], author="bob", seen=seen)
    assert answer.status_code == 409
    assert answer.json()["error"]["kind"] == "conflict"
    assert "ada" in answer.json()["error"]["message"]
    good(do(client, "merge", clusters=[2, 3], seen=seen))


def test_an_edit_sent_twice_is_done_once(digits, ask):
    client = ask(digits)
    first = good(do(client, "split", cluster=0, parts=2, token="abc"))
    second = good(do(client, "split", cluster=0, parts=2, token="abc"))
    assert first["entry"] == second["entry"]


def test_a_preview_says_what_would_come_and_does_nothing(digits, ask):
    client = ask(digits)
    before = sizes(client)
    split = good(client.post("/api/preview", json={"op": "split", "cluster": 0, "parts": 3}))
    assert sum(p["rows"] for p in split["parts"]) == before[0]
    merge = good(client.post("/api/preview", json={"op": "merge", "clusters": [0, 1]}))
    assert merge["total"] == before[0] + before[1]
    assert sizes(client) == before


def test_all_other_edits(digits, ask):
    client = ask(digits)
    good(do(client, "note", cluster=0, note="look <again>"))
    good(do(client, "mark", cluster=0, mark="junk"))
    good(do(client, "lock", cluster=0))
    answer = do(client, "merge", clusters=[0, 1])
    assert (answer.status_code, answer.json()["error"]["kind"]) == (423, "locked")
    good(do(client, "lock", cluster=0, locked=False))
    good(do(client, "apart", a=0, b=1))
    shown = good(client.get("/api/rows?order=random&count=20"))["rows"]
    mine = [r["row"] for r in shown if r["cluster"] == 2]
    good(do(client, "quiz", cluster=2, right=mine, wrong=[]))
    one = next(c for c in good(client.get("/api/clusters"))["clusters"] if c["id"] == 0)
    assert (one["note"], one["mark"], one["locked"]) == ("look <again>", "junk", False)
    assert good(do(client, "start", k=4))["summary"] == "Restarted from the cut into 4 clusters"
    assert len(sizes(client)) == 4


def test_a_reader_cannot_edit(digits, ask):
    digits.read_only = True
    client = ask(digits)
    answer = do(client, "merge", clusters=[0, 1])
    assert answer.status_code == 400
    assert "read-only" in answer.json()["error"]["message"]
    assert good(client.get("/api/edits"))["entries"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"op": "drop table"},
        {"op": ["merge"]},
        {"op": "merge"},
        {"op": "merge", "clusters": [0]},
        {"op": "merge", "clusters": [0, 99]},
        {"op": "merge", "clusters": "0,1"},
        {"op": "split", "cluster": 0, "parts": 1},
        {"op": "split", "cluster": 0, "parts": 10**9},
        {"op": "split", "cluster": True},
        {"op": "rename", "cluster": 0, "name": 7},
        {"op": "rename", "cluster": 0, "name": "x" * 999},
        {"op": "rename", "cluster": -1, "name": "x"},
        {"op": "mark", "cluster": 0, "mark": "bad"},
        {"op": "undo"},
        {"op": "undo", "n": 0.5},
        {"op": "start"},
        {"op": "start", "k": 0},
    ],
)
def test_an_edit_that_cannot_be_is_refused(digits, ask, body):
    client = ask(digits)
    answer = client.post("/api/edits", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"]
    assert good(client.get("/api/edits"))["entries"] == []
