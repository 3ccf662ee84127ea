from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from shoal.explore.metadata import make_metadata
from shoal.explore.suggestions import _distinct, _majorities, _phrase, plain, suggested
from shoal.export.traits import gather_traits
from shoal.rows import open_source


def good(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def cut_of(*sizes):
    return SimpleNamespace(ids=np.arange(len(sizes)), sizes=np.array(sizes))


def test_the_folder_of_most_rows_names_a_cluster_where_it_sets_it_apart():
    found = _majorities(
        cut_of(10, 10, 10),
        [["a/cats"] * 7 + ["a/dogs"] * 3, ["a/dogs"] * 10, ["a/cats"] * 5 + ["a/dogs"] * 5],
    )
    # Dogs are in 6 of 10 of all rows: 1.7 times as many in cluster 1 tell little.
    assert found == {}
    found = _majorities(
        cut_of(10, 10, 10), [["a/cats"] * 10, ["a/dogs"] * 10, ["a/b"] * 5 + ["a/c"] * 5]
    )
    assert found == {0: "cats", 1: "dogs"}
    assert _majorities(cut_of(10, 5), [["all"] * 10, ["all"] * 5]) == {}
    assert _majorities(cut_of(10, 5), [[""] * 10, ["x"] * 5]) == {1: "x"}


@pytest.mark.parametrize(("header", "said"), [("Weight [kg]", "weight"), ("", ""), ("a_b", "a b")])
def test_headers_are_said_in_words(header, said):
    assert plain(header) == said


def test_the_columns_of_a_table_say_what_is_high_and_low():
    draw, group = np.random.default_rng(0), np.repeat([0, 1, 2], 100)
    table = {
        "Annual Income (k$)": np.array([50, 50, 90])[group] + draw.normal(size=300),
        "Spending": np.array([50, 10, 50])[group] + draw.normal(size=300),
        "plan": np.array(["free", "paid", "paid"])[group],
        "noise": draw.normal(size=300),
    }
    traits = gather_traits(open_source(table, as_="table"), group, 3)
    said = [_phrase(traits, number) for number in range(3)]
    assert "free" in said[0]
    assert "low spending" in said[1]
    assert "high annual income" in said[2]
    assert "noise" not in " ".join(said)


def test_no_two_clusters_are_called_the_same():
    names, sizes = {3: "cats", 1: "Cats", 2: "dogs"}, {1: 9, 2: 5, 3: 7}
    assert _distinct(names, sizes) == {1: "Cats", 3: "cats 2", 2: "dogs"}


def test_columns_beside_the_rows_suggest_names_that_are_accepted_at_once(digits, ask):
    base, client = digits.curation.k, ask(digits)
    assert good(client.get("/api/suggestions"))["names"] == {}
    labels = digits.run.labels()
    kinds = pa.table({"kind": [f"kind {label}" for label in labels]})
    digits.metadata = make_metadata(kinds, "made here")
    cut = digits.cut(base)
    wanted = {c: f"kind {c}" for c in range(base)}
    assert suggested(digits, cut) == wanted
    names = {str(c): name for c, name in wanted.items()}
    told = good(client.post("/api/edits", json={"op": "names", "names": names}))
    assert (told["steps"], told["summary"]) == (base, f"Named {base} clusters")
    called = {c["id"]: c["name"] for c in good(client.get("/api/clusters"))["clusters"]}
    assert called == wanted
    good(client.post("/api/edits", json={"op": "undo", "n": told["steps"]}))
    assert not any(c["name"] for c in good(client.get("/api/clusters"))["clusters"])


@pytest.mark.parametrize("names", [{}, [], {"0": 3}, {"x": "a"}, {"0": "a", "1": "A"}])
def test_names_that_cannot_be_given_are_refused_all_of_them(digits, ask, names):
    answer = ask(digits).post("/api/edits", json={"op": "names", "names": names})
    assert answer.status_code in (400, 409)
    assert digits.curation.done == []
