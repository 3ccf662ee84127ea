import numpy as np
import pyarrow as pa
import pytest

from shoal.rows.tables.columns import by_type, describe
from shoal.rows.tables.selection import are_vectors

DRAW = np.random.default_rng(0)
N = 200


def gaps(values, share):
    return np.where(DRAW.random(N) < share, np.nan, values)


def normal(*spreads, middle=0.0, names=None):
    names = names or [f"e{at}" for at in range(len(spreads))]
    return {
        name: DRAW.normal(middle, spread, N) for name, spread in zip(names, spreads, strict=True)
    }


def alike(columns):
    table = pa.table({key: pa.array(value, from_pandas=True) for key, value in columns.items()})
    rows = np.arange(len(table))
    return are_vectors([describe(by_type(f), table[f.name], rows, ".") for f in table.schema])


@pytest.mark.parametrize(
    "columns",
    [
        normal(*[1.0] * 64),
        normal(*(100 / np.arange(1, 51))),  # principal components
        {f"pixel{at}": DRAW.integers(0, 4 + 12 * at, N) for at in range(20)},
        {f"{at} nm": DRAW.random(N) for at in (400, 500, 600)},
        normal(1, 3, names=["x", "y"]),
        normal(0.8, 0.4, 1.8, 0.8, middle=5, names=["a", "b", "c", "d"]),
        {"a": DRAW.random(N) > 0.5, "b": DRAW.random(N) > 0.1},
        {**normal(1, 1), "e2": [None] * 6 + DRAW.normal(size=N - 6).tolist()},  # 3% of the rows
        {chr(97 + at) * 3: DRAW.poisson(0.1 + at / 90, N) for at in range(26)}
        | {chr(65 + at) * 3: DRAW.poisson(0.1, N) for at in range(26)},  # counts of words
        {"age": [20, 30, 80], "pay": [1e4, 2e4, 9e4]},  # too few to tell
        normal(7.0, names=["alone"]),
    ],
)
def test_vectors(columns):
    found, why = alike(columns)
    assert found, why


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        (normal(10, 9e3, middle=5e4, names=["age", "pay"]), "pay spans "),
        (normal(1, 6, names=["age", "pay"]), "pay spans"),
        (normal(1, 900, middle=5e3, names=["x1", "x2"]), "x2 spans"),
        ({"a": DRAW.normal(size=N), "b": gaps(DRAW.normal(size=N), 0.1)}, "cells of b are missing"),
        ({f"s{at}": gaps(DRAW.normal(size=N), 0.01) for at in range(9)}, "cells of s"),
        ({**normal(1, 1, names=["a", "b"]), "member": DRAW.random(N) > 0.5}, "member has two"),
        ({**normal(1, 1), "plan": ["a", "b"] * (N // 2)}, "plan is not a number"),
    ],
)
def test_tables(columns, why):
    found, said = alike(columns)
    assert not found
    assert said.startswith(why)


def test_rows_that_lack_all_cells_make_no_table():
    whole = DRAW.random(N) < 0.1
    columns = {f"e{at}": np.where(whole, np.nan, DRAW.normal(size=N)) for at in range(8)}
    assert alike(columns)[0]
