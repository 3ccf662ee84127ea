import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoal.errors import InputError
from shoal.rows import open_source
from shoal.rows.tables.lists import array_shape, array_type, to_arrays

N = 30
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 6, 5)).astype(np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (N, 6, 5, 3)).astype(np.uint8)


def nested(array, kind=None):
    return pa.array(array.tolist(), kind)


def fixed(array):
    flat = pa.array(array.ravel())
    for side in array.shape[:0:-1]:
        flat = pa.FixedSizeListArray.from_arrays(flat, side)
    return flat


COLUMNS = {
    "lists": nested(IMAGES, pa.list_(pa.list_(pa.uint8()))),
    "long": nested(IMAGES),
    "large": nested(IMAGES, pa.large_list(pa.list_(pa.int16()))),
    "fixed": fixed(IMAGES),
    "half fixed": nested(IMAGES, pa.list_(pa.list_(pa.uint8(), 5))),
    "tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(IMAGES),
}


@pytest.fixture(params=["parquet", "frame"])
def given(request, tmp_path):
    def given(table):
        if request.param == "frame":
            return table
        pq.write_table(table, tmp_path / "x.parquet", row_group_size=7)
        return tmp_path / "x.parquet"

    return given


@pytest.mark.parametrize("kind", COLUMNS)
def test_arrays_of_one_shape_are_pictures(given, kind):
    table = pa.table({"file": [f"{at}.bin" for at in range(N)], "label": ["a", "b"] * (N // 2)})
    source = open_source(given(table.append_column("img", COLUMNS[kind])))
    assert (source.kind, source.shape, source.n_rows) == ("images", (6, 5, 1), N)
    np.testing.assert_array_equal(source.read(5, 20).data[..., 0], IMAGES[5:20])
    assert source.labels() == ["a", "b"] * (N // 2)
    vectors = open_source(given(table.append_column("img", COLUMNS[kind])), as_="vectors")
    np.testing.assert_array_equal(vectors.read(0, 3).data, IMAGES[:3].reshape(3, -1))


@pytest.mark.parametrize("order", ["last", "first"])
def test_colours_in_either_order_of_axes(given, order):
    array = COLOURS if order == "last" else COLOURS.transpose(0, 3, 1, 2)
    source = open_source(given(pa.table({"img": nested(array)})))
    assert source.shape == (6, 5, 3)
    np.testing.assert_array_equal(source.read(0, N).data, COLOURS)


def test_rows_of_another_shape_have_a_reason(given):
    cells = IMAGES.tolist()
    cells[3], cells[4], cells[5] = cells[3][:5], None, []
    cells[6], cells[7] = [*cells[6][:5], [1, 2]], [*cells[7][:5], [1, 2, 3, 4, None]]
    cells[8] = [*cells[8][:5], None]
    batch = open_source(given(pa.table({"img": pa.array(cells)}))).read(2, 12)
    assert sorted(batch.bad) == [1, 2, 3, 4, 5, 6]
    assert set(batch.bad.values()) == {"the cell does not have 6×5 numbers"}
    np.testing.assert_array_equal(batch.data[[0, 7], :, :, 0], IMAGES[[2, 9]])
    assert not batch.data[1:7].any()


def test_lists_in_memory_are_vectors():
    table = pa.table({"e": nested(IMAGES[:, 0]), "name": list("ab") * (N // 2)})
    source = open_source(table)
    assert (source.kind, source.shape) == ("vectors", (5,))
    np.testing.assert_array_equal(source.read(0, N).data, IMAGES[:, 0])
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"img": list(IMAGES.astype(float))})
    assert open_source(frame).shape == (6, 5, 1)


def test_boxes_and_uneven_arrays_are_no_pictures_unless_asked_for(tmp_path):
    columns = {"age": np.arange(N) % 9, "pay": np.arange(N) % 7 * 900.0}
    columns["box"] = nested(IMAGES[:, :2, :2])
    columns["shape"] = pa.array([cell[: 1 + at % 4] for at, cell in enumerate(IMAGES.tolist())])
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), path)
    source = open_source(path)
    assert source.kind == "table"
    assert {"box", "shape"} <= dict(source.schema.left_out).keys()
    assert open_source(path, key="box", as_="vectors").shape == (4,)
    with pytest.raises(InputError, match="arrays of column shape differ in shape"):
        open_source(path, key="shape")


def test_columns_beside_an_array_can_be_picked(given):
    columns = {"age": np.arange(N) % 9, "pay": np.arange(N) % 7 * 900.0, "img": COLUMNS["lists"]}
    for options in ({"columns": ["age", "pay"]}, {"leave_out": ["img"]}, {"as_": "table"}):
        source = open_source(given(pa.table(columns)), **options)
        assert (source.kind, source.shape) == ("table", (2,))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([["a", "b"]] * N),
        pa.array([[("a", 1)]] * N, pa.map_(pa.string(), pa.int32())),
        pa.array([{"v": [1.0, 2.0]}] * N),
        pa.array([[{"x": 1}]] * N),
        pa.array([b"0123456789abcdef"] * N, pa.binary(16)),
        pa.array([b"ab"] * N, pa.large_binary()),
        pa.array([{}] * N, pa.struct([("a", pa.int8())])),
    ],
)
def test_what_holds_no_numbers_is_refused_by_name(given, column):
    with pytest.raises(InputError, match="odd"):
        open_source(given(pa.table({"odd": column})))
    beside = {"age": np.arange(N) % 9, "pay": np.arange(N) % 7 * 900.0, "odd": column}
    source = open_source(given(pa.table(beside)))
    assert source.shape == (2,)
    assert dict(source.schema.left_out)["odd"] == "no plain values"
    assert source.original(0, 3).column_names == ["age", "pay"]


def test_types_and_shapes_of_columns():
    assert array_type(pa.list_(pa.list_(pa.uint8()))) == (2, pa.uint8())
    assert array_type(pa.string()) == (0, pa.string())
    assert array_shape(pa.chunked_array([[[[1, 2], [3, 4]], None]])) == (2, 2)
    assert array_shape(pa.chunked_array([[[[1], [3, 4]], [[1, 2], [3, 4]]]])) is None
    assert array_shape(pa.chunked_array([[None, []]], pa.list_(pa.int8()))) is None
    found, bad = to_arrays(pa.array([[True, False], [True]]), (2,))
    assert found.tolist() == [[True, False], [False, False]]
    assert list(bad) == [1]
