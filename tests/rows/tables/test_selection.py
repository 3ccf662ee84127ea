import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from tests.rows.tables.test_cell_arrays import save

from shoal.cli.truth import read_truth
from shoal.errors import InputError
from shoal.rows import draw_sample, open_source, remarks_of
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


COUNT = 40
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8), np.uint8)
LABELS = np.arange(COUNT) % 10
FLAT = IMAGES.reshape(COUNT, 64)
PIXELS = [f"pixel{at}" for at in range(64)]


def classes(source, where="labels"):
    truth = read_truth(where, source)
    return [int(truth.names[c]) for c in truth.classes]


@pytest.mark.parametrize("way", ["csv", "parquet", "frame"])
def test_pixels_by_their_names_and_the_label_beside_them(tmp_path, way):
    frame = pd.DataFrame(FLAT, columns=PIXELS)
    frame.insert(0, "label", LABELS)
    source = open_source(save(frame, tmp_path, way))
    assert (source.kind, source.shape) == ("images", (8, 8, 1))
    assert np.array_equal(source.read(0, COUNT).data[..., 0], IMAGES)
    assert np.array_equal(source.read_original(7)[..., 0], IMAGES[7])
    assert source.label_origin == "column label"
    assert classes(source) == classes(source, "label") == LABELS.tolist()
    assert "left out label" in source.description
    sample = draw_sample(source, 9, 0)
    rows = [int(name) for name in sample.names(0, 9)]
    assert np.array_equal(sample.read(0, 9).data[..., 0], IMAGES[rows])
    assert classes(sample) == LABELS[rows].tolist()


@pytest.mark.parametrize(
    ("names", "images"),
    [
        ([f"{a}x{b}" for a in range(1, 9) for b in range(1, 9)], IMAGES),
        ([f"px_{a}_{b}" for a in range(8) for b in range(8)], IMAGES),
        ([f"Pixel {at:03d}" for at in range(64)], IMAGES),
        ([f"pixel{at:04d}" for at in range(48)], IMAGES[:, :, :6].reshape(COUNT, 4, 4, 3)),
        (
            [f"pixel_{a}_{b}_{c}" for a in range(3) for b in range(5) for c in range(3)],
            FLAT[:, :45].reshape(COUNT, 3, 5, 3),
        ),
    ],
)
def test_ways_to_name_pixels(names, images):
    flat = images.reshape(COUNT, -1)
    frame = pd.DataFrame(flat, columns=names).assign(target=LABELS)
    source = open_source(frame)
    assert source.shape == (*images.shape[1:3], 3 if images.ndim == 4 else 1)
    assert np.array_equal(source.read(0, COUNT).data.reshape(COUNT, -1), flat)
    # sorted by name, as some tools leave them, pixel10 comes before pixel2
    shuffled = open_source(frame[sorted(frame.columns, key=lambda name: name[::-1])])
    assert np.array_equal(shuffled.read(0, COUNT).data, source.read(0, COUNT).data)


@pytest.mark.parametrize("last", [False, True])
def test_a_file_of_bytes_without_header_beside_a_class(tmp_path, last):
    table = np.insert(FLAT.astype(int), 64 if last else 0, LABELS, 1)
    np.savetxt(tmp_path / "mnist_train.csv", table, "%d", ",")
    source = open_source(tmp_path / "mnist_train.csv")
    assert np.array_equal(source.read(0, COUNT).data[..., 0], IMAGES)
    assert classes(source) == LABELS.tolist()
    np.savetxt(tmp_path / "other.csv", table + 0.5, "%.1f", ",")
    assert open_source(tmp_path / "other.csv").kind != "images"


@pytest.mark.parametrize("levels", [16, 255])
def test_a_class_is_told_from_the_pixel_in_the_other_corner(tmp_path, levels):
    images = np.minimum(IMAGES, levels).astype(int)
    images[:, -1, -1] = np.where(np.arange(COUNT) < 35, 0, np.arange(COUNT) % 5)
    table = np.insert(images.reshape(COUNT, 64), 0, LABELS, 1)
    np.savetxt(tmp_path / "x.csv", table, "%d", ",")
    assert classes(open_source(tmp_path / "x.csv")) == LABELS.tolist()
    names = pd.DataFrame(table).rename(columns=lambda at: f"e{at}")
    assert classes(open_source(names, shape=(8, 8))) == LABELS.tolist()


def test_numbered_bytes_beside_a_named_class():
    frame = pd.DataFrame(FLAT)
    assert open_source(frame.assign(kind=[f"k{at}" for at in LABELS])).kind == "images"
    source = open_source(frame.assign(label=LABELS))
    assert np.array_equal(source.read(0, COUNT).data[..., 0], IMAGES)
    assert classes(source) == LABELS.tolist()
    assert open_source(frame).kind == "vectors"
    assert open_source((frame / 255).assign(label=LABELS)).kind == "vectors"


@pytest.mark.parametrize("way", ["csv", "parquet", "frame"])
def test_a_shape_makes_pictures_of_any_columns(tmp_path, way):
    frame = pd.DataFrame(FLAT, columns=[f"e{at}" for at in range(64)])
    where = save(frame.assign(label=LABELS), tmp_path, way)
    assert open_source(where).kind == "vectors"
    source = open_source(where, shape=(8, 8))
    assert np.array_equal(source.read(0, COUNT).data[..., 0], IMAGES)
    assert classes(source) == LABELS.tolist()
    wide = open_source(where, shape=(4, 16), leave_out=["label"])
    assert wide.shape == (4, 16, 1)
    assert open_source(where, shape=(64,)).kind == "vectors"
    with pytest.raises(InputError, match=r"--shape 7,7 has 49 numbers, but rows of .* have 64"):
        open_source(where, shape=(7, 7))


def test_a_shape_makes_pictures_of_a_column_of_lists(tmp_path):
    path = tmp_path / "x.parquet"
    pd.DataFrame({"v": list(FLAT.astype("f4")), "label": LABELS}).to_parquet(path)
    assert open_source(path).kind == "vectors"
    source = open_source(path, shape=(8, 8))
    assert np.array_equal(source.read(0, COUNT).data[..., 0], IMAGES)
    assert classes(source) == LABELS.tolist()
    with pytest.raises(InputError, match="as in --shape 28,28"):
        open_source(path, as_="images")


def test_what_is_asked_for_goes_before_the_names():
    frame = pd.DataFrame(FLAT, columns=PIXELS).assign(label=LABELS)
    assert open_source(frame, as_="vectors").shape == (64,)
    assert open_source(frame, as_="table").kind == "table"
    assert open_source(frame, columns=PIXELS[:20]).shape == (20,)
    assert open_source(frame, leave_out=["pixel63"]).kind == "vectors"
    assert open_source(frame, leave_out=["label"]).shape == (8, 8, 1)
    with pytest.raises(InputError, match="without their shape, as in --shape 28,28"):
        open_source(pd.DataFrame({"age": range(30), "income": range(30)}), as_="images")


def test_other_tables_are_no_pictures():
    counts = np.random.default_rng(1).integers(0, 256, (COUNT, 66))
    for names in ([f"v{at}" for at in range(66)], [f"x_{at}" for at in range(66)]):
        assert open_source(pd.DataFrame(counts, columns=names)).kind != "images"
    few = pd.DataFrame({"pixel1": range(30), "pixel2": range(30), "size": np.arange(30.0) / 7})
    assert open_source(few).kind != "images"


def test_a_bad_cell_is_a_row_with_a_reason(tmp_path):
    frame = pd.DataFrame(FLAT.astype(object), columns=PIXELS)
    frame.loc[0, "pixel5"] = "??"
    frame.loc[3, "pixel9"] = None
    frame.to_csv(tmp_path / "x.csv", index=False)
    batch = open_source(tmp_path / "x.csv").read(0, COUNT)
    assert set(batch.bad) == {0, 3}
    assert np.array_equal(batch.data[4:, ..., 0], IMAGES[4:])
