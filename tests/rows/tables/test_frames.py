import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoal.errors import InputError
from shoal.rows import open_source
from shoal.rows.tables.frames import is_frame, to_frame


@pytest.mark.parametrize(
    ("where", "columns"),
    [
        (pa.table({"a": [1, 2], "b": ["x", "y"]}), {"a": [1, 2], "b": ["x", "y"]}),
        (pa.record_batch({"a": [1, 2]}), {"a": [1, 2]}),
        ({"a": 1, "b": "x"}, {"a": [1], "b": ["x"]}),
        ([{"a": 1}, {"b": "x", "a": None}], {"a": [1, None], "b": [None, "x"]}),
        ({"a": [1, 2], "b": np.array([0.5, 1])}, {"a": [1, 2], "b": [0.5, 1]}),
        ([{"a": 1}, {"a": "x"}, {"a": None}], {"a": ["1", "x", None]}),
        (pa.table([[1], [2]], names=["a", "a"]), {"a": [1], "a (2)": [2]}),
        ({"a": pd.Series([1, 2]), "b": pd.Series(["x", "y"])}, {"a": [1, 2], "b": ["x", "y"]}),
    ],
)
def test_tables_in_memory(where, columns):
    assert is_frame(where)
    assert to_frame(where).to_pydict() == columns


@pytest.mark.parametrize("where", [np.zeros((2, 2)), [[1, 2]], [], ["a.png"], pa.array([1]), 5])
def test_what_is_no_table(where):
    assert not is_frame(where)


def test_types_of_other_libraries_become_those_of_parquet():
    class Grid(pa.ExtensionType):
        def __init__(self):
            super().__init__(pa.list_(pa.list_(pa.uint8())), "grid")

        def __arrow_ext_serialize__(self):
            return b""

    words = pa.array(["x", "y"], pa.string_view())
    grids = pa.array([[[1], [2]], [[3], [4]]], Grid().storage_type)
    table = {
        "kind": pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), words)[:2],
        "words": pa.array([["x"], ["y"]], pa.list_(pa.string_view())),
        "grid": pa.ExtensionArray.from_storage(Grid(), grids),
    }
    found = to_frame(pa.table(table))
    assert found.schema.types == [
        pa.dictionary(pa.int64(), pa.large_string()),
        pa.list_(pa.large_string()),
        Grid().storage_type,
    ]
    assert found["words"].to_pylist() == [["x"], ["y"]]


@pytest.mark.parametrize("part", [pd.DataFrame({"a": [1, 2]}), pa.table({"a": [1, 2]})])
def test_several_tables_at_once_are_refused(part):
    with pytest.raises(InputError, match=r"several tables \(train, test\)"):
        to_frame({"train": part, "test": part})


def test_a_data_frame_of_polars_with_texts_and_categories():
    polars = pytest.importorskip("polars")
    found = to_frame(
        polars.DataFrame({"a": ["x", "y"], "b": [1, 2]}).with_columns(
            c=polars.Series(["u", "v"], dtype=polars.Categorical)
        )
    )
    assert found.to_pydict() == {"a": ["x", "y"], "b": [1, 2], "c": ["u", "v"]}
    assert found.schema.field("a").type == pa.large_string()


def test_pandas_with_mixed_values_and_an_index():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "plan": pandas.Categorical(["a", "b", None]),
            "when": pandas.to_datetime(["2024-01-01", None, "2024-01-02"]),
            "odd": [1, "x", None],
            "n": [1.5, np.nan, 2],
            7: [1, 2, 3],
        },
        index=[10, 20, 30],
    )
    table = to_frame(frame)
    assert table.column_names == ["plan", "when", "odd", "n", "7"]
    assert table["odd"].to_pylist() == ["1", "x", None]
    assert table["n"].to_pylist() == [1.5, None, 2]
    assert pa.types.is_dictionary(table["plan"].type)
    assert pa.types.is_timestamp(table["when"].type)


def test_numbers_on_one_scale_are_vectors_without_their_ids():
    table = pa.table({"id": [7, 8, 9], "a": [1.5, 2, 3], "b": [0.5, 1, 0]})
    source = open_source(table)
    assert source.kind == "vectors"
    np.testing.assert_array_equal(source.read(0, 3).data, [[1.5, 0.5], [2, 1], [3, 0]])
    assert open_source(table, columns=["id", "a"]).shape == (2,)
    assert open_source(table, columns=["a"]).shape == (1,)
    named = open_source(table, as_="table")
    assert (named.shape, named.names(0, 3)) == ((2,), ["7", "8", "9"])
    assert open_source(pa.table({"s": ["x", "y"] * 2, "a": [1, 2, 3, 5]}), as_="vectors").shape == (
        1,
    )


def test_facts_follow_the_cells():
    table = pa.table({"s": ["x", "y"] * 50, "a": range(100)})
    facts = [
        open_source(where, as_="table").fingerprint()["content"]
        for where in (table, pa.table(table.to_pydict()), table.set_column(1, "a", [[5] * 100]))
    ]
    assert facts[0] == facts[1] != facts[2]


def test_nothing_in_memory():
    with pytest.raises(InputError, match="table in memory has no rows"):
        open_source(pa.table({"a": pa.array([], pa.int64())}))
    with pytest.raises(InputError, match="--shape 2 has 2 numbers, but rows of table in memory"):
        open_source(pa.table({"a": [1]}), shape=(2,))


def test_a_part_that_vanished_gives_reasons(tmp_path):
    paths = [tmp_path / f"part-{n}.parquet" for n in (0, 1)]
    for n, path in enumerate(paths):
        rows = {"s": ["x", "y"] * 20, "a": np.arange(40) + n, "v": [[1.0]] * 40}
        pq.write_table(pa.table(rows), path)
    source = open_source(tmp_path, as_="table")
    assert source.schema.left_out == (("v", "no plain values"),)
    paths[1].unlink()
    source = pickle.loads(pickle.dumps(source))  # forgets what was read
    batch = source.read(30, 50)
    assert sorted(batch.bad) == list(range(10, 20))
    assert batch.bad[10].startswith("part-1.parquet cannot be read")
    assert np.isfinite(batch.data).all()
