import numpy as np
import pytest

import shoal
from shoal.core.compare import compare
from shoal.explore.orders import ordered


def good(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_overview_has_the_most_typical_rows_of_each_cluster(explorer, ask):
    client, cut = ask(explorer), explorer.cut(5)
    found = good(client.get("/api/overview?k=5&clusters=0,3,99&each=4"))["clusters"]
    assert sorted(found) == ["0", "3"]
    for name, rows in found.items():
        positions = cut.positions_of(cut.number(int(name)))
        wanted = explorer.atlas.rows[ordered(positions, cut, "typical").take(0, 4)]
        assert [r["row"] for r in rows] == wanted.tolist()
        assert all(r["cluster"] == int(name) for r in rows)


def test_the_queue_is_that_of_the_edits_and_answers_leave_it(explorer, ask):
    client = ask(explorer)
    before = good(client.get("/api/review"))
    wanted = explorer._reviewer.queue()
    assert [(q["kind"], tuple(q["clusters"])) for q in before["questions"]] == [
        (q.kind, q.clusters) for q in wanted[:60]
    ]
    gains = [q["gain"] for q in before["questions"]]
    assert gains == sorted(gains, reverse=True)
    pair = next((q for q in before["questions"] if q["kind"] == "same"), None)
    if pair is not None:
        a, b = pair["clusters"]
        good(client.post("/api/edits", json={"op": "apart", "a": a, "b": b}))
        after = good(client.get("/api/review"))["questions"]
        assert [a, b] not in [q["clusters"] for q in after if q["kind"] == "same"]


def test_a_quiz_draws_rows_of_its_cluster_and_remembers_the_last(digits, ask):
    client = ask(digits)
    labels = digits.run.labels()
    first = good(client.get("/api/quiz?cluster=2&seed=5"))
    rows = [r["row"] for r in first["rows"]]
    assert len(set(rows)) == 20
    assert (labels[rows] == 2).all()
    assert first["before"] is None
    answers = {"op": "quiz", "cluster": 2, "right": rows[1:], "wrong": rows[:1]}
    good(client.post("/api/edits", json=answers))
    before = good(client.get("/api/quiz?cluster=2"))["before"]
    assert (before["right"], before["wrong"], before["stale"]) == (19, 1, False)
    assert 0 < before["low"] < 0.05 < before["high"] < 0.3


@pytest.mark.parametrize("edited", [False, True])
def test_a_comparison_is_that_of_the_labels(explorer, ask, edited):
    if edited:
        edits = explorer.curation
        edits.merge([0, 1])
        edits.move(edits.rows_of(2)[::2], to=3)
        edits.move(edits.rows_of(0)[:9], name="new")
    client, run = ask(explorer), explorer.run
    for before, after in (("4", "9"), ("5", "edited"), ("edited", "12"), ("edited", "edited")):
        labels = [run.edits.labels() if s == "edited" else run.labels(k=int(s), raw=True)
                  for s in (before, after)]  # fmt: skip
        wanted = compare(*labels).as_dict()
        found = good(client.get(f"/api/compare?before={before}&after={after}"))
        assert found["rows"] == wanted["rows"]
        assert found["moved"] == wanted["moved"]
        for kind in ("matched", "split", "merged", "died", "born"):
            assert len(found[kind]) == len(wanted[kind])
            for one, other in zip(found[kind], wanted[kind], strict=True):
                assert one == {n: list(v) if isinstance(v, tuple) else v for n, v in other.items()}


def test_another_run_is_compared_when_it_was_given(digits, ask, tmp_path):
    client = ask(digits)
    answer = client.get("/api/compare?before=other")
    assert answer.status_code == 400
    assert "--compare" in answer.json()["error"]["message"]
    shoal.fit(digits.run.source, tmp_path / "other.shoal", workers=1, layers=(4,))
    digits.other = shoal.open(tmp_path / "other.shoal")
    found = good(client.get("/api/compare?before=other"))
    assert found["rows"] == 600
    counts = np.unique(digits.other.labels(), return_counts=True)[1]
    told = {m["before"]: m["rows_before"] for m in found["matched"]}
    told |= {c["cluster"]: c["rows"] for kind in ("split", "died") for c in found[kind]}
    assert set(told.items()) <= set(enumerate(counts.tolist()))


def test_questions_come_with_typical_rows_of_their_clusters(explorer, ask):
    cut = explorer.cut(None)
    for question in good(ask(explorer).get("/api/review"))["questions"][:12]:
        assert sorted(map(int, question["typical"])) == sorted(question["clusters"])
        for cluster, rows in question["typical"].items():
            positions = explorer.typical(cut, cut.number(int(cluster))).take(0, len(rows))
            assert [r["row"] for r in rows] == explorer.atlas.rows[positions].tolist()
            assert len(rows) > 1
