import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoal.errors import InputError, SourceError
from shoal.rows import open_source
from shoal.rows.tables import mixed
from shoal.rows.tables.mixed import Notes, TableSource
from shoal.rows.tables.schema import Schema

TEXT = """id,plan,age,pay,since,note
u1,pro,31,"1,200.5",2024-01-01,said this
u2,basic,45,900,2024-01-03,said that
u3,pro,,70,2024-01-05,and more
u4,basic,22,inf,2024-02-01,and so on
u5,gold,60,1000,,no
"""
PLANS = [1, 0, 1, 0, -1]  # of equally common ones, by name


@pytest.fixture
def write(tmp_path):
    def write(text, name="x.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_table_by_hand(write):
    source = pickle.loads(pickle.dumps(open_source(write(TEXT))))
    assert (source.kind, source.shape, source.n_rows) == ("table", (4,), 5)
    assert source.description == "5 rows of 4 columns (x.csv, named by id)"
    assert source.schema.description == (
        "2 columns as numbers: age, pay; as dates: since; as categories: plan (2 values); "
        "left out note (every value differs)."
    )
    batch = source.read(0, 5)
    nan, inf = float("nan"), float("inf")
    np.testing.assert_equal(
        batch.data,
        [
            [PLANS[0], 31, 1200.5, 19723],
            [PLANS[1], 45, 900, 19725],
            [PLANS[2], nan, 70, 19727],
            [PLANS[3], 22, inf, 19754],
            [PLANS[4], 60, 1000, nan],
        ],
    )
    assert batch.bad == {}
    assert source.names(1, 3) == ["u2", "u3"]
    assert source.original(2, 3).to_pylist()[0] == {
        "id": "u3", "plan": "pro", "age": "", "pay": "70", "since": "2024-01-05",
        "note": "and more",
    }  # fmt: skip


def test_columns_can_be_picked_left_out_and_taken_for_categories(write):
    rows = "".join(f"r{n},{'ab'[n % 2]},{n % 3},{n * 1.5},{n % 5 + 100}\n" for n in range(60))
    path = write("name,sex,class,pay,level\n" + rows)
    whole = open_source(path)
    assert [c.name for c in whole.schema.columns] == ["sex", "class", "pay", "level"]
    some = open_source(path, columns=["pay", "sex"])
    assert [(c.name, c.role) for c in some.schema.columns] == [
        ("sex", "category"), ("pay", "number"),
    ]  # fmt: skip
    left = open_source(path, leave_out=["sex"], categories=["class"])
    assert [(c.name, c.role) for c in left.schema.columns] == [
        ("class", "category"), ("pay", "number"), ("level", "number"),
    ]  # fmt: skip
    assert left.schema.left_out == (("sex", "as requested"),)
    assert len({s.fingerprint()["schema"] for s in (whole, some, left)}) == 3
    for option in ("columns", "leave_out", "categories"):
        with pytest.raises(InputError, match=r"Sex: x\.csv has no such column: did you mean sex"):
            open_source(path, **{option: ["Sex"]})


def test_the_same_table_as_csv_parquet_and_in_memory(write, tmp_path):
    draw = np.random.default_rng(0)
    n = 300
    columns = {
        "plan": draw.choice(["a", "b", "c", "none", None], n).tolist(),
        "age": draw.integers(18, 90, n).tolist(),
        "pay": np.round(draw.normal(size=n), 3).tolist(),
        "on": (draw.random(n) < 0.5).tolist(),
    }
    table = pa.table(columns)
    path = tmp_path / "x.parquet"
    pq.write_table(table, path, row_group_size=100)
    lines = [
        ",".join("" if v is None else str(v) for v in row)
        for row in zip(*columns.values(), strict=True)
    ]
    text = write("plan,age,pay,on\n" + "\n".join(lines))
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    expected = open_source(path).read(0, n).data
    for where in (text, table, records, columns):
        source = open_source(where)
        assert isinstance(source, TableSource)
        parts = [source.read(a, min(a + 70, n)).data for a in range(0, n, 70)]
        # Python writes True where Arrow writes true: another name, the same category
        assert [c.role for c in source.schema.columns] == [
            "category",
            "number",
            "number",
            "category",
        ]
        np.testing.assert_array_equal(np.concatenate(parts)[:, :3], expected[:, :3])


def test_new_rows_are_read_by_the_schema_of_others_whatever_their_order(write):
    fitted = open_source(write(TEXT))
    new = open_source(
        write("pay;plan;id\n1,5;basic;n1\n2;silver;n2\n;pro;n3\n", "new.csv"), schema=fitted.schema
    )
    nan = float("nan")
    np.testing.assert_equal(
        new.read(0, 3).data, [[0, nan, 1.5, nan], [-1, nan, 2, nan], [1, nan, nan, nan]]
    )
    assert new.names(0, 3) == ["n1", "n2", "n3"]
    assert new.lacking == ("age", "since")
    notes = Notes(new)
    notes.add(new.read(0, 2))
    notes.add(new.read(2, 3))
    assert notes.remarks == (
        "new.csv lacks 2 of 4 columns (age, since): filled from the most similar rows of the fit",
        "missing or unreadable cells: 1 of pay, filled from the most similar rows of the fit",
        "cells with values that the fit did not know, or only in few rows: 1 of plan, filled from "
        "the most similar rows of the fit",
    )
    assert Notes(fitted).remarks == ()


def test_rows_in_memory_are_read_by_a_schema(write):
    fitted = open_source(write(TEXT))
    one = open_source({"plan": "pro", "pay": 3}, schema=fitted.schema)
    np.testing.assert_equal(one.read(0, 1).data, [[1, np.nan, 3, np.nan]])
    with pytest.raises(
        InputError, match=r"none of the columns .* \(plan, age, pay, since\): it has x"
    ):
        open_source([{"x": 1}], schema=fitted.schema)
    with pytest.raises(InputError, match="ndarray has no column names"):
        open_source(np.zeros((3, 4)), schema=fitted.schema)


def test_a_schema_survives_a_file(write):
    schema = open_source(write(TEXT)).schema
    plain = json.loads(json.dumps(schema.as_dict()))
    again = Schema.from_dict(plain, schema.donors)
    assert (again.columns, again.digest) == (schema.columns, schema.digest)
    assert Schema.from_dict(plain, schema.donors + 1).digest != schema.digest


def test_rows_without_a_cell_and_ragged_ones_have_a_reason(write):
    lines = "".join(f"{'ab'[n % 2]},{n}.5\n" for n in range(40))
    source = open_source(write("sex,age\n" + lines + ",\na\nb,7\n"))
    batch = source.read(38, 43)
    assert batch.bad == {
        2: "all of its cells are empty",
        3: "the row has 1 cells, not 2",
    }
    assert not batch.data[[2, 3]].any()
    assert batch.data[4].tolist() == [0, 7]


def test_large_tables_are_learned_from_a_sample_from_all_over(write, monkeypatch):
    monkeypatch.setattr(mixed, "_MOST_LOOKED", 128)
    rows = "".join(f"{'ab'[n % 2]},{n}.5\n" for n in range(4000))
    source = open_source(write("sex,age\n" + rows))
    assert source.description == "4,000 rows of 2 columns (x.csv, learned from 128 rows)"
    age = source.schema.columns[1]
    np.testing.assert_allclose(age.quantiles[5:-5], 4000 * np.linspace(0.05, 0.95, 19), atol=80)
    assert source.schema.donors.shape == (128, 2)


def test_donors_are_the_fullest_rows(write, monkeypatch):
    monkeypatch.setattr(mixed, "_DONORS", 10)
    rows = "".join(f"{'ab'[n % 2]},{n if n % 3 else ''},{n % 7 or ''}\n" for n in range(90))
    donors = open_source(write("sex,age,x\n" + rows)).schema.donors
    assert donors.shape == (10, 3)
    assert np.isfinite(donors).all()
    few = open_source(write("sex,age,x\na,1,\nb,,2\na,3,\nb,,5\na,,7\n")).schema.donors
    assert few.shape == (5, 3)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("plan;pay\npro;1,5\nbasic;2,25\npro;3,5\nbasic;9,0\n", ("category", "number")),
        ("\ufeffplan,pay\r\npro,1\r\nbasic,2\r\npro,3\r\nbasic,5\r\n", ("category", "number")),
        (
            b"stra\xdfe,pay\nM\xfcnchen,1\nK\xf6ln,2\nM\xfcnchen,3\nK\xf6ln,5\n",
            ("category", "number"),
        ),
        ("town,sex\nNew York,f\nSan Jose,m\nNew York,m\nSan Jose,f\n", ("category", "category")),
        ('plan,pay\n"a\nb",1\n"c, d",2\n"a\nb",3\n"c, d",5\n', ("category", "number")),
        ("plan\tpay\npro\t1\nbasic\t2\npro\t3\nbasic\t5\n", ("category", "number")),
        ("plan,pay,pay\npro,1,5\nbasic,2,6\npro,3,7\nbasic,5,9\n", ("category", *["number"] * 2)),
        ("plan,pay\n" + "pro,1,\nbasic,2,\npro,3,\nbasic,5,\n" * 3, ("category", "number")),
        ("plan,x,pay\npro,,1\nbasic,,2\npro,,3\nbasic,,5\n", ("category", "number")),
    ],
)
def test_hostile_text(write, text, kinds):
    source = open_source(write(text))
    assert tuple(c.role for c in source.schema.columns) == kinds
    batch = source.read(0, 4)
    assert batch.bad == {}
    assert batch.data[:, 0].tolist() in ([0, 1, 0, 1], [1, 0, 1, 0])


def test_latin_letters_and_doubled_names_come_out_right(write):
    source = open_source(write(b"stadt,x,x\n" + b"M\xfcnchen,1,2\nK\xf6ln,2,3\n" * 3))
    assert source.schema.columns[0].values[:2] == ("Köln", "München")
    assert [c.name for c in source.schema.columns] == ["stadt", "x", "x (2)"]


def test_three_thousand_columns(write):
    draw = np.random.default_rng(0)
    names = [f"c{n}" for n in range(3000)]
    rows = [",".join(["ab"[r % 2], *map(str, draw.integers(0, 99, 2999))]) for r in range(40)]
    source = open_source(write(",".join(names) + "\n" + "\n".join(rows)))
    assert source.shape == (3000,)
    assert source.schema.donors.shape == (40, 3000)
    assert "c1, c2, c3, c4, c5 and 2994 more" in source.schema.description


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("sex,age\nm,1\n", "has one row: give at least 2"),
        ("sex,age\n", "has a header, but no rows|has no column"),
        ("sex,age\n" + "m,1,2\n" * 20, "no row can be read .*3 cells, not 2"),
        ("a\nwords here\nother words\n", "no column to cluster by .*it names the rows"),
        ("a,b\nx,1\nx,1\nx,1\n", "no column to cluster by .*a: always 'x', b: always the same"),
        ("s\0x\n1\0\n", "zero bytes"),
    ],
)
def test_tables_that_cannot_be_used(write, text, message):
    with pytest.raises((InputError, SourceError), match=message):
        open_source(write(text), as_="table")


def test_a_column_of_only_numbers_is_a_table_when_asked(write):
    source = open_source(write("a,b\n1,2.5\n3,4\n7,5\n"), as_="table")
    assert [c.role for c in source.schema.columns] == ["number", "number"]


def test_picks_mean_nothing_for_other_sources(tmp_path):
    with pytest.raises(InputError, match="--columns and similar options do not apply to 5 vectors"):
        open_source(np.zeros((5, 3)), columns=["a"])
