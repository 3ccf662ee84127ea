"""Pictures in the columns of a table, one pixel a column."""

import numpy as np
import pandas as pd
import pytest
from tests.rows.tables.test_number_text import save

from shoal.cli.truth import read_truth
from shoal.errors import InputError
from shoal.rows import draw_sample, open_source

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
