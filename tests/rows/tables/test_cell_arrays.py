import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoal.cli.truth import read_truth
from shoal.errors import InputError
from shoal.rows import open_source
from shoal.rows.tables.cell_arrays import array_shape, array_type, parse, to_arrays

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


COUNT = 60
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, 6, 6), np.uint8)
EMOTIONS = np.arange(COUNT) % 7


def written(rows, form):
    ways = {
        "spaces": lambda row: " ".join(map(str, row.ravel())),
        "commas": lambda row: ",".join(map(str, row.ravel())),
        "semicolons": lambda row: "; ".join(map(str, row.ravel())),
        "lists": lambda row: str(row.tolist()),
        "numpy": lambda row: np.array2string(row, threshold=10**6),
    }
    return [ways[form](row) for row in rows]


def fer(form="spaces", rows=PIXELS):
    usage = ["Training"] * 50 + ["PublicTest"] * (COUNT - 50)
    return pd.DataFrame({"emotion": EMOTIONS, "pixels": written(rows, form), "Usage": usage})


def save(frame, path, way):
    if way == "frame":
        return frame
    if way == "csv":
        frame.to_csv(path / "x.csv", index=False)
    else:
        frame.to_parquet(path / "x.parquet")
    return path / f"x.{way}"


@pytest.mark.parametrize("way", ["csv", "parquet", "frame"])
@pytest.mark.parametrize("form", ["spaces", "commas", "semicolons", "lists", "numpy"])
def test_pixels_in_a_cell_however_they_are_written(tmp_path, way, form):
    source = open_source(save(fer(form), tmp_path, way))
    assert (source.kind, source.shape) == ("images", (6, 6, 1))
    assert np.array_equal(source.read(0, COUNT).data[..., 0], PIXELS)
    assert np.array_equal(source.read(58, 60).data[..., 0], PIXELS[58:])
    truth = read_truth("labels", source)
    assert truth.classes.tolist() == read_truth("emotion", source).classes.tolist()
    assert truth.classes.tolist() == EMOTIONS.tolist()
    assert read_truth("Usage", source).names == ("PublicTest", "Training")
    again = pickle.loads(pickle.dumps(source))
    assert np.array_equal(again.read(0, COUNT).data, source.read(0, COUNT).data)


def test_any_name_a_name_column_and_three_channels(tmp_path):
    rows = np.random.default_rng(1).integers(0, 256, (COUNT, 4, 4, 3), np.uint8)
    frame = pd.DataFrame({"who": [f"p{at}" for at in range(COUNT)], "v": written(rows, "spaces")})
    frame.to_csv(tmp_path / "x.csv", index=False)
    source = open_source(tmp_path / "x.csv")
    assert np.array_equal(source.read(0, COUNT).data, rows)
    assert source.names(0, 2) == ["p0", "p1"]


def test_a_column_alone_with_its_title(tmp_path):
    fer()[["pixels"]].to_csv(tmp_path / "x.csv", index=False)
    source = open_source(tmp_path / "x.csv")
    assert np.array_equal(source.read(0, COUNT).data[..., 0], PIXELS)


def test_fractions_are_vectors_unless_a_shape_is_given(tmp_path):
    rows = np.random.default_rng(2).normal(size=(COUNT, 36))
    frame = pd.DataFrame({"embedding": written(rows, "lists"), "label": EMOTIONS})
    where = save(frame, tmp_path, "csv")
    source = open_source(where)
    assert source.kind == "vectors"
    assert source.read(0, COUNT).data == pytest.approx(rows.astype(np.float32))
    assert read_truth("labels", source).classes.tolist() == EMOTIONS.tolist()
    assert open_source(where, shape=(6, 6)).kind == "images"
    assert open_source(where, fitted=()).kind == "vectors"
    share = fer(rows=PIXELS / 255.0)
    assert open_source(share).kind == "images"  # by the column's name


def test_what_is_asked_for_goes_before(tmp_path):
    path = save(fer(), tmp_path, "csv")
    assert open_source(path, shape=(4, 9)).shape == (4, 9, 1)
    assert open_source(path, key="pixels").kind == "images"
    assert open_source(path, as_="vectors").shape == (36,)
    assert open_source(path, as_="table").kind == "table"
    assert open_source(path, columns=["emotion", "Usage"]).kind == "table"
    with pytest.raises(InputError, match="no column of numbers in text called emotion"):
        open_source(path, key="emotion")
    with pytest.raises(InputError, match=r"--shape 5,5 has 25 numbers, but rows .* are 36"):
        open_source(path, shape=(5, 5))


def test_numbers_that_make_no_square_and_two_such_columns(tmp_path):
    odd = fer(rows=PIXELS.reshape(COUNT, 36)[:, :35])
    with pytest.raises(InputError, match=r"column pixels of .* has 35 numbers .*--shape 28,28"):
        open_source(odd)
    assert open_source(odd, shape=(5, 7)).shape == (5, 7, 1)
    two = fer().assign(mask=written(255 - PIXELS, "spaces"))
    with pytest.raises(InputError, match="2 columns of numbers in text: give --key pixels"):
        open_source(two)
    assert np.array_equal(open_source(two, key="mask").read(0, 3).data[..., 0], 255 - PIXELS[:3])


def test_texts_and_dates_are_no_numbers(tmp_path):
    words = pd.DataFrame({"text": ["a b c " * 20] * 30, "size": np.arange(30) % 7})
    days = pd.DataFrame({"day": ["2026-01-02 03:04:05"] * 30, "size": np.arange(30) % 7})
    few = pd.DataFrame({"box": ["10 20 30 40", "11 21 30 40"] * 15, "size": np.arange(30) % 7})
    for frame in (words, days, few):
        assert open_source(frame).kind == "table"


def test_bad_cells_are_rows_with_a_reason(tmp_path):
    frame = fer()
    frame.loc[0, "pixels"] = "1 2 3"
    frame.loc[2, "pixels"] = frame.loc[2, "pixels"].replace(" ", " x", 1)
    frame.loc[4, "pixels"] = None
    for way in ("csv", "parquet"):
        batch = open_source(save(frame, tmp_path, way)).read(0, COUNT)
        assert set(batch.bad) == {0, 2, 4}
        assert batch.bad[0] == "the cell has 3 numbers, not 36"
        assert "not a number" in batch.bad[2]
        assert np.array_equal(batch.data[5:, ..., 0], PIXELS[5:])
        assert not batch.data[[0, 2, 4]].any()


@pytest.mark.parametrize(
    ("texts", "rows", "bad"),
    [
        (["1 2", "3,4", "[5; 6]"], [[1, 2], [3, 4], [5, 6]], set()),
        (["1\t2", " 3\n 4 ", "(-5e1|.5)"], [[1, 2], [3, 4], [-50, 0.5]], set()),
        (["", None, "1 2 3", "1 2"], [[0, 0], [0, 0], [0, 0], [1, 2]], {0, 1, 2}),
        (["1 \x1e2", "a b"], [[1, 2], [0, 0]], {1}),
        ([], np.zeros((0, 2)), set()),
    ],
)
def test_parsing(texts, rows, bad):
    found, reasons = parse(pa.array(texts, pa.string()), 2)
    assert found.tolist() == np.array(rows, np.float32).tolist()
    assert set(reasons) == bad


def test_cells_larger_than_a_csv_reader_takes_by_itself(tmp_path):
    rows = np.random.default_rng(3).integers(100, 256, (3, 120, 120, 3), np.uint8)
    pd.DataFrame({"pixels": written(rows, "spaces")}).to_csv(tmp_path / "x.csv", index=False)
    source = open_source(tmp_path / "x.csv")
    assert source.typical_size == (120, 120)
    assert np.array_equal(source.read_original(2), rows[2])


@pytest.mark.parametrize("form", ["{}", "[{}]"])
@pytest.mark.parametrize(
    ("comma", "apart"), [(True, " "), (True, ", "), (True, "|"), (False, ","), (False, " ")]
)
def test_commas_are_decimal_signs_where_the_file_has_such_and_they_can_be(
    tmp_path, form, comma, apart
):
    rows = np.arange(640).reshape(40, 16) / (8 if comma else 1)
    digits = ".3f" if comma else ".0f"
    texts = [apart.join(f"{x:{digits}}".replace(".", ",") for x in row) for row in rows]
    lines = [f"{at / 2:.1f}".replace(".", ",") + f";{form.format(t)}" for at, t in enumerate(texts)]
    (tmp_path / "x.csv").write_text("price;embedding\n" + "\n".join(lines) + "\n")
    source = open_source(tmp_path / "x.csv", as_="vectors", key="embedding")
    assert np.array_equal(source.read(0, 40).data, rows.astype(np.float32))
