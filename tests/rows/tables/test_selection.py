import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from shoal.errors import InputError
from shoal.rows import open_source, remarks_of
from shoal.rows.tables.selection import Picked

DRAW = np.random.default_rng(0)
N = 120
VECTORS = DRAW.normal(size=(N, 6)).astype(np.float32)
KINDS = DRAW.integers(0, 3, N)


def vectors(**more):
    return {**{f"e{at}": VECTORS[:, at] for at in range(6)}, **more}


def people(**more):
    pay = np.where(DRAW.random(N) < 0.1, np.nan, DRAW.normal(5e4, 9e3, N))
    return {"age": DRAW.integers(18, 80, N), "pay": pa.array(pay, from_pandas=True), **more}


@pytest.fixture(params=["csv", "parquet", "arrow", "pandas"])
def given(request, tmp_path):
    def given(columns):
        table = pa.table(columns)
        if request.param == "csv":
            pa.csv.write_csv(table, tmp_path / "x.csv")
            return tmp_path / "x.csv"
        if request.param == "parquet":
            pq.write_table(table, tmp_path / "x.parquet")
            return tmp_path / "x.parquet"
        return table if request.param == "arrow" else table.to_pandas()

    return given


def test_vectors_leave_out_answers_and_say_so(given):
    source = open_source(given(vectors(id=DRAW.permutation(N), label=KINDS)))
    assert (source.kind, source.shape) == ("vectors", (6,))
    np.testing.assert_allclose(source.read(0, N).data, VECTORS, rtol=1e-6)
    assert "left out label" in source.description
    assert "--truth label" in " ".join(remarks_of(source))
    assert source.label_origin == "column label"
    assert list(map(int, source.labels())) == KINDS.tolist()
    assert list(map(int, source.labels("label"))) == KINDS.tolist()


def test_columns_take_back_what_was_left_out(given):
    where = given(vectors(label=KINDS))
    for columns in ([*vectors(), "label"], ["e*", "label"], ["*"]):
        source = open_source(where, columns=columns)
        assert (source.kind, source.shape) == ("vectors", (7,))
        np.testing.assert_array_equal(source.read(0, N).data[:, 6], KINDS)
        assert source.label_origin is None
    assert open_source(where, categories=["label"]).kind == "table"
    assert open_source(where, as_="vectors").shape == (6,)


def test_tables_leave_out_answers_and_say_so(given):
    columns = people(target=np.array(["a", "b", "c"])[KINDS], plan=["x", "y"] * (N // 2))
    source = open_source(given(columns))
    assert source.kind == "table"
    assert [column.name for column in source.schema.columns] == ["age", "pay", "plan"]
    assert "left out target (looks like the answer: --truth target" in source.schema.description
    assert source.labels() == columns["target"].tolist()
    assert source.labels("plan")[:2] == ["x", "y"]
    kept = open_source(given(columns), columns=["pay", "target"])
    assert [column.name for column in kept.schema.columns] == ["pay", "target"]


def test_the_choice_is_made_on_the_file_and_said(given):
    where = given(people(id=[f"c{at}" for at in range(N)]))
    for columns in (None, ["age"], ["age", "pay"]):
        source = open_source(where, columns=columns)
        assert source.kind == "table"
        assert source.read(0, N).bad == {}
        assert "Read as a table, because" in remarks_of(source)[0]
        assert "--as vectors" in remarks_of(source)[0]
    assert open_source(where, as_="vectors").kind == "vectors"
    plain = given(vectors())
    assert "--as table" in remarks_of(open_source(plain))[0]
    assert remarks_of(open_source(plain, as_="vectors")) == []
    assert open_source(plain, columns=["e0"]).kind == "vectors"


def test_the_only_column_with_something_to_tell_is_never_left_out(given):
    source = open_source(given({"name": [f"n{at}" for at in range(N)], "class": KINDS}))
    assert source.shape == (1,)
    words = given({"name": [f"n{at}" for at in range(N)], "label": ["a", "b"] * (N // 2)})
    assert [column.name for column in open_source(words).schema.columns] == ["label"]
    useless = {"note": [f"said {at // 2}" for at in range(400)], "label": ["a", "b"] * 200}
    assert [c.name for c in open_source(given(useless)).schema.columns] == ["label"]


def test_vectors_of_a_fit_are_found_by_their_names(given):
    names = [f"e{at}" for at in range(6)]
    unlike = vectors(label=KINDS, age=DRAW.normal(50, 20, N), plan=["x", "y"] * (N // 2))
    backwards = dict(reversed(unlike.items()))
    source = open_source(given(backwards), fitted=names)
    np.testing.assert_allclose(source.read(0, N).data, VECTORS, rtol=1e-6)


@pytest.mark.parametrize("more", [{}, {"age": 20 * KINDS}])
def test_a_column_that_counts_the_files_is_left_out(tmp_path, more):
    for shard in range(4):
        rows = slice(30 * shard, 30 * shard + 30)
        columns = {name: values[rows] for name, values in vectors(**more).items()}
        columns |= {"shard": [shard] * 30, "part": [f"p{shard}"] * 30}
        pq.write_table(pa.table(columns), tmp_path / f"part-{shard}.parquet")
    source = open_source(tmp_path)
    assert source.kind == ("table" if more else "vectors")
    left_out = source.schema.left_out if more else source.chosen.left_out
    assert (
        dict.fromkeys(["shard", "part"], "the same in all rows of a file").items()
        <= dict(left_out).items()
    )
    assert source.label_origin is None
    assert open_source(tmp_path, columns=["e0", "shard"]).shape == (2,)


def test_patterns_stand_for_names():
    names = ["e0", "e1", "e[0]", "age"]
    assert Picked(("e?", "age"), ("a*",)).among(names, "x") == Picked(("e0", "e1", "age"), ("age",))
    assert Picked(("e[0]",)).among(names, "x") == Picked(("e[0]",))
    with pytest.raises(InputError, match=r"--leave-out z\*: x has no such column"):
        Picked(None, ("z*",)).among(names, "x")
