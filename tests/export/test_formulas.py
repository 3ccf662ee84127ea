import csv

import pyarrow as pa
import pytest

from shoal.errors import InputError
from shoal.export import write_labels
from shoal.export.formulas import quote_formulas

RUN = [
    "=1+1", "=cmd|'/c calc'!A1.jpg", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "\rx", "\nx",
    "＝1+1", "＋1", "－1+1", "＠x", "-", "--help", "+49 171 5550100", "=", "-1.5.jpg",
]  # fmt: skip
STAY = [
    "cat.jpg", "a=b", "", "-1", "+1", "-1.5", "-1,5", "+.5", "-1e-7", "1-2", " =1+1", "'=1", "é@x",
    None,
]  # fmt: skip


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_texts_that_would_be_run_are_quoted_and_no_others(kind):
    table = pa.table({"row": range(len(RUN + STAY)), "name": pa.array(RUN + STAY, kind)})
    quoted = quote_formulas(table)
    assert quoted["name"].to_pylist() == [f"'{text}" for text in RUN] + STAY
    assert quoted["row"].equals(table["row"])
    assert quoted.schema.types == table.schema.types
    plain = table.slice(len(RUN))
    assert quote_formulas(plain).equals(plain)


def test_names_of_columns_and_dictionaries_are_quoted_in_csv(tmp_path):
    table = pa.table(
        {
            "cluster": pa.array([0, -1], pa.int32()),
            "=HYPERLINK(A1)": pa.array(["@a", "b"]).dictionary_encode(),
            "score": [-1.5, 2.0],
        }
    )
    write_labels([table, table], tmp_path / "plain.csv")
    write_labels([table, table], tmp_path / "quoted.csv", quoted=True)
    with (tmp_path / "quoted.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["cluster", "'=HYPERLINK(A1)", "score"],
            *[["0", "'@a", "-1.5"], ["-1", "b", "2"]] * 2,
        ]
    assert "'" not in (tmp_path / "plain.csv").read_text()


@pytest.mark.parametrize("name", ["x.parquet", "x.npy"])
def test_other_forms_have_no_quotes(tmp_path, name):
    with pytest.raises(InputError, match="--quote-formulas"):
        write_labels(pa.table({"cluster": [1]}), tmp_path / name, quoted=True)
