import numpy as np
import pyarrow as pa
import pytest

import shoal
from shoal.errors import InputError
from shoal.explore.explorer import Explorer
from shoal.explore.metadata import beside, make_metadata
from shoal.export.metadata import read_metadata


@pytest.fixture
def known():
    draw = np.random.default_rng(0)
    return make_metadata(
        pa.table(
            {
                "kind": pa.array([["cat", "dog", None][i % 3] for i in range(60)]),
                "weight": pa.array([None if i == 7 else i / 2 for i in range(60)]),
                "count": pa.array([str(i) for i in range(60)]),
                "title": pa.array([f"Number {i} <b>" for i in range(60)]),
                "year": draw.integers(2000, 2004, 60),
            }
        ),
        "here",
    )


def test_columns_are_told_apart_by_looking(known):
    kinds = {column.name: column.kind for column in known.columns}
    assert kinds == {
        "kind": "category",
        "weight": "number",
        "count": "number",
        "title": "category",
        "year": "category",
    }
    many = make_metadata(pa.table({"t": [f"x{i}" for i in range(100)], "n": [[1]] * 100}), "")
    assert [(c.name, c.kind) for c in many.columns] == [("t", "text")]


def test_counts_add_up(known):
    rows = np.arange(0, 60, 4)
    for facet in known.facets(rows):
        missing = facet["missing"]
        if facet["kind"] == "category":
            assert sum(v["rows"] for v in facet["values"]) + missing["rows"] == 60
            assert sum(v["here"] for v in facet["values"]) + missing["here"] == 15
        else:
            assert sum(facet["bins"]) + missing["rows"] == 60
            assert sum(facet["here"]) + missing["here"] == 15
    assert known.facets(None)[0]["values"][0] == {"value": "cat", "rows": 20, "here": 20}


@pytest.mark.parametrize(
    ("where", "fits"),
    [
        ([{"column": "kind", "in": ["cat"]}], lambda i: i % 3 == 0),
        ([{"column": "kind", "in": ["dog", None]}], lambda i: i % 3 != 0),
        ([{"column": "kind", "in": ["bird"]}], lambda i: False),
        ([{"column": "weight", "from": 3, "to": 5.5}], lambda i: 3 <= i / 2 <= 5.5 and i != 7),
        ([{"column": "weight", "to": 1}], lambda i: i <= 2),
        ([{"column": "title", "has": "NUMBER 5"}], lambda i: str(i).startswith("5")),
        (
            [{"column": "kind", "in": ["cat"]}, {"column": "count", "from": 30}],
            lambda i: i % 3 == 0 and i >= 30,
        ),
    ],
)
def test_conditions_are_met_by_the_rows_that_meet_them(known, where, fits):
    assert np.flatnonzero(known.mask(where)).tolist() == [i for i in range(60) if fits(i)]


@pytest.mark.parametrize(
    "where",
    [
        [],
        [{}],
        [{"column": "none", "in": []}],
        [{"column": "kind"}],
        [{"column": "kind", "in": "cat"}],
        [{"column": "weight", "from": "3"}],
        [{"column": "weight", "in": [3]}],
        [{"column": ["kind"], "in": ["cat"]}],
    ],
)
def test_conditions_that_cannot_be_are_refused(known, where):
    with pytest.raises(InputError, match="where"):
        known.mask(where)


def test_words_for_a_missing_cell_are_those_of_tables(tmp_path):
    weights = ["NA", "?", *map(str, range(20))]
    lines = [f"{weight},{'<NA>' if at % 2 else 'cat'}" for at, weight in enumerate(weights)]
    (tmp_path / "m.csv").write_text("weight,kind\n" + "\n".join(lines))
    weight, kind = make_metadata(*read_metadata(tmp_path / "m.csv", None, 22)).columns
    assert (weight.kind, kind.kind) == ("number", "category")
    assert weight.cells.null_count == 2
    assert kind.codes[1] == ["cat"]


def test_sets_are_filtered_and_add_up(digits, ask):
    truth = [str(i % 7) for i in range(600)]
    digits.metadata = make_metadata(pa.table({"week": truth}), "here")
    client = ask(digits)
    total = 0
    for day in range(7):
        body = {"where": [{"column": "week", "in": [str(day)]}]}
        found = client.post("/api/sets", json=body).json()
        total += found["rows"]
        assert sum(found["clusters"].values()) == found["rows"] == truth.count(str(day))
        within = client.post("/api/sets", json={**body, "clusters": [1]}).json()
        assert within["rows"] == found["clusters"]["1"]
    assert total == 600
    shown = client.get(f"/api/metadata?set={within['set']}").json()["columns"][0]
    assert {v["value"]: v["here"] for v in shown["values"]} == {
        str(d): within["rows"] if d == 6 else 0 for d in range(7)
    }
    assert client.get("/api/row?row=10").json()["metadata"] == {"week": "3"}
    answer = client.post("/api/sets", json={"where": [{"column": "x"}]})
    assert answer.status_code == 400


def test_a_table_can_be_filtered_by_its_own_columns(tmp_path, ask):
    from shoal.explore.prepare import prepare_leaves
    from shoal.storage import RunFolder

    lines = [f"{i % 2},{i * 1.5},{'red' if i % 3 else 'blue'}" for i in range(90)]
    (tmp_path / "t.csv").write_text("a,b,colour\n" + "\n".join(lines))
    run = shoal.fit(tmp_path / "t.csv", tmp_path / "t.shoal", workers=1)
    prepare_leaves(RunFolder.open(run.path), run.path)
    explorer = Explorer(run, run.path, metadata=beside(run, None))
    client = ask(explorer)
    found = client.get("/api/metadata").json()
    assert {c["column"]: c["kind"] for c in found["columns"]}["b"] == "number"
    cells = client.get("/api/values?rows=4").json()
    names = client.get("/api/run").json()["columns"]
    shown = dict(zip(names, cells["rows"]["4"]["shown"], strict=True))
    assert (str(shown["b"]), shown["colour"]) == ("6.0", "red")
