import numpy as np
import pyarrow as pa

from shoal.export.label_columns import beside
from shoal.rows import open_source

TEXT = "id,plan,pay,cluster,since\n" + "".join(
    f'n{n},{"ab"[n % 2]},"1,{n:03}.50",{n % 3},2024-01-{n % 28 + 1:02}\n' for n in range(40)
)


def labels(start, stop):
    rows = np.arange(start, stop)
    return pa.table({"row": rows, "cluster": rows % 2})


def test_own_columns_come_after_the_labels(tmp_path):
    (tmp_path / "x.csv").write_text(TEXT)
    source = open_source(tmp_path / "x.csv")
    found = list(beside([labels(0, 15), labels(15, 40)], source, typed=False))
    assert found[0].schema == found[1].schema
    whole = pa.concat_tables(found)
    assert whole.column_names == ["row", "cluster", "id", "plan", "pay", "cluster (own)", "since"]
    assert whole["id"].to_pylist() == [f"n{n}" for n in range(40)]
    assert whole["pay"][20].as_py() == "1,020.50"


def test_numbers_in_text_can_become_numbers(tmp_path):
    (tmp_path / "x.csv").write_text(TEXT)
    source = open_source(tmp_path / "x.csv")
    found = pa.concat_tables(beside([labels(0, 40)], source, typed=True))
    assert found["pay"].to_pylist() == [1000.5 + n for n in range(40)]
    assert pa.types.is_string(found.schema.field("since").type)
    assert pa.types.is_string(found.schema.field("plan").type)


def test_stored_types_are_kept_and_lists_left_out():
    rows = {"s": ["x", "y"] * 9, "a": [None, *range(17)], "v": pa.array([[1.0]] * 18)}
    source = open_source(rows)
    found = list(beside([labels(0, 1), labels(1, 18)], source, typed=False))
    assert [str(t) for t in found[0].schema.types[2:]] == ["string", "int64"]
    assert pa.concat_tables(found)["a"].to_pylist() == [None, *range(17)]
