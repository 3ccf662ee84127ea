import time

import numpy as np

from shoal.explore.orders import ordered
from shoal.explore.parts import SHOWN, OwnFit


def good(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_split_shows_typical_rows_of_each_part_before_it_is_done(explorer, ask):
    client = ask(explorer)
    found = good(client.post("/api/preview", json={"op": "split", "cluster": 0, "parts": 3}))
    assert explorer.curation.done == []
    good(client.post("/api/edits", json={"op": "split", "cluster": 0, "parts": 3}))
    cut = explorer.cut(None)
    assert len(found["parts"]) == 3
    for part in found["parts"]:
        positions = cut.positions_of(cut.number(part["cluster"]))
        assert part["rows"] == len(positions)
        wanted = explorer.atlas.rows[ordered(positions, cut, "typical").take(0, SHOWN)]
        assert [shown["row"] for shown in part["shown"]] == wanted.tolist()


def test_a_cluster_is_fitted_by_itself_and_split_into_what_that_finds(digits, ask, monkeypatch):
    client, before = ask(digits), digits.curation.sizes()
    digits.curation.merge([0, 1, 2], 0)
    rows = digits.curation.rows_of(0)
    asked = {"cluster": 0}
    found = good(client.post("/api/recluster", json=asked))
    while not found["done"]:
        time.sleep(0.2)
        found = good(client.post("/api/recluster", json=asked))
    fit = digits.own_fit
    members = fit.members
    assert sorted(np.concatenate(members).tolist()) == rows.tolist()
    assert [part["rows"] for part in found["parts"]] == [len(part) for part in members]
    assert len(members) > 1  # three kinds of digits
    told = good(client.post("/api/edits", json={"op": "recluster", "cluster": 0}))
    assert told["steps"] == len(members) - 1
    assert f"into {len(members)}" in told["summary"]
    labels = digits.curation.labels_of(rows)
    parts = [labels[np.isin(rows, part)] for part in members]
    assert all(len(set(part.tolist())) == 1 for part in parts)
    assert len(np.unique(labels)) == len(members)
    good(client.post("/api/edits", json={"op": "undo", "n": told["steps"]}))
    assert digits.curation.sizes()[0] == len(rows) == sum(before[c] for c in (0, 1, 2))

    # Once it has other rows, what was found is no longer of it.
    assert not fit.stale
    digits.curation.move(rows[:1], 3)
    assert fit.stale
    refused = client.post("/api/edits", json={"op": "recluster", "cluster": 0})
    assert refused.status_code == 400
    fit.stop()
    assert not fit._out.exists()


def test_a_fit_that_fails_says_why(digits, ask):
    rows = digits.curation.rows_of(0)
    digits.curation.move(rows[:1], None, "alone")
    alone = int(digits.curation.labels_of(rows[:1])[0])
    fit = OwnFit(digits, alone)
    digits.own_fit = fit
    fit._process.wait()
    answer = ask(digits).post("/api/recluster", json={"cluster": alone})
    assert answer.status_code == 400
    assert f"cluster {alone} could not be fitted" in answer.json()["error"]["message"]
    fit.stop()


def test_what_is_not_there_or_not_fitted_is_refused(digits, ask):
    client = ask(digits)
    assert client.post("/api/recluster", json={"cluster": 999}).status_code == 400
    assert client.post("/api/edits", json={"op": "recluster", "cluster": 0}).status_code == 400
    digits.read_only = True
    assert client.post("/api/recluster", json={"cluster": 0}).status_code == 400
    assert digits.own_fit is None
