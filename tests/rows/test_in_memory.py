"""What Python programs hold, each read as the same images in a folder are."""

import io
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import shoal
from shoal.errors import InputError
from shoal.rows import open_source
from shoal.rows.in_memory import is_frame, to_frame

DRAW = np.random.default_rng(0)
MIXED = [DRAW.integers(0, 255, (20 + 3 * at, 30 + at, 3), dtype=np.uint8) for at in range(12)]
EQUAL = DRAW.integers(0, 255, (12, 16, 16, 3), dtype=np.uint8)
VECTORS = DRAW.normal(size=(12, 5)).astype(np.float32)


class Tensor:
    """As torch's: it must leave its device and its gradient before it is an array."""

    def __init__(self, array, here=False):
        self.array, self.here, self.shape = array, here, array.shape

    def __array__(self, dtype=None, copy=None):
        if not self.here:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return np.asarray(self.array, dtype)

    def __len__(self):
        return len(self.array)

    def detach(self):
        return Tensor(self.array, True)

    def cpu(self):
        return self


class Items:
    """As torch's and Hugging Face's data sets: a length, and items."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, at):
        return self.items[at]


class Arrow(Items):
    """As `datasets.Dataset`, which gives its rows as an Arrow table."""

    features = ()

    def with_format(self, name):
        assert name == "arrow"
        return Items(self.items)


class Lazy:
    """As `polars.LazyFrame`."""

    def __init__(self, table):
        self.collect = lambda: table


class Stream:
    """As `datasets.IterableDataset`, which has columns by name, and no items by number."""

    __getitem__ = None

    features = ()

    def __init__(self, items):
        self.items = items

    def with_format(self, name):
        return self

    def __iter__(self):
        return iter(self.items)


def png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


PIL = [Image.fromarray(array) for array in MIXED]
TEXTS, BYTES = pa.string_view(), pa.binary_view()
HF = [{"bytes": png(array), "path": None} for array in MIXED]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures")
    for at, picture in enumerate(PIL):
        picture.save(path / f"{at:02}.png")
    return path


def same(source, other):
    assert source.kind == other.kind
    assert source.n_rows == other.n_rows
    assert np.array_equal(source.read(0, source.n_rows).data, other.read(0, other.n_rows).data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: PIL,
        lambda: tuple(PIL),
        lambda: [(picture, 3) for picture in PIL],
        lambda: MIXED,
        lambda: [np.float32(array) / 255 for array in MIXED],
        lambda: [Tensor(array.transpose(2, 0, 1)) for array in MIXED],
        lambda: [png(array) for array in MIXED],
        lambda: Items(PIL),
        lambda: Items([(picture, 1) for picture in PIL]),
        lambda: Items([{"image": picture, "label": 1} for picture in PIL]),
        lambda: iter(PIL),
        lambda: map(np.asarray, PIL),
        lambda: pd.DataFrame({"image": PIL, "age": range(12)}),
        lambda: [{"image": picture, "label": 1} for picture in PIL],
        lambda: pa.table({"image": HF}),
        lambda: pd.DataFrame({"image": HF, "age": range(12), "city": list("abc") * 4}),
        lambda: Stream([{"image": picture, "label": 1} for picture in PIL]),
        lambda: Arrow(pa.table({"image": HF, "label": [1] * 12})),
        lambda: pd.Series(PIL),
        # As polars holds texts and bytes.
        lambda: Lazy(pa.table({"image": pa.array([cell["bytes"] for cell in HF], BYTES)})),
        lambda: pa.table({"image": pa.array(HF, pa.struct({"bytes": BYTES, "path": TEXTS}))}),
    ],
)
def test_pictures_of_several_sizes(make, folder):
    same(open_source(make()), open_source(folder))


@pytest.mark.parametrize(
    "of",
    [
        lambda paths: iter(paths),
        lambda paths: np.array([str(path) for path in paths]),
        lambda paths: pd.Series(paths),
        lambda paths: pa.array([str(path) for path in paths]),
        lambda paths: pa.table({"path": [str(path) for path in paths]}),
        lambda paths: pd.DataFrame({"path": paths, "label": list("abc") * 4}),
        lambda paths: pa.table({"path": pa.array(list(map(str, paths)), TEXTS)}),
    ],
)
def test_paths(of, folder):
    same(open_source(of(sorted(folder.iterdir()))), open_source(folder))


@pytest.mark.parametrize(
    ("make", "array"),
    [
        (lambda: (array for array in EQUAL), EQUAL),
        (lambda: Items([(Tensor(array), 1) for array in EQUAL]), EQUAL),
        (lambda: Tensor(EQUAL), EQUAL),
        (lambda: [Tensor(array) for array in EQUAL], EQUAL),
        (lambda: iter(VECTORS), VECTORS),
        (lambda: pd.Series(list(VECTORS)), VECTORS),
        (lambda: (list(map(float, row)) for row in VECTORS), VECTORS.astype(float)),
        (lambda: ([list(map(float, row))] * 2 for row in VECTORS), np.stack([VECTORS] * 2, 1)),
    ],
)
def test_equal_arrays(make, array):
    same(open_source(make(), as_="vectors"), open_source(array, as_="vectors"))


def test_an_iterator_is_spooled_to_a_file():
    source = open_source(array for array in EQUAL)
    base = source.store.array
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    same(pickle.loads(pickle.dumps(source)), source)


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (iter([]), "no items"),
        ((object() for _ in range(3)), "is not a row"),
        (iter([np.zeros(3), np.zeros(4)]), "item 1 has 4 numbers, and those before it 3"),
        ([np.zeros((3, 4)) - 5, np.zeros((4, 4))], "item 0 is float64 of 3×4"),
    ],
)
def test_what_cannot_be_taken_is_said(items, words):
    with pytest.raises(InputError, match=words):
        open_source(items)


def test_a_table_is_read_as_what_is_asked_for():
    frame = pd.DataFrame({"image": HF, "age": range(12), "city": list("abc") * 4})
    assert open_source(frame).kind == "images"
    assert open_source(frame, as_="table").kind == "table"
    assert open_source(frame, columns=["age", "city"]).kind == "table"
    both = pa.table({"image": HF, "embedding": VECTORS.tolist()})
    assert open_source(both).kind == "vectors"
    assert open_source(both, as_="images").kind == "images"


def test_pictures_are_fitted_and_predicted():
    tiles = [DRAW.integers(0, 60, (20 + at % 5, 24, 3), dtype=np.uint8) for at in range(40)]
    tiles += [255 - tile for tile in tiles]
    run = shoal.fit([Image.fromarray(tile) for tile in tiles], workers=1, features="colours", k=2)
    assert sorted(np.bincount(run.labels())) == [40, 40]
    assert run.predict(Image.fromarray(tiles[0])).cluster.tolist() == [run.labels()[0]]
    assert run.show(0, 3)._repr_html_().count("<img") == 1


def test_a_loader_of_batches_gives_the_items_of_its_data_set():
    class Loader:
        dataset, batch_size = [(Tensor(image), 1) for image in EQUAL], 4

        def __iter__(self):
            return iter([Tensor(EQUAL[:4])])

    assert np.array_equal(open_source(Loader()).read(0, 12).data, EQUAL)


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
