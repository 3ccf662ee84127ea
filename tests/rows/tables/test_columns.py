import numpy as np
import pyarrow as pa
import pytest

from shoal.errors import SourceError
from shoal.rows.in_memory import FrameCells
from shoal.rows.tables.columns import Column, describe, describe_columns, names_rows
from shoal.rows.tables.table import sample_cells

DRAW = np.random.default_rng(0)


def test_a_column_of_numbers():
    cells = pa.array([1.0, 2, 2, None, 9, float("inf")])
    found = describe(Column("a", True, False), cells, np.arange(6), ".")
    assert (found.whole, found.distinct, found.known, found.values) == (True, False, 4, 3)
    assert (found.missing, found.common) == (1 / 6, 0.5)
    assert (found.ends[0], found.ends[2], found.ends[4]) == (1, 2, 9)
    assert describe(Column("a", True, False), pa.nulls(3), np.arange(3), ".").missing == 1


def test_a_column_of_words():
    found = describe(Column("a", False, False), pa.array(["x", "y", " x", "NA"]), np.arange(4), ".")
    assert (found.distinct, found.known, found.values, found.missing) == (False, 3, 2, 0.25)
    assert found.common == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        (np.arange(7, 107), "it counts the rows"),
        (DRAW.permutation(100), "it numbers the rows"),
        (np.sort(DRAW.choice(200, 100, replace=False)), "it numbers the rows"),
        (DRAW.choice(10**9, 100, replace=False), ""),
        (np.arange(5), ""),
    ],
)
def test_numbers_that_name_rows(numbers, why):
    assert names_rows(numbers.astype(float), np.arange(len(numbers))) == why


def test_rows_are_looked_at_from_all_over():
    table = FrameCells(pa.table({"a": np.arange(100_000), "kind": np.arange(100_000) // 10_000}))
    columns = [Column("a", True, False), Column("kind", True, False)]
    a, kind = describe_columns(table, columns, "here")
    assert a.identity == "it counts the rows"
    assert kind.values == 8
    _, rows = sample_cells(table, ["a"], "here", 800, 8)
    assert (len(rows), rows[0], rows[-1]) == (800, 0, 99_999)


def test_only_what_may_be_codes_is_looked_at_again_after_the_first_rows():
    seen = []

    class Counting(FrameCells):
        def cells(self, start, stop, columns):
            seen.append(tuple(columns))
            return super().cells(start, stop, columns)

    table = pa.table({"e": DRAW.normal(size=50), "kind": [0] * 20 + [1] * 30})
    kinds = [Column("e", True, False), Column("kind", True, False)]
    found = describe_columns(Counting(table), kinds, "here", table.slice(0, 20))
    assert seen == [("kind",)]
    assert [column.known for column in found] == [20, 50]


def test_no_row_can_be_read():
    class Broken(FrameCells):
        def cells(self, start, stop, columns):
            return super().cells(start, stop, columns)[0], dict.fromkeys(range(stop - start), "no")

    with pytest.raises(SourceError, match=r"here: no row can be read \(no\)"):
        sample_cells(Broken(pa.table({"a": [1, 2]})), ["a"], "here", 10, 1)
